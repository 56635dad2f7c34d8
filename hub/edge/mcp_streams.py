"""Streams of MCP messages: a call with what precedes its result, and lists that may change."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hub.edge.guards import Send
from hub.edge.mcp_envelope import event, notification_bytes

PING_SECONDS = 10.0
MOST_WAITING = 1000
_PING = b": ping\n\n"
_STREAM = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)
Headers = list[tuple[bytes, bytes]]


class Outbox:
    """Messages on their way to one client, put without waiting; more than it can hold are dropped, not kept."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(MOST_WAITING)

    def notify(self, method: str, params: bytes) -> None:
        """Send a notification."""
        if not self._queue.full():
            self._queue.put_nowait(notification_bytes(method, params))

    async def next(self) -> bytes:
        """The next message."""
        return await self._queue.get()

    def rest(self) -> list[bytes]:
        """What waits now."""
        return [self._queue.get_nowait() for _ in range(self._queue.qsize())]


async def answer_json(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """One JSON answer; an empty body is one without content."""
    typed = [(b"content-type", b"application/json")] if body else []
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*typed, (b"cache-control", b"no-store"), (b"content-length", b"%d" % len(body)), *headers],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def _open(send: Send, headers: Headers) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [*_STREAM, *headers]})


async def _put(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def answer_call(
    send: Send, work: Awaitable[tuple[int, bytes]], outbox: Outbox, headers: Headers, may_stream: bool
) -> None:
    """Answer a call: as JSON when nothing precedes its result, as a stream from the first notification on.

    `work` gives the HTTP status and the response message. A call that takes long becomes a stream too, so
    that its connection is not taken for dead.
    """
    task = asyncio.ensure_future(work)  # noqa: TID251 - awaited or cancelled here
    message = asyncio.ensure_future(outbox.next())  # noqa: TID251 - cancelled here
    streaming = False
    try:
        while True:
            wanted: set[asyncio.Future[Any]] = {task, message} if may_stream else {task}
            await asyncio.wait(wanted, timeout=PING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if task.done() and not (streaming or (may_stream and message.done())):
                status, body = task.result()
                await answer_json(send, status, body, headers)
                return
            if not may_stream:
                continue
            if not streaming:
                await _open(send, headers)
                streaming = True
            if message.done():
                await _put(send, event(message.result()))
                message = asyncio.ensure_future(outbox.next())  # noqa: TID251 - cancelled here
            elif task.done():
                await send({"type": "http.response.body", "body": event(task.result()[1])})
                return
            else:
                await _put(send, _PING)
    finally:
        message.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


async def follow(
    send: Send, outbox: Outbox, headers: Headers, *, first: bytes, last: Callable[[], bytes], stop: asyncio.Event
) -> None:
    """Send what comes to `outbox` until `stop` is set; `first` precedes it, `last` ends it. Either may be empty."""
    await _open(send, headers)
    await _put(send, event(first) if first else _PING)
    ending = asyncio.ensure_future(stop.wait())  # noqa: TID251 - cancelled here
    message = asyncio.ensure_future(outbox.next())  # noqa: TID251 - cancelled here
    try:
        while not ending.done():
            await asyncio.wait({ending, message}, timeout=PING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if message.done():
                await _put(send, event(message.result()))
                message = asyncio.ensure_future(outbox.next())  # noqa: TID251 - cancelled here
            elif not ending.done():
                await _put(send, _PING)
        end = last()
        await send({"type": "http.response.body", "body": event(end) if end else b""})
    finally:
        message.cancel()
        ending.cancel()
