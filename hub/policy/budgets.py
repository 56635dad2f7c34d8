"""Money: reserved before a call, settled after it, so that settled + reserved never passes a blocking budget."""

from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil

from hub.core.refusal import Throttled
from hub.policy.periods import bounds
from hub.resources.spending import BudgetSpec


@dataclass(frozen=True, slots=True)
class BudgetStatus:
    """What of a budget is used in the current period, in micro-dollars; `resets_at` in seconds since the epoch."""

    limit: int
    spent: int
    reserved: int
    starts_at: float
    resets_at: float | None
    alerts: tuple[int, ...]
    unpriced: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Spending that this process has not seen: what the ledger holds for `scope` in [since, until)."""

    budget: str
    scope: tuple[str, str]
    since: float
    until: float


class BudgetState:
    """The money of one budget in its current period, in micro-dollars."""

    __slots__ = ("_end", "_since", "limit", "name", "reserved", "spec", "spent", "start", "unpriced")

    def __init__(self, name: str, spec: BudgetSpec, now: float) -> None:
        self.name = name
        self.spec = spec
        self.limit = round(spec.usd * 1_000_000)
        self.spent = 0
        self.reserved = 0
        self.unpriced = 0
        self._since: float | None = now
        self.start, self._end = bounds(spec.period, spec.timezone, now)

    def advance(self, now: float) -> None:
        """Begin a new period when the old one is over. Reservations in flight stay."""
        if self._end is not None and now >= self._end:
            self.start, self._end = bounds(self.spec.period, self.spec.timezone, now)
            self.spent = self.unpriced = 0
            self._since = None

    def gap(self) -> Gap | None:
        """What the ledger has to add, once, for the part of the period before this process began to count."""
        if self._since is None:
            return None
        return Gap(self.name, self.spec.scope.parts, self.start, self._since)

    def credit(self, gap: Gap, micro_usd: int) -> None:
        """Add what the ledger holds for `gap`; a gap that is filled or over is left alone."""
        if self._since is not None and gap.since == self.start:
            self.spent += micro_usd
            self._since = None

    def check(self, now: float, micro_usd: int) -> None:
        """Refuse when a blocking budget cannot hold `micro_usd` more.

        Raises Throttled `budget_exhausted` with the reset time and `x-hub-budget-action: block`.
        """
        self.advance(now)
        if self.spec.mode != "block":
            return
        used = self.spent + self.reserved
        if used + micro_usd <= self.limit and used < self.limit:
            return
        reset = "" if self._end is None else f" It resets at {datetime.fromtimestamp(self._end, UTC).isoformat()}."
        raise Throttled(
            "budget_exhausted",
            f"Budget '{self.name}' allows {self.limit / 1e6:.2f} USD per {self.spec.period}; {self.spent / 1e6:.4f} is "
            f"spent and {self.reserved / 1e6:.4f} reserved by calls in flight.{reset} Ask its owner to raise it.",
            retry_after=None if self._end is None else max(1, ceil(self._end - now)),
            retryable=False,
            headers={"x-hub-budget-action": "block"},
        )

    @property
    def remaining(self) -> int:
        """What is neither spent nor reserved; below zero when a warning budget is passed."""
        return self.limit - self.spent - self.reserved

    def status(self, now: float) -> BudgetStatus:
        """What is used now."""
        self.advance(now)
        reached = tuple(level for level in sorted(self.spec.alerts) if self.spent * 100 >= self.limit * level)
        return BudgetStatus(self.limit, self.spent, self.reserved, self.start, self._end, reached, self.unpriced)
