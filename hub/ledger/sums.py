"""What is added up over entries, and by what: the columns of usage, over entries and over rollups."""

from functools import cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Float, and_, case, cast, func, literal_column

from hub.core.entry import Outcome
from hub.ledger.latency import bucket_column
from hub.ledger.rows import BUCKETS, ENTRY, ROLLUP

HOUR = 3_600_000_000  # microseconds
DAY = 24 * HOUR

DIMENSIONS = (
    "call", "team", "user", "key", "application", "model", "target", "provider", "route", "profile", "server", "tool",
    "session", "tags",
)  # fmt: skip
# Dimensions that are summed by themselves, besides all together: what is asked of these alone is read from few rows.
GROUPINGS = (
    ("call",), ("team",), ("user",), ("key",), ("application",), ("model",), ("provider", "target"), ("route",), ("profile",),
    ("server", "tool"),
)  # fmt: skip
COUNTS = (
    "calls", "errors", "refused", "cancelled", "unpriced", "estimated", "cost_micro_usd", "saved_micro_usd", "own_micro_usd",
)  # fmt: skip
SUMS = (*COUNTS, "duration_ms", *BUCKETS)
# How long these took says nothing of how long calls take: the hub said no itself, or died and does not know.
_UNTIMED = (Outcome.REFUSED.value, Outcome.INTERRUPTED.value)


def span_of(span: str, grouping: tuple[str, ...] = ()) -> str:
    """What rollups of an `hour` or a `day` are called in their table: of all dimensions together, or of a grouping."""
    return f"{span} {'+'.join(grouping)}" if grouping else span


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _whole(total: ColumnElement[Any]) -> ColumnElement[int]:
    # PostgreSQL's sums of whole numbers are decimals.
    return cast(func.coalesce(total, 0), BigInteger)


@cache  # expressions take longer to build than their rows to be read
def entry_sums() -> tuple[ColumnElement[Any], ...]:
    """The sums over entries, by their names."""
    columns = ENTRY.c
    tokens = [columns[name] for name in BUCKETS if name != "tool_calls"]
    used = tokens[0] > 0
    for bucket in tokens[1:]:
        used = used | (bucket > 0)
    return (
        func.count().label("calls"),
        _count(columns.outcome.in_((Outcome.ERROR.value, Outcome.INTERRUPTED.value))).label("errors"),
        _count(columns.outcome == Outcome.REFUSED.value).label("refused"),
        _count(columns.outcome == Outcome.CANCELLED.value).label("cancelled"),
        _count(columns.cost_micro_usd.is_(None) & columns.own_micro_usd.is_(None) & used).label("unpriced"),
        _count(columns.estimated).label("estimated"),
        _whole(func.sum(columns.cost_micro_usd)).label("cost_micro_usd"),
        _whole(func.sum(columns.saved_micro_usd)).label("saved_micro_usd"),
        _whole(func.sum(columns.own_micro_usd)).label("own_micro_usd"),
        cast(func.coalesce(func.sum(columns.duration_ms), 0.0), Float).label("duration_ms"),
        *(_whole(func.sum(columns[name])).label(name) for name in BUCKETS),
    )


def rollup_sums(table: Any = ROLLUP) -> list[ColumnElement[Any]]:
    """The same sums over rows that are sums already."""
    columns = table.c
    return [
        cast(func.coalesce(func.sum(columns[name]), 0.0), Float).label(name)
        if name == "duration_ms"
        else _whole(func.sum(columns[name])).label(name)
        for name in SUMS
    ]


@cache
def entry_times() -> tuple[ColumnElement[Any], ...]:
    """How long entries took, by their names: how many calls the histograms do not know, and the histograms."""
    columns = ENTRY.c
    counts = columns.outcome.not_in([literal_column(f"'{outcome}'") for outcome in _UNTIMED])
    first = and_(counts, columns.stream, columns.ttft_ms.is_not(None))
    return (
        cast(literal_column("0"), BigInteger).label("untimed"),
        func.aggregate_strings(case((counts, bucket_column(columns.duration_ms))), " ").label("durations"),
        func.aggregate_strings(case((first, bucket_column(columns.ttft_ms))), " ").label("first_bytes"),
    )


def rollup_times(table: Any = ROLLUP) -> list[ColumnElement[Any]]:
    """The same over rows that are sums already."""
    columns = table.c
    return [
        # An earlier version's rows know nothing of times.
        _whole(func.sum(func.coalesce(columns.untimed, columns.calls))).label("untimed"),
        func.aggregate_strings(columns.durations, " ").label("durations"),
        func.aggregate_strings(columns.first_bytes, " ").label("first_bytes"),
    ]
