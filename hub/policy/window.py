"""Counting over the last minute, exactly: at most `limit` in any 60 seconds, whatever arrives together."""

from math import ceil

MINUTE = 60
_RING = MINUTE + 1  # 60 whole seconds and the one that is passing


class Window:
    """Amounts per second of the last minute, in a ring. One step is O(1) on average; nothing is allocated.

    A second's amount counts until a minute after the last of it was added. Times are seconds; a clock that goes backwards
    is read as standing still. `until` is when it has to advance.
    """

    __slots__ = ("_buckets", "_index", "_last", "_second", "total", "until")

    def __init__(self) -> None:
        self._buckets = [0] * _RING
        self._last = [0.0] * _RING  # when something was last added
        self._second = self._index = 0  # the second that is passing, and its place in the ring
        self.total = 0
        self.until = 1

    def advance(self, now: float) -> None:
        """Forget what lies more than a minute before `now`."""
        passed = int(now) - self._second
        if passed >= _RING:
            self._buckets = [0] * _RING
            self.total = 0
        else:
            for step in range(1, passed + 1):
                self._forget((self._second + step) % _RING)
        self._second += max(0, passed)
        self._index = self._second % _RING
        self.until = self._second + 1
        oldest = self.until % _RING
        if now - self._last[oldest] >= MINUTE:
            self._forget(oldest)
        else:
            self.until = min(self.until, self._last[oldest] + MINUTE)

    def _forget(self, index: int) -> None:
        self.total -= self._buckets[index]
        self._buckets[index] = 0

    def add(self, amount: int, now: float) -> int:
        """Add at the current second; returns that second, to correct it by later."""
        index = self._index
        self._buckets[index] += amount
        last = self._last[index]
        self._last[index] = now if now > last else last  # a call of max() costs more than the rest of this
        self.total += amount
        return self._second

    def correct(self, second: int, difference: int) -> None:
        """Change what was added at `second` by `difference`, unless it is forgotten already. Never below zero."""
        index = second % _RING
        if self._second - second >= _RING:
            return
        used = self._buckets[index]
        difference = difference if difference > -used else -used
        self._buckets[index] += difference
        self.total += difference

    def rest(self, now: float) -> int:
        """Whole seconds until the window is empty, if nothing is added."""
        if not self.total:
            return 0
        # A place below zero counts from the end of the ring, which is where the last minute's other part lies.
        for index in range(self._index, self._index - _RING, -1):
            if self._buckets[index]:
                return self._left(index, now)
        return 0

    def wait(self, room: int, now: float) -> int:
        """Whole seconds until at most `room` is left in the window; 60 when nothing helps."""
        left = self.total
        for age in range(MINUTE, -1, -1):
            if left <= room:
                break
            index = (self._second - age) % _RING
            left -= self._buckets[index]
            if left <= room:
                return self._left(index, now)
        return 1 if left <= room else MINUTE

    def _left(self, index: int, now: float) -> int:
        # Ages are subtracted first: a time plus a minute is rounded, and could say 61 seconds.
        age = now - self._last[index]
        left = ceil(MINUTE - age) if age > 0 else MINUTE
        return left if left > 1 else 1
