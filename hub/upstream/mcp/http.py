"""A connection to a server over streamable HTTP: one exchange per request, in either era."""

import asyncio
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from msgspec.structs import replace

from hub.core.logs import get_logger
from hub.core.plan import Timeouts
from hub.core.refusal import UpstreamFailed
from hub.core.telemetry import headers_in_meta
from hub.upstream.exchange import Endpoint, Exchange, Response, read_whole
from hub.upstream.failures import BrokenOff
from hub.upstream.mcp import wire
from hub.upstream.mcp.headers import Mirrored, name_header, param_headers, unnamed_params
from hub.upstream.mcp.lines import Events
from hub.upstream.mcp.link import Ears, Greeting
from hub.upstream.mcp.pending import Pending
from hub.upstream.mcp.posting import PostingLink
from hub.upstream.mcp.refusals import refused
from hub.upstream.mcp.values import MOST_MESSAGE, CallerContext, Era
from hub.upstream.mcp.wire import Speech

log = get_logger(__name__)

_ACCEPT = "application/json, text/event-stream"
_TAIL = 1.0  # seconds for the end of a stream after its answer, so that the connection can be used again
_A_DAY = 86_400.0
_SHORTEST_RETRY, _LONGEST_RETRY = 0.05, 30.0
_TELLING = Timeouts(connect=10, first_byte=30, idle=30, total=60)
_RELISTEN = (1.0, 60.0)  # seconds before a lost stream of changes is opened again: at first, at most


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and what every request to it carries; `forward` is what of the caller's, and under which name."""

    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    timeouts: Timeouts = field(default_factory=Timeouts)
    private: bool = False
    forward: tuple[tuple[bytes, str], ...] = ()


def forwarded(forward: tuple[tuple[bytes, str], ...], caller: CallerContext) -> tuple[tuple[str, str], ...]:
    """The headers of a caller's request that go on to a server, under the names that it wants, and those of a trace."""
    own = tuple((theirs, caller.headers[ours].decode("latin-1")) for ours, theirs in forward if ours in caller.headers)
    named = {theirs.lower() for theirs, _ in own}
    return (*own, *(pair for pair in headers_in_meta(caller.meta) if pair[0] not in named))


