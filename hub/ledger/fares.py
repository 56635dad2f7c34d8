"""How the targets of a split fare beside each other: what each was asked, what it failed, what it cost.

A call that failed at one target and was answered by another is the other's call; so failures are counted by tries.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from sqlalchemy import and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql import Select

from hub.ledger.filters import Filters, conditions
from hub.ledger.latency import Percentiles, bucket_column, counts_of, percentiles
from hub.ledger.queries import Queries
from hub.ledger.rows import ATTEMPT, ENTRY
from hub.ledger.totals import Totals
from hub.store.transactions import reading

_COPY = "shadow"  # the door of copies
_SURE = 1.96  # standard deviations: 95 of a hundred such ranges hold the true share
# These say nothing of the target: the caller left, or asked for what no target can answer.
_NOT_ITS_FAULT = frozenset({"caller", "context_window", "content_policy"})


@dataclass(frozen=True, slots=True)
class Fare:
    """One target, among the calls that were asked about.

    `tries` is how often it was asked and the caller stayed, `began` how many calls it was asked first for, `copies` how
    many of the tries were for shadow traffic; `failures` counts the tries that failed by their class (see
    `hub.core.health.Failure`), `failed` those of them that are its fault. `took` is how long its answers took, from
    when it was asked. `totals` is of the calls that it answered; None where it answered none.
    """

    target: str
    tries: int
    began: int
    copies: int
    failed: int
    failures: Mapping[str, int]
    took: Percentiles | None
    totals: Totals | None

    @property
    def failed_share(self) -> tuple[float, float, float] | None:
        """The share of tries that failed, and between what the true share lies with 95 % (Wilson); None without tries."""
        return None if not self.tries else (self.failed / self.tries, *between(self.failed, self.tries))


def between(part: int, whole: int) -> tuple[float, float]:
    """Wilson's interval for a share that was seen as `part` of `whole`."""
    seen, square = part / whole, _SURE * _SURE
    middle = (seen + square / (2 * whole)) / (1 + square / whole)
    reach = _SURE * sqrt(seen * (1 - seen) / whole + square / (4 * whole * whole)) / (1 + square / whole)
    return max(middle - reach, 0.0), min(middle + reach, 1.0)


class Fares:
    """Reads how targets fare. Tries are known as long as entries are kept, sums of calls longer."""

    def __init__(self, engine: AsyncEngine, queries: Queries) -> None:
        self._engine = engine
        self._queries = queries

    async def of(self, filters: Filters) -> tuple[Fare, ...]:
        """The targets of the calls that match, most asked first. Raises Unavailable, Malformed."""
        async with reading(self._engine) as connection:
            tried = (await connection.execute(tries_statement(filters, self._engine.dialect.name))).mappings().all()
        answered = await self._queries.usage(filters, group_by=("target",), timed=True)
        totals = {str(one.group["target"]): one for one in answered}
        return fares([dict(row) for row in tried], totals)


def tries_statement(filters: Filters, dialect: str) -> Select[Any, Any, Any, Any, Any, Any, Any]:
    """One row for each target and way in which its tries ended."""
    tries = ATTEMPT.c
    took = case((tries.outcome == "ok", bucket_column(tries.duration_ms)))
    return (
        select(
            tries.target,
            tries.outcome,
            tries.failure,
            func.count().label("tries"),
            func.sum(case((and_(tries.number == 1, ENTRY.c.door != _COPY), 1), else_=0)).label("began"),
            func.sum(case((ENTRY.c.door == _COPY, 1), else_=0)).label("copies"),
            func.aggregate_strings(took, " ").label("took"),
        )
        .select_from(ATTEMPT.join(ENTRY, ATTEMPT.c.entry == ENTRY.c.id))
        .where(*conditions(filters, dialect=dialect), ENTRY.c.call == "model")
        .group_by(tries.target, tries.outcome, tries.failure)
    )


def fares(rows: Iterable[Mapping[str, Any]], totals: Mapping[str, Totals]) -> tuple[Fare, ...]:
    """The targets, from the rows of `tries_statement` and the totals of what each answered."""
    by_target: dict[str, list[Mapping[str, Any]]] = {target: [] for target in totals}
    for row in rows:
        by_target.setdefault(row["target"], []).append(row)
    found = [_fare(target, ended, totals.get(target)) for target, ended in by_target.items()]
    return tuple(sorted(found, key=lambda fare: (-fare.tries, fare.target)))


def _fare(target: str, ended: Sequence[Mapping[str, Any]], totals: Totals | None) -> Fare:
    stayed = [row for row in ended if row["outcome"] != "cancelled"]
    failures: Counter[str] = Counter()
    for row in stayed:
        if row["outcome"] != "ok":
            failures[row["failure"] or row["outcome"]] += int(row["tries"])
    return Fare(
        target=target,
        tries=sum(int(row["tries"]) for row in stayed),
        began=sum(int(row["began"]) for row in ended),
        copies=sum(int(row["copies"]) for row in stayed),
        failed=sum(count for failure, count in failures.items() if failure not in _NOT_ITS_FAULT),
        failures=dict(sorted(failures.items())),
        took=percentiles(counts_of(" ".join(row["took"] or "" for row in ended))),
        totals=totals,
    )
