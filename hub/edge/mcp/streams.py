"""One HTTP answer to an MCP client: JSON when nothing precedes the result, else a stream of messages."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from hub.core.signal import Signal
from hub.edge.cycle import Cycle
from hub.edge.guards import Send
from hub.edge.heads import lines_of
from hub.edge.in_flight import Messages
from hub.edge.mcp.envelope import Headers, event, notification_bytes
from hub.edge.mcp.journal import Journal, Journals
from hub.edge.wire import encoded, head_lines

T = TypeVar("T")
PING_SECONDS = 10.0
_LOOK_SECONDS = 1.0
MOST_WAITING = 256 << 10  # bytes for one client that does not read
_PING = b": ping\n\n"
_STREAM = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


class Body(Protocol):
    """Bytes that come from elsewhere."""

    async def read(self, patience: float = ..., /) -> bytes | None:
        """Those that are there; b"" at the end, None when none came for `patience` seconds."""
        ...


class Outbox:
    """Messages on their way to one client, put without waiting; more than it can hold are dropped, not kept."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._stirred = Signal()
        self._ear: Callable[[], None] | None = None
        self.closed = False

    def notify(self, method: str, params: bytes) -> None:
        """Send a notification."""
        self.put(notification_bytes(method, params))

    def put(self, message: bytes) -> None:
        """Send a message."""
        if self._size + len(message) <= self._most:
            self._waiting.append(message)
            self._size += len(message)
            self._stirred.set()
            if self._ear is not None:
                self._ear()

    def heard_by(self, ear: Callable[[], None] | None) -> None:
        """Call `ear` for each message that is put from now on."""
        self._ear = ear

    @property
    def stirring(self) -> bool:
        """Whether there is something, or it is closed."""
        return self._stirred.is_set

    def close(self) -> None:
        """Nothing comes any more."""
        self.closed = True
        self._stirred.set()

    def take(self) -> list[bytes]:
        """What waits now."""
        self._stirred.clear()
        taken = list(self._waiting)
        self._waiting.clear()
        self._size = 0
        return taken

    async def stirred(self, seconds: float) -> bool:
        """Wait until there is something, or until it is closed; whether that came within `seconds`."""
        return await self._stirred.within(seconds)


