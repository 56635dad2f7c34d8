"""The transport: requests out over pooled connections, with our own clocks, guard and errors."""

import asyncio
import math
import ssl
from collections.abc import Mapping
from functools import lru_cache
from types import TracebackType
from typing import NamedTuple, Self

from hub import __version__
from hub.upstream.clock import Clock, Elapsed
from hub.upstream.connection import Connection, Incoming
from hub.upstream.connector import Connector, Resolve
from hub.upstream.exchange import Exchange
from hub.upstream.failures import closed, late, unsendable
from hub.upstream.origin import Origin, Place, place_of
from hub.upstream.pool import KEEP_ALIVE, Pool

_MOST_CLOCKS = 256
_AGENT = f"User-Agent: agent-tool-hub/{__version__}\r\n"
_ANY = "Accept: */*\r\n"
_CODING = "Accept-Encoding: identity\r\n"
# How a message is framed and where it goes is decided here.
_OURS = frozenset(("host", "content-length", "transfer-encoding", "connection", "accept-encoding"))


class HttpResponse:
    """An answer over HTTP. See `hub.upstream.exchange.Response`."""

    __slots__ = ("_clock", "_clocks", "_connection", "_heard", "_idle", "_incoming", "headers", "status")

    def __init__(self, connection: Connection, incoming: Incoming, clock: Clock, clocks: "Clocks", idle: float) -> None:
        self._connection = connection
        self._incoming = incoming
        self._clock = clock
        self._clocks: Clocks | None = clocks
        self._idle = idle
        self._heard = clock.now()
        self.status = incoming.status
        self.headers: Mapping[str, str] = incoming.headers

    async def read(self, patience: float = math.inf) -> bytes | None:
        """See `hub.upstream.exchange.Response`."""
        incoming = self._incoming
        while not (data := incoming.take()):
            if incoming.failure is not None:
                raise incoming.failure
            if incoming.complete:
                return b""
            left = self._heard + self._idle - self._clock.now()
            try:
                await self._clock.wait(incoming.changed(), min(patience, left))
            except Elapsed:
                if not self._clock.over and self._clock.now() - self._heard < self._idle:
                    return None
                what = "did not end its answer" if self._clock.over else "went silent and did not continue"
                raise late(what) from None
        self._connection.resume()
        self._heard = self._clock.now()
        return data

    def close(self) -> None:
        """See `hub.upstream.exchange.Response`."""
        clocks, self._clocks = self._clocks, None
        if clocks is not None:
            clocks.give(self._clock)
        if not self._incoming.complete:
            self._connection.abort()


class Clocks:
    """Clocks that are used again, each with its timer still set: setting one costs more than all that it does."""

    def __init__(self) -> None:
        self._free: list[Clock] = []

    def take(self, total: float) -> Clock:
        """A clock that starts now."""
        if not self._free:
            return Clock(total)
        clock = self._free.pop()
        clock.begin(total)
        return clock

    def give(self, clock: Clock) -> None:
        """Its exchange is over."""
        if clock.idle and len(self._free) < _MOST_CLOCKS:
            self._free.append(clock)
        else:
            clock.close()

    def close(self) -> None:
        """Let go of all timers."""
        while self._free:
            self._free.pop().close()


