"""Servers that answer a call with whatever the call itself tells them to, good or evil; stdlib only.

The arguments of a call say what comes (see `Play`). Whatever it is, the same server greets, lists and serves the next call
well. Carriers::

    stdio_command(folder)        a process, of the old era
    with http_server() as server:
        server.url("json")       streamable HTTP, the answer to a call in one body; of the old era
        server.url("modern")     the same, of the modern era
        server.url("stream")     streamable HTTP, the answer to a call as a stream of events
        server.url("sse")        HTTP+SSE of 2024-11-05: one stream for everything
        server.most_at_once      so many answers to the server's own questions were under way at once
"""

import base64
import contextlib
import json
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MODERN, LEGACY = "2026-07-28", "2025-11-25"
GOOD = {"content": [{"type": "text", "text": "good"}], "resultType": "complete"}
_TOOLS = [{"name": "echo", "inputSchema": {"type": "object"}}, {"name": "count", "inputSchema": {"type": "object"}}]


class Play:
    """What one call asks for: `say` (base64) is said, `times` over, the last of it cut off for `end: half`.

    SAME in it becomes the id of the call, FILL a text of so many `mib`. `end` is what follows: the good answer, nothing (`nothing`), the end of the
    server (`die`), or the same again without end (`endless`). `status` and `kind` are those of an HTTP answer.
    """

    def __init__(self, arguments: dict[str, Any], own: Any) -> None:
        same = json.dumps(own).encode()
        self.own = own
        self.said = [base64.b64decode(one) for one in arguments.get("say", [])] * arguments.get("times", 1)
        for old, new in (
            (b'"SAME"', b"SAME"),
            (b"SAME", same),
            (b"FILL", b"x" * int(arguments.get("mib", 17) * (1 << 20))),
        ):
            self.said = [one.replace(old, new) if old in one else one for one in self.said]
        self.end = arguments.get("end", "good")
        self.status = arguments.get("status", 200)
        self.kind = arguments.get("kind", "application/json")
        self.raw = arguments.get("raw", False)

    @property
    def good(self) -> bytes:
        return answer(self.own, GOOD)


def answer(own: Any, result: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": own, "result": result}).encode()


def usual(message: dict[str, Any], *, modern: bool) -> bytes:
    """What a good server says to anything but a call; b"" for a notification or a response."""
    own, method = message.get("id"), message.get("method")
    if own is None or method is None:
        return b""
    results = {
        "initialize": {"protocolVersion": LEGACY, "capabilities": {"tools": {}}, "serverInfo": {"name": "hostile"}},
        "server/discover": {"supportedVersions": [MODERN], "capabilities": {"tools": {}}, "resultType": "complete"},
        "tools/list": {"tools": _TOOLS, "resultType": "complete"},
        "ping": {},
    }
    if method in results and method != ("initialize" if modern else "server/discover"):
        return answer(own, results[method])
    error = {"code": -32601, "message": "Method not found"}
    return json.dumps({"jsonrpc": "2.0", "id": own, "error": error}).encode()


def stdio_command() -> list[str]:
    return [sys.executable, "-I", "-S", str(Path(__file__))]


def main() -> None:
    """The process: reads and writes one message a line, and nothing else meanwhile."""
    out, told = sys.stdout.buffer, 0
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if message.get("method") != "tools/call":
            told += "method" not in message
            body = usual(message, modern=False)
            if body:
                out.write(body + b"\n")
        elif message["params"]["name"] == "count":
            out.write(answer(message["id"], {"content": [{"type": "text", "text": str(told)}]}) + b"\n")
        else:
            play = Play(message["params"]["arguments"], message["id"])
            for said in play.said:
                out.write(said + b"\n")
            while play.end == "endless":
                out.write(b"\n".join(play.said) + b"\n")
            if play.end == "half":
                out.write(play.good[: len(play.good) // 2])
            if play.end in ("die", "half"):
                break
            if play.end == "good":
                out.write(play.good + b"\n")
        out.flush()
    with contextlib.suppress(BrokenPipeError):
        out.flush()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.streams: dict[str, queue.Queue[bytes | None]] = {}
        self.lock = threading.Lock()
        self.calm = threading.Event()
        self.calm.set()
        self.at_once = self.most_at_once = 0

    def url(self, way: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{way}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is no news."""


@contextlib.contextmanager
def http_server() -> Iterator[_Server]:
    server = _Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.calm.set()
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "method" not in message:
            self._counted()
        way = self.path[1:].partition("?")[0]
        if way == "messages":
            self._on_stream(message)
        elif way == "sse":
            self._reply(405, "", b"")
        elif message.get("method") == "tools/call" and message["params"]["name"] == "echo":
            play = Play(message["params"].get("arguments", {}), message["id"])
            (self._stream if way == "stream" else self._whole)(play)
        else:
            body = usual(message, modern=way == "modern")
            refused = way == "modern" and b'"error"' in body
            self._reply((404 if refused else 200) if body else 202, "application/json" if body else "", body)

    def _counted(self) -> None:
        """An answer to a question of the server's: taken only once it is calm again."""
        server = self.server
        with server.lock:
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        server.calm.wait(30)
        with server.lock:
            server.at_once -= 1

    def _whole(self, play: Play) -> None:
        body = play.said[0] if play.said else play.good
        if play.kind == "text/event-stream":
            body = b"data: " + body + b"\n\n"
        self._reply(play.status, play.kind, body)

    def _stream(self, play: Play) -> None:
        self._begin_stream()
        self._play(play, self._chunk)
        if play.end in ("die", "half"):
            self.close_connection = True  # in the middle of the body
            return
        self.wfile.write(b"0\r\n\r\n")

    def _begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _play(self, play: Play, put: Callable[[bytes], object]) -> None:
        """Say all of it, each as an event unless it is raw."""
        if len(play.said) > 100:
            self.server.calm.clear()
        for said in play.said:
            put(said if play.raw else b"data: " + said + b"\n\n")
        while play.end == "endless":
            for said in play.said:
                put(said)
        self.server.calm.set()
        if play.end == "good":
            put(b"event: message\ndata: " + play.good + b"\n\n")
        elif play.end == "half":
            put(b"data: " + play.good[: len(play.good) // 2])

    def do_GET(self) -> None:
        if self.path != "/sse":
            self._reply(405, "", b"")
            return
        waiting: queue.Queue[bytes | None] = queue.Queue()
        name = str(id(waiting))
        self.server.streams[name] = waiting
        self._begin_stream()
        self._chunk(b"event: endpoint\ndata: /messages?%b\n\n" % name.encode())
        while (data := waiting.get()) is not None:
            self._chunk(data)
        self.close_connection = True

    def _on_stream(self, message: dict[str, Any]) -> None:
        """A message for the stream that the query names."""
        waiting = self.server.streams[self.path.partition("?")[2]]
        self._reply(202, "", b"")
        if message.get("method") == "tools/call":
            play = Play(message["params"].get("arguments", {}), message["id"])
            self._play(play, waiting.put)
            if play.end in ("die", "half"):
                waiting.put(None)
        elif body := usual(message, modern=False):
            waiting.put(b"data: " + body + b"\n\n")

    def do_DELETE(self) -> None:
        self._reply(405, "", b"")

    def _reply(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        if kind:
            self.send_header("content-type", kind)
        if status != 204:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def log_message(self, *given: Any) -> None:
        """Say nothing."""


if __name__ == "__main__":
    main()
