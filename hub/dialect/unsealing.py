"""A request that is passed through, but carries blocks that were sealed for another vendor's model before.

A conversation may have begun at one vendor and go on at another. What was sealed for the caller is no block of the
vendor it goes to now: the vendor's own is restored, a foreign one is left out and named.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from hub.core.calls import Dialect
from hub.core.values import a_dict, a_list, a_text
from hub.dialect.given import Notes, parse
from hub.dialect.neutral import Thinking
from hub.dialect.sealed import unseal

Restore = Callable[[dict[str, Any], Thinking], dict[str, Any] | None]


def unsealed(dialect: Dialect, body: bytes, notes: Notes) -> bytes:
    """The body without what was sealed. It is written anew, and always the same way."""
    given = parse(body)
    change = _CHANGES.get(dialect)
    if change is None or not change(given):
        return body
    notes.drop("thinking of another vendor")
    return msgspec.json.encode(given)


def _filtered(items: Any, field: str, restore: Restore) -> tuple[list[Any], bool]:
    """The items with those restored or left out whose `field` is sealed; whether anything was left out."""
    kept: list[Any] = []
    changed = False
    for item in a_list(items):
        opened = unseal(a_text(a_dict(item).get(field)))
        restored = item if opened is None else restore(item, opened)
        changed |= opened is not None
        if restored is not None:
            kept.append(restored)
    return kept, changed


def _within(given: dict[str, Any], turns: str, blocks: str, field: str, restore: Restore) -> bool:
    changed = False
    for turn in a_list(given.get(turns)):
        holder = a_dict(turn)
        if isinstance(holder.get(blocks), list):
            kept, here = _filtered(holder[blocks], field, restore)
            if here:
                holder[blocks] = kept
                changed = True
    if changed:
        given[turns] = [
            turn for turn in given[turns] if blocks == "reasoning_details" or a_dict(turn).get(blocks) != []
        ]
    return changed


def _as_anthropic(item: dict[str, Any], opened: Thinking) -> dict[str, Any] | None:
    if opened.origin != "anthropic":
        return None
    if opened.redacted:
        return {"type": "redacted_thinking", "data": opened.signature}
    return {"type": "thinking", "thinking": opened.text, "signature": opened.signature}


def _as_gemini(item: dict[str, Any], opened: Thinking) -> dict[str, Any] | None:
    if opened.origin == "gemini" and opened.signature:
        return {**item, "thoughtSignature": opened.signature}
    rest = {name: value for name, value in item.items() if name != "thoughtSignature"}
    return None if item.get("thought") is True else rest


def _as_openai(item: dict[str, Any], opened: Thinking) -> dict[str, Any] | None:
    return {**item, "encrypted_content": opened.signature} if opened.origin == "openai" else None


def _bedrock(given: dict[str, Any]) -> bool:
    changed = False
    for turn in map(a_dict, a_list(given.get("messages"))):
        content = a_list(turn.get("content"))
        kept = [one for one in map(_opened_bedrock, content) if one is not None]
        if kept != content:
            turn["content"] = kept
            changed = True
    if changed:
        given["messages"] = [turn for turn in given["messages"] if a_dict(turn).get("content") != []]
    return changed


def _opened_bedrock(block: Any) -> Any:
    """A block of Converse as it was, restored, or None for a foreign one."""
    told = a_dict(a_dict(a_dict(block).get("reasoningContent")).get("reasoningText"))
    opened = unseal(a_text(told.get("signature")))
    if opened is None:
        return block
    if opened.origin != "anthropic":
        return None
    if opened.redacted:
        return {"reasoningContent": {"redactedContent": opened.signature}}
    return {"reasoningContent": {"reasoningText": {"text": opened.text, "signature": opened.signature}}}


def _responses(given: dict[str, Any]) -> bool:
    kept, changed = _filtered(given.get("input"), "encrypted_content", _as_openai)
    if changed:
        given["input"] = kept
    return changed


_CHANGES: Mapping[Dialect, Callable[[dict[str, Any]], bool]] = {
    Dialect.ANTHROPIC_MESSAGES: lambda given: _within(given, "messages", "content", "signature", _as_anthropic),
    Dialect.ANTHROPIC_COUNT: lambda given: _within(given, "messages", "content", "signature", _as_anthropic),
    Dialect.GEMINI: lambda given: _within(given, "contents", "parts", "thoughtSignature", _as_gemini),
    Dialect.OPENAI_CHAT: lambda given: _within(given, "messages", "reasoning_details", "data", lambda *_: None),
    Dialect.OPENAI_RESPONSES: _responses,
    Dialect.BEDROCK: _bedrock,
}
