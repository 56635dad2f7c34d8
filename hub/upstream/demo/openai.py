"""The demo model in OpenAI's Chat Completions: calls in, replies and streams out."""

from collections.abc import Iterator
from typing import Any

import msgspec

from hub.core.values import a_dict, a_list, a_number, a_text, texts_of
from hub.upstream.demo.rules import Asked, Said, Tool, count_tokens, pieces

_FINISH = {"stop": "stop", "sequence": "stop", "length": "length", "tool": "tool_calls"}


def ask(body: dict[str, Any]) -> Asked:
    """Read a call. Raises ValueError with what is wrong."""
    messages = [a_dict(message) for message in a_list(body.get("messages"))]
    if not messages:
        raise ValueError("'messages' must be a list with at least one message.")
    last = messages[-1]
    said = texts_of(last.get("content"))
    asked = next((m for m in reversed(messages) if m.get("role") == "user"), last)
    form = a_dict(body.get("response_format"))
    stop = body.get("stop")
    return Asked(
        model=a_text(body.get("model")),
        prompt=(texts_of(asked.get("content")) or [""])[-1],
        result="\n".join(said) if last.get("role") in ("tool", "function") else None,
        tools=tuple(_tools(body)),
        choice=_choice(body.get("tool_choice")),
        max_tokens=a_number(body.get("max_completion_tokens", body.get("max_tokens"))),
        stop=tuple(text for text in ([stop] if isinstance(stop, str) else a_list(stop)) if isinstance(text, str)),
        tokens=_prompt_tokens(messages, body),
        schema=a_dict(form.get("json_schema")).get("schema") if form.get("type") == "json_schema" else None,
    )


def _tools(body: dict[str, Any]) -> Iterator[Tool]:
    for tool in a_list(body.get("tools")):
        function = a_dict(a_dict(tool).get("function"))
        if a_text(function.get("name")):
            yield Tool(function["name"], a_text(function.get("description")), function.get("parameters"))


def _choice(choice: Any) -> str:
    if isinstance(choice, str):
        return choice
    name = a_text(a_dict(a_dict(choice).get("function")).get("name"))
    return f":{name}" if name else "auto"


def _prompt_tokens(messages: list[dict[str, Any]], body: dict[str, Any]) -> int:
    said = sum(count_tokens(text) for message in messages for text in texts_of(message.get("content")))
    tools = body.get("tools")
    return said + 3 * len(messages) + (count_tokens(msgspec.json.encode(tools).decode()) if tools else 0)


def _usage(asked: Asked, said: Said) -> dict[str, Any]:
    return {
        "prompt_tokens": asked.tokens,
        "completion_tokens": said.tokens,
        "total_tokens": asked.tokens + said.tokens,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _call(said: Said, name: str) -> dict[str, Any]:
    return {"id": f"call_{name}", "type": "function", "function": {"name": said.tool, "arguments": said.arguments}}


def whole(asked: Asked, said: Said, name: str, created: int) -> dict[str, Any]:
    """The reply to a call that does not stream."""
    message: dict[str, Any] = {"role": "assistant", "content": said.text if not said.tool else None, "refusal": None}
    if said.tool:
        message["tool_calls"] = [_call(said, name)]
    return {
        "id": f"chatcmpl-{name}",
        "object": "chat.completion",
        "created": created,
        "model": asked.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": _FINISH[said.ended]}],
        "usage": _usage(asked, said),
    }


def stream(asked: Asked, said: Said, name: str, created: int, body: dict[str, Any]) -> Iterator[bytes]:
    """The events of a call that streams."""
    head = {"id": f"chatcmpl-{name}", "object": "chat.completion.chunk", "created": created, "model": asked.model}
    counted = a_dict(body.get("stream_options")).get("include_usage") is True
    tail = {"usage": None} if counted else {}

    def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event({**head, "choices": [choice], **tail})

    yield event({"role": "assistant", "content": "" if not said.tool else None})
    if said.tool:
        call = _call(said, name)
        call["function"] = {"name": said.tool, "arguments": ""}
        yield event({"tool_calls": [{"index": 0, **call}]})
        for piece in pieces(said.arguments):
            yield event({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    for piece in pieces(said.text):
        yield event({"content": piece})
    yield event({}, _FINISH[said.ended])
    if counted:
        yield _event({**head, "choices": [], "usage": _usage(asked, said)})
    yield b"data: [DONE]\n\n"


def _event(value: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(value)


def error(message: str) -> dict[str, Any]:
    """The body of a refusal."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}
