"""Well-behaved answers in Gemini's and Bedrock's dialects, as scripts; see `tests.support.model_answers`."""

import json
import struct
from typing import Any
from zlib import crc32

from tests.support.connection import Received
from tests.support.script import Reply, Script, event_stream, json_reply

Tool = tuple[str, dict[str, Any]]
SIGNATURE = "c2lnbmVkIGJ5IGdlbWluaQ=="


def _words(text: str) -> list[str]:
    first, *rest = text.split(" ")
    return [first, *(f" {word}" for word in rest)]


def _data(value: object) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\r\n\r\n"


def gemini(text: str = "Hello from Gemini, grüße 👋.", *, tool: Tool | None = None, thinking: str = "") -> Script:
    """A generateContent answer, whole or streamed by what the path says."""
    usage = {
        "promptTokenCount": 12, "candidatesTokenCount": 7, "totalTokenCount": 19, "cachedContentTokenCount": 4,
    }  # fmt: skip

    def make(received: Received) -> Reply:
        thoughts = [{"text": thinking, "thought": True}] if thinking else []
        words = [{"text": word} for word in _words(text)] if text else []
        calls = [{"functionCall": {"name": tool[0], "args": tool[1]}, "thoughtSignature": SIGNATURE}] if tool else []
        head = {"modelVersion": "gemini-scripted", "responseId": "scripted"}
        if ":stream" not in received.path:
            whole = [*thoughts, *([{"text": text}] if text else []), *calls]
            candidate = {"content": {"role": "model", "parts": whole}, "finishReason": "STOP", "index": 0}
            return json_reply({"candidates": [candidate], "usageMetadata": usage, **head}).make(received)
        parts = [*thoughts, *words, *calls]
        events = []
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            candidate = {"content": {"role": "model", "parts": [part]}, "index": 0}
            candidate |= {"finishReason": "STOP"} if last else {}
            counts = usage if last else {"promptTokenCount": 12}
            events.append(_data({"candidates": [candidate], "usageMetadata": counts, **head}))
        return event_stream(events)

    return Script(make)


def frame(kind: str, payload: object, message: str = "event") -> bytes:
    """One message of an event stream."""
    body = json.dumps(payload).encode()
    named = {":message-type": message, f":{message}-type": kind, ":content-type": "application/json"}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in named.items()
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
    whole = prelude + struct.pack(">I", crc32(prelude)) + headers + body
    return whole + struct.pack(">I", crc32(whole))


def bedrock(
    text: str = "Hello from Bedrock, grüße 👋.", *, tool: Tool | None = None, thinking: str = "", ids: str = "scripted"
) -> Script:
    """A Converse answer, whole or streamed by what the path says."""
    usage = {"inputTokens": 12, "outputTokens": 7, "totalTokens": 23, "cacheReadInputTokens": 4}

    def make(received: Received) -> Reply:
        stop = "tool_use" if tool else "end_turn"
        blocks: list[dict[str, Any]] = []
        if thinking:
            blocks.append({"reasoningContent": {"reasoningText": {"text": thinking, "signature": "c2ln"}}})
        if text:
            blocks.append({"text": text})
        if tool:
            blocks.append({"toolUse": {"toolUseId": f"tooluse_{ids}", "name": tool[0], "input": tool[1]}})
        if not received.path.endswith("-stream"):
            message = {"role": "assistant", "content": blocks}
            return json_reply({"output": {"message": message}, "stopReason": stop, "usage": usage}).make(received)
        events = [frame("messageStart", {"role": "assistant"})]
        for index, block in enumerate(blocks):
            events += _block(index, block)
        events += [frame("messageStop", {"stopReason": stop}), frame("metadata", {"usage": usage})]
        content = ("content-type", "application/vnd.amazon.eventstream")
        return Reply(200, (content,), tuple(events), streamed=True)

    return Script(make)


def _block(index: int, block: dict[str, Any]) -> list[bytes]:
    place = {"contentBlockIndex": index}
    out: list[bytes] = []
    if "toolUse" in block:
        use = block["toolUse"]
        start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
        out.append(frame("contentBlockStart", {**place, "start": start}))
        whole = json.dumps(use["input"])
        deltas: list[dict[str, Any]] = [{"toolUse": {"input": piece}} for piece in (whole[:3], whole[3:])]
    elif "text" in block:
        deltas = [{"text": word} for word in _words(block["text"])]
    else:
        told = block["reasoningContent"]["reasoningText"]
        deltas = [{"reasoningContent": {"text": told["text"]}}, {"reasoningContent": {"signature": told["signature"]}}]
    out += [frame("contentBlockDelta", {**place, "delta": delta}) for delta in deltas]
    return [*out, frame("contentBlockStop", place)]
