"""What is counted, by kind: amounts over the last minute, calls at the same time, and money."""

from typing import Protocol

from hub.core.meters import Level
from hub.policy.window import Window


class Counter(Protocol):
    """One meter's count in this process. `now` is in seconds; it never goes back by more than a clock is set."""

    def fits(self, amount: int, limit: int, now: float) -> bool:
        """Whether there is room for `amount` under `limit`."""
        ...

    def take(self, amount: int, now: float) -> None:
        """Count it."""
        ...

    def settle(self, taken: int, used: int, second: int) -> None:
        """A call that took `taken` in that second is over and has used `used`."""
        ...

    def level(self, now: float) -> Level:
        """How it stands."""
        ...

    def wait(self, room: int, now: float) -> int:
        """In how many whole seconds no more than `room` is used; 0 where time does not help."""
        ...


class Rate:
    """Amounts over the last minute."""

    __slots__ = ("_window",)

    def __init__(self) -> None:
        self._window = Window()

    def fits(self, amount: int, limit: int, now: float) -> bool:
        """See `Counter`."""
        window = self._window
        if now >= window.until:
            window.advance(now)
        return window.total + amount <= limit or not amount

    def take(self, amount: int, now: float) -> None:
        """See `Counter`."""
        window = self._window
        if now >= window.until:
            window.advance(now)
        window.add(amount, now)

    def settle(self, taken: int, used: int, second: int) -> None:
        """See `Counter`."""
        if used != taken:
            self._window.correct(second, used - taken)

    def level(self, now: float) -> Level:
        """See `Counter`."""
        window = self._window
        if now >= window.until:
            window.advance(now)
        return Level(window.total, rest=window.rest(now))

    def wait(self, room: int, now: float) -> int:
        """See `Counter`."""
        return self._window.wait(room, now)


class Places:
    """Calls at the same time."""

    __slots__ = ("_used",)

    def __init__(self) -> None:
        self._used = 0

    def fits(self, amount: int, limit: int, now: float) -> bool:
        """See `Counter`."""
        return self._used < limit

    def take(self, amount: int, now: float) -> None:
        """See `Counter`."""
        self._used += 1

    def settle(self, taken: int, used: int, second: int) -> None:
        """See `Counter`."""
        self._used -= 1

    def level(self, now: float) -> Level:
        """See `Counter`."""
        return Level(self._used)

    def wait(self, room: int, now: float) -> int:
        """See `Counter`. A call may end at any time."""
        return 1


class Purse:
    """Money in micro-dollars: spent, and reserved by calls in flight."""

    __slots__ = ("_credited", "_spent", "reserved")

    def __init__(self) -> None:
        self._spent = self.reserved = 0
        self._credited = False

    def credit(self, amount: int) -> None:
        """What was spent before this process counted. Once."""
        if not self._credited:
            self._credited = True
            self._spent += amount

    def fits(self, amount: int, limit: int, now: float) -> bool:
        """See `Counter`. Of a purse that is empty not even nothing is taken."""
        used = self._spent + self.reserved
        return used < limit and used + amount <= limit

    def take(self, amount: int, now: float) -> None:
        """See `Counter`."""
        self.reserved += amount

    def settle(self, taken: int, used: int, second: int) -> None:
        """See `Counter`."""
        self.reserved -= taken
        self._spent += used

    def level(self, now: float) -> Level:
        """See `Counter`."""
        return Level(self._spent, self.reserved)

    def wait(self, room: int, now: float) -> int:
        """See `Counter`."""
        return 0
