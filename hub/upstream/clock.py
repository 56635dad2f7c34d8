"""All the clocks of one exchange on a single timer, at almost no cost for each wait."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class Elapsed(Exception):
    """A wait took longer than it may."""


class Deadline:
    """When the task that waits has to be done, on a timer that is set again when it fires early and not before.

    A task that is late is cancelled, as `asyncio.timeout` does it; `_rang` tells that this was why.
    """

    __slots__ = ("_cancelling", "_due", "_loop", "_rang", "_set_for", "_task", "_timer")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due = math.inf
        self._set_for = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._rang = False

    def _watch(self) -> None:
        """Watch the current task."""
        task = self._task = asyncio.current_task(self._loop)
        self._cancelling = task.cancelling() if task is not None else 0

    def _move(self, due: float) -> None:
        """Let it be due then."""
        self._due = due
        if self._timer is None or self._set_for > due:
            self._set()

    def _set(self) -> None:
        self._stop()
        if self._due < math.inf:
            self._set_for = self._due
            self._timer = self._loop.call_at(self._due, self._ring)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        if self._task is None:
            return  # nobody waits; the next wait sets the timer
        if self._loop.time() < self._due:
            self._set()
            return
        self._rang = True
        self._task.cancel()

    def _was_late(self, task: asyncio.Task[object] | None) -> bool:
        """Whether the cancellation that came was this deadline's alone; then it is taken back."""
        return self._rang and task is not None and task.uncancel() <= self._cancelling


class Clock(Deadline):
    """Bounds waits, each by itself and all together by `total` seconds. Used by one task at a time.

    A wait that ends in time only writes down when it would have been due. One clock serves many exchanges, one after
    the other: `begin` starts it anew, with the timer as it is.
    """

    __slots__ = ("_ends", "now")

    def __init__(self, total: float) -> None:
        super().__init__()
        self.now: Callable[[], float] = self._loop.time
        """The loop's time in seconds."""
        self.begin(total)

    def begin(self, total: float) -> None:
        """Start anew, for another exchange of `total` seconds."""
        self._ends = self.now() + total

    @property
    def idle(self) -> bool:
        """Whether nobody waits by it."""
        return self._task is None

    @property
    def over(self) -> bool:
        """Whether the total has run out."""
        return self.now() >= self._ends

    async def wait(self, awaitable: Awaitable[T], seconds: float) -> T:
        """The result of `awaitable`. Raises Elapsed when it is not there in `seconds`, or by the end of the total."""
        return await self.until(awaitable, self.now() + seconds)

    async def until(self, awaitable: Awaitable[T], due: float) -> T:
        """The same, for one that has to be there at a time."""
        ends = self._ends
        self._move(due if due < ends else ends)
        self._watch()
        try:
            return await awaitable
        except asyncio.CancelledError:
            if self._was_late(self._task):
                raise Elapsed from None
            raise
        finally:
            self._task = None
            self._rang = False

    def close(self) -> None:
        """Let go of the timer."""
        self._stop()
