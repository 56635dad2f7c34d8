"""A connection to a server over HTTP+SSE, the transport of 2024-11-05: one stream in, messages posted out."""

import asyncio
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

from hub.core.plan import Timeouts
from hub.core.refusal import UpstreamFailed
from hub.upstream.exchange import Endpoint, Exchange, Response
from hub.upstream.mcp import wire
from hub.upstream.mcp.http import Address, forwarded
from hub.upstream.mcp.lines import Events
from hub.upstream.mcp.link import Ears, Greeting, Rejected, rejection
from hub.upstream.mcp.pending import Pending
from hub.upstream.mcp.posting import PostingLink
from hub.upstream.mcp.values import MOST_RESULT
from hub.upstream.mcp.wire import Speech

_POSTING = Timeouts(connect=10, first_byte=30, idle=30, total=60)
_TELLING = "it answers no POST, and its stream names no address for messages; is its url right?"


class SseLink(PostingLink):
    """`open` reads the stream until it names its address; a task of the link follows it from there."""

    def __init__(self, numbers: Iterator[int], ears: Ears, endpoint: Endpoint, address: Address) -> None:
        super().__init__(numbers, ears)
        self._endpoint = endpoint
        self._address = address
        self._target: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def open(self, seconds: float) -> None:
        """Open the stream. Raises UpstreamFailed."""
        address = self._address
        headers = (("Accept", "text/event-stream"), *address.headers)
        exchange = Exchange("GET", address.url, headers, b"", address.timeouts, address.private)
        try:
            async with asyncio.timeout(seconds):
                response = await self._endpoint.request(exchange)
                kind = response.headers.get("content-type", "").lower()
                if response.status != 200 or not kind.startswith("text/event-stream"):
                    response.close()
                    raise Rejected("upstream_error", _TELLING)
                self._start(self._follow(response))
                await asyncio.shield(self._target)
        except TimeoutError:
            raise UpstreamFailed("upstream_timeout", _TELLING, status=504) from None

    async def _follow(self, response: Response) -> None:
        """Take what comes until the stream ends, and with it the connection."""
        events = Events(MOST_RESULT, self.calls.oversized, self.calls.most)
        reason = "its stream has ended"
        try:
            while chunk := await response.read():
                for kind, data in events.typed(chunk):
                    self._event(kind, data)
                if rest := events.rest(asyncio.get_running_loop().time()):
                    await asyncio.sleep(rest)
        except UpstreamFailed as failure:
            reason = failure.message
        finally:
            response.close()
            self._over(UpstreamFailed("upstream_error", reason))

    def _over(self, failure: UpstreamFailed) -> None:
        self.lose(failure)
        self.calls.fail(failure)
        if not self._target.done():
            self._target.set_exception(failure)
            self._target.exception()  # seen, also when nobody waits

    def _event(self, kind: bytes, data: bytes) -> None:
        if kind == b"endpoint":
            self._found(data.decode("utf-8", "replace").strip())
        elif data:
            for answer in self.calls.take(data):
                self._answer(answer)

    def _found(self, target: str) -> None:
        """Where messages go: at the same origin, since they carry the hub's credential."""
        if self._target.done():
            return
        try:
            url = urljoin(self._address.url, target)
            here, there = urlsplit(self._address.url), urlsplit(url)
        except ValueError:
            self._over(UpstreamFailed("upstream_protocol", "its stream names an address that is none"))
            return
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            self._over(UpstreamFailed("upstream_protocol", "its stream names an address of another origin"))
        else:
            self._target.set_result(url)

    async def _send(self, pending: Pending, params: bytes, speech: Speech) -> None:
        self._start(self._sent(pending, wire.request(pending.number, pending.method, params)))

    async def _sent(self, pending: Pending, body: bytes) -> None:
        try:
            status = await self._post(body, forwarded(self._address.forward, pending.caller))
        except UpstreamFailed as failure:
            pending.fail(failure)
            self._ears.changed()
            return
        if status >= 400:
            failure = rejection(status)
            if status == 404:
                self.lose(failure)
            pending.fail(failure)

    async def _post(self, body: bytes, more: tuple[tuple[str, str], ...] = ()) -> int:
        address = self._address
        headers = (("Content-Type", "application/json"), *address.headers, *more)
        target = await asyncio.shield(self._target)
        response = await self._endpoint.request(
            Exchange("POST", target, headers, body, _POSTING, address.private, resend=False)
        )
        response.close()
        return response.status

    async def _tell(self, message: bytes) -> None:
        try:
            await self._post(message)
        except UpstreamFailed:
            self._ears.changed()

    def _abandon(self, pending: Pending, *, tell: bool) -> None:
        if tell and self.failure is None:
            self._reply(wire.cancelled(pending.number))

    async def greeted(self, greeting: Greeting) -> None:
        """Say that the handshake is complete."""
        self.greeting = greeting
        await self._tell(wire.notification("notifications/initialized"))

    def listen_anew(self) -> None:
        """Everything comes on the one stream."""

    async def close(self) -> None:
        """End the stream; what still waits fails."""
        failure = UpstreamFailed("upstream_error", "the hub closed the connection")
        self.lose(failure)
        self.calls.fail(failure)
        await self._end_tasks()
