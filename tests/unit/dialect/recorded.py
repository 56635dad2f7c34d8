"""Streams as providers send them, for the tests of both dialects."""

import json


def openai_event(delta=None, finish=None, **more):
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    chunk = {
        "id": "chatcmpl-7",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-x-2026",
        "choices": choices,
    }
    return b"data: " + json.dumps({**chunk, **more}, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


OPENAI_USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 60,
    "total_tokens": 160,
    "prompt_tokens_details": {"cached_tokens": 30, "audio_tokens": 5, "cache_write_tokens": 10},
    "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 4},
}
OPENAI_TOKENS = [
    openai_event({"role": "assistant", "content": ""}, usage=None),
    openai_event({"content": "Grüße, 世界 🙂"}, usage=None),
    openai_event({"content": 'she said "usage":{"error":1} and\n\ndata: [DONE]\n\n'}, usage=None),
    openai_event({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": '{"a'}}]}, usage=None),
    openai_event({"tool_calls": [{"index": 0, "function": {"arguments": '":"\\u00e9"}'}}]}, usage=None),
    openai_event({}, "stop", usage=None),
]
OPENAI_LAST = openai_event(usage=OPENAI_USAGE)
DONE = b"data: [DONE]\n\n"
OPENAI_STREAM = b"".join([*OPENAI_TOKENS, OPENAI_LAST, DONE])
OPENAI_STRIPPED = b"".join([*OPENAI_TOKENS, DONE])


def anthropic_event(kind, **fields):
    data = json.dumps({"type": kind, **fields}, separators=(",", ":"), ensure_ascii=False).encode()
    return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"


ANTHROPIC_START = anthropic_event(
    "message_start",
    message={
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x-1",
        "content": [],
        "stop_reason": None,
        "usage": {
            "input_tokens": 11,
            "cache_read_input_tokens": 7,
            "cache_creation_input_tokens": 9,
            "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5},
            "output_tokens": 1,
        },
    },
)
ANTHROPIC_BODY = [
    anthropic_event("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""}),
    b'event: ping\ndata: {"type": "ping"}\n\n',
    anthropic_event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "Eo8B=="}),
    anthropic_event("content_block_delta", index=1, delta={"type": "text_delta", "text": "message_stop"}),
    anthropic_event("content_block_delta", index=1, delta={"type": "text_delta", "text": "error"}),
    anthropic_event(
        "content_block_delta", index=1, delta={"type": "text_delta", "text": "日本\n\nevent: message_stop\n\n"}
    ),
    anthropic_event("content_block_stop", index=1),
    anthropic_event(
        "message_delta",
        delta={"stop_reason": "end_turn", "stop_sequence": None},
        usage={"output_tokens": 50, "output_tokens_details": {"thinking_tokens": 20}},
    ),
]
ANTHROPIC_STOP = anthropic_event("message_stop")
ANTHROPIC_STREAM = b"".join([ANTHROPIC_START, *ANTHROPIC_BODY, ANTHROPIC_STOP])
