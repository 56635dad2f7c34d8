"""Counting over the last minute, exactly: at most `limit` in any 60 seconds, whatever arrives together."""

from math import ceil

_SPAN = 61  # 60 whole seconds and the one that is passing


class Window:
    """Amounts per second of the last minute, in a ring. One step is O(1) on average; nothing is allocated.

    Times are seconds; a clock that goes backwards is read as standing still. `until` is when it has to advance.
    """

    __slots__ = ("_buckets", "_second", "total", "until")

    def __init__(self) -> None:
        self._buckets = [0] * _SPAN
        self._second = 0
        self.total = 0
        self.until = 1

    def advance(self, now: float) -> None:
        """Forget what lies more than a minute before `now`."""
        second = int(now)
        passed = second - self._second
        if passed <= 0:
            return
        if passed >= _SPAN:
            self._buckets = [0] * _SPAN
            self.total = 0
        else:
            for step in range(1, passed + 1):
                index = (self._second + step) % _SPAN
                self.total -= self._buckets[index]
                self._buckets[index] = 0
        self._second = second
        self.until = second + 1

    def add(self, amount: int) -> int:
        """Add at the current second; returns that second, to correct it by later."""
        self._buckets[self._second % _SPAN] += amount
        self.total += amount
        return self._second

    def correct(self, second: int, difference: int) -> None:
        """Change what was added at `second` by `difference`, unless it is forgotten already. Never below zero."""
        if self._second - second >= _SPAN:
            return
        index = second % _SPAN
        difference = max(difference, -self._buckets[index])
        self._buckets[index] += difference
        self.total += difference

    def rest(self, now: float) -> int:
        """Whole seconds until the window is empty, if nothing is added."""
        if not self.total:
            return 0
        for age in range(_SPAN):
            if self._buckets[(self._second - age) % _SPAN]:
                return max(1, ceil(self._second - age + _SPAN - now))
        return 0

    def wait(self, room: int, now: float) -> int:
        """Whole seconds until at most `room` is left in the window; 60 at most one more when nothing helps."""
        left = self.total
        for age in range(_SPAN - 1, -1, -1):
            if left <= room:
                break
            second = self._second - age
            left -= self._buckets[second % _SPAN]
            if left <= room:
                return max(1, ceil(second + _SPAN - now))
        return 1 if left <= room else _SPAN
