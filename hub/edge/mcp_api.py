"""`/mcp/{profile}`: one URL for MCP clients of both eras, chosen request by request."""

import asyncio
from collections.abc import Awaitable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from urllib.parse import parse_qs

import msgspec

from hub.core.calls import Credentials, Origin, ToolCall
from hub.core.ids import new_id
from hub.core.refusal import NotFound, Refusal
from hub.edge.body import read_body
from hub.edge.credentials import presented
from hub.edge.errors import request_id_of
from hub.edge.guards import Receive, Scope, Send
from hub.edge.in_flight import Exchange, InFlight, going_down
from hub.edge.mcp_answers import discovered, initialized, relayed, tool_list
from hub.edge.mcp_changes import Changes, Watch
from hub.edge.mcp_envelope import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    Headers,
    Message,
    RpcFault,
    fault_bytes,
    is_object,
    notification_bytes,
    object_of,
    parse,
    result_bytes,
)
from hub.edge.mcp_era import BATCHING, LEGACY, META, MODERN, Era, check_modern, check_single, era_of, is_modern
from hub.edge.mcp_faults import Response, refused, relayed_error, responded, unknown_method
from hub.edge.mcp_params import check_params
from hub.edge.mcp_sessions import Session, Sessions
from hub.edge.mcp_streams import Answer, Outbox, accompany, follow
from hub.edge.origins import origin_of
from hub.tool_path import ToolPath, Visit
from hub.upstream import CallerContext

