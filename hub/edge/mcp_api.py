"""`/mcp/{profile}`: one URL for MCP clients of both eras, chosen request by request."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from hub.core.calls import Origin, ToolCall
from hub.core.ids import new_id
from hub.core.logs import get_logger
from hub.core.refusal import Malformed, NotFound, Refusal
from hub.edge.body import read_body
from hub.edge.credentials import credentials
from hub.edge.errors import request_id_of
from hub.edge.guards import Receive, Scope, Send
from hub.edge.in_flight import Exchange, InFlight
from hub.edge.mcp_answers import discovered, initialized, relayed, tool_list
from hub.edge.mcp_envelope import (
    INTERNAL,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Message,
    Object,
    RpcFault,
    error_bytes,
    fault_bytes,
    notification_bytes,
    object_of,
    parse,
    result_bytes,
    text_of,
)
from hub.edge.mcp_era import BATCHING, LEGACY, META, Era, check_modern, check_single, era_of, unsupported
from hub.edge.mcp_sessions import Session, Sessions
from hub.edge.mcp_streams import Headers, Outbox, answer_call, answer_json, follow
from hub.edge.origins import origin_of
from hub.tool_path import ToolPath, Visit, check_arguments
from hub.upstream import CallerContext

BODY_BYTES = 4 << 20
_SESSION = b"mcp-session-id"
_LIST_CHANGED = "notifications/tools/list_changed"
_STATUS = {METHOD_NOT_FOUND: 404, INTERNAL: 200}

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request to a profile, its caller let in."""

    visit: Visit
    headers: Mapping[bytes, bytes]
    origin: Origin
    send: Send
    exchange: Exchange
    session: Session | None = None

    @property
    def may_stream(self) -> bool:
        """Whether the client takes event streams."""
        return b"text/event-stream" in self.headers.get(b"accept", b"")

    @property
    def reply_headers(self) -> Headers:
        """What every answer carries."""
        return [(b"x-request-id", self.origin.request_id.encode("latin-1"))]


