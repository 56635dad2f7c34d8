"""Money: reserved before a call, settled after it, so that settled + reserved never passes a blocking budget."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

from hub.core.meters import PURSE, Ask, Kind, Level, Meters
from hub.core.refusal import PriceUnknown, Throttled
from hub.policy.periods import bounds
from hub.resources.spending import BudgetSpec

_SOONEST_FORECAST = 3600  # seconds of a period that must have passed before a rate says anything


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """What of a budget is used in the current period, in micro-dollars; times in seconds since the epoch.

    `limit` includes what was carried over and what is there for a time. `runs_out_at` is when the money ends at the
    rate of this period, if that is before the period does; for a `total`, which has no end, the ledger knows the rate.
    """

    limit: int
    spent: int
    reserved: int
    starts_at: float
    resets_at: float | None
    alerts: tuple[int, ...]
    unpriced: int
    carried_over: int = 0
    runs_out_at: float | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Spending that this process has not seen: what the ledger holds for `scope` in [since, until)."""

    budget: str
    scope: tuple[str, str]
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Alert:
    """A threshold that was reached: `level` percent of the budget. `id` names it once for its period and limit."""

    id: str
    budget: str
    level: int
    limit: int
    spent: int
    starts_at: float
    resets_at: float | None


class BudgetRule:
    """One budget and its current period. Its money is in a meter that is named after the period."""

    __slots__ = (
        "_carried", "_end", "_meter", "_own", "_since", "_told", "_where", "name", "spec", "start", "unpriced",
    )  # fmt: skip

    def __init__(self, name: str, spec: BudgetSpec, now: float) -> None:
        self.name = name
        self.spec = spec
        self._own = self._micro(spec.usd)
        self._where = "/".join(spec.scope.parts)
        self._since: float | None = now
        self._carried: int | None = 0
        self._told = 0
        self.unpriced = 0
        self._begin(now)
        if spec.carry_over and self._end is not None:
            self._carried = None  # the ledger knows

    def _begin(self, now: float) -> None:
        self.start, self._end = self._bounds(now)
        self._meter = f"budget:{self.name}:{self._where}:{self.start:.0f}"

    def _bounds(self, at: float) -> tuple[float, float | None]:
        spec = self.spec
        return bounds(spec.period, spec.timezone, at, spec.year_starts)

    def adopt(self, spec: BudgetSpec) -> bool:
        """Follow a changed spec, if what was counted still counts: the same scope, period and time zone."""
        same = all(
            getattr(self.spec, part) == getattr(spec, part)
            for part in ("scope", "period", "timezone", "year_starts", "carry_over")
        )
        if same and spec != self.spec:
            self.spec = spec
            self._own = self._micro(spec.usd)
            self._told = 0
        return same

    def advance(self, now: float, meters: Meters) -> None:
        """Begin a new period when the old one is over. Calls in flight settle in the period that they began in."""
        if self._end is None or now < self._end:
            return
        left = self._limit(now) - meters.level(self._meter, PURSE).used
        follows = self._bounds(self._end)[0]
        self._begin(now)
        self.unpriced = self._told = 0
        self._since = None
        own = self._own
        self._carried = (min(own, max(0, left)) if follows == self.start else own) if self.spec.carry_over else 0

    @property
    def meters(self) -> list[tuple[str, Kind]]:
        """What counts it in this period."""
        return [(self._meter, PURSE)]

    # -- what the ledger adds --------------------------------------------------------------------------------------

    def gaps(self) -> list[Gap]:
        """What the ledger has to add, once: this period before this process counted, and the one before it."""
        scope, found = self.spec.scope.parts, list[Gap]()
        if self._since is not None:
            found.append(Gap(self.name, scope, self.start, self._since))
        if self._carried is None:
            before, _ = self._bounds(self.start - 1)
            found.append(Gap(self.name, scope, before, self.start))
        return found

    def credit(self, gap: Gap, micro_usd: int, meters: Meters) -> None:
        """Add what the ledger holds for `gap`; a gap that is filled or over is left alone."""
        if gap.since == self.start and self._since is not None:
            self._since = None
            meters.credit(self._meter, micro_usd)
        elif gap.until == self.start and self._carried is None:
            own = self._own
            self._carried = min(own, max(0, own - micro_usd))

    # -- calls -----------------------------------------------------------------------------------------------------

    @staticmethod
    def _micro(usd: float) -> int:
        return round(usd * 1_000_000)

    def _limit(self, now: float) -> int:
        limit, extra = self._own + (self._carried or 0), self.spec.extra
        if extra is not None and now < extra.until.timestamp():
            limit += self._micro(extra.usd)
        return limit

    def ask(self, now: float, micro_usd: int, model: str, meters: Meters) -> Ask:
        """What a call wants of it. A budget that only warns, or that already sent the call to the cheaper model, counts."""
        self.advance(now, meters)
        enforces = self.spec.mode == "block" or (self.spec.mode == "downgrade" and model != self.spec.downgrade_to)
        return Ask(self._meter, PURSE, self._limit(now) if enforces else None, micro_usd)

    def refusal(self, ask: Ask, level: Level, now: float) -> Throttled:
        """The refusal `budget_exhausted`, with the reset time and `x-hub-budget-action`."""
        reset = "" if self._end is None else f" It resets at {datetime.fromtimestamp(self._end, UTC).isoformat()}."
        limit = ask.limit or 0
        fits = "" if ask.amount <= limit or not ask.amount else " A smaller cap on output tokens reserves less."
        return Throttled(
            "budget_exhausted",
            f"Budget '{self.name}' allows {_usd(limit)} USD per {self.spec.period}; {_usd(level.used)} is "
            f"spent and {_usd(level.reserved)} reserved by calls in flight, and this call may cost "
            f"{_usd(ask.amount)}.{fits}{reset} Ask its owner to raise it.",
            retry_after=None if self._end is None else max(1, ceil(self._end - now)),
            retryable=False,
            headers={"x-hub-budget-action": "block", "x-hub-budget-period": self.spec.period},
        )

    def used(self, meters: Meters, now: float) -> float:
        """How much of it is spent or reserved, as a share of 1."""
        self.advance(now, meters)
        level = meters.level(self._meter, PURSE)
        return (level.used + level.reserved) / max(self._limit(now), 1)

    @property
    def ends_at(self) -> float | None:
        """When the period is over, in seconds since the epoch."""
        return self._end

    def unpriced_refusal(self, model: str) -> PriceUnknown:
        """The refusal of a call whose price nobody knows."""
        what = f"the model '{model[:100]}'" if model else "this tool"
        return PriceUnknown(
            "price_unknown",
            f"Nobody knows what {what} costs, and budget '{self.name}' takes no such calls. Its owner sets a price on the "
            "model, or 'unpriced: count' on the budget.",
        )

    def remaining(self, meters: Meters, now: float) -> int:
        """What is neither spent nor reserved; below zero when a warning budget is passed."""
        level = meters.level(self._meter, PURSE)
        return self._limit(now) - level.used - level.reserved

    # -- telling ---------------------------------------------------------------------------------------------------

    def alert(self, meters: Meters, now: float) -> Alert | None:
        """The highest threshold that was reached since this process told one; another may have told it before."""
        levels = self.spec.alerts
        if not levels:
            return None
        spent = meters.level(self._meter, PURSE).used
        limit = self._limit(now)
        if spent * 100 < limit * min(levels):
            return None
        reached = max(level for level in levels if spent * 100 >= limit * level)
        if reached <= self._told:
            return None
        self._told = reached
        return Alert(f"{self._meter}:{limit}:{reached}", self.name, reached, limit, spent, self.start, self._end)

    def status(self, meters: Meters, now: float) -> BudgetStatus:
        """What is used now."""
        self.advance(now, meters)
        level = meters.level(self._meter, PURSE)
        limit = self._limit(now)
        reached = tuple(each for each in sorted(self.spec.alerts) if level.used * 100 >= limit * each)
        return BudgetStatus(
            limit, level.used, level.reserved, self.start, self._end, reached, self.unpriced,
            carried_over=self._carried or 0, runs_out_at=self._forecast(limit, level.used, now),
        )  # fmt: skip

    def _forecast(self, limit: int, spent: int, now: float) -> float | None:
        passed = now - self.start
        if spent >= limit:
            return now
        if self._end is None or passed < _SOONEST_FORECAST or not spent:
            return None
        runs_out = now + (limit - spent) * passed / spent
        return runs_out if runs_out < self._end else None


def _usd(micro: int) -> str:
    """Micro-dollars as people read them: at least cents, and no smaller amount is hidden."""
    whole, part = f"{micro / 1e6:.6f}".split(".")
    return f"{whole}.{part.rstrip('0'):0<2}"


_WARNINGS = (0.95, 0.75)


def warning(rules: Iterable[BudgetRule], meters: Meters, now: float) -> dict[str, str]:
    """What Claude Code shows when a blocking budget is nearly used up, in its own headers; nothing before that."""
    blocking = [(rule.used(meters, now), rule) for rule in rules if rule.spec.mode == "block"]
    share, rule = max(blocking, key=lambda each: each[0], default=(0.0, None))
    passed = next((level for level in _WARNINGS if share >= level), None)
    if rule is None or passed is None:
        return {}
    told = {
        "status": "allowed_warning",
        "representative-claim": "overage",
        "overage-status": "allowed_warning",
        "overage-utilization": f"{min(share, 1):.2f}",
        "overage-surpassed-threshold": f"{passed}",
    }
    if rule.ends_at is not None:
        told["reset"] = str(int(rule.ends_at))
    return {f"anthropic-ratelimit-unified-{name}": value for name, value in told.items()}