class HttpLink(PostingLink):
    """An answer that is a stream is read in a task of the link, so that it outlives its caller just as long as it must.

    `mirrored` says by the tool's name which arguments are repeated in headers.
    """

    def __init__(self, numbers: Iterator[int], ears: Ears, endpoint: Endpoint, address: Address) -> None:
        super().__init__(numbers, ears)
        self._endpoint = endpoint
        self._address = address
        self._listener: asyncio.Task[None] | None = None
        self._running: dict[int, asyncio.Task[None]] = {}
        self.session = ""
        self.mirrored: dict[str, Mirrored] = {}

    async def _send(self, pending: Pending, params: bytes, speech: Speech) -> None:
        """Send one request, and take its answer where that is all that comes; a stream is read in a task of the link."""
        body = wire.request(pending.number, pending.method, params)
        try:
            own = forwarded(self._address.forward, pending.caller)
            headers = self._headers(pending.method, params, speech)
            if speech.era is Era.MODERN and pending.method == "tools/call":
                own += unnamed_params(headers, pending.caller.headers)
            response = await self._post(body, (*headers, *own))
        except UpstreamFailed as failure:
            pending.fail(failure)
            self._ears.changed()  # is it still there?
            return
        pending.stir()
        if response.headers.get("content-type", "").lower().startswith("text/event-stream"):
            task = self._start(self._exchange(response, pending))
            self._running[pending.number] = task
            task.add_done_callback(lambda _: self._over(pending))
        else:
            await self._exchange(response, pending)
            self._over(pending)

    def _over(self, pending: Pending) -> None:
        self._running.pop(pending.number, None)
        pending.fail(BrokenOff("what it sent ended, and held no whole answer"))

    async def _exchange(self, response: Response, pending: Pending) -> None:
        """Take what comes back, until the answer is there."""
        try:
            await self._answered(response, pending)
        except UpstreamFailed as failure:
            pending.fail(failure)
        finally:
            response.close()

    async def _answered(self, response: Response, pending: Pending) -> None:
        kind = response.headers.get("content-type", "").lower()
        if response.status >= 300:
            await refused(self, response, pending)
        elif pending.method == "initialize":
            self.session = response.headers.get("mcp-session-id", "")
        if pending.answer.done():
            return
        if kind.startswith("text/event-stream"):
            await self._whole_stream(response, pending)
        elif kind.startswith("application/json"):
            most = pending.caller.most
            self._take(await read_whole(response, most, wire.TOO_LARGE, wire.too_large), pending)
        else:
            what = f"'{kind[:64]}'" if kind else f"nothing (HTTP status {response.status})"
            raise UpstreamFailed("upstream_protocol", f"it answers with {what} where JSON is due; is its url right?")

    async def _whole_stream(self, response: Response, pending: Pending) -> None:
        """The events of an answer. An old server may end the stream before, to go on with it in another one."""
        events = await self._events(response, pending, Events(pending.caller.most))
        while not pending.answer.done() and events.last_id and self.session:
            await asyncio.sleep(min(max(events.retry, _SHORTEST_RETRY), _LONGEST_RETRY))
            headers = (*self._reading(), ("Last-Event-ID", events.last_id.decode("latin-1")))
            address = self._address
            again = await self._endpoint.request(
                Exchange("GET", address.url, headers, b"", address.timeouts, address.private)
            )
            try:
                kind = again.headers.get("content-type", "").lower()
                if again.status != 200 or not kind.startswith("text/event-stream"):
                    return
                events = await self._events(again, pending, events)
            finally:
                again.close()

    async def _events(self, response: Response, pending: Pending, events: Events) -> Events:
        """The events of a stream; after the answer, only its end is waited for, and not for long."""
        now, ends = asyncio.get_running_loop().time, math.inf
        while chunk := await response.read(ends - now()):
            pending.stir()
            for data in events.feed(chunk):
                self._take(data, pending)
            if pending.answer.done():
                ends = min(ends, now() + _TAIL)
                if now() >= ends:
                    break
            elif rest := events.rest(now()):
                await asyncio.sleep(rest)
        return events

    def _take(self, data: bytes, own: Pending | None) -> None:
        if data:
            for answer in self.calls.take(data, own):
                self._answer(answer)

    def _headers(self, method: str, params: bytes, speech: Speech) -> tuple[tuple[str, str], ...]:
        headers = [("Content-Type", "application/json"), ("Accept", _ACCEPT), *self._address.headers]
        if speech.version:
            headers.append(("MCP-Protocol-Version", speech.version))
        if speech.era is Era.MODERN:
            members = wire.parse_object(params)
            headers.append(("Mcp-Method", method))
            name = name_header(method, members)
            if name is not None:
                headers.append(("Mcp-Name", name))
            if method == "tools/call" and self.mirrored:
                tool = wire.parse_text(bytes(members.get("name", b"")))
                headers += param_headers(self.mirrored.get(tool, ()), members)
        elif speech.version and self.session:
            headers.append(("Mcp-Session-Id", self.session))
        return tuple(headers)

    async def _post(
        self, body: bytes, headers: tuple[tuple[str, str], ...], timeouts: Timeouts | None = None
    ) -> Response:
        address = self._address
        return await self._endpoint.request(
            Exchange("POST", address.url, headers, body, timeouts or address.timeouts, address.private, resend=False)
        )

    async def _tell(self, message: bytes) -> None:
        """Send a notification, or an answer to a question. Whether it arrives is not for certain."""
        try:
            response = await self._post(message, self._headers("", b"{}", self.greeting.speech), _TELLING)
        except UpstreamFailed as failure:
            log.info("mcp_notification_not_sent", reason=failure.code)
        else:
            response.close()

    def _abandon(self, pending: Pending, *, tell: bool) -> None:
        """Close the response, which is all that the modern wire wants; the old one wants to be told."""
        task = self._running.get(pending.number)
        if task is not None:
            task.cancel()
        if tell and pending.era is Era.LEGACY and self.failure is None:
            self._start(self._tell(wire.cancelled(pending.number)))

    async def greeted(self, greeting: Greeting) -> None:
        """Say that the handshake is complete, and listen for changes."""
        self.greeting = greeting
        if greeting.speech.era is Era.LEGACY:
            await self._tell(wire.notification("notifications/initialized"))
        if self.session or (greeting.speech.era is Era.MODERN and self.listens):
            self.listen_anew()

    def listen_anew(self) -> None:
        """Open the stream of changes, in place of the one that is open."""
        if self._listener is not None:
            self._listener.cancel()
        self._listener = self._start(self._listen())

    async def _listen(self) -> None:
        """Keep a stream of changes open, for as long as the server offers one."""
        pause, longest = _RELISTEN
        while self.failure is None:
            try:
                response = await self._endpoint.request(self._listening())
            except UpstreamFailed:
                await asyncio.sleep(pause)
                pause = min(pause * 2, longest)
                continue
            try:
                kind = response.headers.get("content-type", "").lower()
                if response.status != 200 or not kind.startswith("text/event-stream"):
                    return
                pause = await self._changes(response, pause)
            finally:
                response.close()
            self._ears.changed()  # whatever was missed, and whether the session still lives
            await asyncio.sleep(pause)

    async def _changes(self, response: Response, pause: float) -> float:
        """Take what the stream brings until it ends; the pause before the next one."""
        events = Events(MOST_MESSAGE)
        try:
            while chunk := await response.read():
                whole = self._fed(events, chunk)
                if whole is None:
                    break
                pause = pause if self.trouble else _RELISTEN[0]
                for data in whole:
                    self._take(data, None)
                if rest := events.rest(asyncio.get_running_loop().time()):
                    await asyncio.sleep(rest)
        except UpstreamFailed:
            return pause
        return min(pause * 2, _RELISTEN[1])

    def _fed(self, events: Events, chunk: bytes) -> list[bytes] | None:
        """The messages that a chunk of the stream of changes completes; None where one is too large to be taken."""
        try:
            return events.feed(chunk)
        except UpstreamFailed as failure:
            self.trouble = f"a change that it announces is too large to be heard of ({failure.message})"
            log.warning("mcp_change_too_large", reason=failure.message)
            return None

    def _listening(self) -> Exchange:
        """What opens the stream of changes: a request of its own in the modern era, a GET in the old one."""
        address, speech = self._address, self.greeting.speech
        clocks = replace(address.timeouts, idle=_A_DAY, total=_A_DAY)
        if speech.era is Era.LEGACY:
            return Exchange("GET", address.url, self._reading(), b"", clocks, address.private)
        method = "subscriptions/listen"
        params = self.listening()
        body = wire.request(next(self._numbers), method, params)
        return Exchange("POST", address.url, self._headers(method, params, speech), body, clocks, address.private)

    def _reading(self) -> tuple[tuple[str, str], ...]:
        """The headers of a GET."""
        headers = self._headers("", b"{}", self.greeting.speech)
        return tuple(pair for pair in headers if pair[0] != "Content-Type")

    async def close(self) -> None:
        """End what still runs, and the session if there is one."""
        failure = UpstreamFailed("upstream_error", "the hub closed the connection")
        lost = self.failure is not None
        self.lose(failure)
        self.calls.fail(failure)
        await self._end_tasks()
        if self.session and not lost:
            await self._delete()

    async def _delete(self) -> None:
        headers = (("Mcp-Session-Id", self.session), *self._address.headers)
        clocks = Timeouts(connect=1, first_byte=1, idle=1, total=2)
        exchange = Exchange("DELETE", self._address.url, headers, b"", clocks, self._address.private)
        try:
            (await self._endpoint.request(exchange)).close()
        except UpstreamFailed:
            log.info("mcp_session_not_ended")