class McpApi:
    """A plain ASGI callable for everything under `/mcp/`. Raises Refusal before it has sent anything."""

    def __init__(self, path: ToolPath, in_flight: InFlight, *, body_bytes: int = BODY_BYTES) -> None:
        self._path = path
        self._in_flight = in_flight
        self._body_bytes = body_bytes
        self.sessions = Sessions()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        profile = scope["path"].removeprefix("/mcp/")
        visit = self._path.visit(profile, credentials(scope["headers"]))
        headers = dict(scope["headers"])
        origin = origin_of(scope, headers, request_id_of(scope))
        session = self._session(headers, visit)
        match scope["method"]:
            case "POST":
                body = await read_body(receive, scope["headers"], self._body_bytes)
                with self._in_flight.watch(receive) as exchange:
                    request = Request(visit, headers, origin, send, exchange, session)
                    await self._post(request, body, scope["headers"])
            case "GET" if session is not None:
                with self._in_flight.watch(receive) as exchange:
                    await self._stream(Request(visit, headers, origin, send, exchange, session))
            case "DELETE" if session is not None:
                self.sessions.close(session)
                await answer_json(send, 204, b"", [])
            case _:
                raise _no_such_method(scope["method"])

    def _session(self, headers: Mapping[bytes, bytes], visit: Visit) -> Session | None:
        identifier = headers.get(_SESSION)
        if identifier is None or headers.get(b"mcp-protocol-version") == b"2026-07-28":
            return None
        session = self.sessions.find(identifier.decode("latin-1")[:128], visit.principal.id, visit.view.name)
        if session is None:
            raise NotFound("session_not_found", "There is no such session, or it has expired. Send 'initialize' again.")
        return session

    # -- POST ------------------------------------------------------------------------------------------------------

    async def _post(self, request: Request, body: bytes, raw_headers: list[tuple[bytes, bytes]]) -> None:
        identifier = b"null"
        try:
            messages, batched = parse(body)
            first = messages[0]
            identifier = first.id or b"null"
            check_single(raw_headers)
            era = era_of(request.headers, first)
            if batched:
                await self._batch(request, messages, era)
            elif era is Era.MODERN:
                await self._modern(request, first)
            else:
                await self._legacy(request, first)
        except RpcFault as fault:
            request.exchange.finish()
            await answer_json(request.send, fault.status, fault_bytes(identifier, fault), request.reply_headers)

    async def _batch(self, request: Request, messages: list[Message], era: Era) -> None:
        version = request.session.version if request.session else BATCHING
        if era is Era.MODERN or version != BATCHING or any(m.method == "initialize" for m in messages):
            raise RpcFault(INVALID_REQUEST, f"Batches exist in {BATCHING} only. Send one message at a time.")
        answers: list[bytes] = []
        for message in messages:
            if message.is_request:
                _, answer = await self._answered(message, self._legacy_result(request, message, Outbox()), Era.LEGACY)
                answers.append(answer)
        request.exchange.finish()
        body = b"[" + b",".join(answers) + b"]" if answers else b""
        await answer_json(request.send, 200 if answers else 202, body, request.reply_headers)

    async def _modern(self, request: Request, message: Message) -> None:
        if not message.method:
            raise RpcFault(INVALID_REQUEST, "A client sends requests and notifications, never a response.")
        if not message.is_request:
            await self._accept(request)
            return
        check_modern(request.headers, message)
        if message.method == "subscriptions/listen":
            await self._listen(request, message)
            return
        outbox = Outbox()
        work = self._answered(message, self._modern_result(request, message, outbox), Era.MODERN)
        await self._answer(request, work, outbox)

    async def _modern_result(self, request: Request, message: Message, outbox: Outbox) -> bytes:
        match message.method:
            case "server/discover":
                return result_bytes(message.id, discovered(request.visit))
            case "tools/list":
                _check_cursor(message)
                return result_bytes(message.id, tool_list(request.visit, Era.MODERN))
            case "tools/call":
                capabilities = bytes(message.meta[f"{META}clientCapabilities"])
                return await self._call(request, message, Era.MODERN, outbox, capabilities)
            case _:
                raise _unknown(message.method)

    async def _legacy(self, request: Request, message: Message) -> None:
        if message.method == "initialize":
            await self._initialize(request, message)
            return
        version = request.headers.get(b"mcp-protocol-version", b"").decode("latin-1")
        if version and version not in LEGACY and version != "2024-11-05":
            raise unsupported(version)
        if not message.is_request:
            self._heard(request, message)
            await self._accept(request)
            return
        outbox = Outbox()
        work = self._answered(message, self._legacy_result(request, message, outbox), Era.LEGACY)
        await self._answer(request, work, outbox)

    async def _legacy_result(self, request: Request, message: Message, outbox: Outbox) -> bytes:
        match message.method:
            case "ping":
                return result_bytes(message.id, b"{}")
            case "tools/list":
                _check_cursor(message)
                return result_bytes(message.id, tool_list(request.visit, Era.LEGACY))
            case "tools/call":
                capabilities = request.session.capabilities if request.session else b"{}"
                return await self._call(request, message, Era.LEGACY, outbox, capabilities)
            case _:
                raise _unknown(message.method)

    async def _initialize(self, request: Request, message: Message) -> None:
        if not message.is_request:
            raise RpcFault(INVALID_REQUEST, "initialize is a request: give it an id.")
        asked = text_of(message.params.get("protocolVersion"))
        version = asked if asked in LEGACY else LEGACY[0]
        capabilities = bytes(message.params.get("capabilities", b"{}"))
        visit = request.visit
        session = self.sessions.open(visit.principal.id, visit.view.name, version, capabilities)
        request.exchange.finish()
        headers = [*request.reply_headers, (_SESSION, session.id.encode())]
        await answer_json(request.send, 200, result_bytes(message.id, initialized(visit, version)), headers)

    def _heard(self, request: Request, message: Message) -> None:
        """A notification, or a response: only a cancellation of a call that still runs has an effect."""
        if message.method == "notifications/cancelled" and request.session is not None:
            cancel = request.session.running.get(bytes(message.params.get("requestId", b"")))
            if cancel is not None:
                cancel()

    async def _accept(self, request: Request) -> None:
        request.exchange.finish()
        await answer_json(request.send, 202, b"", request.reply_headers)

    async def _answer(self, request: Request, work: Awaitable[tuple[int, bytes]], outbox: Outbox) -> None:
        await answer_call(request.send, work, outbox, request.reply_headers, request.may_stream)

    async def _answered(self, message: Message, work: Awaitable[bytes], era: Era) -> tuple[int, bytes]:
        """The response to a message, whatever becomes of it, and the HTTP status that belongs to it."""
        try:
            return 200, await work
        except RpcFault as fault:
            status = 200 if era is Era.LEGACY else _STATUS.get(fault.code, fault.status)
            return status, fault_bytes(message.id, fault)
        except Refusal as refusal:
            fault = refused(refusal)
            return (200 if era is Era.LEGACY else fault.status), fault_bytes(message.id, fault)
        except Exception:
            log.exception("a message failed", method=message.method)
            return 200, fault_bytes(message.id, RpcFault(INTERNAL, "The hub failed on this message."))

    # -- calls -----------------------------------------------------------------------------------------------------

    async def _call(self, request: Request, message: Message, era: Era, outbox: Outbox, capabilities: bytes) -> bytes:
        name = message.text("name")
        arguments = bytes(message.params.get("arguments", b"{}"))
        if arguments == b"null":
            arguments = b"{}"
        try:
            check_arguments(arguments)
        except Malformed as malformed:
            raise RpcFault(INVALID_PARAMS, malformed.message) from None
        call = ToolCall(
            new_id(), request.visit.view.name, name, arguments, request.origin, meta=msgspec.json.encode(message.meta)
        )
        caller = CallerContext(principal=request.visit.principal, capabilities=capabilities, notify=outbox.notify)
        with _running(request.session, message.id):
            reply = await self._path.call(request.visit, call, caller)
        if reply.error is not None:
            return error_bytes(message.id, reply.error)
        return result_bytes(message.id, relayed(reply.result or b"{}", request.visit, era))

    # -- streams ---------------------------------------------------------------------------------------------------

    async def _stream(self, request: Request) -> None:
        """The stream on which a session hears that its list has changed."""
        outbox = Outbox()
        stop = self._path.listen(request.visit.view.name, lambda: outbox.notify(_LIST_CHANGED, b"{}"))
        try:
            await follow(
                request.send, outbox, request.reply_headers, first=b"", last=lambda: b"", stop=self._in_flight.draining
            )
        finally:
            stop()

    async def _listen(self, request: Request, message: Message) -> None:
        """A modern subscription: acknowledged first, then what was asked for and exists here, then a result."""
        if not request.may_stream:
            raise RpcFault(
                INVALID_REQUEST, "subscriptions/listen answers with a stream: accept text/event-stream.", status=406
            )
        wanted: Object = object_of(message.params.get("notifications"))
        changes = bytes(wanted.get("toolsListChanged", b"false")) == b"true"
        outbox = Outbox()
        meta = b'{"_meta":{"%bsubscriptionId":%b}' % (META.encode(), message.id)

        def changed() -> None:
            outbox.notify(_LIST_CHANGED, meta + b"}")

        stop: Callable[[], None] = self._path.listen(request.visit.view.name, changed) if changes else _nothing
        granted = b',"notifications":%b}' % (b'{"toolsListChanged":true}' if changes else b"{}")
        acknowledged = notification_bytes("notifications/subscriptions/acknowledged", meta + granted)
        result = result_bytes(message.id, meta + b',"resultType":"complete"}')
        try:
            await follow(
                request.send,
                outbox,
                request.reply_headers,
                first=acknowledged,
                last=lambda: result,
                stop=self._in_flight.draining,
            )
        finally:
            stop()


