"""Group commit: one fsync, in a thread, for everybody who waits for one."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from hub.core.refusal import Unavailable


class GroupSync:
    """Runs `sync` every `interval` seconds, and at once when somebody waits. Owns the task that does it.

    `sync` makes everything durable that was appended before it was called, or raises OSError.
    """

    def __init__(self, sync: Callable[[], Awaitable[None]], interval: float) -> None:
        self._sync = sync
        self._interval = interval
        self._asked = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the task."""
        self._task = asyncio.create_task(self._run(), name="spool sync")  # noqa: TID251 - ended in __aexit__
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the task, then sync a last time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        await self._try()

    async def wait(self) -> None:
        """Return when everything that was appended before this call is durable.

        Raises Unavailable `overloaded` when the disk does not take it.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._asked.set()
        await future

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._asked.wait()
            await self._try()

    async def _try(self) -> None:
        """One pass. When it fails, `sync` has said so and the next pass tries again."""
        self._asked.clear()
        waiting, self._waiting = self._waiting, []
        try:
            await self._sync()
        except OSError:
            _fail(waiting)
        except asyncio.CancelledError:
            self._waiting = waiting + self._waiting  # the last pass, in __aexit__, answers them
            raise
        else:
            for future in waiting:
                if not future.done():
                    future.set_result(None)


def _fail(waiting: list[asyncio.Future[None]]) -> None:
    for future in waiting:
        if not future.done():
            future.set_exception(
                Unavailable("overloaded", "The hub's disk does not take its ledger; try again soon.", retry_after=5)
            )
