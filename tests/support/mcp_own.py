"""A server of the old era that shows each of its users what is theirs: who calls is told by the bearer token; stdlib only.

::

    with own_server() as url: ...

Everybody has a tool and a prompt `only_NAME`, and the resource `note://shared`, and those that they made with the tool `make` (name). `touch` changes
`note://shared` for its caller: their sessions are told that watch it. `page` wants a page opened (-32042, its id is that
of the call's argument), and `through` says that this is done.
"""

import contextlib
import itertools
import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOOLS = ["make", "touch", "page", "through", "whoami"]
CAPABILITIES = {"tools": {}, "prompts": {}, "resources": {"subscribe": True, "listChanged": True}}
Json = dict[str, Any]


class _Session:
    def __init__(self, user: str) -> None:
        self.user = user
        self.watched: set[str] = set()
        self.told: queue.Queue[Json | None] = queue.Queue()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.numbers = itertools.count(1)
        self.sessions: dict[str, _Session] = {}
        self.made: dict[str, list[str]] = {}

    def tell(self, user: str, method: str, params: Json, uri: str = "") -> None:
        for session in list(self.sessions.values()):
            if session.user == user and (not uri or uri in session.watched):
                session.told.put({"jsonrpc": "2.0", "method": method, "params": params})

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is no news."""


@contextlib.contextmanager
def own_server() -> Iterator[str]:
    server = _Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/mcp"
    finally:
        for session in server.sessions.values():
            session.told.put(None)
        server.shutdown()
        server.server_close()


class _Fault(Exception):
    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message} | ({"data": data} if data else {})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["content-length"])))
        user = (self.headers["authorization"] or "").removeprefix("Bearer ").partition("-")[0]
        if user not in ("ann", "bob", "eve"):
            self._reply(401)
        elif message["method"] == "initialize":
            name = f"{user}-{next(self.server.numbers)}"
            self.server.sessions[name] = _Session(user)
            result = {"protocolVersion": "2025-11-25", "capabilities": CAPABILITIES, "serverInfo": {"name": "own"}}
            self._reply(200, {"jsonrpc": "2.0", "id": message["id"], "result": result}, name)
        elif message["method"] == "server/discover":
            self._reply(
                400, {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32600, "message": "no session"}}
            )
        elif self.headers["mcp-session-id"] not in self.server.sessions:
            self._reply(404)
        elif "id" not in message:
            self._reply(202)
        else:
            session = self.server.sessions[self.headers["mcp-session-id"]]
            try:
                said = {"result": self._result(session, message["method"], message.get("params", {}))}
            except _Fault as fault:
                said = {"error": fault.error}
            self._reply(200, {"jsonrpc": "2.0", "id": message["id"], **said})

    def _result(self, session: _Session, method: str, params: Json) -> Json:
        if method == "tools/list":
            names = [*TOOLS, f"only_{session.user}"]
            return {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in names]}
        if method == "prompts/list":
            return {"prompts": [{"name": f"only_{session.user}"}]}
        if method == "resources/list":
            uris = ["note://shared", *(f"note://{name}" for name in self.server.made.get(session.user, ()))]
            return {"resources": [{"uri": uri, "name": uri} for uri in uris]}
        if method == "resources/templates/list":
            return {"resourceTemplates": []}
        if method == "resources/read":
            return {"contents": [{"uri": params["uri"], "text": f"for {session.user}"}]}
        if method == "resources/subscribe":
            session.watched.add(params["uri"])
            return {}
        if method == "resources/unsubscribe":
            session.watched.discard(params["uri"])
            return {}
        if method == "tools/call":
            return self._called(session, params["name"], params.get("arguments", {}))
        raise _Fault(-32601, "Method not found")

    def _called(self, session: _Session, tool: str, arguments: Json) -> Json:
        server, user = self.server, session.user
        if tool == "make":
            server.made.setdefault(user, []).append(arguments["name"])
            server.tell(user, "notifications/resources/list_changed", {})
        elif tool == "touch":
            server.tell(user, "notifications/resources/updated", {"uri": "note://shared"}, "note://shared")
        elif tool == "page":
            page = {"mode": "url", "elicitationId": arguments["id"], "url": "https://example.com/page", "message": "Go"}
            raise _Fault(-32042, "Open a page first", {"elicitations": [page]})
        elif tool == "through":
            server.tell(user, "notifications/elicitation/complete", {"elicitationId": arguments["id"]})
        return {"content": [{"type": "text", "text": user}]}

    def do_GET(self) -> None:
        session = self.server.sessions.get(self.headers["mcp-session-id"] or "")
        if session is None:
            self._reply(405)
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.flush()
        while (message := session.told.get()) is not None:
            self.wfile.write(b"data: " + json.dumps(message).encode() + b"\n\n")

    def do_DELETE(self) -> None:
        session = self.server.sessions.pop(self.headers["mcp-session-id"] or "", None)
        if session is not None:
            session.told.put(None)
        self._reply(200)

    def _reply(self, status: int, message: Json | None = None, session: str = "") -> None:
        body = json.dumps(message).encode() if message else b""
        self.send_response(status)
        if body:
            self.send_header("content-type", "application/json")
        if session:
            self.send_header("mcp-session-id", session)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *given: Any) -> None:
        """Say nothing."""
