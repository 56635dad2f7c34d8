"""What a client asks of a profile, method by method, in either era: answered from memory, or relayed."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from msgspec import Raw

from hub.core.calls import ToolCall
from hub.core.ids import new_id
from hub.core.seals import Seals
from hub.edge.mcp.answers import discovered, item_list, relayed
from hub.edge.mcp.envelope import (
    INVALID_PARAMS,
    MISSING_CAPABILITY,
    Message,
    Object,
    RpcFault,
    object_of,
    text_of,
)
from hub.edge.mcp.era import META
from hub.edge.mcp.faults import relayed_error, unknown_method
from hub.edge.mcp.params import check_params
from hub.edge.mcp.request import CAPABILITIES, NOTHING, Request, legacy_caller, modern_caller
from hub.edge.mcp.sessions import Session
from hub.edge.mcp.states import bound_to, cursors_of, home_of, opened, own_task, public_task, read_on, sealed
from hub.edge.mcp.streams import Outbox
from hub.profile import Kind, Target
from hub.tool_path import Answered, ToolPath, Visit
from hub.upstream import CallerContext, Era

TASKS = f"{META}tasks"
LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
LISTS: Mapping[str, Kind] = {
    "tools/list": Kind.TOOLS,
    "prompts/list": Kind.PROMPTS,
    "resources/list": Kind.RESOURCES,
    "resources/templates/list": Kind.TEMPLATES,
}
# The member of params that says what is asked for, and how that is written down.
NAMED = {"tools/call": ("name", ""), "prompts/get": ("name", "prompts/"), "resources/read": ("uri", "resources/")}
TASK_METHODS = frozenset({"tasks/get", "tasks/update", "tasks/cancel"})
RELAYED = frozenset({*NAMED, *TASK_METHODS, "completion/complete"})  # what may take long, and talk meanwhile
_HANDLED = frozenset({"name", "arguments", "uri", "_meta"})


class Methods:
    """Answers requests: the raw JSON of each result. Raises RpcFault and Refusal."""

    def __init__(self, path: ToolPath, seals: Seals, home: str = "") -> None:
        self._path = path
        self._seals = seals
        self._home = home

    # -- the modern era --------------------------------------------------------------------------------------------

    async def modern(self, request: Request, message: Message, outbox: Outbox) -> bytes:
        """Answer a modern request."""
        method = message.method
        if method in NAMED:
            return await self._named(request, message, outbox)
        if method in LISTS:
            return self._listed(request, message, Era.MODERN)
        if method == "server/discover":
            return discovered(self._path, request.visit)
        if method == "completion/complete":
            return await self._completion(request, message, modern_caller(request, message, outbox, None))
        if method in TASK_METHODS:
            return await self._task(request, message, outbox)
        raise unknown_method(method)

    def home_of(self, request: Request, message: Message) -> str:
        """The replica where the call is parked that this request goes on with; "" for none."""
        if "requestState" not in message.params or message.method not in NAMED:
            return ""
        name = message.text(NAMED[message.method][0])
        return home_of(self._seals, bound_to(request.visit, message, name), message.params)

    async def _named(self, request: Request, message: Message, outbox: Outbox) -> bytes:
        """A request that a server may answer in rounds."""
        visit = request.visit
        member, prefix = NAMED[message.method]
        name = message.text(member)
        if message.method == "tools/call":
            _check_headers(request, message, name)
        bound = b""
        params, resume = message.params, None
        if "requestState" in params or "inputResponses" in params:
            bound = bound_to(visit, message, name)
            params, resume = opened(self._seals, bound, params)
        call = _call(request, message, prefix + name, params)
        answered = await self._path.call(visit, call, modern_caller(request, message, outbox, resume))
        reply = answered.reply
        request.answer.tell(answered.headers)

        def edit(members: Object) -> None:
            kind = bytes(members.get("resultType", b""))
            if kind == b'"input_required"':
                sealed(self._seals, bound or bound_to(visit, message, name), members, own=reply.own, home=self._home)
            elif kind == b'"task"':
                self._publish_task(visit, answered.server, members)

        return _result(answered, visit, message.method, Era.MODERN, edit)

    async def _task(self, request: Request, message: Message, outbox: Outbox) -> bytes:
        """A request about a task that a server made for this caller."""
        visit = request.visit
        if TASKS not in object_of(object_of(message.meta.get(CAPABILITIES)).get("extensions")):
            data = {"requiredCapabilities": {"extensions": {TASKS: {}}}}
            raise RpcFault(MISSING_CAPABILITY, f"{message.method} needs a client with {TASKS}.", data=data)
        public = message.text("taskId")
        server, own = own_task(self._seals, visit, public)
        params = msgspec.json.encode(
            {**message.params, "taskId": Raw(msgspec.json.encode(own)), "_meta": Raw(_meta(message))}
        )
        call = ToolCall(new_id(), visit.view.name, message.method, NOTHING, request.origin, NOTHING, message.method)
        target = Target(server, message.method, params=lambda arguments, meta: params)
        answered = await self._path.call(visit, call, modern_caller(request, message, outbox, None), target)

        def edit(members: Object) -> None:
            if "taskId" in members:
                members["taskId"] = Raw(msgspec.json.encode(public))

        return _result(answered, visit, message.method, Era.MODERN, edit)

    def _publish_task(self, visit: Visit, server: str, members: Object) -> None:
        own = text_of(members.get("taskId"))
        if own:
            members["taskId"] = Raw(msgspec.json.encode(public_task(self._seals, visit, server, own)))

    # -- the old era -----------------------------------------------------------------------------------------------

    async def legacy(self, request: Request, message: Message, outbox: Outbox | None) -> bytes:
        """Answer a request of the old era; without an `outbox` the client can be told nothing meanwhile."""
        method = message.method
        if method in NAMED:
            member, prefix = NAMED[method]
            call = _call(request, message, prefix + message.text(member), message.params)
            return await self._legacy_relayed(request, message, call, outbox)
        if method in LISTS:
            return self._listed(request, message, Era.LEGACY)
        if method == "completion/complete":
            return await self._completion(request, message, legacy_caller(request, outbox))
        own: dict[str, Callable[[Request, Message], Awaitable[bytes]]] = {
            "ping": self._ping,
            "logging/setLevel": self._set_level,
            "resources/subscribe": self._subscribe,
            "resources/unsubscribe": self._unsubscribe,
        }
        if method not in own:
            raise unknown_method(method)
        return await own[method](request, message)

    async def _legacy_relayed(self, request: Request, message: Message, call: ToolCall, outbox: Outbox | None) -> bytes:
        answered = await self._path.call(request.visit, call, legacy_caller(request, outbox))
        request.answer.tell(answered.headers)
        return _result(answered, request.visit, message.method, Era.LEGACY, None)

    async def _ping(self, request: Request, message: Message) -> bytes:
        return NOTHING

    async def _set_level(self, request: Request, message: Message) -> bytes:
        level = message.text("level")
        if level not in LEVELS:
            raise RpcFault(INVALID_PARAMS, f"params.level is one of {', '.join(LEVELS)}.")
        if request.session is not None:
            request.session.log_level = level
        return NOTHING

    async def _subscribe(self, request: Request, message: Message) -> bytes:
        """Announce updates of a resource on the session's stream. A server that cannot is passed over."""
        session = _session_of(request)
        uri = message.text("uri")
        address = self._path.address(request.visit, uri)
        if uri not in session.subscriptions:
            principal = request.visit.principal
            stop = await self._path.servers.watch(
                address.server, address.own, lambda _: session.updated(uri), principal
            )
            session.subscribe(uri, stop)
        return NOTHING

    async def _unsubscribe(self, request: Request, message: Message) -> bytes:
        _session_of(request).unsubscribe(message.text("uri"))
        return NOTHING

    # -- both ------------------------------------------------------------------------------------------------------

    def _listed(self, request: Request, message: Message, era: Era) -> bytes:
        kind, visit = LISTS[message.method], request.visit
        bound = cursors_of(visit, kind)
        after = read_on(self._seals, bound, message.params)
        self._path.look_for_own(visit)
        page = visit.view.page(visit.principal, kind, after)
        cursor = self._seals.name(bound, page[1]) if page[1] else ""
        return item_list(visit, kind, era, page[0], cursor, self._path.holds(visit))

    async def _completion(self, request: Request, message: Message, caller: CallerContext) -> bytes:
        call = _call(request, message, "completion/", message.params)
        answered = await self._path.call(request.visit, call, caller)
        return _result(answered, request.visit, message.method, caller.era, None)


