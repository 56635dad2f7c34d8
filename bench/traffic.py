"""What is sent: the requests of each scenario, byte for byte, with room for a target's host, path and credential.

The body names the answer that the mock upstream gives: its `user` field is `bench-KIND` (see bench/mock.py).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

CALL_BYTES = 2_000
LARGE_BYTES = 400_000
MODEL = "bench"
MODERN = "2026-07-28"
LEGACY = "2025-11-25"


@dataclass(frozen=True, slots=True)
class Door:
    """Where a target takes calls. `headers` carry its credential; `tool_prefix` is what it puts before tool names."""

    host: str
    port: int
    chat_path: str
    mcp_paths: tuple[tuple[str, str], ...]  # era -> path
    headers: tuple[tuple[str, str], ...] = ()
    tool_prefix: tuple[tuple[str, str], ...] = ()  # era -> prefix

    def post(self, path: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
        """One HTTP request."""
        fields = {"host": f"{self.host}:{self.port}", "content-type": "application/json", **dict(self.headers)}
        fields |= {"content-length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


Request = Callable[[int], bytes]  # the number of a connection -> what is sent over it


def chat(door: Door, kind: str, size: int = CALL_BYTES) -> Request:
    """A chat completion of `size` bytes whose answer is `kind`: plain, burst-N, paced-N or hold."""
    body: dict[str, Any] = {"model": MODEL, "user": f"bench-{kind}", "max_tokens": 200, "temperature": 0.2}
    if kind != "plain":
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    body["messages"] = [{"role": "system", "content": "You are measured."}, {"role": "user", "content": ""}]
    words = 'The quick brown fox jumps over the lazy dog, and says "hello".\n'
    escaped = len(json.dumps(words)) - 2
    body["messages"][1]["content"] = words * ((size - len(json.dumps(body))) // escaped)
    data = door.post(door.chat_path, json.dumps(body).encode())
    return lambda _: data


def tool_call(door: Door, era: str, session: str, text: str = "hello " * 30) -> Request:
    """A tools/call of the tool `echo`; each connection has its own JSON-RPC id."""
    name = dict(door.tool_prefix).get(era, "") + "echo"

    def make(number: int) -> bytes:
        params: dict[str, Any] = {"name": name, "arguments": {"text": text}}
        headers = {"accept": "application/json, text/event-stream"}
        if era == "2026":
            params["_meta"] = envelope()
            headers |= {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": name}
        else:
            headers |= {"mcp-protocol-version": LEGACY} | ({"mcp-session-id": session} if session else {})
        message = {"jsonrpc": "2.0", "id": number + 10, "method": "tools/call", "params": params}
        return door.post(dict(door.mcp_paths)[era], json.dumps(message).encode(), headers)

    return make


def tool_list(door: Door) -> Request:
    """A tools/list of the 2026 era."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": envelope()}}
    headers = {"accept": "application/json", "mcp-protocol-version": MODERN, "mcp-method": "tools/list"}
    data = door.post(dict(door.mcp_paths)["2026"], json.dumps(message).encode(), headers)
    return lambda _: data


def envelope() -> dict[str, Any]:
    """What every request of the 2026 era carries."""
    prefix = "io.modelcontextprotocol/"
    return {
        f"{prefix}protocolVersion": MODERN,
        f"{prefix}clientInfo": {"name": "bench", "version": "1"},
        f"{prefix}clientCapabilities": {},
    }


def handshake(door: Door) -> tuple[bytes, Callable[[str], bytes]]:
    """The legacy era's opening: `initialize`, and the notification that follows with the session's id."""
    path = dict(door.mcp_paths)["2025"]
    accept = {"accept": "application/json, text/event-stream"}
    params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
    opening = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    ready = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}).encode()

    def initialized(session: str) -> bytes:
        known = {"mcp-session-id": session} if session else {}
        return door.post(path, ready, accept | {"mcp-protocol-version": LEGACY} | known)

    return door.post(path, json.dumps(opening).encode(), accept), initialized
