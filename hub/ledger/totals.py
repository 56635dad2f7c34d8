"""Sums over the ledger: calls, tokens and money by any three dimensions, from rollups where they are exact."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_, select, union_all
from sqlalchemy.sql import Select

from hub.core.refusal import Malformed
from hub.core.usage import Usage
from hub.ledger.filters import Filters, conditions, micros, tag_value
from hub.ledger.latency import Percentiles, counts_of, percentiles
from hub.ledger.rows import BUCKETS, ENTRY, ROLLUP
from hub.ledger.sums import DAY, GROUPINGS, HOUR, entry_sums, entry_times, rollup_sums, rollup_times, span_of

MAX_DIMENSIONS = 3
MOST_RANGES = 400
_FOREVER = 1 << 62
_TAG = re.compile(r"tag:([A-Za-z0-9_.-]{1,64})")
# What a rollup knows of the entries that it sums.
_ROLLED = frozenset(
    {"team", "user", "key", "application", "call", "model", "target", "provider", "route", "profile", "server", "tool",
     "session", "tag", "teams", "since", "until"}
)  # fmt: skip
_HOURLY = frozenset({"session", "tag"})


class Dimension(StrEnum):
    """What usage can be grouped by, besides `tag:NAME`. `day` and `hour` are UTC; `tool` is its name on its server."""

    USER = "user"
    KEY = "key"
    TEAM = "team"
    APPLICATION = "application"
    MODEL = "model"
    TARGET = "target"
    PROVIDER = "provider"
    ROUTE = "route"
    PROFILE = "profile"
    SERVER = "server"
    TOOL = "tool"
    SESSION = "session"
    CALL = "call"
    DAY = "day"
    HOUR = "hour"


_DIMENSIONS = frozenset(str(one) for one in Dimension)
_PERIODS = {"day": DAY, "hour": HOUR}
Group = str  # a Dimension, or `tag:NAME`


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of one group.

    `group` maps each dimension to its value; `day` and `hour` to the start in seconds since the epoch.
    `errors` counts calls that failed at an upstream or were interrupted; `usage.estimated` is true when any part is
    an estimate (`estimated` counts those calls). `cost_micro_usd` adds the known costs; `unpriced` counts the calls
    that used tokens whose price is not known, so it says whether the cost is complete. `saved_micro_usd` is what
    reused answers would have cost, `own_micro_usd` what calls on callers' own credentials cost their accounts,
    `duration_ms` the time of all calls together. Where times were asked for, `duration` and `first_byte` (of streams)
    say how long those calls took that the hub did not refuse itself, off by no more than `latency.ERROR`; None where
    nothing is known. `untimed` counts calls of which they do not know: from before times were kept, with no entry left.
    """

    group: Mapping[str, str | int]
    calls: int
    errors: int
    refused: int
    cancelled: int
    usage: Usage
    cost_micro_usd: int
    unpriced: int
    estimated: int
    saved_micro_usd: int = 0
    own_micro_usd: int = 0
    duration_ms: float = 0.0
    duration: Percentiles | None = None
    first_byte: Percentiles | None = None
    untimed: int = 0


@dataclass(frozen=True, slots=True)
class Stale:
    """What the rollups do not tell yet: starts of hours and days, in microseconds; and before when entries are gone.

    `grouped`: of all that they tell there are sums by each grouping.
    """

    hours: tuple[int, ...] = ()
    days: tuple[int, ...] = ()
    purged: int = -_FOREVER
    grouped: bool = True


def parse_dimensions(names: str) -> tuple[Group, ...]:
    """`user,day` as dimensions. Raises Malformed with the list of what exists."""
    found = [name.strip() for name in names.split(",") if name.strip()]
    for name in found:
        if name not in _DIMENSIONS and not _TAG.fullmatch(name):
            raise Malformed(
                "malformed",
                f"Usage can be grouped by: {', '.join(Dimension)}, tag:NAME; up to {MAX_DIMENSIONS}, with commas.",
            )
    return tuple(found)


def _group(table: Any, group: Group, dialect: str) -> ColumnElement[Any]:
    time = table.c.at if table is ENTRY else table.c.start
    period = _PERIODS.get(group)
    if period is not None:
        return time - time % period
    tag = _TAG.fullmatch(group)
    return tag_value(table, tag[1], dialect) if tag else table.c[group]


def check_groups(group_by: tuple[Group, ...]) -> None:
    """Raises Malformed for more than three dimensions, or one twice."""
    if len(group_by) > MAX_DIMENSIONS or len(set(group_by)) < len(group_by):
        raise Malformed("malformed", f"Usage can be grouped by up to {MAX_DIMENSIONS} different dimensions.")