BODY_BYTES = 4 << 20
MOST_CAPABILITIES = 64 << 10  # bytes that a session keeps of what its client declared
_SESSION = b"mcp-session-id"
_LIST_CHANGED = "notifications/tools/list_changed"
_CAPABILITIES = f"{META}clientCapabilities"


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request to a profile, its caller let in. `raw` are the headers as they came, twice if they did."""

    visit: Visit
    credentials: Credentials
    headers: Mapping[bytes, bytes]
    raw: Headers
    origin: Origin
    answer: Answer
    exchange: Exchange
    session: Session | None = None

    @property
    def may_stream(self) -> bool:
        """Whether the client takes event streams."""
        return b"text/event-stream" in self.headers.get(b"accept", b"")


class McpApi:
    """A plain ASGI callable for everything under `/mcp/`. Raises Refusal before it has sent anything."""

    def __init__(self, path: ToolPath, in_flight: InFlight, *, body_bytes: int = BODY_BYTES) -> None:
        self._path = path
        self._in_flight = in_flight
        self._body_bytes = body_bytes
        self._changes = Changes(path)
        self.sessions = Sessions()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        given = presented(scope)
        visit = self._path.visit(scope["path"].removeprefix("/mcp/").removesuffix("/"), given, _mode(scope))
        headers = dict(scope["headers"])
        origin = origin_of(scope, headers, request_id_of(scope))
        answer = Answer(send, [(b"x-request-id", origin.request_id.encode("latin-1"))])
        body = await read_body(receive, scope["headers"], self._body_bytes) if scope["method"] == "POST" else b""
        with self._in_flight.watch(scope, receive) as exchange:
            request = Request(visit, given, headers, scope["headers"], origin, answer, exchange)
            if scope["method"] == "POST":
                await self._post(request, body)
            else:
                await self._other(request, scope["method"])

    async def _other(self, request: Request, method: str) -> None:
        """GET and DELETE, which exist within a session only."""
        modern = request.headers.get(b"mcp-protocol-version") == MODERN.encode()
        if method not in ("GET", "DELETE") or modern or _SESSION not in request.headers:
            raise Refusal(
                "malformed", f"{method} is not answered here. Send POST.", status=405, headers={"allow": "POST"}
            )
        session = self._session(request)
        if session is not None and method == "GET":
            await self._stream(request, session)
        elif session is not None:
            self.sessions.close(session)
            await self._tell(request, Response(200, b""))

    def _session(self, request: Request) -> Session | None:
        """The session that a request names, if it names one. Raises NotFound `session_not_found`."""
        identifier = request.headers.get(_SESSION)
        if identifier is None:
            return None
        visit = request.visit
        session = self.sessions.find(identifier.decode("latin-1")[:128], visit.principal.id, visit.view.name)
        if session is None:
            raise NotFound("session_not_found", "There is no such session, or it has expired. Send 'initialize' again.")
        return session

    async def _tell(self, request: Request, response: Response) -> None:
        request.exchange.finish()
        await request.answer.finish(response.status, response.body, response.headers)

    # -- POST ------------------------------------------------------------------------------------------------------

    async def _post(self, request: Request, body: bytes) -> None:
        identifier = b""
        try:
            messages, batched = parse(body)
            first = messages[0]
            identifier = first.id
            check_single(request.raw)
            era = era_of(request.headers, first)
            if batched:
                await self._batch(request, messages, era)
            elif not first.method and era is Era.MODERN:
                raise RpcFault(INVALID_REQUEST, "A client sends requests and notifications, never a response.")
            elif era is Era.MODERN:
                await self._modern(request, first)
            else:
                await self._legacy(request, first)
        except RpcFault as fault:
            await self._tell(request, Response(fault.status, fault_bytes(fault.id or identifier, fault), fault.headers))

    async def _batch(self, request: Request, messages: list[Message], era: Era) -> None:
        session = self._session(request)
        version = session.version if session else BATCHING
        if era is Era.MODERN or version != BATCHING or any(m.method == "initialize" or is_modern(m) for m in messages):
            fault = RpcFault(INVALID_REQUEST, f"Batches exist in {BATCHING} only. Send one message at a time.")
            await self._tell(request, Response(400, fault_bytes(b"", fault)))
            return
        request = replace(request, session=session)
        answers: list[bytes] = []
        for message in messages:
            if message.is_request:
                work = self._legacy_result(request, message, Outbox())
                answers.append((await self._responded(request, message, work, Era.LEGACY)).body)
            else:
                self._heard(request, message)
        body = b"[" + b",".join(answers) + b"]" if answers else b""
        await self._tell(request, Response(200 if answers else 202, body))

    async def _modern(self, request: Request, message: Message) -> None:
        if not message.is_request:
            await self._tell(request, Response(202, b""))
            return
        check_modern(request.headers, message)
        if message.method == "subscriptions/listen":
            await self._listen(request, message)
            return
        outbox = Outbox()
        await self._respond(request, message, self._modern_result(request, message, outbox), outbox, Era.MODERN)

    async def _modern_result(self, request: Request, message: Message, outbox: Outbox) -> bytes:
        match message.method:
            case "server/discover":
                return result_bytes(message.id, discovered(request.visit))
            case "tools/list":
                _check_cursor(message)
                return result_bytes(message.id, tool_list(request.visit, Era.MODERN))
            case "tools/call":
                return await self._call(request, message, Era.MODERN, outbox, bytes(message.meta[_CAPABILITIES]))
            case _:
                raise unknown_method(message.method)

    async def _legacy(self, request: Request, message: Message) -> None:
        if message.method == "initialize":
            await self._initialize(request, message)
            return
        request = replace(request, session=self._session(request))
        if not message.is_request:
            self._heard(request, message)
            await self._tell(request, Response(202, b""))
            return
        outbox = Outbox()
        await self._respond(request, message, self._legacy_result(request, message, outbox), outbox, Era.LEGACY)

    async def _legacy_result(self, request: Request, message: Message, outbox: Outbox) -> bytes:
        match message.method:
            case "ping":
                return result_bytes(message.id, b"{}")
            case "tools/list":
                _check_cursor(message)
                return result_bytes(message.id, tool_list(request.visit, Era.LEGACY))
            case "tools/call":
                session = request.session
                capabilities = session.capabilities if session else b"{}"
                with session.running(message.id) if session else _unwatched():
                    return await self._call(request, message, Era.LEGACY, outbox, capabilities)
            case _:
                raise unknown_method(message.method)

    async def _initialize(self, request: Request, message: Message) -> None:
        if not message.is_request:
            raise RpcFault(INVALID_REQUEST, "initialize is a request: give it an id.")
        asked = message.text("protocolVersion")
        capabilities = message.params.get("capabilities", msgspec.Raw(b"{}"))
        if not is_object(capabilities) or len(bytes(capabilities)) > MOST_CAPABILITIES:
            size = f"{MOST_CAPABILITIES >> 10} KiB"
            raise RpcFault(INVALID_PARAMS, f"params.capabilities is an object of at most {size}.")
        version = asked if asked in LEGACY else LEGACY[0]
        visit = request.visit
        session = self.sessions.open(visit.principal.id, visit.view.name, version, bytes(capabilities))
        body = result_bytes(message.id, initialized(visit, version))
        await self._tell(request, Response(200, body, [(_SESSION, session.id.encode())]))

    def _heard(self, request: Request, message: Message) -> None:
        """A notification, or a response: only a cancellation of a call that still runs has an effect."""
        if message.method == "notifications/cancelled" and request.session is not None:
            request.session.cancel(bytes(message.params.get("requestId", b"")))

    # -- calls -----------------------------------------------------------------------------------------------------

    async def _responded(self, request: Request, message: Message, work: Awaitable[bytes], era: Era) -> Response:
        return await responded(message, work, era, request.origin.request_id)

    async def _respond(
        self, request: Request, message: Message, work: Awaitable[bytes], outbox: Outbox, era: Era
    ) -> None:
        """Answer a request: at once what is in memory, and a call with all that precedes its result."""
        working = self._responded(request, message, work, era)
        try:
            if message.method == "tools/call" and request.may_stream:
                response = await accompany(working, request.answer, outbox)
            else:
                response = await working
        except asyncio.CancelledError:
            if not request.exchange.was_ended():
                raise
            fault = refused(going_down(), request.origin.request_id)
            response = Response(fault.status, fault_bytes(message.id, fault), fault.headers)
        await self._tell(request, response)

    async def _call(self, request: Request, message: Message, era: Era, outbox: Outbox, capabilities: bytes) -> bytes:
        visit = request.visit
        name = message.text("name")
        arguments = bytes(message.params.get("arguments", b"{}"))
        if arguments == b"null":
            arguments = b"{}"
        tool = visit.view.find(name)
        if era is Era.MODERN and tool is not None and tool.mirrored:
            check_params(request.raw, tool.mirrored, arguments)
        call = ToolCall(
            new_id(), visit.view.name, name, arguments, request.origin, meta=msgspec.json.encode(message.meta)
        )
        caller = CallerContext(principal=visit.principal, capabilities=capabilities, notify=outbox.notify)
        reply = await self._path.call(visit, call, caller)
        if reply.error is not None:
            raise relayed_error(reply.error)
        return result_bytes(message.id, relayed(reply.result or b"{}", visit, era))

    # -- streams ---------------------------------------------------------------------------------------------------

    async def _stream(self, request: Request, session: Session) -> None:
        """The stream on which a session hears that its list has changed."""
        outbox = Outbox()
        message = notification_bytes(_LIST_CHANGED, b"{}")
        watch = Watch(self._path, request.visit, request.credentials, outbox, message)
        with self._changes.counted(session.principal), session.streaming(outbox.close), self._changes.told(watch):
            await request.answer.ping()
            await follow(request.answer, outbox, self._in_flight.draining, watch.look)
        await request.answer.end()

    async def _listen(self, request: Request, message: Message) -> None:
        """A modern subscription: acknowledged first, then what was asked for and exists here, then a result."""
        if not request.may_stream:
            accept = "subscriptions/listen answers with a stream: accept text/event-stream."
            raise RpcFault(INVALID_REQUEST, accept, status=406)
        if not is_object(message.params.get("notifications")):
            raise RpcFault(INVALID_PARAMS, "params.notifications is an object that says what to listen to.")
        wanted = object_of(message.params["notifications"])
        granted = bytes(wanted.get("toolsListChanged", b"")) == b"true"
        meta = b'{"_meta":{"%bsubscriptionId":%b}' % (META.encode(), message.id)
        outbox = Outbox()
        changed = notification_bytes(_LIST_CHANGED, meta + b"}")
        watch = Watch(self._path, request.visit, request.credentials, outbox, changed if granted else b"")
        try:
            with self._changes.counted(request.visit.principal.id), self._changes.told(watch):
                kinds = b',"notifications":%b}' % (b'{"toolsListChanged":true}' if granted else b"{}")
                first = notification_bytes("notifications/subscriptions/acknowledged", meta + kinds)
                await request.answer.message(first)
                await follow(request.answer, outbox, self._in_flight.draining, watch.look)
        except Refusal as refusal:
            raise refused(refusal, request.origin.request_id) from None
        await request.answer.end(result_bytes(message.id, meta + b',"resultType":"complete"}'))


def _mode(scope: Scope) -> str:
    """How the client wants the tools presented: `?mode=` of the URL."""
    return parse_qs(scope.get("query_string", b"").decode("latin-1")).get("mode", [""])[0]


def _unwatched() -> AbstractContextManager[None]:
    """A call outside of a session can be cancelled only by leaving."""
    return nullcontext()


def _check_cursor(message: Message) -> None:
    if bytes(message.params.get("cursor", b"null")) != b"null":
        raise RpcFault(INVALID_PARAMS, "This cursor is not one of ours: the list has one page.")
