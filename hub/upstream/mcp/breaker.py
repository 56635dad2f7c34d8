"""When calls of a server fail one after another, it is left alone for a while, and then tried with one call."""

import time
from collections.abc import Callable


class Breaker:
    """Closed while calls succeed; open for `rest` seconds after `trips` failures in a row; then one call probes."""

    def __init__(self, trips: int, rest: float, now: Callable[[], float] = time.monotonic) -> None:
        self._trips = trips
        self._rest = rest
        self._now = now
        self._failures = 0
        self._until = 0.0
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether calls are refused, but for the one that probes."""
        return self._failures >= self._trips

    def admit(self) -> float:
        """Seconds to wait; 0.0 lets the call through."""
        if self._failures < self._trips:
            return 0.0
        left = self._until - self._now()
        if left > 0 or self._probing:
            return max(left, 0.1)
        self._probing = True
        return 0.0

    def succeeded(self) -> None:
        """A call was answered, whatever the answer."""
        self._failures = 0
        self._probing = False

    def failed(self) -> None:
        """A call was not answered."""
        self._failures += 1
        self._probing = False
        if self._failures >= self._trips:
            self._until = self._now() + self._rest

    def left(self) -> None:
        """The caller left before it was known."""
        self._probing = False
