"""The full test server over HTTP: streamable HTTP in both eras, and HTTP+SSE at `/sse`.

::

    async with FullServer("2025") as server:    # or "2026", or "both"
        server.url, server.core
"""

import asyncio
import contextlib
import itertools
import json
import secrets
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Self

import uvicorn

from tests.support.mcp_full import META, MODERN, Caller, Core, Json, RpcError
from tests.support.mcp_full_tasks import TaskCore
from tests.support.mcp_full_tools import TOOLS

_END: Any = None
_STATUS = {-32700: 400, -32600: 400, -32602: 400, -32601: 404, -32020: 400, -32021: 400, -32022: 400}
Queue = "asyncio.Queue[Json | None]"


class Session:
    """A client of the old era."""

    def __init__(self, params: Json) -> None:
        self.id = secrets.token_hex(8)
        self.capabilities: Json = params.get("capabilities") or {}
        self.level = ""
        self.streams: list[asyncio.Queue[Any]] = []
        self.running: dict[Any, asyncio.Task[Any]] = {}
        self.kept: dict[str, Json] = {}  # answers to requests whose stream was closed, by the event id that asks
        self._open: dict[str, asyncio.Future[Json]] = {}
        self._numbers = itertools.count(1)

    def put(self, send: Callable[[Json], None]) -> Callable[[str, Json], Awaitable[Json]]:
        """Something that asks the client on a stream."""

        async def ask(method: str, params: Json) -> Json:
            identifier = f"q-{next(self._numbers)}"
            answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
            self._open[identifier] = answer
            send({"jsonrpc": "2.0", "id": identifier, "method": method, "params": params})
            return await answer

        return ask

    def answered(self, message: Json) -> None:
        """The client answers a question."""
        answer = self._open.pop(str(message.get("id")), None)
        if answer is not None and not answer.done():
            if "error" in message:
                answer.set_exception(RpcError(-32603, str(message["error"].get("message"))))
            else:
                answer.set_result(message["result"])


