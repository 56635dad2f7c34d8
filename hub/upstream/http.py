"""The transport: aiohttp behind a seam of one method, with our own clocks, guard and errors."""

import io
import math
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import lru_cache
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import http_parser
from aiohttp.abc import AbstractResolver
from yarl import URL

from hub import __version__
from hub.core.refusal import UpstreamFailed
from hub.upstream.clock import Clock, Elapsed
from hub.upstream.connector import CARRIER, Connector, was_stale
from hub.upstream.exchange import Exchange
from hub.upstream.failures import FAULTS, failure_of, late

_LARGE = 1 << 20
_DEFAULTS = {"User-Agent": f"agent-tool-hub/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
_NO_CLOCKS = aiohttp.ClientTimeout(total=None)


class HttpResponse:
    """An answer over HTTP. See `hub.upstream.exchange.Response`."""

    __slots__ = ("_answer", "_clock", "_content", "_heard", "_idle", "headers", "status")

    def __init__(self, answer: aiohttp.ClientResponse, clock: Clock, idle: float) -> None:
        self._answer = answer
        self._content = answer.content
        self._clock = clock
        self._idle = idle
        self._heard = clock.now
        self.status = answer.status
        self.headers: Mapping[str, str] = answer.headers

    async def read(self, patience: float = math.inf) -> bytes | None:
        """See `hub.upstream.exchange.Response`."""
        content = self._content
        try:
            data = content.read_nowait()
            if not data and not content.at_eof():
                left = self._heard + self._idle - self._clock.now
                data = await self._clock.wait(content.readany(), min(patience, left))
        except Elapsed:
            if not self._clock.over and self._clock.now - self._heard < self._idle:
                return None
            raise late("did not end its answer" if self._clock.over else "went silent and did not continue") from None
        except FAULTS as error:
            raise failure_of(error) from error
        self._heard = self._clock.now
        return data

    def close(self) -> None:
        """See `hub.upstream.exchange.Response`."""
        self._clock.close()
        self._answer.close()


class Transport:
    """Two pools of connections, to public addresses and to any. An async context manager, opened once.

    `resolver` and `tls` replace the system's name resolution and trust. No proxies from the environment, no
    cookies, no redirects, no decompression. Raises RuntimeError on opening when aiohttp lacks its C parser:
    the one in Python is slow, and laxer about what it accepts.
    """

    def __init__(self, *, resolver: AbstractResolver | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._resolver = resolver
        self._tls = tls
        self._stack = AsyncExitStack()
        self._pooled: dict[bool, aiohttp.ClientSession] = {}
        self._single: dict[bool, aiohttp.ClientSession] = {}

    async def __aenter__(self) -> Self:
        """Open the pools."""
        if http_parser.HttpResponseParser is http_parser.HttpResponseParserPy:
            raise RuntimeError("aiohttp was installed without its C extension; install a wheel for this platform")
        async with AsyncExitStack() as stack:
            for private in (False, True):
                self._pooled[private] = await stack.enter_async_context(self._session(private, reuse=True))
                self._single[private] = await stack.enter_async_context(self._session(private, reuse=False))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        await self._stack.__aexit__(kind, error, trace)

    def _session(self, private: bool, *, reuse: bool) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=Connector(private=private, reuse=reuse, resolver=self._resolver, tls=self._tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_DEFAULTS,
            timeout=_NO_CLOCKS,
            auto_decompress=False,
            trust_env=False,
        )

    async def request(self, exchange: Exchange) -> HttpResponse:
        """Send, and wait for the status and headers.

        Raises UpstreamFailed: `upstream_error` when the upstream cannot be reached, `upstream_protocol` when it
        does not speak HTTP, `upstream_timeout` when a clock runs out.

        A request that met a connection which the upstream had just closed as idle is sent once more, on a new
        one. It may be: the connection had been used before and not one byte was answered on it, which is what
        a close in that moment looks like. Nothing else is ever sent twice, nor is what says so itself (`resend`).
        """
        clock = Clock(exchange.timeouts.total)
        try:
            answer = await self._send(self._pooled[exchange.private], exchange, clock)
            if answer is None and exchange.resend:
                answer = await self._send(self._single[exchange.private], exchange, clock)
            if answer is None:
                raise UpstreamFailed("upstream_error", "The connection was closed before any answer.")
        except BaseException:
            clock.close()
            raise
        return HttpResponse(answer, clock, exchange.timeouts.idle)

    async def _send(
        self, session: aiohttp.ClientSession, exchange: Exchange, clock: Clock
    ) -> aiohttp.ClientResponse | None:
        """One try. None when it met a stale connection and may be made again."""
        CARRIER.set(None)
        body = exchange.body
        try:
            sending = session.request(
                exchange.method,
                _url(exchange.url),
                headers=exchange.headers,
                data=(io.BytesIO(body) if len(body) > _LARGE else body) if body else None,
                timeout=_connecting(exchange.timeouts.connect),
                allow_redirects=False,
            )
            return await clock.wait(sending, exchange.timeouts.first_byte)
        except Elapsed:
            raise late("did not begin to answer") from None
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            if was_stale():
                return None
            raise failure_of(error) from error
        except FAULTS as error:
            raise failure_of(error) from error


@lru_cache(maxsize=1024)
def _url(url: str) -> URL:
    made = URL(url, encoded=True)
    if made.scheme not in ("http", "https") or not made.host:
        raise aiohttp.InvalidURL(url)
    return made


@lru_cache(maxsize=256)
def _connecting(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=seconds)
