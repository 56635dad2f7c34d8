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


class Rate(Window):
    """Amounts over the last minute."""

    __slots__ = ()

    def fits(self, amount: int, limit: int, now: float) -> bool:
        """See `Counter`."""
        if now >= self.until:
            self.advance(now)
        return self.total + amount <= limit or not amount

    def take(self, amount: int, now: float) -> None:
        """See `Counter`."""
        if now >= self.until:
            self.advance(now)
        self.add(amount, now)

    def settle(self, taken: int, used: int, second: int) -> None:
        """See `Counter`."""
        if used != taken:
            self.correct(second, used - taken)

    def level(self, now: float) -> Level:
        """See `Counter`."""
        if now >= self.until:
            self.advance(now)
        return Level(self.total, rest=self.rest(now))


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


def pays(used: int, amount: int, limit: int) -> bool:
    """Whether a purse with `limit` in it, of which `used` is gone or reserved, has `amount` left.

    Of one that is empty not even nothing is taken.
    """
    return used < limit and used + amount <= limit


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
        """See `Counter`."""
        return pays(self._spent + self.reserved, amount, limit)

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