def totals_statement(
    filters: Filters,
    group_by: tuple[Group, ...],
    limit: int,
    start: int = 0,
    *,
    stale: Stale | None = None,
    dialect: str = "sqlite",
    timed: bool = False,
) -> Select[Any]:
    """One row for each group: from entries, or where `stale` is given from rollups and what they do not cover.

    At most `limit` of them, from the place `start` on. `timed` adds the histograms of how long calls took.

    Raises Malformed for more than three dimensions.
    """
    check_groups(group_by)
    labels = [f"by_{number}" for number in range(len(group_by))]
    sums = _Sums(dialect, timed)
    parts = _parts(filters, group_by, stale, sums)
    if len(parts) == 1:
        return _ordered(parts[0], group_by, labels).limit(limit).offset(start)
    table = union_all(*parts).subquery()
    groups = [table.c[label] for label in labels]
    statement = select(*(group.label(group.name) for group in groups), *sums.of(table))
    if groups:
        statement = statement.group_by(*groups)
    return _ordered(statement, group_by, labels).limit(limit).offset(start)


def _ordered(statement: Select[Any], group_by: tuple[Group, ...], labels: list[str]) -> Select[Any]:
    if not group_by:
        return statement
    columns = statement.selected_columns
    in_time = [columns[label].asc() for label, group in zip(labels, group_by, strict=True) if group in _PERIODS]
    statement = statement.order_by(*in_time, columns["cost_micro_usd"].desc(), columns["calls"].desc())
    return statement.order_by(*(columns[label] for label in labels))


@dataclass(frozen=True, slots=True)
class _Sums:
    """What is added up, in the words of a database."""

    dialect: str
    timed: bool

    def of(self, table: Any) -> list[ColumnElement[Any]]:
        """The columns of sums over a table: of entries, or of sums."""
        if table is ENTRY:
            return [*entry_sums(), *(entry_times() if self.timed else ())]
        if table is ROLLUP:
            return [*_rolled_up(), *(_rolled_times() if self.timed else ())]
        return [*rollup_sums(table), *(rollup_times(table) if self.timed else ())]


@cache
def _rolled_up() -> tuple[ColumnElement[Any], ...]:
    return tuple(rollup_sums())


@cache
def _rolled_times() -> tuple[ColumnElement[Any], ...]:
    return tuple(rollup_times())


def _part(table: Any, group_by: tuple[Group, ...], where: list[ColumnElement[bool]], sums: _Sums) -> Select[Any]:
    labels = [f"by_{number}" for number in range(len(group_by))]
    groups = [_group(table, group, sums.dialect).label(label) for label, group in zip(labels, group_by, strict=True)]
    return select(*groups, *sums.of(table)).where(*where).group_by(*labels)


def _parts(filters: Filters, group_by: tuple[Group, ...], stale: Stale | None, sums: _Sums) -> list[Select[Any]]:
    everything = _part(ENTRY, group_by, list(conditions(filters, dialect=sums.dialect)), sums)
    asked = {field.name for field in fields(filters) if getattr(filters, field.name) is not None}
    if stale is None or not asked <= _ROLLED:
        return [everything]
    cover = _cover(filters, stale)
    if cover is None or len(cover.gaps) > MOST_RANGES:
        return [everything]
    by_day = "hour" not in group_by and not any(one == "session" or one.startswith("tag:") for one in group_by)
    by_day = by_day and not asked & _HOURLY
    rolled = cover.rolled(_grouping(asked, group_by) if stale.grouped else (), by_day=by_day)
    timeless = replace(filters, since=None, until=None)
    parts = [_part(ROLLUP, group_by, [rolled, *conditions(timeless, ROLLUP, sums.dialect)], sums)]
    if cover.gaps:
        within = or_(*(and_(ENTRY.c.at >= start, ENTRY.c.at < end) for start, end in cover.gaps))
        parts.append(_part(ENTRY, group_by, [within, *conditions(timeless, dialect=sums.dialect)], sums))
    return parts


