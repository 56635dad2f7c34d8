"""`/mcp/{profile}`: one URL for MCP clients of both eras, chosen request by request."""

import asyncio
from collections.abc import Awaitable
from urllib.parse import parse_qs

from msgspec.structs import replace

from hub.core.refusal import NotFound, Refusal, Unauthenticated
from hub.core.seals import Seals
from hub.edge.body import read_body
from hub.edge.challenge import base_of, challenged
from hub.edge.credentials import presented
from hub.edge.errors import json_rpc_error, request_id_of
from hub.edge.guards import Receive, Scope, Send
from hub.edge.in_flight import InFlight, going_down
from hub.edge.mcp.answers import initialized
from hub.edge.mcp.changes import ANNOUNCED, Changes, Watch
from hub.edge.mcp.envelope import (
    INVALID_REQUEST,
    Message,
    RpcFault,
    fault_bytes,
    notification_bytes,
    parse,
    result_bytes,
)
from hub.edge.mcp.era import BATCHING, MODERN, check_modern, check_single, era_of, is_modern
from hub.edge.mcp.faults import Response, refused, responded
from hub.edge.mcp.handles import LONGEST, Handles
from hub.edge.mcp.journal import Journal
from hub.edge.mcp.legacy import LegacyDesk
from hub.edge.mcp.listening import Listening
from hub.edge.mcp.methods import RELAYED, Methods
from hub.edge.mcp.old_sse import OldSse
from hub.edge.mcp.replicas import Replicas
from hub.edge.mcp.request import Request
from hub.edge.mcp.sessions import Session, Sessions
from hub.edge.mcp.streams import PING_SECONDS, Answer, Outbox, accompany, follow
from hub.edge.origins import origin_of
from hub.tool_path import ToolPath
from hub.upstream import Era

BODY_BYTES = 4 << 20
_SESSION = b"mcp-session-id"
_LAST_EVENT = b"last-event-id"
_CHANGED = {name: notification_bytes(f"notifications/{name}/list_changed", b"{}") for name in ANNOUNCED}
_PLACES = ("", "sse", "messages")


