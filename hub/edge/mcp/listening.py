"""Modern subscriptions: acknowledged first, then what was asked for and exists here, then a result."""

from collections.abc import Callable

import msgspec
from msgspec import Raw

from hub.core.refusal import Refusal
from hub.core.seals import Seals
from hub.edge.in_flight import InFlight
from hub.edge.mcp.changes import ANNOUNCED, Changes, Stops, Watch
from hub.edge.mcp.envelope import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    Message,
    Object,
    RpcFault,
    is_object,
    notification_bytes,
    object_of,
    result_bytes,
)
from hub.edge.mcp.era import META
from hub.edge.mcp.faults import refused
from hub.edge.mcp.request import Request
from hub.edge.mcp.states import own_task
from hub.edge.mcp.streams import Outbox, follow
from hub.tool_path import ToolPath

MOST_WATCHED = 200  # resources and tasks, each, of one subscription
_UPDATED = "notifications/resources/updated"
_TASK = "notifications/tasks"
_encode = msgspec.json.encode
_texts = msgspec.json.Decoder(list[str])


class Listening:
    """Answers `subscriptions/listen`."""

    def __init__(self, path: ToolPath, changes: Changes, in_flight: InFlight, seals: Seals) -> None:
        self._path = path
        self._changes = changes
        self._in_flight = in_flight
        self._seals = seals

    async def listen(self, request: Request, message: Message) -> None:
        """Follow what is asked for until the client leaves or the hub stops. Raises RpcFault."""
        if not request.may_stream:
            accept = "subscriptions/listen answers with a stream: accept text/event-stream."
            raise RpcFault(INVALID_REQUEST, accept, status=406)
        if not is_object(message.params.get("notifications")):
            raise RpcFault(INVALID_PARAMS, "params.notifications is an object that says what to listen to.")
        wanted = object_of(message.params["notifications"])
        meta = b'{"_meta":{"%bsubscriptionId":%b}' % (META.encode(), message.id)
        outbox, stops = Outbox(), Stops()
        granted: Object = {}
        try:
            messages = _lists(wanted, meta, granted)
            watch = Watch(self._path, request.visit, request.credentials, outbox, messages)
            with self._changes.counted(request.visit.principal.id), self._changes.told(watch):
                await self._resources(request, wanted, meta, outbox, stops, granted)
                await self._tasks(request, wanted, meta, outbox, stops, granted)
                kinds = b',"notifications":' + _encode(granted) + b"}"
                await request.answer.message(
                    notification_bytes("notifications/subscriptions/acknowledged", meta + kinds)
                )
                await follow(request.answer, outbox, self._in_flight.draining, watch.look)
        except Refusal as refusal:
            raise refused(refusal, request.origin.request_id) from None
        finally:
            stops.close()
        await request.answer.end(result_bytes(message.id, meta + b',"resultType":"complete"}'))

    async def _resources(
        self, request: Request, wanted: Object, meta: bytes, outbox: Outbox, stops: Stops, granted: Object
    ) -> None:
        """Watch the resources that exist for this caller; the others are not granted."""
        uris: list[str] = []
        for uri in _list(wanted, "resourceSubscriptions"):
            told = notification_bytes(_UPDATED, meta + b',"uri":' + _encode(uri) + b"}")
            put = _putter(outbox, told)
            try:
                address = self._path.address(request.visit, uri)
                stop = await self._path.servers.watch(address.server, address.own, put, request.visit.principal)
            except Refusal:
                continue
            stops.add(stop)
            uris.append(uri)
        if uris:
            granted["resourceSubscriptions"] = Raw(_encode(uris))

    async def _tasks(
        self, request: Request, wanted: Object, meta: bytes, outbox: Outbox, stops: Stops, granted: Object
    ) -> None:
        """Watch the caller's own tasks."""
        known: list[str] = []
        for public in _list(wanted, "taskIds"):
            try:
                server, own = own_task(self._seals, request.visit, public)
            except RpcFault:
                continue
            subscription = object_of(Raw(meta + b"}"))["_meta"]
            told = _task_teller(outbox, public, subscription)
            try:
                stops.add(await self._path.servers.watch_task(server, own, told, request.visit.principal))
            except Refusal:
                continue
            known.append(public)
        if known:
            granted["taskIds"] = Raw(_encode(known))


def _lists(wanted: Object, meta: bytes, granted: Object) -> dict[str, bytes]:
    """The notification for each list that was asked for."""
    messages: dict[str, bytes] = {}
    for name in ANNOUNCED:
        member = f"{name}ListChanged"
        if bytes(wanted.get(member, b"")) == b"true":
            granted[member] = Raw(b"true")
            messages[name] = notification_bytes(f"notifications/{name}/list_changed", meta + b"}")
    return messages


def _list(wanted: Object, name: str) -> list[str]:
    """A list of texts in the filter. Raises RpcFault -32602."""
    if name not in wanted:
        return []
    try:
        found = _texts.decode(bytes(wanted[name]))
    except msgspec.DecodeError:
        raise RpcFault(INVALID_PARAMS, f"params.notifications.{name} is a list of texts.") from None
    if len(found) > MOST_WATCHED:
        raise RpcFault(INVALID_PARAMS, f"params.notifications.{name} has at most {MOST_WATCHED} entries.")
    return list(dict.fromkeys(found))


def _putter(outbox: Outbox, message: bytes) -> Callable[[bytes], None]:
    def put(params: bytes) -> None:
        outbox.put(message)

    return put


def _task_teller(outbox: Outbox, public: str, subscription: Raw) -> Callable[[bytes], None]:
    """Something that passes on what a server says of a task, under the id that the caller knows."""

    def tell(params: bytes) -> None:
        members = object_of(Raw(params))
        meta = {**object_of(members.get("_meta")), **object_of(subscription)}
        told = {**members, "taskId": Raw(_encode(public)), "_meta": Raw(_encode(meta))}
        outbox.put(notification_bytes(_TASK, _encode(told)))

    return tell
