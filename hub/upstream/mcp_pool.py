"""All servers of the snapshot: each with its own task, none in another's way."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

from hub.core.logs import get_logger
from hub.core.refusal import Unavailable
from hub.resources.snapshot import Snapshot
from hub.resources.tools import ServerSpec
from hub.upstream import mcp_builtin
from hub.upstream.mcp_connection import ServerConnection
from hub.upstream.mcp_pids import Pids
from hub.upstream.mcp_values import (
    CallerContext,
    Era,
    Pace,
    Ports,
    RpcReply,
    ServerDefinitions,
    ServerState,
    ServerStatus,
)

log = get_logger(__name__)
_UNKNOWN = ServerDefinitions(state=ServerState.FAILED, error="there is no such server")


class Servers:
    """The pool. An async context manager: leaving it ends every connection and every process."""

    def __init__(self, ports: Ports, pace: Pace = Pace()) -> None:  # noqa: B008 - frozen
        self._ports = ports
        self._pace = pace
        self._pids = Pids(ports.folder)
        self._connections: dict[str, ServerConnection] = {}
        self._builtins: dict[str, tuple[ServerSpec, ServerDefinitions]] = {}
        self._tasks: dict[ServerConnection, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._kept: dict[str, bytes] = {}
        self._listeners: list[Callable[[str], None]] = []

    async def __aenter__(self) -> Self:
        """End what a killed hub left behind, and remember what servers offered when they were last seen."""
        self._pids.reap()
        self._kept = dict(await self._ports.snapshots.load())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them all."""
        tasks = [*self._tasks.values(), *self._ending]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=3 * self._pace.stop + 2)

    def on_definitions(self, listener: Callable[[str], None]) -> None:
        """Call `listener(server)` when what a server offers, or its state, has changed."""
        self._listeners.append(listener)

    def _changed(self, server: str) -> None:
        for listener in self._listeners:
            listener(server)

    def reconfigure(self, snapshot: Snapshot) -> None:
        """Follow a snapshot: servers that are new or changed are connected, those that are gone are ended."""
        wanted = snapshot.servers
        for name, connection in list(self._connections.items()):
            if wanted.get(name) != connection.spec:
                del self._connections[name]
                self._end(connection)
        self._builtins = {n: b for n, b in self._builtins.items() if n in wanted and wanted[n].builtin}
        for name, spec in wanted.items():
            if spec.builtin is not None:
                self._add_builtin(name, spec)
            elif name not in self._connections:
                self._start(name, spec)

    def _add_builtin(self, name: str, spec: ServerSpec) -> None:
        builtin = self._ports.builtins[spec.builtin or ""]
        listing = mcp_builtin.listing(builtin)
        self._builtins[name] = (
            spec,
            ServerDefinitions(
                tools=listing.tools,
                instructions=builtin.instructions,
                server_info=mcp_builtin.SERVER_INFO,
                era=Era.MODERN,
                version=mcp_builtin.VERSION,
                state=ServerState.READY,
                since=0.0,
                revision=1,
            ),
        )

    def _start(self, name: str, spec: ServerSpec) -> None:
        connection = ServerConnection(name, spec, self._ports, self._pids, self._pace, self._changed)
        if name in self._kept:
            connection.restore(self._kept[name])
        self._connections[name] = connection
        self._tasks[connection] = asyncio.get_running_loop().create_task(connection.run(), name=f"server {name}")

    def _end(self, connection: ServerConnection) -> None:
        """End a connection beside everything else; calls that run on it fail."""
        task = self._tasks.pop(connection)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        task.cancel()

    async def request(self, server: str, method: str, params: bytes, *, caller: CallerContext) -> RpcReply:
        """A server's answer. Raises Unavailable or UpstreamFailed, which say how it fares."""
        if server in self._builtins:
            spec, _ = self._builtins[server]
            return await mcp_builtin.answer(self._ports.builtins[spec.builtin or ""], method, params, caller)
        connection = self._connections.get(server)
        if connection is None:
            raise Unavailable("upstream_error", f"Server '{server}' is disabled or was removed.")
        return await connection.request(method, params, caller)

    def definitions(self, server: str) -> ServerDefinitions:
        """What a server offers, from memory."""
        if server in self._builtins:
            return self._builtins[server][1]
        connection = self._connections.get(server)
        return connection.definitions if connection is not None else replace(_UNKNOWN, since=time.time())

    def status(self, server: str) -> ServerStatus:
        """How a server does."""
        if server in self._builtins:
            known = self._builtins[server][1]
            return ServerStatus(
                server,
                "builtin",
                known.state,
                known.since,
                known.era,
                known.version,
                known.server_info,
                tools=len(known.tools),
            )
        connection = self._connections.get(server)
        if connection is None:
            return ServerStatus(server, "unknown", ServerState.FAILED, 0.0, last_error="disabled or removed")
        return connection.status()
