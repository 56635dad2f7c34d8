"""Well-behaved answers of model providers, as scripts: OpenAI's dialects, Anthropic messages, model lists.

Each looks at the request: it streams when asked to, echoes the model's name, and carries fields that no SDK knows
(`x_vendor`).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.connection import Received
from tests.support.dialect_answers import bedrock, gemini
from tests.support.script import Reply, Script, event_stream, json_reply

TEXT = "Hello from the scripted upstream, grüße 👋."
Tool = tuple[str, Mapping[str, Any]]
_CREATED = 1_790_000_000
_VENDOR = {"kept": True, "number": 1.50}


def well_behaved(received: Received) -> Script:
    """What a provider would answer at this path."""
    path, body = received.path, received.json
    tool = _offered_tool(body) if isinstance(body, dict) else None
    if ":generateContent" in path or ":streamGenerateContent" in path:
        return gemini(tool=tool)
    if "/converse" in path:
        return bedrock(tool=tool)
    table = {
        "/chat/completions": lambda: chat(tool=tool),
        "/responses": lambda: responses(tool=tool),
        "/messages": lambda: messages(tool=tool),
        "/messages/count_tokens": count_tokens,
        "/embeddings": embeddings,
        "/models": models,
    }
    for ending in sorted(table, key=len, reverse=True):
        if path.endswith(ending):
            return table[ending]()
    return json_reply(
        {"error": {"message": f"no such path {path}", "type": "invalid_request_error", "code": None}}, 404
    )


def _offered_tool(body: Mapping[str, Any]) -> Tool | None:
    """The first offered tool, when the last message asks for one, in whichever dialect."""
    turns = body.get("messages") or body.get("contents") or body.get("input")
    if not body.get("tools") and not body.get("toolConfig"):
        return None
    if not isinstance(turns, list) or not turns or "tool" not in _said(turns[-1]):
        return None
    first = (body.get("tools") or body["toolConfig"]["tools"])[0]
    held = first.get("function") or first.get("toolSpec") or (first.get("functionDeclarations") or [first])[0]
    return held["name"], {"text": "from the model", "n": 1}


def _said(turn: Mapping[str, Any]) -> str:
    """The words of a turn, unless it brings the answer of a tool."""
    told = json.dumps(turn)
    answers = ('"tool_result"', '"tool_call_id"', "call_output", "functionResponse", "toolResult")
    return "" if any(word in told for word in answers) else told


def _asked(received: Received) -> dict[str, Any]:
    return received.json if isinstance(received.json, dict) else {}


def _words(text: str) -> list[str]:
    """The text in the pieces in which it is streamed: words with the blank before them."""
    first, *rest = text.split(" ")
    return [first, *(f" {word}" for word in rest)]


def _event(value: object, name: str = "") -> bytes:
    data = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + data + b"\n\n"


def chat(
    text: str = TEXT,
    *,
    tool: Tool | None = None,
    tokens: tuple[int, int] = (12, 7),
    cached: int = 0,
    usage: bool = True,
    model: str = "",
    ids: str = "scripted",
) -> Script:
    """A chat completion. `tokens` are (prompt with the cached ones, completion); usage=False leaves them out."""
    counts = {
        "prompt_tokens": tokens[0],
        "completion_tokens": tokens[1],
        "total_tokens": sum(tokens),
        "prompt_tokens_details": {"cached_tokens": cached, "x_vendor": _VENDOR},
    }

    def make(received: Received) -> Reply:
        asked = _asked(received)
        head = {
            "id": "chatcmpl-scripted",
            "created": _CREATED,
            "model": model or asked.get("model", ""),
            "x_vendor": _VENDOR,
        }
        if not asked.get("stream"):
            message = {"role": "assistant", "content": None if tool else text}
            if tool:
                message |= {"tool_calls": [_chat_call(tool, json.dumps(tool[1]), ids)]}
            choice = {
                "index": 0,
                "message": message,
                "finish_reason": "tool_calls" if tool else "stop",
                "logprobs": None,
            }
            whole = {**head, "object": "chat.completion", "choices": [choice]} | ({"usage": counts} if usage else {})
            return json_reply(whole).make(received)
        wants = (asked.get("stream_options") or {}).get("include_usage") and usage
        chunks = _chat_deltas(text, tool, ids)
        events = [
            _event(
                {**head, "object": "chat.completion.chunk", "choices": [choice]} | ({"usage": None} if wants else {})
            )
            for choice in chunks
        ]
        if wants:
            events.append(_event({**head, "object": "chat.completion.chunk", "choices": [], "usage": counts}))
        return event_stream([*events, b"data: [DONE]\n\n"])

    return Script(make)


def _chat_call(tool: Tool, arguments: str, ids: str) -> dict[str, Any]:
    return {"id": f"call_{ids}", "type": "function", "function": {"name": tool[0], "arguments": arguments}}


def _chat_deltas(text: str, tool: Tool | None, ids: str) -> list[dict[str, Any]]:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None if tool else ""}]
    if tool:
        whole = json.dumps(tool[1])
        deltas.append({"tool_calls": [{"index": 0, **_chat_call(tool, "", ids)}]})
        for piece in (whole[: len(whole) // 2], whole[len(whole) // 2 :]):
            deltas.append({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
    else:
        deltas += [{"content": word} for word in _words(text)]
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    return [*choices, {"index": 0, "delta": {}, "finish_reason": "tool_calls" if tool else "stop"}]


def messages(
    text: str = TEXT,
    *,
    tool: Tool | None = None,
    thinking: str = "",
    tokens: tuple[int, int] = (12, 7),
    cache_read: int = 0,
    cache_write: int = 0,
    model: str = "",
    ids: str = "scripted",
) -> Script:
    """An Anthropic message. `tokens` are (input without the cached ones, output); `thinking` makes a signed block."""
    blocks = _blocks(text, tool, thinking, ids)
    counts = {
        "input_tokens": tokens[0],
        "cache_read_input_tokens": cache_read,
        "cache_creation_input_tokens": cache_write,
        "cache_creation": {"ephemeral_5m_input_tokens": cache_write, "ephemeral_1h_input_tokens": 0},
        "service_tier": "standard",
    }
    stop = "tool_use" if tool else "end_turn"

    def make(received: Received) -> Reply:
        asked = _asked(received)
        head = {"id": "msg_scripted", "type": "message", "role": "assistant", "model": model or asked.get("model", "")}
        end = {"stop_reason": stop, "stop_sequence": None}
        if not asked.get("stream"):
            usage = {**counts, "output_tokens": tokens[1]}
            return json_reply({**head, "content": blocks, **end, "usage": usage, "x_vendor": _VENDOR}).make(received)
        start = {
            **head,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**counts, "output_tokens": 1},
        }
        events = [_event({"type": "message_start", "message": {**start, "x_vendor": _VENDOR}}, "message_start")]
        for index, block in enumerate(blocks):
            events += _block_events(index, block)
            if index == 0:
                events.append(_event({"type": "ping"}, "ping"))
        events.append(
            _event({"type": "message_delta", "delta": end, "usage": {"output_tokens": tokens[1]}}, "message_delta")
        )
        return event_stream([*events, _event({"type": "message_stop"}, "message_stop")])

    return Script(make)


def _blocks(text: str, tool: Tool | None, thinking: str, ids: str) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if thinking:
        blocks.append({"type": "thinking", "thinking": thinking, "signature": "c2lnbmVk+/scripted=="})
    if text:
        blocks.append({"type": "text", "text": text})
    if tool:
        blocks.append({"type": "tool_use", "id": f"toolu_{ids}", "name": tool[0], "input": dict(tool[1])})
    return blocks


def _block_events(index: int, block: Mapping[str, Any]) -> list[bytes]:
    kind = block["type"]
    if kind == "text":
        empty: dict[str, Any] = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": word} for word in _words(block["text"])]
    elif kind == "thinking":
        empty = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": word} for word in _words(block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    else:
        empty = {**block, "input": {}}
        whole = json.dumps(block["input"])
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", whole[:3], whole[3:])]
    start = _event({"type": "content_block_start", "index": index, "content_block": empty}, "content_block_start")
    middle = [
        _event({"type": "content_block_delta", "index": index, "delta": delta}, "content_block_delta")
        for delta in deltas
    ]
    return [start, *middle, _event({"type": "content_block_stop", "index": index}, "content_block_stop")]


def count_tokens(tokens: int = 12) -> Script:
    """The answer to `/v1/messages/count_tokens`."""
    return json_reply({"input_tokens": tokens})


def responses(
    text: str = TEXT,
    *,
    tool: Tool | None = None,
    thinking: str = "",
    tokens: tuple[int, int] = (12, 7),
    model: str = "",
    ids: str = "scripted",
) -> Script:
    """An OpenAI response: a summary of the thinking, a message of one text, a call of a tool (`name@namespace`)."""

    def make(received: Received) -> Reply:
        asked = _asked(received)
        items = _items(text, tool, thinking, ids)
        details = {
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        }
        usage = {"input_tokens": tokens[0], "output_tokens": tokens[1], "total_tokens": sum(tokens), **details}
        head = {
            "id": f"resp_{ids}",
            "object": "response",
            "created_at": _CREATED,
            "model": model or asked.get("model", ""),
        }
        rest = {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None, "x_vendor": _VENDOR}
        whole = {**head, **rest, "status": "completed", "output": items, "usage": usage}
        if not asked.get("stream"):
            return json_reply(whole).make(received)
        open_ = {**head, **rest, "status": "in_progress", "output": [], "usage": None}
        steps: list[tuple[str, dict[str, Any]]] = [
            ("created", {"response": open_}),
            ("in_progress", {"response": open_}),
        ]
        for index, item in enumerate(items):
            steps += _item_steps(index, item)
        steps.append(("completed", {"response": whole}))
        return event_stream(
            _event({"type": f"response.{name}", "sequence_number": number, **fields}, f"response.{name}")
            for number, (name, fields) in enumerate(steps)
        )

    return Script(make)


def _items(text: str, tool: Tool | None, thinking: str, ids: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if thinking:
        summary = [{"type": "summary_text", "text": thinking}]
        items.append({"id": f"rs_{ids}", "type": "reasoning", "summary": summary, "encrypted_content": "b3BhcXVl"})
    if text:
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        message = {"id": f"msg_{ids}", "type": "message", "role": "assistant", "status": "completed"}
        items.append({**message, "content": [part]})
    if tool:
        call = {"id": f"fc_{ids}", "type": "function_call", "call_id": f"call_{ids}", "status": "completed"}
        name, _, space = tool[0].partition("@")
        items.append(
            {**call, "name": name, "arguments": json.dumps(tool[1]), **({"namespace": space} if space else {})}
        )
    return items


def _item_steps(index: int, item: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    place = {"item_id": item["id"], "output_index": index}
    done = ("output_item.done", {"output_index": index, "item": item})
    if item["type"] == "message":
        (part,) = item["content"]
        there = {**place, "content_index": 0}
        return [
            ("output_item.added", {"output_index": index, "item": {**item, "status": "in_progress", "content": []}}),
            ("content_part.added", {**there, "part": {**part, "text": ""}}),
            *(("output_text.delta", {**there, "delta": word, "logprobs": []}) for word in _words(part["text"])),
            ("output_text.done", {**there, "text": part["text"], "logprobs": []}),
            ("content_part.done", {**there, "part": part}),
            done,
        ]
    if item["type"] == "reasoning":
        there = {**place, "summary_index": 0}
        (summary,) = item["summary"]
        return [
            ("output_item.added", {"output_index": index, "item": {**item, "summary": [], "encrypted_content": ""}}),
            ("reasoning_summary_part.added", {**there, "part": {**summary, "text": ""}}),
            *(("reasoning_summary_text.delta", {**there, "delta": word}) for word in _words(summary["text"])),
            ("reasoning_summary_text.done", {**there, "text": summary["text"]}),
            ("reasoning_summary_part.done", {**there, "part": summary}),
            done,
        ]
    whole = item["arguments"]
    return [
        ("output_item.added", {"output_index": index, "item": {**item, "status": "in_progress", "arguments": ""}}),
        *(("function_call_arguments.delta", {**place, "delta": piece}) for piece in (whole[:4], whole[4:])),
        ("function_call_arguments.done", {**place, "name": item["name"], "arguments": whole}),
        done,
    ]


def embeddings(size: int = 4, tokens: int = 5) -> Script:
    """One vector of `size` numbers for each input."""

    def make(received: Received) -> Reply:
        asked = _asked(received)
        given = asked.get("input", "")
        count = len(given) if isinstance(given, Sequence) and not isinstance(given, str) else 1
        data = [
            {"object": "embedding", "index": n, "embedding": [n + k / 8 for k in range(size)]} for n in range(count)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return json_reply({"object": "list", "model": asked.get("model", ""), "data": data, "usage": usage}).make(
            received
        )

    return Script(make)


def models(*names: str) -> Script:
    """A list of models in OpenAI's shape, which Anthropic's SDK reads too."""
    rows = [
        {
            "id": name,
            "object": "model",
            "created": _CREATED,
            "owned_by": "scripted",
            "type": "model",
            "display_name": name,
        }
        for name in names or ("gpt-scripted", "claude-scripted")
    ]
    return json_reply({"object": "list", "data": rows, "has_more": False})
