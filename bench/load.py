"""The load driver: keep-alive HTTP/1.1 connections that send prepared bytes and notice when an answer is whole."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.traffic import Request

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TIMEOUT = 30.0
_TAIL = 4_000
_CHUNKED = -1


class CallFailedError(Exception):
    """An answer that is not the one that was wanted, or none."""


@dataclass(slots=True)
class Answer:
    """One whole answer; `tail` is the end of the body as it came (chunk framing included)."""

    status: int
    head: bytes
    tail: bytes

    def header(self, name: str) -> str:
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name.encode():
                return value.strip().decode()
        return ""


class Connection(asyncio.Protocol):
    """One connection, one call at a time."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self._left: int | None = None  # bytes that are still to come; None: the head is
        self._waiter: asyncio.Future[Answer] | None = None
        self._first: asyncio.Future[None] | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport

    def close(self) -> None:
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        for waiter in (self._waiter, self._first):
            if waiter and not waiter.done():
                waiter.set_exception(CallFailedError(f"connection closed: {exc or 'end of stream'}"))

    async def call(self, request: bytes) -> Answer:
        """Send and wait for the whole answer; CallFailedError when the connection breaks."""
        self._waiter = asyncio.get_running_loop().create_future()
        self._head, self._left = b"", None
        self._transport.write(request)
        return await self._waiter

    async def open_stream(self, request: bytes) -> None:
        """Send and return when the first byte of the answer is there; the stream stays open."""
        self._first = asyncio.get_running_loop().create_future()
        self._head = b""
        self._transport.write(request)
        await asyncio.wait_for(self._first, _TIMEOUT)

    def data_received(self, data: bytes) -> None:
        if self._first and not self._first.done():
            self._note_first(data)
        if self._waiter is None or self._waiter.done():
            return
        if self._left is None:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            data, self._head, self._tail = self._head[end + 4 :], self._head[:end], b""
            found = _LENGTH.search(self._head)
            self._left = int(found[1]) if found else _CHUNKED
        self._take(data, self._left, self._waiter)

    def _note_first(self, data: bytes) -> None:
        assert self._first is not None
        if data.startswith(b"HTTP/1.1 200"):
            self._first.set_result(None)
        else:
            self._first.set_exception(CallFailedError(data[:300].decode("latin-1")))

    def _take(self, body: bytes, left: int, waiter: asyncio.Future[Answer]) -> None:
        self._tail = body if len(body) >= _TAIL else (self._tail + body)[-_TAIL:]
        if left == _CHUNKED:
            if not self._tail.endswith(b"0\r\n\r\n"):
                return
        elif left > len(body):
            self._left = left - len(body)
            return
        self._left = None
        waiter.set_result(Answer(int(self._head[9:12]), self._head, self._tail))


@dataclass(slots=True)
class Tally:
    """What a round did: calls that went well, their durations in seconds, and what went wrong first."""

    calls: int = 0
    failures: int = 0
    first_failure: str = ""
    seconds: float = 0.0
    durations: list[float] = field(default_factory=list)

    def note(self, answer: Answer, wanted: bytes) -> None:
        if answer.status == 200 and wanted in answer.tail:
            self.calls += 1
        else:
            self.fail(f"{answer.status} {answer.tail[:300].decode('latin-1')}")

    def fail(self, why: str) -> None:
        self.failures += 1
        self.first_failure = self.first_failure or why


@asynccontextmanager
async def connections(host: str, port: int, count: int) -> AsyncIterator[list[Connection]]:
    """So many open connections."""
    loop = asyncio.get_running_loop()
    opened: list[Connection] = []
    try:
        while len(opened) < count:
            opened.append((await loop.create_connection(Connection, host, port))[1])
        yield opened
    finally:
        for connection in opened:
            connection.close()


async def closed_loop(pool: list[Connection], request: Request, wanted: bytes, seconds: float) -> Tally:
    """Every connection calls again as soon as it has its answer, for so long. `wanted` must end each answer."""
    tally = Tally()
    start = time.perf_counter()
    deadline = start + seconds

    async def work(connection: Connection, data: bytes) -> None:
        while time.perf_counter() < deadline and tally.failures < 20:
            tally.note(await asyncio.wait_for(connection.call(data), _TIMEOUT), wanted)

    await _together(tally, [work(connection, request(number)) for number, connection in enumerate(pool)])
    tally.seconds = time.perf_counter() - start
    return tally


async def _together(tally: Tally, works: list[Any]) -> None:
    for outcome in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(outcome, (CallFailedError, TimeoutError, OSError)):
            tally.fail(str(outcome) or "no answer in time")
        elif isinstance(outcome, BaseException):
            raise outcome


async def open_loop(pool: list[Connection], request: Request, wanted: bytes, rate: float, seconds: float) -> Tally:
    """`rate` calls a second whatever the answers take; a duration counts from when the call was due."""
    tally = Tally()
    count = int(rate * seconds)
    start = time.perf_counter() + 0.05
    idle: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in pool:
        idle.put_nowait(connection)

    async def one(number: int) -> None:
        due = start + number / rate
        await asyncio.sleep(due - time.perf_counter())
        connection = await idle.get()
        tally.note(await asyncio.wait_for(connection.call(request(number)), _TIMEOUT), wanted)
        tally.durations.append(time.perf_counter() - due)
        idle.put_nowait(connection)

    await _together(tally, [one(number) for number in range(count)])
    tally.seconds = time.perf_counter() - start
    return tally
