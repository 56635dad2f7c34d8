"""Opening connections: a name is resolved, its addresses are guarded, and what was checked is what is connected to."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence

from hub.core.refusal import UpstreamFailed
from hub.upstream import guard
from hub.upstream.connection import Connection, Owner
from hub.upstream.failures import failure_of, unresolved
from hub.upstream.origin import Origin

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
_UNANSWERED_MS = 30_000
_MOST_ADDRESSES = 8


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as the system knows them. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for _, _, _, _, address in found))


class Connector:
    """Opens connections. `resolver` and `tls` stand in for the system's name resolution and trust."""

    def __init__(self, *, resolver: Resolve | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._resolve = resolver or resolve
        self._tls = tls or _trust()

    async def open(self, origin: Origin, private: bool, owner: Owner) -> Connection:
        """A new connection, kept by `owner`.

        Raises UpstreamFailed; whoever calls bounds the time.
        """
        try:
            addresses = await self._resolve(origin.host, origin.port)
        except (OSError, UnicodeError):
            raise unresolved() from None
        failure: UpstreamFailed = unresolved()
        for address in addresses[:_MOST_ADDRESSES]:
            try:
                guard.check(address, private)
                return await self._connect(origin, address, owner)
            except (OSError, ValueError) as error:
                failure = failure_of(error)
        raise failure

    async def _connect(self, origin: Origin, address: str, owner: Owner) -> Connection:
        loop = asyncio.get_running_loop()
        made = _socket(address)
        try:
            await loop.sock_connect(made, (address, origin.port))
            tls = self._tls if origin.tls else None
            _, connection = await loop.create_connection(
                lambda: Connection(loop, owner), sock=made, ssl=tls, server_hostname=origin.host if origin.tls else None
            )
        except BaseException:
            with contextlib.suppress(OSError):
                made.close()
            raise
        return connection


def _trust() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _socket(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # a peer that takes nothing is given up, also after we left
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNANSWERED_MS)
    return made