class Answer:
    """The response to one HTTP request. The first message makes it a stream."""

    def __init__(self, send: Send, headers: Headers, wire: Cycle | Messages | None = None) -> None:
        self._send = send
        self._wire = wire
        self._headers = headers
        self._told: Mapping[str, str] = {}
        self._streaming = False
        self._streams_only = False
        self._journals: Journals | None = None
        self._journal: Journal | None = None

    def kept_in(self, journals: Journals) -> None:
        """Keep what is sent, if it becomes a stream, so that the client can go on after it was cut off."""
        self._journals = journals

    def stream_always(self) -> None:
        """Its client takes no JSON: a result that nothing precedes is a stream of one message."""
        self._streams_only = True

    def is_resumable(self) -> bool:
        """Whether the client has read an event from which it can go on."""
        return self._journal is not None and self._journal.ended_at is None

    def tell(self, headers: Mapping[str, str]) -> None:
        """More headers, where none have been sent yet."""
        if headers and not self._streaming:
            self._told = headers

    async def json(self, status: int, body: bytes = b"", headers: Headers = ()) -> None:
        """All of it at once; without a body, an answer without content."""
        typed = [(b"content-type", b"application/json")] if body else []
        told = [*typed, (b"cache-control", b"no-store"), *headers]
        if self._wire is not None and self._wire.answer(
            status, lines_of([*told, *self._headers]) + head_lines(self._told), body
        ):
            return
        await self._start(status, [*told, (b"content-length", b"%d" % len(body))])
        await self._send({"type": "http.response.body", "body": body})

    async def message(self, data: bytes) -> None:
        """One message of a stream."""
        await self._put(event(data, self._noted(data)))

    async def again(self, data: bytes, event_id: bytes) -> None:
        """One message of a stream that was sent before."""
        await self._put(event(data, event_id))

    def _noted(self, data: bytes) -> bytes:
        """The id of an event that can be sent again, or b""."""
        if self._journals is None:
            return b""
        if self._journal is None:
            self._journal = self._journals.open()
        return self._journal.add(data)

    async def named_event(self, kind: str, data: bytes) -> None:
        """One event of a type of its own."""
        await self._put(b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n")

    async def ping(self) -> None:
        """A sign of life."""
        await self._put(_PING)

    async def finish(self, status: int, body: bytes, headers: Headers = ()) -> None:
        """The last message, or the only one. `status` and `headers` count only where nothing preceded it."""
        if self._streams_only and status == 200 and body:
            self._headers = (*self._headers, *headers)
            await self.end(body)
        elif self._streaming:
            await self.end(body)
        else:
            await self.json(status, body, headers)

    async def end(self, data: bytes = b"") -> None:
        """The end of a stream, with a last message or without."""
        last = event(data, self._noted(data)) if data else b""
        if self._journals is not None and self._journal is not None:
            self._journals.end(self._journal)
        await self._open()
        await self._send({"type": "http.response.body", "body": last})

    async def passed(self, status: int, headers: list[tuple[str, str]], body: Body, stop: Callable[[], bool]) -> None:
        """An answer that another replica gives, as it comes; cut short where nothing comes and `stop` says so."""
        told = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await self._send({"type": "http.response.start", "status": status, "headers": told})
        while (chunk := await body.read(_LOOK_SECONDS)) != b"":
            if chunk is not None:
                await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
            elif stop():
                break
        await self._send({"type": "http.response.body", "body": b""})

    async def _put(self, data: bytes) -> None:
        await self._open()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def _open(self) -> None:
        if not self._streaming:
            self._streaming = True
            await self._start(200, list(_STREAM))

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        named = [*headers, *self._headers, *encoded(self._told)]
        await self._send({"type": "http.response.start", "status": status, "headers": named})


async def accompany(work: Awaitable[T], answer: Answer, outbox: Outbox) -> T:
    """Await `work`, sending what comes to `outbox` meanwhile; a sign of life when nothing does for long."""
    pump = _Pump(answer, outbox)
    try:
        result = await work
    except BaseException:
        pump.abort()
        raise
    await pump.finish()
    return result


class _Pump:
    """Sends what comes to an outbox. Its task begins with the first message, or when there was none for long."""

    def __init__(self, answer: Answer, outbox: Outbox) -> None:
        self._answer = answer
        self._outbox = outbox
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(PING_SECONDS, self._begin)
        outbox.heard_by(self._begin)

    def _begin(self) -> None:
        if self._task is None:
            self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        quiet = not self._outbox.stirring
        while True:
            if quiet:
                await self._answer.ping()
            for message in self._outbox.take():
                await self._answer.message(message)
            if self._outbox.closed:
                return
            quiet = not await self._outbox.stirred(PING_SECONDS)

    async def finish(self) -> None:
        """Send what is left, and no more. Raises what went wrong with sending."""
        self._timer.cancel()
        if self._task is not None:
            self._outbox.close()
            await self._task

    def abort(self) -> None:
        """Send no more."""
        self._timer.cancel()
        self._outbox.heard_by(None)
        if self._task is not None:
            self._task.cancel()


async def follow(answer: Answer, outbox: Outbox, stop: asyncio.Event, at_rest: Callable[[], None]) -> None:
    """Send what comes to `outbox` until it is closed or `stop` is set. `at_rest` is called when nothing came for long."""
    ending = asyncio.ensure_future(stop.wait())  # noqa: TID251 - cancelled here
    ending.add_done_callback(lambda _: outbox.close())
    try:
        while not outbox.closed:
            if not await outbox.stirred(PING_SECONDS):
                at_rest()
                await answer.ping()
            for message in outbox.take():
                await answer.message(message)
    finally:
        ending.cancel()
