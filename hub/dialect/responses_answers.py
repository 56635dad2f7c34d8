"""A reply in OpenAI's Responses: read, and written."""

from collections.abc import Iterator
from typing import Any

import msgspec

from hub.core.usage import Usage
from hub.core.values import a_dict, a_list, a_number, a_text
from hub.dialect.ask import Ask
from hub.dialect.chat_answers import citation_of
from hub.dialect.media import format_of, of_format
from hub.dialect.neutral import OPEN, Answer, Block, Citation, Media, Refused, Text, Thinking, ToolUse
from hub.dialect.openai_responses import buckets_of
from hub.dialect.replies import reported
from hub.dialect.responses_to_neutral import VENDOR
from hub.dialect.sealed import seal, unseal
from hub.dialect.tiers import response_tier

_CUT = {
    "length": "max_output_tokens",
    "context": "max_output_tokens",
    "filter": "content_filter",
    "refusal": "content_filter",
}
# Fields of the call that a response repeats.
_REPEATED = (
    "instructions", "metadata", "max_output_tokens", "max_tool_calls", "parallel_tool_calls", "previous_response_id",
    "prompt_cache_key", "reasoning", "safety_identifier", "temperature", "text", "tool_choice", "tools", "top_logprobs",
    "top_p", "truncation", "user",
)  # fmt: skip
_DEFAULTS: dict[str, Any] = {
    "instructions": None, "max_output_tokens": None, "metadata": {}, "parallel_tool_calls": True,
    "previous_response_id": None, "reasoning": {"effort": None, "summary": None}, "temperature": 1.0,
    "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": 1.0, "truncation": "disabled",
}  # fmt: skip


def read_answer(body: dict[str, Any]) -> Answer:
    """The reply. Raises UpstreamFailed when the response says that it failed."""
    if body.get("status") == "failed":
        raise reported(msgspec.json.encode(body.get("error")))
    blocks = [block for item in a_list(body.get("output")) for block in read_item(a_dict(item))]
    return Answer(
        id=a_text(body.get("id")),
        model=a_text(body.get("model")),
        content=tuple(blocks),
        stop=stop_of(body, called=any(isinstance(block, ToolUse) for block in blocks)),
        usage=buckets_of(body),
        tier=response_tier(body),
        created=int(created) if isinstance(created := body.get("created_at"), int | float) else 0,
    )


def stop_of(response: dict[str, Any], *, called: bool) -> str:
    """Why the answer ended."""
    if response.get("status") == "incomplete":
        return "filter" if a_dict(response.get("incomplete_details")).get("reason") == "content_filter" else "length"
    return "tool" if called else "end"


def read_item(item: dict[str, Any]) -> Iterator[Block]:
    """The blocks of an item; none for what only this vendor's own tools do."""
    match item.get("type"):
        case "message":
            for part in map(a_dict, a_list(item.get("content"))):
                if part.get("type") == "refusal":
                    yield Refused(a_text(part.get("refusal")))
                else:
                    citations = tuple(citation_of(a_dict(one)) for one in a_list(part.get("annotations")))
                    yield Text(a_text(part.get("text")), "", citations, tuple(a_list(part.get("logprobs"))))
        case "function_call" | "custom_tool_call":
            yield read_call(item)
        case "reasoning":
            yield read_reasoning(item)
        case "image_generation_call":
            if data := a_text(item.get("result")):
                yield of_format("image", a_text(item.get("output_format")) or "png", data)
        case _:
            return


def read_call(item: dict[str, Any]) -> ToolUse:
    """A call of a tool."""
    freeform = item.get("type") == "custom_tool_call"
    arguments = a_text(item.get("input" if freeform else "arguments"))
    id_ = a_text(item.get("call_id")) or a_text(item.get("id"))
    return ToolUse(id_, a_text(item.get("name")), arguments, a_text(item.get("namespace")), freeform)


def read_reasoning(item: dict[str, Any]) -> Thinking:
    """What was thought: the summary, else the thinking itself."""
    opaque = a_text(item.get("encrypted_content"))
    opened = unseal(opaque)
    if opened is not None:
        return opened
    told = a_list(item.get("summary")) or a_list(item.get("content"))
    text = "\n\n".join(a_text(a_dict(part).get("text")) for part in told)
    return Thinking(text, opaque, VENDOR if opaque else OPEN, a_text(item.get("id")))