def rolled_calls(filters: Filters, stale: Stale, dialect: str) -> tuple[Select[Any], tuple[Filters, ...]] | None:
    """How many entries the sums tell of (of those that are still there), and filters of those that they do not tell of.

    None where no grouping knows what is asked for. Raises Malformed for a time out of range.
    """
    asked = {field.name for field in fields(filters) if getattr(filters, field.name) is not None}
    grouping = _grouping(asked, ()) if stale.grouped else ()
    since = max(0.0, stale.purged / 1e6, filters.since or 0.0)
    cover = _cover(replace(filters, since=since), stale) if grouping else None
    if cover is None:
        return None
    timeless = replace(filters, since=None, until=None)
    told = [cover.rolled(grouping, by_day=True), *conditions(timeless, ROLLUP, dialect)]
    ends = (gap for gap in cover.gaps if gap[0] < _FOREVER // HOUR * HOUR)  # nothing is after the last hour of all
    gaps = (replace(filters, since=start / 1e6, until=end / 1e6) for start, end in ends)
    return select(func.coalesce(func.sum(ROLLUP.c.calls), 0)).where(*told), tuple(gaps)


def _grouping(asked: set[str], group_by: tuple[Group, ...]) -> tuple[str, ...]:
    """The first grouping that knows all that is asked for; none where none does."""
    needed = {"team" if name == "teams" else name for name in asked - {"since", "until"}}
    needed |= {name for name in group_by if name not in _PERIODS}
    return next((grouping for grouping in GROUPINGS if needed <= set(grouping)), ())


@dataclass(frozen=True, slots=True)
class _Cover:
    """Which rollups answer for a range: whole hours in [first, last) but `without`; entries answer for the `gaps`."""

    first: int
    last: int
    without: tuple[int, ...]
    stale_days: tuple[int, ...]
    gaps: tuple[tuple[int, int], ...]

    def rolled(self, grouping: tuple[str, ...], *, by_day: bool) -> ColumnElement[bool]:
        """The condition on rollups of a grouping. `by_day` takes whole days where it can."""
        day, hour = span_of("day", grouping), span_of("hour", grouping)
        first, last = -(-self.first // DAY) * DAY, self.last // DAY * DAY
        late = [start for start in self.stale_days if first <= start < last]
        edges = [(self.first, first), *((start, start + DAY) for start in late), (last, self.last)]
        hours = _joined([edge for edge in edges if edge[0] < edge[1]])
        if not by_day or first >= last or len(hours) > MOST_RANGES:
            return _lie(hour, [(self.first, self.last)], self.without)
        return or_(_lie(day, [(first, last)], late), _lie(hour, hours, self.without))


def _lie(span: str, ranges: Sequence[tuple[int, int]], without: Sequence[int]) -> ColumnElement[bool]:
    """That a rollup of this span lies in one of the ranges. Each is told whole, so that an index leads to it."""
    return or_(false(), *(and_(ROLLUP.c.span == span, *_within(begin, end, without)) for begin, end in ranges))


def _within(begin: int, end: int, without: Sequence[int]) -> Iterator[ColumnElement[bool]]:
    yield ROLLUP.c.start >= begin
    yield ROLLUP.c.start < end
    left_out = [start for start in without if begin <= start < end]
    if left_out:
        yield ROLLUP.c.start.not_in(left_out)


def _cover(filters: Filters, stale: Stale) -> _Cover | None:
    """What rollups cover of the filters' range; None when they cover nothing of it. Raises Malformed."""
    since = -_FOREVER if filters.since is None else micros(filters.since)
    until = _FOREVER if filters.until is None else micros(filters.until)
    first, last = -(-since // HOUR) * HOUR, until // HOUR * HOUR
    if first >= last:
        return None
    hours = [hour for hour in stale.hours if first <= hour < last]
    edges = [(since, first), *((hour, hour + HOUR) for hour in sorted(hours)), (last, until)]
    days = {*stale.days, *(hour - hour % DAY for hour in stale.hours)}
    return _Cover(
        first,
        last,
        without=tuple(hour for hour in hours if hour >= stale.purged),
        stale_days=tuple(sorted(days)),
        gaps=tuple(_joined([edge for edge in edges if edge[0] < edge[1]])),
    )


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ranges with those that touch made one."""
    found: list[tuple[int, int]] = []
    for start, end in ranges:
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def to_totals(row: Mapping[Any, Any], group_by: tuple[Group, ...]) -> Totals:
    """The totals of a row. Databases give sums as decimals, so every number is made whole here."""
    group: dict[str, str | int] = {}
    for number, name in enumerate(group_by):
        value = row[f"by_{number}"]
        group[str(name)] = int(value) // 1_000_000 if name in _PERIODS else value
    estimated = int(row["estimated"])
    return Totals(
        group=group,
        usage=Usage(estimated=estimated > 0, **{name: int(row[name]) for name in BUCKETS}),
        estimated=estimated,
        duration_ms=float(row["duration_ms"]),
        **{name: int(row[name]) for name in ("calls", "errors", "refused", "cancelled", "cost_micro_usd")},
        **{name: int(row[name]) for name in ("unpriced", "saved_micro_usd", "own_micro_usd")},
        **(_times(row) if "untimed" in row else {}),
    )


def _times(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "duration": percentiles(counts_of(row["durations"])),
        "first_byte": percentiles(counts_of(row["first_bytes"])),
        "untimed": int(row["untimed"]),
    }


_SCOPES = ("team", "user", "key", "model", "profile", "server")


def scope_filters(scope: tuple[str, str], since: float, until: float | None) -> Filters:
    """The filters of a budget's scope. Raises Malformed for a kind that does not exist."""
    kind, name = scope
    if kind == "org":
        return Filters(since=since, until=until)
    if kind == "tool":
        server, _, tool = name.partition("/")
        return Filters(since=since, until=until, server=server, tool=tool)
    if kind not in _SCOPES:
        raise Malformed("malformed", f"A scope is one of org, {', '.join(_SCOPES)}, tool.")
    return replace(Filters(since=since, until=until), **{kind: name})
