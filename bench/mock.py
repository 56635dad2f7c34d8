"""The upstream of the benchmark: answers made beforehand, so that it costs little beside what is measured.

`python -m bench.mock --port N`. Chat: the `user` field of the body chooses the answer (`bench-plain`, `bench-burst-N`:
N events in one write, `bench-paced-N`: N events each in its own write, `bench-hold`: one event, then silence).
MCP: `/mcp25` speaks 2025-11-25, `/mcp26` speaks 2026-07-28; one tool, `echo`,
whose answer takes 50 ms for a text that begins with `slow `.
"""

import argparse
import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import uvloop

from bench.traffic import LEGACY, MODERN

PACE_SECONDS = 0.002
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_KIND = re.compile(rb'"user": ?"bench-([a-z]+)-?(\d*)"')
_RPC_ID = re.compile(rb'"id": ?(\d+|"[^"]*")')
_HEAD = {"id": "chatcmpl-bench", "created": 1_790_000_000, "model": "bench"}
_USAGE = {"prompt_tokens": 500, "completion_tokens": 200, "total_tokens": 700}
_SSE_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"


def _json(value: object, extra: str = "") -> bytes:
    return _reply(json.dumps(value).encode(), extra)


def _reply(body: bytes, extra: str = "") -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{extra}content-length: {len(body)}\r\n\r\n".encode()
        + body
    )


def _chunk(event: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(event), event)


def _plain() -> bytes:
    message = {"role": "assistant", "content": "An answer of some length. " * 40}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return _json({**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE})


def _events(count: int) -> list[bytes]:
    """`count` events in all: text, the finish, usage, [DONE]."""
    head = {**_HEAD, "object": "chat.completion.chunk"}
    values: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": {"content": f" word{number}"}, "finish_reason": None}]}
        for number in range(count - 3)
    ]
    values.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    values.append({**head, "choices": [], "usage": _USAGE})
    events = [b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n" for value in values]
    return [_chunk(event) for event in [*events, b"data: [DONE]\n\n"]]


PLAIN = _plain()


class Answers(asyncio.Protocol):
    """One connection. Requests come one at a time, as every HTTP/1.1 client sends them."""

    _streams: dict[int, list[bytes]] = {}  # noqa: RUF012 - filled once per length, shared by all connections

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport
        self._buffer = b""
        self._need = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        if len(self._buffer) < self._need:
            return
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._buffer[:end]
        found = _LENGTH.search(head)
        self._need = end + 4 + (int(found[1]) if found else 0)
        if len(self._buffer) < self._need:
            return
        body, self._buffer = self._buffer[end + 4 : self._need], self._buffer[self._need :]
        self._need = 0
        self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        path = head.split(b" ", 2)[1]
        if path.startswith(b"/mcp"):
            reply = mcp(path == b"/mcp26", head, body)
            if _SLOW in body:
                asyncio.get_running_loop().call_later(SLOW_SECONDS, self._transport.write, reply)
            else:
                self._transport.write(reply)
            return
        if head.startswith(b"GET"):
            self._transport.write(_json({"object": "list", "data": [{"id": "bench", "object": "model"}]}))
            return
        found = _KIND.search(body)
        kind, count = (found[1], int(found[2] or 0)) if found else (b"plain", 0)
        {b"burst": self._burst, b"paced": self._paced, b"hold": self._hold}.get(kind, self._whole)(count)

    def _whole(self, _count: int) -> None:
        self._transport.write(PLAIN)

    def _stream(self, count: int) -> list[bytes]:
        if count not in self._streams:
            self._streams[count] = _events(count)
        return self._streams[count]

    def _burst(self, count: int) -> None:
        self._transport.write(b"".join((_SSE_HEAD, *self._stream(count), _END)))

    def _hold(self, _count: int) -> None:
        self._transport.write(_SSE_HEAD + self._stream(4)[0])

    def _paced(self, count: int) -> None:
        events = [_SSE_HEAD, *self._stream(count), _END]
        loop = asyncio.get_running_loop()
        following = iter(events)

        def send() -> None:
            event = next(following, None)
            if event is not None:
                self._transport.write(event)
                self._timer = loop.call_later(PACE_SECONDS, send)

        send()


_SLOW = b'"slow '  # how the text of a call begins whose answer takes its time
SLOW_SECONDS = 0.05
_INFO = {"name": "bench", "version": "1"}
_TOOLS = [
    {
        "name": "echo",
        "description": "Gives the text back.",
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    }
]
_MODERN_META = {"_meta": {"io.modelcontextprotocol/serverInfo": _INFO}, "resultType": "complete"}
_HINTS = {"ttlMs": 600_000, "cacheScope": "public"}
_RESULT = {"content": [{"type": "text", "text": "hello " * 30}], "isError": False}
_LEGACY_SAID: dict[bytes, dict[str, Any]] = {
    b"initialize": {"protocolVersion": LEGACY, "capabilities": {"tools": {}}, "serverInfo": _INFO},
    b"tools/list": {"tools": _TOOLS},
    b"tools/call": _RESULT,
    b"ping": {},
}
_MODERN_SAID: dict[bytes, dict[str, Any]] = {
    b"server/discover": {"supportedVersions": [MODERN], "capabilities": {"tools": {}}, **_HINTS, **_MODERN_META},
    b"tools/list": {"tools": _TOOLS, **_HINTS, **_MODERN_META},
    b"tools/call": {**_RESULT, **_MODERN_META},
}
_SAID = {
    modern: {method: json.dumps(result).encode() for method, result in said.items()}
    for modern, said in ((False, _LEGACY_SAID), (True, _MODERN_SAID))
}
_METHOD = re.compile(rb'"method": ?"([^"]+)"')
_ACCEPTED = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
_NOT_ALLOWED = b"HTTP/1.1 405 Method Not Allowed\r\nallow: POST\r\ncontent-length: 0\r\n\r\n"


def mcp(modern: bool, head: bytes, body: bytes) -> bytes:
    """The answer of the MCP server at this path."""
    if not head.startswith(b"POST"):
        return _NOT_ALLOWED
    method = _METHOD.search(body)
    request_id = _RPC_ID.search(body)
    if method is None or request_id is None:
        return _ACCEPTED
    result = _SAID[modern].get(method[1])
    if result is None:
        error = b'{"jsonrpc":"2.0","id":%b,"error":{"code":-32601,"message":"Method not found"}}' % request_id[1]
        return _reply(error).replace(b"200 OK", b"404 Not Found" if modern else b"200 OK", 1)
    extra = "mcp-session-id: bench\r\n" if method[1] == b"initialize" else ""
    return _reply(b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (request_id[1], result), extra)


async def _serve(port: int, ready: Callable[[int], None]) -> None:
    server = await asyncio.get_running_loop().create_server(Answers, "127.0.0.1", port, backlog=4096)
    ready(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def main() -> None:
    options = argparse.ArgumentParser(description="The upstream of the benchmark.")
    options.add_argument("--port", type=int, default=0)
    uvloop.run(_serve(options.parse_args().port, lambda port: print(port, flush=True)))


if __name__ == "__main__":
    main()
