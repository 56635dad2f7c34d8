"""How late the event loop is: the one number that shows that something blocks it."""

import asyncio
from collections import deque
from typing import Self

from hub.core.background import Background
from hub.core.logs import get_logger

log = get_logger(__name__)
LATELY_SECONDS = 60.0


class LoopLag(Background):
    """Measures the loop while it is entered (`async with LoopLag() as lag`). Seconds.

    `last` is the latest measurement.
    """

    def __init__(self, every: float = 0.5, warn_above: float = 0.5) -> None:
        super().__init__()
        self._every = every
        self._warn_above = warn_above
        self.last = 0.0
        self._lately: deque[float] = deque(maxlen=max(1, round(LATELY_SECONDS / every)))

    def worst(self) -> float:
        """The worst of the last minute, whoever asks and however often."""
        return max(self._lately, default=0.0)

    async def __aenter__(self) -> Self:
        """Begin to measure."""
        self.start(self._measure())
        return self

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._every
            await asyncio.sleep(self._every)
            self.last = max(0.0, loop.time() - due)
            self._lately.append(self.last)
            if self.last > self._warn_above:
                log.warning("event loop was blocked", seconds=round(self.last, 3))