class Transport:
    """Pools of connections, to public addresses and to any. An async context manager, opened once.

    `resolver` and `tls` replace the system's name resolution and trust. No proxies from the environment, no
    cookies, no redirects, no decompression.
    """

    def __init__(self, *, resolver: Resolve | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._connector = Connector(resolver=resolver, tls=tls)
        self._loop = asyncio.get_running_loop()
        self._pools: dict[tuple[Origin, bool], Pool] = {}
        self._sweeping: asyncio.TimerHandle | None = None
        self._clocks = Clocks()

    async def __aenter__(self) -> Self:
        """Nothing is opened before it is needed."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for pool in self._pools.values():
            pool.close()
        self._clocks.close()

    async def request(self, exchange: Exchange) -> HttpResponse:
        """Send, and wait for the status and headers.

        Raises UpstreamFailed: `upstream_error` when the upstream cannot be reached, `upstream_protocol` when it
        does not speak HTTP, `upstream_timeout` when a clock runs out; Unavailable `overloaded` when too many
        connections are open.

        A request that met a connection which the upstream had just closed as idle is sent once more, on a new
        one. It may be: the connection had been used before and not one byte was answered on it, which is what
        a close in that moment looks like. Nothing else is ever sent twice, nor is what says so itself (`resend`).
        """
        place = place_of(exchange.url)
        head = head_of(place, exchange)
        clock = self._clocks.take(exchange.timeouts.total)
        pool = self._pool(place.origin, exchange.private)
        try:
            connection = pool.take()
            if connection is not None:
                response = await self._send(connection, head, exchange, clock)
                if response is not None:
                    return response
                if not exchange.resend:
                    raise closed()
            connection = await self._opened(pool, clock, exchange.timeouts.connect)
            response = await self._send(connection, head, exchange, clock)
            if response is None:
                raise closed()
        except BaseException:
            self._clocks.give(clock)
            raise
        return response

    async def _send(self, connection: Connection, head: bytes, exchange: Exchange, clock: Clock) -> HttpResponse | None:
        """One try. None when it met a connection that its upstream had already given up. Raises UpstreamFailed."""
        incoming = connection.send(head, exchange.body)
        ends = clock.now() + exchange.timeouts.first_byte
        try:
            while not incoming.begun and incoming.failure is None:
                await clock.until(incoming.changed(), ends)
        except Elapsed:
            connection.abort()
            raise late("did not begin to answer") from None
        except BaseException:
            connection.abort()
            raise
        if incoming.failure is not None and not incoming.begun:
            if connection.uses > 1 and not connection.heard:
                return None
            raise incoming.failure
        return HttpResponse(connection, incoming, clock, self._clocks, exchange.timeouts.idle)

    async def _opened(self, pool: Pool, clock: Clock, seconds: float) -> Connection:
        pool.check_room()
        try:
            return await clock.wait(self._connector.open(pool.origin, pool.private, pool), seconds)
        except Elapsed:
            raise late("could not be connected to") from None

    def _pool(self, origin: Origin, private: bool) -> Pool:
        pool = self._pools.get((origin, private))
        if pool is None:
            pool = self._pools[origin, private] = Pool(origin, private, self._loop)
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(KEEP_ALIVE / 2, self._sweep)
        return pool

    def _sweep(self) -> None:
        """Close what has been idle for long, so that no upstream has to."""
        self._sweeping = None
        self._pools = {key: pool for key, pool in self._pools.items() if pool.tidied()}
        if self._pools:
            self._sweeping = self._loop.call_later(KEEP_ALIVE / 2, self._sweep)


class _Form(NamedTuple):
    """The lines of headers with certain names, with room for their values, and how many lines those are."""

    text: str
    lines: int
    rest: str  # the lines that the hub adds


@lru_cache(maxsize=1024)
def _form(names: tuple[str, ...]) -> _Form:
    lower = [name.lower() for name in names]
    # The value of a header that is the hub's own takes no room.
    lines = [
        "%.0s" if low in _OURS else f"{name.replace('%', '%%')}: %s\r\n" for name, low in zip(names, lower, strict=True)
    ]
    agent = "" if "user-agent" in lower else _AGENT
    accept = _CODING if "accept" in lower else _ANY + _CODING
    return _Form("".join(lines), len(lines) - lines.count("%.0s"), agent + accept)


_NO_HEADERS = _form(())


def head_of(place: Place, exchange: Exchange) -> bytes:
    """The head of a request as it goes on the wire. Raises UpstreamFailed when a header cannot be written."""
    form, text = _NO_HEADERS, ""
    if exchange.headers:
        names, values = zip(*exchange.headers, strict=True)
        form = _form(names)
        text = form.text % values
    text = f"{exchange.method} {place.target} HTTP/1.1\r\nHost: {place.host_line}\r\n{text}"
    if text.count("\r") != form.lines + 2 or text.count("\n") != form.lines + 2 or "\0" in text:
        raise unsendable()
    length = f"Content-Length: {len(exchange.body)}\r\n" if exchange.body or exchange.method == "POST" else ""
    try:
        return f"{text}{form.rest}{length}\r\n".encode("latin-1")
    except UnicodeEncodeError:
        raise unsendable() from None