def _result(answered: Answered, visit: Visit, method: str, era: Era, edit: Callable[[Object], None] | None) -> bytes:
    reply = answered.reply
    if reply.error is not None:
        raise relayed_error(reply.error)
    return relayed(reply.result or NOTHING, visit, era, cached=method == "resources/read", edit=edit)


def _call(request: Request, message: Message, tool: str, params: Object) -> ToolCall:
    """The call that a request makes. `params` are its own, without what the hub itself has read from them."""
    arguments = bytes(params.get("arguments", NOTHING))
    if arguments == b"null":
        arguments = NOTHING
    rest = {name: raw for name, raw in params.items() if name not in _HANDLED}
    return ToolCall(
        new_id(),
        request.visit.view.name,
        tool,
        arguments,
        request.origin,
        _meta(message),
        message.method,
        msgspec.json.encode(rest) if rest else NOTHING,
    )


def _meta(message: Message) -> bytes:
    return msgspec.json.encode(message.meta)


def _check_headers(request: Request, message: Message, name: str) -> None:
    tool = request.visit.view.find(name)
    if tool is not None and tool.mirrored:
        arguments = bytes(message.params.get("arguments", NOTHING))
        check_params(request.raw, tool.mirrored, NOTHING if arguments == b"null" else arguments)


def _session_of(request: Request) -> Session:
    if request.session is None:
        raise RpcFault(INVALID_PARAMS, "Subscriptions exist within a session only. Send 'initialize' first.")
    return request.session
