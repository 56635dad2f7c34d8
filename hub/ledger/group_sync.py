"""Group commit: one fsync, in a thread, for everybody who waits for one."""

import asyncio
import os
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Self

from hub.core.refusal import Unavailable

# With so many calls in flight a pass waits for others to join it, as PostgreSQL does by `commit_siblings`.
SIBLINGS = 6
GATHER_SECONDS = 0.001

Waiters = list[asyncio.Future[None]]


class GroupSync:
    """Makes what was appended durable every `interval` seconds, and soon when somebody waits.

    `prepare` writes what is to be written and returns the file descriptors to sync; it may raise OSError. `settled`
    is told how their sync ended. `in_flight` says how many calls there are. All three are called on the loop; the
    passes need no task, since there are as many of them as calls.
    """

    def __init__(
        self,
        prepare: Callable[[], Sequence[int]],
        settled: Callable[[OSError | None], None],
        in_flight: Callable[[], int],
        interval: float,
    ) -> None:
        self._prepare = prepare
        self._settled = settled
        self._in_flight = in_flight
        self._interval = interval
        self._waiting: Waiters = []
        self._jobs: SimpleQueue[tuple[Sequence[int], Waiters] | None] = SimpleQueue()
        self._next: asyncio.Handle | None = None
        self._tick: asyncio.Handle | None = None
        self._busy: asyncio.Future[None] | None = None  # done when the pass that the thread works on has ended

    async def __aenter__(self) -> Self:
        """Start the thread."""
        self._loop = asyncio.get_running_loop()
        self._thread = Thread(target=self._work, name="hub-spool", daemon=True)
        self._thread.start()
        self._tick = self._loop.call_later(self._interval, self._periodically)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Sync a last time, then end the thread."""
        while self._busy is not None:
            await asyncio.shield(self._busy)
        for handle in (self._tick, self._next):
            if handle is not None:
                handle.cancel()
        self._begin()
        if self._busy is not None:
            await asyncio.shield(self._busy)
        self._jobs.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def wait(self) -> asyncio.Future[None]:
        """What is done when everything that was appended before this call is durable.

        Awaiting it raises Unavailable `overloaded` when the disk does not take it.
        """
        future = self._loop.create_future()
        self._waiting.append(future)
        if self._next is None and self._busy is None:
            self._schedule()
        return future

    def _schedule(self) -> None:
        if self._in_flight() >= SIBLINGS:
            self._next = self._loop.call_later(GATHER_SECONDS, self._begin)
        else:
            self._next = self._loop.call_soon(self._begin)

    def _periodically(self) -> None:
        self._tick = self._loop.call_later(self._interval, self._periodically)
        if self._next is None and self._busy is None:
            self._begin()

    def _begin(self) -> None:
        """Begin a pass. When it fails, the next one tries again."""
        self._next = None
        waiting, self._waiting = self._waiting, []
        try:
            files = self._prepare()
        except OSError:
            _fail(waiting)
            return
        if files:
            self._busy = self._loop.create_future()
            self._jobs.put((files, waiting))
        else:
            self._settled(None)
            _succeed(waiting)

    def _work(self) -> None:
        """The thread."""
        while (job := self._jobs.get()) is not None:
            files, waiting = job
            error: OSError | None = None
            try:
                for file in files:
                    os.fsync(file)
            except OSError as fault:
                error = fault
            self._loop.call_soon_threadsafe(self._ended, waiting, error)

    def _ended(self, waiting: Waiters, error: OSError | None) -> None:
        busy, self._busy = self._busy, None
        self._settled(error)
        if error is None:
            _succeed(waiting)
        else:
            _fail(waiting)
        if self._waiting:
            self._schedule()
        if busy is not None and not busy.done():
            busy.set_result(None)


def _succeed(waiting: Waiters) -> None:
    for future in waiting:
        if not future.done():
            future.set_result(None)


def _fail(waiting: Waiters) -> None:
    for future in waiting:
        if not future.done():
            future.set_exception(
                Unavailable("overloaded", "The hub's disk does not take its ledger; try again soon.", retry_after=5)
            )
