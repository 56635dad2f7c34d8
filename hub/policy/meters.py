"""Meters of this process: exact, since one event loop uses them and nothing is awaited between a check and its count."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping

from hub.core.meters import PURSE, RATE, SLOTS, Claim, Kind, Level, Taken
from hub.policy.counters import Counter, Places, Purse, Rate

_MOST_PURSES = 100_000
_COUNTERS: Mapping[Kind, Callable[[], Counter]] = {RATE: Rate, SLOTS: Places}


class LocalMeters:
    """See `hub.core.meters.Meters`. `now` is in seconds since the epoch."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._counters: dict[str, Counter] = {}
        self._purses: OrderedDict[str, Purse] = OrderedDict()  # those of the counters that hold money

    async def take(self, claim: Claim) -> Taken:
        """Count a claim, or refuse it. Nothing is awaited."""
        now, known = self._now(), self._counters
        counters: list[Counter] = []
        for place, ask in enumerate(claim.asks):
            counter = known.get(ask.meter) or self._made(ask.meter, ask.kind)
            limit = ask.limit
            if limit is not None and not counter.fits(ask.amount, limit, now):
                return Taken(refused=place, level=counter.level(now), wait=counter.wait(limit - ask.amount, now))
            counters.append(counter)
        for counter, ask in zip(counters, claim.asks, strict=True):
            counter.take(ask.amount, now)
        return Taken(second=int(now))

    def _made(self, meter: str, kind: Kind) -> Counter:
        if kind is PURSE:
            return self._purse(meter)
        counter = self._counters[meter] = _COUNTERS[kind]()
        return counter

    def _purse(self, meter: str) -> Purse:
        purse = self._purses.get(meter)
        if purse is None:
            purse = self._purses[meter] = self._counters[meter] = Purse()
            while len(self._purses) > _MOST_PURSES and not next(iter(self._purses.values())).reserved:
                oldest, _ = self._purses.popitem(last=False)
                del self._counters[oldest]
        return purse

    def settle(self, claim: Claim, taken: Taken, used: tuple[int, ...]) -> None:
        """A call is over: what it really used of each ask."""
        known = self._counters
        for ask, amount in zip(claim.asks, used, strict=True):
            counter = known.get(ask.meter)
            if counter is not None:  # else it was forgotten meanwhile: nothing of it was used any more
                counter.settle(ask.amount, amount, taken.second)

    def credit(self, meter: str, amount: int) -> None:
        """What was spent of a purse before it was counted here."""
        self._purse(meter).credit(amount)

    async def look(self, meters: Iterable[tuple[str, Kind]]) -> None:
        """All of them are counted here."""

    def forget(self, meter: str) -> None:
        """See `hub.core.meters.Meters`."""
        counter = self._counters.get(meter)
        if counter is not None and not counter.level(self._now()).used:
            del self._counters[meter]

    def level(self, meter: str, kind: Kind) -> Level:
        """How a meter stands."""
        counter = self._counters.get(meter)
        return Level() if counter is None else counter.level(self._now())
