"""aiohttp's connector with what the hub adds: the guard at connect, and knowing what a connection has been through."""

import functools
import socket
import ssl
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from aiohttp import ClientTimeout, TCPConnector
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError

from hub.upstream import guard

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.tracing import Trace

MOST_CONNECTIONS = 4096
MOST_INFORMATIONAL = 16
KEEP_ALIVE = 15.0
_UNANSWERED_MS = 30_000


class Wire(ResponseHandler):
    """One connection. `uses` counts its requests; `heard` tells whether the current one was answered by any byte."""

    uses = 0
    heard = False
    informational = 0

    def data_received(self, data: bytes) -> None:
        """Bytes from the upstream."""
        self.heard = True
        super().data_received(data)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """One message head. Interim answers are bounded: an upstream could send them for ever."""
        if 100 <= data[0].code < 200:
            self.informational += 1
            if self.informational > MOST_INFORMATIONAL:
                self.set_exception(HttpProcessingError(message="too many interim answers"))
                return
        super().feed_data(data, size)


# The connection that carries the request of the running task: aiohttp shows it only where an answer came.
CARRIER: ContextVar[Wire | None] = ContextVar("carrier", default=None)


class Connector(TCPConnector):
    """A pool of connections to addresses that may be connected to: public ones, or also private ones."""

    def __init__(
        self, *, private: bool, reuse: bool, resolver: AbstractResolver | None, tls: ssl.SSLContext | None
    ) -> None:
        self._private = private
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - the address type is only partly known
            limit=MOST_CONNECTIONS,
            keepalive_timeout=KEEP_ALIVE if reuse else None,
            force_close=not reuse,
            resolver=resolver,
            socket_factory=self._socket,
            ssl=tls or True,
        )
        self._factory = functools.partial(Wire, loop=self._loop)

    def _socket(self, address: Any) -> socket.socket:
        """The socket for exactly this address: what is checked here is what is connected to. Raises NotAllowed."""
        family, kind, protocol, _, where = address
        guard.check(str(where[0]), self._private)
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # a peer that takes nothing is given up, also after we left
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNANSWERED_MS)
        return made

    async def connect(
        self,
        req: "ClientRequest",
        traces: list["Trace"],
        timeout: ClientTimeout,  # noqa: ASYNC109 - aiohttp's own signature
    ) -> Connection:
        """A connection from the pool, or a new one."""
        connection = await super().connect(req, traces, timeout)
        wire = connection.protocol
        assert isinstance(wire, Wire)
        wire.uses += 1
        wire.heard = False
        wire.informational = 0
        CARRIER.set(wire)
        return connection


def was_stale() -> bool:
    """Whether the request of this task met a connection that its upstream had already given up.

    It was reused, and not one byte came back. The upstream closed it as idle just as it was taken.
    """
    wire = CARRIER.get()
    return wire is not None and wire.uses > 1 and not wire.heard