def write_answer(answer: Answer, ask: Ask) -> dict[str, Any]:
    """The reply."""
    blocks = [one for block in answer.content for one in _apart(block)]
    output = [write_item(block, ask, number) for number, block in enumerate(blocks)]
    whole = head(ask, answer.id, answer.model, answer.created)
    items = [item for item in output if item is not None]
    return finished(whole, items, answer.stop, answer.usage, answer.tier)


def _apart(block: Block) -> tuple[Block, ...]:
    return (signature_of(block), block) if isinstance(block, ToolUse) and block.signature else (block,)


def signature_of(use: ToolUse) -> Thinking:
    """What was signed at a call, as a block of its own: calls have no room for it here."""
    return Thinking("", use.signature, "gemini", use.id)


def head(ask: Ask, id_: str, model: str, created: int) -> dict[str, Any]:
    """A response that has just begun."""
    asked = a_dict(msgspec.json.decode(ask.call.body))
    repeated = {name: asked[name] for name in _REPEATED if asked.get(name) is not None}
    return {
        "id": id_ if id_.startswith("resp_") else f"resp_{id_ or ask.id}",
        "object": "response",
        "created_at": created or ask.created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": model or ask.model,
        "output": [],
        **_DEFAULTS,
        **repeated,
        "store": False,
        "usage": None,
    }


def finished(
    whole: dict[str, Any], items: list[dict[str, Any]], stop: str, usage: Usage | None, tier: str = ""
) -> dict[str, Any]:
    """The response when it is complete, or as complete as it gets."""
    reason = _CUT.get(stop)
    done = {
        **whole,
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": items,
        "usage": write_usage(usage or Usage()),
    }
    return done | ({"service_tier": tier} if tier in ("auto", "default", "flex", "priority", "scale") else {})


def item_id(kind: str, ask: Ask, number: int) -> str:
    """The id of output item `number`."""
    return f"{kind}_{ask.id}_{number}"


def write_item(block: Block, ask: Ask, number: int, status: str = "completed") -> dict[str, Any] | None:
    """One block as an item."""
    match block:
        case Text() | Refused():
            message = {"type": "message", "id": item_id("msg", ask, number), "role": "assistant", "status": status}
            return {**message, "content": [write_part(block)]}
        case Thinking():
            return write_reasoning(block, item_id("rs", ask, number))
        case ToolUse():
            kind = "custom_tool_call" if block.freeform else "function_call"
            item: dict[str, Any] = {"type": kind, "id": item_id("ctc" if block.freeform else "fc", ask, number)}
            item |= {"status": status, "call_id": block.id, "name": block.name}
            if block.namespace:
                item["namespace"] = block.namespace
            return item | {"input" if block.freeform else "arguments": block.arguments}
        case Media() if block.kind == "image" and block.data:
            item = {"type": "image_generation_call", "id": item_id("ig", ask, number), "status": status}
            return item | {"output_format": format_of(block, "png"), "result": block.data}
        case _:
            return None


def write_part(block: Text | Refused) -> dict[str, Any]:
    """A part of a message."""
    if isinstance(block, Refused):
        return {"type": "refusal", "refusal": block.text}
    notes = [written for one in block.citations if (written := annotation(one)) is not None]
    return {"type": "output_text", "text": block.text, "annotations": notes, "logprobs": list(block.logprobs)}


def annotation(citation: Citation) -> dict[str, Any] | None:
    """A source, where it is one that has an address."""
    if not citation.url:
        return None
    return {
        "type": "url_citation", "url": citation.url, "title": citation.title, "start_index": citation.start or 0,
        "end_index": citation.end or 0,
    }  # fmt: skip


def write_reasoning(block: Thinking, id_: str) -> dict[str, Any]:
    """Thinking. Whoever signed it, it comes back whole with the next call."""
    summary = [{"type": "summary_text", "text": block.text}] if block.text else []
    opaque = block.signature if block.origin == VENDOR else seal(block)
    named = block.id if block.origin == VENDOR and block.id else id_
    return {"type": "reasoning", "id": named, "summary": summary, "encrypted_content": opaque}


def write_usage(usage: Usage) -> dict[str, Any]:
    """Counts as this dialect has them: the cached tokens within the input's, the reasoning within the output's."""
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
        },
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.prompt + usage.completion,
    }


def place_of(event: dict[str, Any]) -> int:
    """A number for the place in the output that an event speaks of."""
    return (a_number(event.get("output_index")) or 0) * 1000 + (a_number(event.get("content_index")) or 0)
