"""How late the event loop is: the one number that shows that something blocks it."""

import asyncio
from types import TracebackType
from typing import Self

from hub.core.logs import get_logger

log = get_logger(__name__)


class LoopLag:
    """Measures the loop while it is entered (`async with LoopLag() as lag`). Seconds.

    `last` is the latest measurement, `worst` the worst one since it was last read with `take_worst`.
    """

    def __init__(self, every: float = 0.5, warn_above: float = 0.5) -> None:
        self._every = every
        self._warn_above = warn_above
        self._task: asyncio.Task[None] | None = None
        self.last = 0.0
        self.worst = 0.0

    def take_worst(self) -> float:
        """The worst lag since the last call."""
        worst, self.worst = self.worst, 0.0
        return worst

    async def __aenter__(self) -> Self:
        """Begin to measure."""
        self._task = asyncio.get_running_loop().create_task(self._measure())  # ended in __aexit__
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._every
            await asyncio.sleep(self._every)
            self.last = max(0.0, loop.time() - due)
            self.worst = max(self.worst, self.last)
            if self.last > self._warn_above:
                log.warning("event loop was blocked", seconds=round(self.last, 3))