class _running:  # noqa: N801 - used like a function: `with _running(...)`
    """While a call runs, its session knows how to cancel it."""

    __slots__ = ("_id", "_session")

    def __init__(self, session: Session | None, identifier: bytes) -> None:
        self._session = session
        self._id = identifier

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if self._session is not None and task is not None:
            self._session.running[self._id] = task.cancel

    def __exit__(self, *exc_info: object) -> None:
        if self._session is not None:
            self._session.running.pop(self._id, None)


def _nothing() -> None:
    return None


def _check_cursor(message: Message) -> None:
    if bytes(message.params.get("cursor", b"null")) != b"null":
        raise RpcFault(INVALID_PARAMS, "This cursor is not one of ours: the list has one page.")


def _unknown(method: str) -> RpcFault:
    return RpcFault(METHOD_NOT_FOUND, f"There is no method '{method}' here.", status=404)


def _no_such_method(method: str) -> Refusal:
    message = f"{method} is answered only within a session. Send POST." if method in ("GET", "DELETE") else "Send POST."
    return Refusal("malformed", message, status=405, headers={"allow": "POST"})


def refused(refusal: Refusal) -> RpcFault:
    """A refusal as JSON-RPC has it: the stable code and how to go on in `data`."""
    data: dict[str, Any] = {"code": refusal.code, "status": refusal.status}
    if refusal.retry_after is not None:
        data["retry_after"] = refusal.retry_after
    if refusal.code == "tool_not_found":
        return RpcFault(INVALID_PARAMS, refusal.message, data=data)
    code = INVALID_PARAMS if refusal.status == 400 else -32000
    return RpcFault(code, refusal.message, status=refusal.status, data=data)
