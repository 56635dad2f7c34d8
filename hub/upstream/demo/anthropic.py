"""The demo model in Anthropic's Messages: calls in, replies and streams out."""

from collections.abc import Iterator
from typing import Any

import msgspec

from hub.core.values import a_dict, a_list, a_number, a_text, texts_of
from hub.upstream.demo.rules import Asked, Said, Tool, count_tokens, pieces

_FINISH = {"stop": "end_turn", "sequence": "stop_sequence", "length": "max_tokens", "tool": "tool_use"}


def ask(body: dict[str, Any]) -> Asked:
    """Read a call. Raises ValueError with what is wrong."""
    messages = [a_dict(message) for message in a_list(body.get("messages"))]
    if not messages:
        raise ValueError("messages: at least one message is required")
    results = [
        text
        for block in a_list(messages[-1].get("content"))
        if a_dict(block).get("type") == "tool_result"
        for text in texts_of(a_dict(block).get("content")) or [""]
    ]
    asked = next(
        (texts for m in reversed(messages) if m.get("role") == "user" and (texts := texts_of(m.get("content")))), [""]
    )
    return Asked(
        model=a_text(body.get("model")),
        prompt=asked[-1],
        result="\n".join(results) if results else None,
        tools=tuple(_tools(body)),
        choice=_choice(a_dict(body.get("tool_choice"))),
        max_tokens=a_number(body.get("max_tokens")),
        stop=tuple(text for text in a_list(body.get("stop_sequences")) if isinstance(text, str)),
        tokens=_prompt_tokens(messages, body),
    )


def _tools(body: dict[str, Any]) -> Iterator[Tool]:
    for tool in map(a_dict, a_list(body.get("tools"))):
        if a_text(tool.get("name")) and isinstance(tool.get("input_schema"), dict):
            yield Tool(tool["name"], a_text(tool.get("description")), tool["input_schema"])


def _choice(choice: dict[str, Any]) -> str:
    kind = a_text(choice.get("type"))
    if kind == "tool":
        return f":{a_text(choice.get('name'))}"
    return {"any": "required", "none": "none"}.get(kind, "auto")


def _prompt_tokens(messages: list[dict[str, Any]], body: dict[str, Any]) -> int:
    texts = [text for message in messages for text in texts_of(message.get("content"))]
    texts += texts_of(body.get("system"))
    tools = body.get("tools")
    said = sum(count_tokens(text) for text in texts) + 3 * len(messages)
    return said + (count_tokens(msgspec.json.encode(tools).decode()) if tools else 0)


def _usage(asked: Asked, made: int) -> dict[str, Any]:
    return {
        "input_tokens": asked.tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": made,
    }


def _message(asked: Asked, name: str) -> dict[str, Any]:
    return {"id": f"msg_{name}", "type": "message", "role": "assistant", "model": asked.model}


def whole(asked: Asked, said: Said, name: str, created: int) -> dict[str, Any]:
    """The reply to a call that does not stream."""
    del created  # the dialect has no time of making
    block: dict[str, Any] = {"type": "text", "text": said.text}
    if said.tool:
        block = {**_tool_use(said, name), "input": msgspec.json.decode(said.arguments)}
    return {
        **_message(asked, name),
        "content": [block],
        "stop_reason": _FINISH[said.ended],
        "stop_sequence": said.sequence or None,
        "usage": _usage(asked, said.tokens),
    }


def _tool_use(said: Said, name: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{name}", "name": said.tool}


def stream(asked: Asked, said: Said, name: str, created: int, body: dict[str, Any]) -> Iterator[bytes]:
    """The events of a call that streams."""
    del created, body
    start = {**_message(asked, name), "content": [], "stop_reason": None, "stop_sequence": None}
    yield _event("message_start", message={**start, "usage": _usage(asked, 1)})
    block: dict[str, Any] = {**_tool_use(said, name), "input": {}} if said.tool else {"type": "text", "text": ""}
    yield _event("content_block_start", index=0, content_block=block)
    yield _event("ping")
    kind, field = ("input_json_delta", "partial_json") if said.tool else ("text_delta", "text")
    for piece in pieces(said.arguments if said.tool else said.text):
        yield _event("content_block_delta", index=0, delta={"type": kind, field: piece})
    yield _event("content_block_stop", index=0)
    delta = {"stop_reason": _FINISH[said.ended], "stop_sequence": said.sequence or None}
    yield _event("message_delta", delta=delta, usage={"output_tokens": said.tokens})
    yield _event("message_stop")


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **fields}))


def error(message: str) -> dict[str, Any]:
    """The body of a refusal."""
    return {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
