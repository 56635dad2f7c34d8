"""All servers of the snapshot: each with its own task, none in another's way."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from itertools import count
from types import TracebackType
from typing import Any, Self

from hub.core.accounts import SHARED, SignInNeeded, owner_of
from hub.core.ids import new_id
from hub.core.logs import get_logger
from hub.core.principal import ANONYMOUS, Principal
from hub.core.refusal import Unavailable
from hub.resources.snapshot import Snapshot
from hub.resources.tools import ServerSpec
from hub.upstream.mcp.builtin import BuiltinServer
from hub.upstream.mcp.confirming import confirmed
from hub.upstream.mcp.connection import ServerConnection
from hub.upstream.mcp.inspection import used_by
from hub.upstream.mcp.keeping import identity
from hub.upstream.mcp.opening import Means
from hub.upstream.mcp.parking import Parking
from hub.upstream.mcp.personal import Personal, asked_to_sign_in, is_personal, means_of
from hub.upstream.mcp.pids import Pids
from hub.upstream.mcp.recent import Recent
from hub.upstream.mcp.values import (
    Builtin,
    CallerContext,
    Pace,
    Ports,
    RpcReply,
    ServerDefinitions,
    ServerState,
    ServerStatus,
)
from hub.upstream.mcp.watched import Listener, Watched
from hub.upstream.mcp.wire import progress_token
from hub.upstream.openapi.server import OpenApiServer

log = get_logger(__name__)

_GRACE = 2.0  # seconds beyond those that the end of a process takes
# What of a spec the connection is made of. The rest is for people, and changes without a new connection.
_WIRING = {
    "command", "url", "env", "cwd", "headers", "auth", "allow_private", "timeouts", "parallel", "idle_stop", "memory_mib",
    "processes", "openapi", "base_url", "operations", "forward", "repeat",
}  # fmt: skip


class Servers:
    """The pool. An async context manager: leaving it ends every connection and every process."""

    def __init__(self, ports: Ports, pace: Pace = Pace()) -> None:  # noqa: B008 - frozen
        self._ports = ports
        self._pace = pace
        self._parking = Parking(pace)
        self._means = Means(ports, Pids(ports.folder), pace, self._parking, count(1))
        self._connections: dict[str, ServerConnection] = {}
        self._documents: dict[str, OpenApiServer] = {}
        self._builtins: dict[str, BuiltinServer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._kept: dict[str, bytes] = {}
        self._listeners: list[Callable[[str], None]] = []
        self._watched = Watched()
        self._recent: defaultdict[str, Recent] = defaultdict(Recent)
        self._personal = Personal(self._means, self._own, self._changed)
        self.personal: frozenset[str] = frozenset()

    async def __aenter__(self) -> Self:
        """End what a killed hub left behind, and remember what servers offered when they were last seen."""
        await asyncio.to_thread(self._means.pids.reap)
        self._kept = dict(await self._ports.snapshots.load())
        task = asyncio.get_running_loop().create_task(self._inspect(), name="inspecting processes")
        self._tasks.add(task)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them all; calls that still run fail."""
        await self._parking.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=3 * self._pace.stop + _GRACE)
            for task in left:
                log.error("server_not_ended", task=task.get_name())
        await asyncio.to_thread(self._means.pids.close)

    async def _inspect(self) -> None:
        """See that no process of a server uses more than it may."""
        while True:
            await asyncio.sleep(self._pace.inspect)
            groups = [group for connection in self._connections.values() for group in connection.groups()]
            if groups:
                used = await asyncio.to_thread(used_by, groups)
                for connection in list(self._connections.values()):
                    connection.check(used)

    def on_definitions(self, listener: Callable[[str], None]) -> None:
        """Call `listener(server)` when what a server offers, or its state, has changed."""
        self._listeners.append(listener)

    def _changed(self, server: str) -> None:
        for listener in self._listeners:
            listener(server)

    def reconfigure(self, snapshot: Snapshot) -> None:
        """Follow a snapshot: servers that are new or changed are connected, those that are gone are ended.

        Calls that run on a connection that is replaced or ended have their answers first.
        """
        wanted = snapshot.servers
        before = {
            name: connection
            for name, connection in self._connections.items()
            if name not in wanted or _wiring(wanted[name]) != _wiring(connection.spec)
        }
        for name in self._recent.keys() - wanted.keys():
            del self._recent[name]
        for name, connection in before.items():
            del self._connections[name]
            connection.retire()
            self._personal.drop(name)
        self._follow_documents(wanted)
        self._builtins = {
            name: BuiltinServer(name, self._ports.builtins.get(spec.builtin, Builtin({})), spec.timeouts.call)
            for name, spec in wanted.items()
            if spec.builtin is not None
        }
        for name, spec in wanted.items():
            if (spec.command is not None or spec.url is not None) and name not in self._connections:
                self._start(name, spec, before.get(name))
        self.personal = frozenset(name for name, one in self._connections.items() if is_personal(one.spec))
        for name in self.personal & before.keys():
            self._personal.again(self._connections[name])

    def _start(self, name: str, spec: ServerSpec, before: ServerConnection | None) -> None:
        means = means_of(self._means, name, spec)
        connection = ServerConnection(name, spec, means, self._changed, self._watched)
        if before is not None and identity(before.spec) == identity(spec):
            connection.recall(before.definitions)
        else:
            self._personal.forget(name)
            connection.recall(self._kept.get(name, b""))
        self._connections[name] = connection
        self._own(name, connection.run())

    def _follow_documents(self, wanted: Mapping[str, ServerSpec]) -> None:
        for name, known in list(self._documents.items()):
            if name not in wanted or _wiring(wanted[name]) != _wiring(known.spec):
                self._documents.pop(name).retire()
        for name, spec in wanted.items():
            if spec.openapi is not None and name not in self._documents:
                self._documents[name] = server = OpenApiServer(name, spec, self._ports, self._pace, self._changed)
                server.recall(self._kept.get(name, b""))
                self._own(name, server.run())

    def _own(self, name: str, work: Coroutine[None, None, None]) -> None:
        """Run the task of a server, which ends with the pool at the latest."""
        task = asyncio.get_running_loop().create_task(work, name=f"server {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _find(self, server: str) -> BuiltinServer | ServerConnection | OpenApiServer | None:
        return self._builtins.get(server) or self._connections.get(server) or self._documents.get(server)

    async def request(self, server: str, method: str, params: bytes, *, caller: CallerContext) -> RpcReply:
        """A server's answer. Raises Unavailable or UpstreamFailed, which say how it fares."""
        target = self._find(server)
        if target is None:
            raise Unavailable("upstream_error", f"Server '{server}' is disabled or was removed.")
        try:
            with self._recent[server].noted():
                if caller.resume is not None and caller.resume.parked:
                    return await self._parking.resume(caller, caller.resume, progress_token(params))
                if isinstance(target, ServerConnection) and server in self.personal:
                    return await self._personal.request(target, method, params, caller)
                return await target.request(method, params, caller)
        except SignInNeeded as needed:
            identifier = new_id()
            owner = owner_of(caller.principal.user) if server in self.personal else SHARED
            self._personal.sent_to_sign_in(server, owner, identifier, caller)
            return asked_to_sign_in(needed, method, caller, identifier)

    async def confirmed(self, server: str, params: bytes, asked: bytes, *, caller: CallerContext) -> RpcReply:
        """The answer to a call of a tool once the caller's user has agreed to what is `asked` (see `question`).

        A later round of such a call is a `request`. Raises as that does.
        """

        async def go(agreed: CallerContext) -> RpcReply:
            return await self.request(server, "tools/call", params, caller=agreed)

        return await confirmed(asked, self._parking, caller, go)

    def signed_in(self, server: str, owner: str) -> None:
        """Somebody has connected an account."""
        self._account_changed(server, owner)
        self._personal.signed_in(server, owner)
        if server in self.personal:
            self.wake([server], owner.removeprefix(owner_of("")))

    def signed_out(self, server: str, owner: str) -> None:
        """Somebody has taken an account back."""
        self._account_changed(server, owner)

    def _account_changed(self, server: str, owner: str) -> None:
        self._personal.drop(server, owner)
        connection = self._connections.get(server)
        if connection is not None:
            self._personal.again(connection, owner)
            connection.wake()
        self._changed(server)

    async def watch(
        self, server: str, uri: str, listener: Listener, principal: Principal = ANONYMOUS
    ) -> Callable[[], None]:
        """Call `listener(params)` when a resource has changed that `principal` reads; returns how to stop that.

        Raises SignInNeeded, UpstreamFailed or Unavailable, at a server that is called with each caller's own account.
        """
        return await self._watching(server, f"uri {uri}", listener, principal)

    async def watch_task(
        self, server: str, task: str, listener: Listener, principal: Principal = ANONYMOUS
    ) -> Callable[[], None]:
        """Call `listener(params)` with what a server says of a task of `principal`; otherwise as `watch`."""
        return await self._watching(server, f"task {task}", listener, principal)

    async def _watching(self, server: str, what: str, listener: Listener, principal: Principal) -> Callable[[], None]:
        connection = self._connections.get(server)
        if connection is not None and server in self.personal:
            return await self._personal.watch(connection, what, listener, principal)
        stop = self._watched.add(server, what, listener)
        if connection is not None:
            await connection.rewatch()

        def stopped() -> None:
            stop()
            current = self._connections.get(server)
            if current is not None:
                current.rewatch_soon()

        return stopped

    def tell(self, principal: str, session: str, message: bytes) -> None:
        """Send a client's notification to the sessions with servers that are its own."""
        for connection in (*self._connections.values(), *self._personal.connections()):
            connection.tell(principal, session, message)

    def names(self) -> list[str]:
        """All servers that are there."""
        return [*self._builtins, *self._connections, *self._documents]

    def definitions(self, server: str) -> ServerDefinitions:
        """What a server offers, from memory."""
        target = self._find(server)
        if target is None:
            return ServerDefinitions(state=ServerState.FAILED, since=time.time(), error="there is no such server")
        if server in self.personal and isinstance(target, ServerConnection):
            return self._personal.shown_to_all(target)
        return target.definitions

    def own_definitions(self, server: str, user: str) -> ServerDefinitions | None:
        """What a person sees of a server, where that is not what everybody sees."""
        connection = self._connections.get(server) if server in self.personal and user else None
        return self._personal.shown(connection, user) if connection is not None else None

    def wake(self, servers: Iterable[str], user: str) -> None:
        """A person wants to see what is theirs at these servers: it is looked for, and told as a change."""
        for server in self.personal.intersection(servers) if user else ():
            self._personal.wake(self._connections[server], user)

    async def own_known(self, servers: Iterable[str], user: str) -> bool:
        """Wait for what these servers offer to a person, where that was not looked at yet; whether any was by now."""
        found = [
            await self._personal.known(self._connections[server], user)
            for server in (self.personal.intersection(servers) if user else ())
        ]
        return any(found)

    def status(self, server: str) -> ServerStatus:
        """How a server does."""
        target = self._find(server)
        if target is None:
            return ServerStatus(server, "unknown", ServerState.FAILED, time.time(), last_error="disabled or removed")
        return replace(target.status(), listed=target.definitions.listed, lately=self._recent[server].seen())


def _wiring(spec: ServerSpec) -> dict[str, Any]:
    return spec.model_dump(include=_WIRING)
