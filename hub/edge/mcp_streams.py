"""One HTTP answer to an MCP client: JSON when nothing precedes the result, else a stream of messages."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

from hub.edge.guards import Send
from hub.edge.mcp_envelope import Headers, event, notification_bytes

T = TypeVar("T")
PING_SECONDS = 10.0
MOST_WAITING = 256 << 10  # bytes for one client that does not read
_PING = b": ping\n\n"
_STREAM = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


class Outbox:
    """Messages on their way to one client, put without waiting; more than it can hold are dropped, not kept."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._stirred = asyncio.Event()
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

    def stir(self) -> None:
        """Wake whoever waits."""
        self._stirred.set()

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
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        return self._stirred.is_set()


class Answer:
    """The response to one HTTP request. The first message makes it a stream."""

    def __init__(self, send: Send, headers: Headers) -> None:
        self._send = send
        self._headers = headers
        self._streaming = False

    async def json(self, status: int, body: bytes = b"", headers: Headers = ()) -> None:
        """All of it at once; without a body, an answer without content."""
        typed = [(b"content-type", b"application/json")] if body else []
        length = [(b"cache-control", b"no-store"), (b"content-length", b"%d" % len(body))]
        await self._start(status, [*typed, *length, *headers])
        await self._send({"type": "http.response.body", "body": body})

    async def message(self, data: bytes) -> None:
        """One message of a stream."""
        await self._put(event(data))

    async def named_event(self, kind: str, data: bytes) -> None:
        """One event of a type of its own."""
        await self._put(b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n")

    async def ping(self) -> None:
        """A sign of life."""
        await self._put(_PING)

    async def finish(self, status: int, body: bytes, headers: Headers = ()) -> None:
        """The last message, or the only one. `status` and `headers` count only where nothing preceded it."""
        if self._streaming:
            await self.end(body)
        else:
            await self.json(status, body, headers)

    async def end(self, data: bytes = b"") -> None:
        """The end of a stream, with a last message or without."""
        await self._open()
        await self._send({"type": "http.response.body", "body": event(data) if data else b""})

    async def _put(self, data: bytes) -> None:
        await self._open()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def _open(self) -> None:
        if not self._streaming:
            self._streaming = True
            await self._start(200, list(_STREAM))

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, *self._headers]})


async def accompany(work: Awaitable[T], answer: Answer, outbox: Outbox) -> T:
    """Await `work`, sending what comes to `outbox` meanwhile; a sign of life when nothing does for long."""
    task = asyncio.ensure_future(work)  # noqa: TID251 - awaited or cancelled here
    task.add_done_callback(lambda _: outbox.stir())
    try:
        while True:
            if not await outbox.stirred(PING_SECONDS):
                await answer.ping()
            done = task.done()
            for message in outbox.take():
                await answer.message(message)
            if done:
                return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


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
