"""Waiting for room: calls that a limit has no room for wait their turn, higher classes first, in a queue that has an end."""

import asyncio
import contextlib
from bisect import insort

_LOOK_SECONDS = 0.25  # how often the first looks for itself: another replica may have made room


class Waiter:
    """A call that waits. `rank` is its class and number: the lowest is first."""

    __slots__ = ("_woken", "pushed_out", "rank")

    def __init__(self, rank: tuple[int, int]) -> None:
        self.rank = rank
        self.pushed_out = False
        self._woken = asyncio.Event()

    def __lt__(self, other: "Waiter") -> bool:
        return self.rank < other.rank

    def wake(self) -> None:
        """There may be room."""
        self._woken.set()

    async def woken(self, seconds: float) -> None:
        """Wait until there may be room, or for so many seconds."""
        self._woken.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()


class Queue:
    """The calls that wait at one limit. One event loop uses it."""

    __slots__ = ("_number", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[Waiter] = []
        self._number = 0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def join(self, priority: int, most: int) -> Waiter | None:
        """A place behind all of this class and before all of lower ones. None when `most` wait, and none of a lower class.

        Else the last one of the lowest class gives up its place, and is told by `pushed_out`.
        """
        if len(self._waiting) >= most:
            last = self._waiting[-1]
            if last.rank[0] <= priority:
                return None
            self._waiting.pop()
            last.pushed_out = True
            last.wake()
        self._number += 1
        waiter = Waiter((priority, self._number))
        insort(self._waiting, waiter)
        return waiter

    async def turn(self, waiter: Waiter, seconds: float) -> None:
        """Wait until it may be worth while to try, at most so many seconds."""
        await waiter.woken(min(seconds, _LOOK_SECONDS) if self.is_first(waiter) else seconds)

    def is_first(self, waiter: Waiter) -> bool:
        """Whether nobody is before this one."""
        return bool(self._waiting) and self._waiting[0] is waiter

    def leave(self, waiter: Waiter) -> None:
        """This one waits no more; whoever is first then tries."""
        with contextlib.suppress(ValueError):
            self._waiting.remove(waiter)
        self.wake()

    def wake(self) -> None:
        """There may be room for the first."""
        if self._waiting:
            self._waiting[0].wake()