class FullServer:
    """The server. `requests` keeps method and headers of each POST, `sessions` the open sessions by id."""

    def __init__(self, era: str = "both", core: Core | None = None) -> None:
        self.core = core or TaskCore(era, TOOLS)
        self.sessions: dict[str, Session] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.listening: list[tuple[Any, Json, asyncio.Queue[Any]]] = []
        self.core.changed, self.core.updated, self.core.task_changed = self._changed, self._updated, self._task
        self.url = ""
        self._sock: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
        await self.serve(sock)
        return self

    async def serve(self, sock: socket.socket) -> None:
        """Listen on a bound socket."""
        self._sock = sock
        port = sock.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/mcp"
        config = uvicorn.Config(self, lifespan="off", log_level="critical", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._serving = asyncio.ensure_future(self._server._serve(sockets=[sock]))
        while not self._server.started:
            await asyncio.sleep(0.01)

    async def __aexit__(self, *fault: object) -> None:
        assert self._server is not None
        assert self._serving is not None
        for session in self.sessions.values():
            for stream in session.streams:
                stream.put_nowait(_END)
        for _, _, stream in self.listening:
            stream.put_nowait(_END)
        self._server.should_exit = self._server.force_exit = True
        await self._serving
        if self._sock is not None:
            self._sock.close()

    # -- changes -------------------------------------------------------------------------------------------------------

    def _changed(self, kind: str) -> None:
        self._tell(f"notifications/{kind}/list_changed", {}, lambda wanted: bool(wanted.get(f"{kind}ListChanged")))

    def _updated(self, uri: str) -> None:
        def wants(wanted: Json) -> bool:
            return uri in (wanted.get("resourceSubscriptions") or ())

        self._tell("notifications/resources/updated", {"uri": uri}, wants, uri in self.core.subscribed)

    def _task(self, task: Json) -> None:
        def wants(wanted: Json) -> bool:
            return task["taskId"] in (wanted.get("taskIds") or ())

        self._tell("notifications/tasks", task, wants, False)

    def _tell(self, method: str, params: Json, wants: Callable[[Json], bool], legacy: bool = True) -> None:
        for number, wanted, stream in self.listening:
            if wants(wanted):
                meta = {"_meta": {f"{META}subscriptionId": number}}
                stream.put_nowait({"jsonrpc": "2.0", "method": method, "params": {**params, **meta}})
        for session in self.sessions.values() if legacy else ():
            for stream in session.streams[-1:]:
                stream.put_nowait({"jsonrpc": "2.0", "method": method, "params": params})

    # -- HTTP ----------------------------------------------------------------------------------------------------------

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["path"] == "/sse" and scope["method"] == "POST":
            await _whole(send, 405, b"")
        elif scope["path"] == "/sse":
            await self._old(scope, headers, receive, send)
        elif scope["method"] == "POST":
            await self._post(scope, headers, await _body(receive), receive, send)
        elif scope["method"] == "GET" and headers.get("mcp-session-id") in self.sessions:
            await self._get(self.sessions[headers["mcp-session-id"]], headers, receive, send)
        elif scope["method"] == "DELETE" and headers.get("mcp-session-id") in self.sessions:
            del self.sessions[headers["mcp-session-id"]]
            await _whole(send, 200, b"")
        else:
            await _whole(send, 405, b"")

    async def _old(self, scope: Any, headers: Any, receive: Any, send: Any) -> None:
        """HTTP+SSE: a stream that names its endpoint, to which messages are posted."""
        session = Session({})
        stream: asyncio.Queue[Any] = asyncio.Queue()
        session.streams.append(stream)
        self.sessions[session.id] = session
        endpoint = f"/messages?session={session.id}"
        await _stream(send, receive, stream, first=f"event: endpoint\ndata: {endpoint}\n\n".encode())

    async def _get(self, session: Session, headers: dict[str, str], receive: Any, send: Any) -> None:
        stream: asyncio.Queue[Any] = asyncio.Queue()
        kept = session.kept.pop(headers.get("last-event-id", ""), None)
        if kept is not None:
            stream.put_nowait(kept)
            stream.put_nowait(_END)
        else:
            session.streams.append(stream)
        try:
            await _stream(send, receive, stream)
        finally:
            if stream in session.streams:
                session.streams.remove(stream)

    async def _post(self, scope: Any, headers: dict[str, str], body: bytes, receive: Any, send: Any) -> None:
        message: Json = json.loads(body)
        self.requests.append((message.get("method", ""), headers))
        if scope["path"] == "/messages":
            await self._posted(scope["query_string"].decode().partition("=")[2], message, send)
            return
        fault = self._fault(headers, message)
        if fault is not None:
            await _whole(send, *fault)
            return
        session = self.sessions.get(headers.get("mcp-session-id", ""))
        if message.get("method") == "initialize":
            await self._initialize(message, send)
        elif "id" not in message or "method" not in message:
            self._heard(session, message)
            await _whole(send, 202, b"")
        elif message["method"] == "subscriptions/listen":
            await self._listen(message, receive, send)
        else:
            await self._request(session, message, headers, receive, send)

    async def _posted(self, identifier: str, message: Json, send: Any) -> None:
        session = self.sessions[identifier]
        await _whole(send, 202, b"")
        stream = session.streams[0]
        if message.get("method") == "initialize":
            session.capabilities = message["params"].get("capabilities") or {}
            result = {**self.core.initialize(message["params"]), "protocolVersion": "2024-11-05"}
            stream.put_nowait({"jsonrpc": "2.0", "id": message["id"], "result": result})
        elif "id" in message and "method" in message:
            work = self._answered(session, message, stream.put_nowait)
            task = session.running[message["id"]] = asyncio.ensure_future(work)
            task.add_done_callback(lambda done: None if done.cancelled() else stream.put_nowait(done.result()))
        else:
            self._heard(session, message)

    def _fault(self, headers: dict[str, str], message: Json) -> tuple[int, bytes] | None:
        modern = f"{META}protocolVersion" in ((message.get("params") or {}).get("_meta") or {})
        version = headers.get("mcp-protocol-version", "")
        if self.core.era == "2025" and (modern or version == MODERN or message.get("method") == "server/discover"):
            return 400, _error(message.get("id"), -32600, "Bad Request: no session")
        if self.core.era == "2026" and not modern and "method" in message and "id" in message:
            data = {"supported": self.core.versions, "requested": version}
            return 400, _error(message.get("id"), -32022, "Unsupported protocol version", data)
        session = headers.get("mcp-session-id")
        if not modern and message.get("method") != "initialize" and session not in self.sessions:
            return (404 if session else 400), _error(message.get("id"), -32600, "Session not found")
        if modern and headers.get("mcp-method") != message["method"]:
            return 400, _error(message.get("id"), -32020, "Mcp-Method is not the method")
        return None

    async def _initialize(self, message: Json, send: Any) -> None:
        session = Session(message["params"])
        self.sessions[session.id] = session
        result = self.core.initialize(message["params"])
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
        await _whole(send, 200, body, [(b"mcp-session-id", session.id.encode())])

    def _heard(self, session: Session | None, message: Json) -> None:
        if session is None:
            return
        if "method" not in message:
            session.answered(message)
        elif message["method"] == "notifications/cancelled":
            task = session.running.get(message["params"]["requestId"])
            if task is not None:
                task.cancel()

    async def _listen(self, message: Json, receive: Any, send: Any) -> None:
        wanted = message["params"].get("notifications") or {}
        stream: asyncio.Queue[Any] = asyncio.Queue()
        entry = (message["id"], wanted, stream)
        meta = {"_meta": {f"{META}subscriptionId": message["id"]}}
        params = {"notifications": wanted, **meta}
        stream.put_nowait({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": params})
        self.listening.append(entry)
        try:
            await _stream(send, receive, stream)
        finally:
            self.listening.remove(entry)

    async def _answered(self, session: Session | None, message: Json, put: Callable[[Json], None]) -> Json:
        caller = Caller(
            message,
            put,
            capabilities=session.capabilities if session else {},
            level=session.level if session else "",
            put=session.put(put) if session else None,
        )
        try:
            result = await self.core.answer(caller)
            if session is not None and message["method"] == "logging/setLevel":
                session.level = message["params"]["level"]
            return {"jsonrpc": "2.0", "id": message["id"], "result": result}
        except RpcError as refused:
            return {"jsonrpc": "2.0", "id": message["id"], "error": refused.error}

    async def _request(
        self, session: Session | None, message: Json, headers: dict[str, str], receive: Any, send: Any
    ) -> None:
        stream: asyncio.Queue[Any] = asyncio.Queue()
        task = asyncio.ensure_future(self._answered(session, message, stream.put_nowait))
        if session is not None:
            session.running[message["id"]] = task
        if message["method"] not in ("tools/call", "prompts/get", "resources/read"):
            answer = await task
            status = _STATUS.get(answer.get("error", {}).get("code"), 200) if session is None else 200
            await _whole(send, status, json.dumps(answer).encode())
            return
        if session is not None and (message.get("params") or {}).get("name") == "test_reconnection":
            await self._reconnecting(session, message, task, send)
            return

        def done(_: Any) -> None:
            with contextlib.suppress(asyncio.CancelledError):
                stream.put_nowait(task.result())
            stream.put_nowait(_END)

        task.add_done_callback(done)
        left = asyncio.ensure_future(_left(receive))
        coming = asyncio.ensure_future(stream.get())
        try:
            await asyncio.wait({left, coming}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                return
            first = coming.result()
            error = (first or {}).get("error") if first else None
            if error and session is None:
                await _whole(send, _STATUS.get(error["code"], 200), json.dumps(first).encode())
                return
            head = asyncio.Queue[Any]()
            for one in (first, *(stream.get_nowait() for _ in range(stream.qsize()))):
                head.put_nowait(one)
            stream._queue = head._queue  # type: ignore[attr-defined]  # what was looked at goes back to the front
            await _stream(send, receive, stream, left=left)
        finally:
            for one in (task, left, coming):
                one.cancel()

    async def _reconnecting(self, session: Session, message: Json, task: Any, send: Any) -> None:
        """Close the stream before the answer, which a GET with the last event's id then gets."""
        identifier = f"event-{message['id']}"
        task.add_done_callback(lambda done: session.kept.__setitem__(identifier, done.result()))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": f"id: {identifier}\nretry: 400\ndata: \n\n".encode()})


async def _body(receive: Any) -> bytes:
    body = b""
    while True:
        event = await receive()
        body += event.get("body", b"")
        if not event.get("more_body"):
            return body


def _error(identifier: Any, code: int, message: str, data: Any = None) -> bytes:
    error = {"code": code, "message": message} | ({} if data is None else {"data": data})
    return json.dumps({"jsonrpc": "2.0", "id": identifier, "error": error}).encode()


async def _whole(send: Any, status: int, body: bytes, headers: Any = ()) -> None:
    kind = [(b"content-type", b"application/json")] if body else []
    await send({"type": "http.response.start", "status": status, "headers": [*kind, *headers]})
    await send({"type": "http.response.body", "body": body})


async def _stream(send: Any, receive: Any, stream: "asyncio.Queue[Any]", first: bytes = b"", left: Any = None) -> None:
    """Send what comes, until the end or until the client leaves."""
    head = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": first or b": open\n\n", "more_body": True})
    left = left or asyncio.ensure_future(_left(receive))
    try:
        while True:
            coming = asyncio.ensure_future(stream.get())
            await asyncio.wait({coming, left}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                coming.cancel()
                return
            message = coming.result()
            if message is _END:
                break
            body = b"event: message\ndata: " + json.dumps(message).encode() + b"\n\n"
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        left.cancel()


async def _left(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _main(era: str, port: int) -> None:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    server = FullServer(era)
    await server.serve(sock)
    sys.stdout.write(f"{server.url}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1] if len(sys.argv) > 1 else "both", int(sys.argv[2]) if len(sys.argv) > 2 else 0))
