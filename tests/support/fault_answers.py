"""Answers that a provider should not give, as scripts: errors in its own shape, and what is no answer at all."""

import gzip
import json

from tests.support.script import CLOSE, HANG, Pause, Script, Step, event_stream, json_reply, raw, raw_reply

RetryAfter = int | str | None


def _retry(retry_after: RetryAfter) -> dict[str, str]:
    return {} if retry_after is None else {"retry-after": str(retry_after)}


def openai_error(
    status: int, message: str = "scripted failure", code: str | None = None, *, retry_after: RetryAfter = None
) -> Script:
    """An error as OpenAI words it."""
    kinds = {401: "invalid_request_error", 429: "rate_limit_error", 400: "invalid_request_error"}
    error = {"message": message, "type": kinds.get(status, "server_error"), "param": None, "code": code}
    return json_reply({"error": error}, status, _retry(retry_after))


def anthropic_error(
    status: int, message: str = "scripted failure", kind: str = "", *, retry_after: RetryAfter = None
) -> Script:
    """An error as Anthropic words it."""
    kinds = {
        400: "invalid_request_error",
        401: "authentication_error",
        429: "rate_limit_error",
        529: "overloaded_error",
    }
    error = {"type": kind or kinds.get(status, "api_error"), "message": message}
    return json_reply({"type": "error", "error": error, "request_id": "req_scripted"}, status, _retry(retry_after))


def html_200() -> Script:
    """A captive portal or a balancer's page, status 200."""
    return raw_reply(
        b"<!doctype html><html><body><h1>Welcome</h1></body></html>", content_type="text/html; charset=utf-8"
    )


def text_200() -> Script:
    """JSON by its content type, not by its bytes."""
    return raw_reply(b"upstream connect error or disconnect/reset before headers", content_type="application/json")


def gzip_bomb(megabytes: int = 50) -> Script:
    """A small gzip body that expands to so many megabytes, sent although nobody asked for gzip."""
    block = gzip.compress(b" " * 1_048_576, 9)  # members of a gzip file may follow each other
    return raw_reply(block * megabytes, content_type="application/json", headers={"content-encoding": "gzip"})


def giant_event(size: int = 1_000_000) -> Script:
    """A chat stream with one event that carries `size` bytes of text."""
    head = {"id": "chatcmpl-giant", "object": "chat.completion.chunk", "created": 1, "model": "giant"}
    delta = {"index": 0, "delta": {"role": "assistant", "content": "x" * size}, "finish_reason": None}
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    chunks = [json.dumps({**head, "choices": [choice]}).encode() for choice in (delta, last)]
    reply = event_stream([*(b"data: " + chunk + b"\n\n" for chunk in chunks), b"data: [DONE]\n\n"])
    return Script(lambda _: reply)


def garbage_status() -> Script:
    """Bytes that are no status line."""
    return raw(b"\x00\x01\x02 not http at all\r\n\r\n", CLOSE)


def huge_header(kilobytes: int = 300) -> Script:
    """One header of so many kilobytes."""
    return json_reply({"ok": True}, headers={"x-huge": "h" * kilobytes * 1024})


def length_and_chunked() -> Script:
    """Both framings at once, which is how responses are smuggled."""
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    return raw(head, b'b\r\n{"ok":true}\r\n0\r\n\r\n', CLOSE)


def duplicate_length() -> Script:
    """Two lengths that contradict each other."""
    return raw(b'HTTP/1.1 200 OK\r\ncontent-length: 11\r\ncontent-length: 5\r\n\r\n{"ok":true}', CLOSE)


def bad_chunk_size() -> Script:
    """A chunk whose size is no number, after one good chunk."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return raw(head, b"8\r\n: good\n\n\r\n", b"zz\r\n: bad\n\n\r\n", CLOSE)


def http_09() -> Script:
    """A body without any head."""
    return raw(b'{"ok":true}', CLOSE)


def informational_flood(count: int = 1000) -> Script:
    """So many 1xx answers before none."""
    steps: list[Step] = []
    for _ in range(count):
        steps += [b"HTTP/1.1 103 Early Hints\r\nlink: </x>; rel=preload\r\n\r\n", Pause(0)]
    return raw(*steps, HANG)