class McpApi:
    """A plain ASGI callable for everything under `/mcp/`. Raises Refusal before it has sent anything.

    `seals` protect what clients keep for the hub between two requests; `public_url` is its own address,
    and `replicas` are those that it shares the database with.
    """

    def __init__(
        self,
        path: ToolPath,
        in_flight: InFlight,
        *,
        seals: Seals,
        body_bytes: int = BODY_BYTES,
        public_url: str = "",
        replicas: Replicas = Replicas(),  # noqa: B008 - frozen
    ) -> None:
        self._path = path
        self._in_flight = in_flight
        self._body_bytes = body_bytes
        self._public_url = public_url
        self._changes = Changes(path)
        self._replicas = replicas
        self._methods = Methods(path, seals, replicas.own)
        self._desk = LegacyDesk(path, self._methods)
        self._listening = Listening(path, self._changes, in_flight, seals)
        self.sessions = Sessions(Handles(seals, replicas.own))
        self._old = OldSse(path, self._desk, self._changes, in_flight, self.sessions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        given = presented(scope)
        profile, _, place = scope["path"].removeprefix("/mcp/").removesuffix("/").partition("/")
        try:
            visit = self._path.visit(profile if place in _PLACES else scope["path"][5:], given, _mode(scope))
        except Unauthenticated as refusal:
            raise challenged(refusal, scope, profile, self._public_url) from None
        headers = given.arrival.fields
        origin = origin_of(scope, headers, request_id_of(scope))
        body = await read_body(receive, headers, self._body_bytes) if scope["method"] == "POST" else b""
        with self._in_flight.watch(scope, receive) as exchange:
            named = [(b"x-request-id", origin.request_id.encode("latin-1"))]
            answer = Answer(send, named, exchange.wire)
            site = base_of(scope, self._public_url)
            request = Request(visit, given, headers, scope["headers"], origin, answer, exchange, site=site)
            if place:
                await self._at_place(request, scope, place, body)
            elif scope["method"] == "POST":
                await self._post(request, scope, body)
            else:
                await self._other(request, scope)

    async def _at_place(self, request: Request, scope: Scope, place: str, body: bytes) -> None:
        """The two addresses of clients that speak HTTP+SSE."""
        method = "GET" if place == "sse" else "POST"
        if scope["method"] != method:
            message = f"{scope['method']} is not answered here. Send {method}."
            raise Refusal("malformed", message, status=405, headers={"allow": method})
        if place == "sse":
            await self._old.stream(request)
            return
        identifier = parse_qs(scope["query_string"].decode("latin-1")).get("session", [""])[0]
        if await self._at_home(request, scope, body, identifier):
            return
        try:
            messages, _ = parse(body)
            response = self._old.post(request, identifier, messages)
        except RpcFault as fault:
            response = Response(fault.status, fault_bytes(fault.id, fault))
        await self._tell(request, response)

    async def _other(self, request: Request, scope: Scope) -> None:
        """GET and DELETE, which exist within a session only."""
        method = scope["method"]
        modern = request.headers.get(b"mcp-protocol-version") == MODERN.encode()
        if method not in ("GET", "DELETE") or modern or _SESSION not in request.headers:
            raise Refusal(
                "malformed", f"{method} is not answered here. Send POST.", status=405, headers={"allow": "POST"}
            )
        if await self._at_home(request, scope, b"", _named(request)):
            return
        if method == "GET" and not request.may_stream:
            raise Refusal("malformed", "GET answers with a stream: accept text/event-stream.", status=406)
        session = self._session(request)
        if session is not None and method == "GET":
            found = session.journals.find(request.headers.get(_LAST_EVENT, b"").decode("latin-1"))
            if found is None:
                await self._stream(request, session)
            else:
                await self._resume(request, session, *found)
        elif session is not None:
            self.sessions.close(session)
            await self._tell(request, Response(200, b""))

    def _session(self, request: Request) -> Session | None:
        """The session that a request names, if it names one. Raises NotFound `session_not_found`."""
        if _SESSION not in request.headers:
            return None
        visit = request.visit
        session = self.sessions.find(_named(request), visit.principal.id, visit.view.name)
        if session is None:
            raise NotFound("session_not_found", "There is no such session, or it has expired. Send 'initialize' again.")
        return session

    async def _at_home(self, request: Request, scope: Scope, body: bytes, identifier: str) -> bool:
        """Whether the session of a request lives at another replica, which then has answered it."""
        visit = request.visit
        home = self.sessions.home_of(identifier, visit.principal.id, visit.view.name) if identifier else ""
        if not self._replicas.is_elsewhere(request, home):
            return False
        return await self._replicas.passed_on(request, scope, body, home)

    async def _tell(self, request: Request, response: Response) -> None:
        request.exchange.finish()
        await request.answer.finish(response.status, response.body, response.headers)

    # -- POST ------------------------------------------------------------------------------------------------------

    async def _post(self, request: Request, scope: Scope, body: bytes) -> None:
        identifier = b""
        try:
            messages, batched = parse(body)
            first = messages[0]
            identifier = first.id
            _check_accept(request, messages)
            check_single(request.raw, request.headers)
            era = era_of(request.headers, first)
            if await self._is_elsewhere(request, scope, first, body, era):
                return
            if batched:
                await self._batch(request, messages, era)
            elif not first.method and era is Era.MODERN:
                raise RpcFault(INVALID_REQUEST, "A client sends requests and notifications, never a response.")
            elif era is Era.MODERN:
                await self._modern(request, first)
            else:
                await self._legacy(request, first)
        except NotFound as refusal:  # its session
            answer = json_rpc_error(refusal, request.origin.request_id, id_=identifier or b"null")
            await self._tell(request, Response(refusal.status, answer))
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
                work = self._desk.result(request, message, None)
                answers.append((await self._responded(request, message, work, Era.LEGACY)).body)
            else:
                self._desk.heard(request, message)
        body = b"[" + b",".join(answers) + b"]" if answers else b""
        await self._tell(request, Response(200 if answers else 202, body))

    async def _is_elsewhere(self, request: Request, scope: Scope, message: Message, body: bytes, era: Era) -> bool:
        """Whether a session, or a parked call, that the request goes on with is another replica's, which then answered."""
        if era is Era.LEGACY:
            named = "" if message.method == "initialize" else _named(request)
            return await self._at_home(request, scope, body, named)
        home = self._methods.home_of(request, message)
        if not self._replicas.is_elsewhere(request, home):
            return False
        check_modern(request.headers, message)
        return await self._replicas.passed_on(request, scope, body, home)

    async def _modern(self, request: Request, message: Message) -> None:
        if not message.is_request:
            await self._tell(request, Response(202, b""))
            return
        check_modern(request.headers, message)
        if message.method == "subscriptions/listen":
            await self._listening.listen(request, message)
            return
        outbox = Outbox()
        await self._respond(request, message, self._modern_result(request, message, outbox), outbox, Era.MODERN)

    async def _modern_result(self, request: Request, message: Message, outbox: Outbox) -> bytes:
        return result_bytes(message.id, await self._methods.modern(request, message, outbox))

    async def _legacy(self, request: Request, message: Message) -> None:
        if message.method == "initialize":
            await self._initialize(request, message)
            return
        request = replace(request, session=self._session(request))
        if not message.is_request:
            self._desk.heard(request, message)
            await self._tell(request, Response(202, b""))
            return
        if request.session is not None and request.may_stream:
            request.answer.kept_in(request.session.journals)
            request.exchange.lasts = request.answer.is_resumable
        outbox = Outbox()
        await self._respond(request, message, self._desk.result(request, message, outbox), outbox, Era.LEGACY)

    async def _initialize(self, request: Request, message: Message) -> None:
        if not message.is_request:
            raise RpcFault(INVALID_REQUEST, "initialize is a request: give it an id.")
        version, capabilities = self._desk.agreed(message)
        visit = request.visit
        session = self.sessions.open(visit.principal.id, visit.view.name, version, capabilities)
        body = result_bytes(message.id, initialized(self._path, visit, version))
        await self._tell(request, Response(200, body, [(_SESSION, session.id.encode())]))

    # -- calls -----------------------------------------------------------------------------------------------------

    async def _responded(self, request: Request, message: Message, work: Awaitable[bytes], era: Era) -> Response:
        return await responded(message, work, era, request.origin.request_id)

    async def _respond(
        self, request: Request, message: Message, work: Awaitable[bytes], outbox: Outbox, era: Era
    ) -> None:
        """Answer a request: at once what is in memory, and a call with all that precedes its result."""
        working = self._responded(request, message, work, era)
        try:
            if message.method in RELAYED and request.may_stream:
                response = await accompany(working, request.answer, outbox)
            else:
                response = await working
        except asyncio.CancelledError:
            if not request.exchange.was_ended():
                raise
            fault = refused(going_down(), request.origin.request_id)
            response = Response(fault.status, fault_bytes(message.id, fault), fault.headers)
        await self._tell(request, response)

    # -- streams ---------------------------------------------------------------------------------------------------

    async def _stream(self, request: Request, session: Session) -> None:
        """The stream on which a session hears that its lists have changed, and the resources that it watches."""
        outbox = Outbox()
        watch = Watch(self._path, request.visit, request.credentials, outbox, _CHANGED)
        with self._changes.counted(session.principal), session.streaming(outbox), self._changes.told(watch):
            await request.answer.ping()
            await follow(request.answer, outbox, self._in_flight.draining, watch.look)
        await request.answer.end()

    async def _resume(self, request: Request, session: Session, journal: Journal, number: int) -> None:
        """What followed on a stream that was cut off, and what comes until its end."""
        answer, draining = request.answer, self._in_flight.draining
        with session.using():
            missed = journal.after(number)  # refused as long as nothing is sent
            await answer.ping()  # the client knows that it is heard, also where it missed nothing
            while True:
                for message in missed:
                    number += 1
                    await answer.again(message, journal.id_of(number))
                if journal.ended_at is not None or draining.is_set():
                    break
                if not await journal.changed.within(PING_SECONDS):
                    await answer.ping()
                missed = journal.after(number)
        await answer.end()


def _check_accept(request: Request, messages: list[Message]) -> None:
    """See that the client takes an answer, where there is one, in a form that there is. Raises RpcFault."""
    accepts = request.accepts
    if accepts.json:
        return
    request.answer.stream_always()
    if not accepts.stream and any(message.is_request for message in messages):
        raise RpcFault(INVALID_REQUEST, "Accept application/json and text/event-stream.", status=406)


def _named(request: Request) -> str:
    """The id of the session that a request names, or ""."""
    return request.headers.get(_SESSION, b"")[: LONGEST + 1].decode("latin-1")


def _mode(scope: Scope) -> str:
    """How the client wants the tools presented: `?mode=` of the URL."""
    query = scope.get("query_string", b"")
    return parse_qs(query.decode("latin-1")).get("mode", [""])[0] if query else ""
