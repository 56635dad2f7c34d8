"""Meters of this process: exact, since one event loop uses them and nothing is awaited between a check and its count."""

import time
from collections import OrderedDict
from collections.abc import Callable

from hub.core.meters import PURSE, RATE, SLOTS, Ask, Claim, Kind, Level, Taken
from hub.policy.window import Window

_MOST_PURSES = 100_000


class _Purse:
    """Money in micro-dollars."""

    __slots__ = ("credited", "reserved", "spent")

    def __init__(self) -> None:
        self.spent = 0
        self.reserved = 0
        self.credited = False


class LocalMeters:
    """See `hub.core.meters.Meters`. `now` is in seconds since the epoch."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._rates: dict[str, Window] = {}
        self._slots: dict[str, int] = {}
        self._purses: OrderedDict[str, _Purse] = OrderedDict()

    async def take(self, claim: Claim) -> Taken:
        """Count a claim, or refuse it. Nothing is awaited."""
        now = self._now()
        for place, ask in enumerate(claim.asks):
            if ask.limit is not None:
                refused = self._refusal(place, ask, ask.limit, now)
                if refused is not None:
                    return refused
        slots = self._slots
        for ask in claim.asks:
            if ask.kind is RATE:
                self._window(ask.meter, now).add(ask.amount, now)
            elif ask.kind is SLOTS:
                slots[ask.meter] = slots.get(ask.meter, 0) + 1
            else:
                self._purse(ask.meter).reserved += ask.amount
        return Taken(second=int(now))

    def _refusal(self, place: int, ask: Ask, limit: int, now: float) -> Taken | None:
        """The refusal of an ask for which there is no room."""
        meter, kind, amount = ask.meter, ask.kind, ask.amount
        if kind is RATE:
            window = self._window(meter, now)
            if amount and window.total + amount > limit:
                wait = window.wait(limit - amount, now)
                return Taken(refused=place, level=Level(window.total, rest=window.rest(now)), wait=wait)
        elif kind is SLOTS:
            used = self._slots.get(meter, 0)
            if used >= limit:
                return Taken(refused=place, level=Level(used), wait=1)
        else:
            purse = self._purse(meter)
            used = purse.spent + purse.reserved
            if used >= limit or used + amount > limit:
                return Taken(refused=place, level=Level(purse.spent, purse.reserved))
        return None

    def _window(self, meter: str, now: float) -> Window:
        window = self._rates.get(meter)
        if window is None:
            window = self._rates[meter] = Window()
        if now >= window.until:
            window.advance(now)
        return window

    def _purse(self, meter: str) -> _Purse:
        purse = self._purses.get(meter)
        if purse is None:
            purse = self._purses[meter] = _Purse()
            while len(self._purses) > _MOST_PURSES and not next(iter(self._purses.values())).reserved:
                self._purses.popitem(last=False)
        return purse

    def settle(self, claim: Claim, taken: Taken, used: tuple[int, ...]) -> None:
        """A call is over: what it really used of each ask."""
        for ask, amount in zip(claim.asks, used, strict=True):
            if ask.kind is RATE:
                if amount != ask.amount:
                    self._rates[ask.meter].correct(taken.second, amount - ask.amount)
            elif ask.kind is SLOTS:
                self._slots[ask.meter] -= 1
            else:
                purse = self._purse(ask.meter)
                purse.reserved -= ask.amount
                purse.spent += amount

    def credit(self, meter: str, amount: int) -> None:
        """What was spent of a purse before it was counted here."""
        purse = self._purse(meter)
        if not purse.credited:
            purse.credited = True
            purse.spent += amount

    def level(self, meter: str, kind: Kind) -> Level:
        """How a meter stands."""
        if kind is SLOTS:
            return Level(self._slots.get(meter, 0))
        if kind is PURSE:
            purse = self._purses.get(meter)
            return Level(purse.spent, purse.reserved) if purse else Level()
        window = self._rates.get(meter)
        if window is None:
            return Level()
        now = self._now()
        if now >= window.until:
            window.advance(now)
        return Level(window.total, rest=window.rest(now))
