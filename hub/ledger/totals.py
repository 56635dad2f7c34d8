"""Sums over the ledger: calls, tokens and money by any three dimensions."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, case, cast, func, select
from sqlalchemy.sql import Select

from hub.core.entry import Outcome
from hub.core.refusal import Malformed
from hub.core.usage import Usage
from hub.ledger.filters import Filters, check_limit, conditions, micros
from hub.ledger.rows import BUCKETS, ENTRY

HOUR = 3_600_000_000
DAY = 24 * HOUR
MAX_DIMENSIONS = 3

_columns = ENTRY.c


class Dimension(StrEnum):
    """What usage can be grouped by. `day` and `hour` are UTC; `tool` is the tool's own name on its server."""

    USER = "user"
    KEY = "key"
    TEAM = "team"
    MODEL = "model"
    TARGET = "target"
    PROVIDER = "provider"
    PROFILE = "profile"
    SERVER = "server"
    TOOL = "tool"
    CALL = "call"
    DAY = "day"
    HOUR = "hour"


_PERIODS = {Dimension.DAY: DAY, Dimension.HOUR: HOUR}


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of one group.

    `group` maps each dimension to its value; `day` and `hour` to the start in seconds since the epoch.
    `errors` counts calls that failed at an upstream or were interrupted; `usage.estimated` is true when any part is
    an estimate (`estimated` counts those calls). `cost_micro_usd` adds the known costs; `unpriced` counts the calls
    that used tokens whose price is not known, so it says whether the cost is complete.
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


def parse_dimensions(names: str) -> tuple[Dimension, ...]:
    """`user,day` as dimensions. Raises Malformed with the list of what exists."""
    try:
        return tuple(Dimension(name.strip()) for name in names.split(",") if name.strip())
    except ValueError as error:
        raise Malformed(
            "malformed", f"Usage can be grouped by: {', '.join(Dimension)}; up to {MAX_DIMENSIONS}, with commas."
        ) from error


def _group(dimension: Dimension) -> ColumnElement[Any]:
    period = _PERIODS.get(dimension)
    if period is None:
        return _columns[dimension.value]
    return _columns.at - _columns.at % period


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)


def _sums() -> list[ColumnElement[Any]]:
    tokens = [_columns[name] for name in BUCKETS if name != "tool_calls"]
    used = tokens[0] > 0
    for bucket in tokens[1:]:
        used = used | (bucket > 0)
    return [
        func.count().label("calls"),
        _count(_columns.outcome.in_((Outcome.ERROR.value, Outcome.INTERRUPTED.value))).label("errors"),
        _count(_columns.outcome == Outcome.REFUSED.value).label("refused"),
        _count(_columns.outcome == Outcome.CANCELLED.value).label("cancelled"),
        _count(_columns.cost_micro_usd.is_(None) & used).label("unpriced"),
        _count(_columns.estimated).label("estimated"),
        func.coalesce(func.sum(_columns.cost_micro_usd), 0).label("cost_micro_usd"),
        *(func.coalesce(func.sum(_columns[name]), 0).label(name) for name in BUCKETS),
    ]


def totals_statement(filters: Filters, group_by: tuple[Dimension, ...], limit: int) -> Select[Any]:
    """One row for each group. Raises Malformed for more than three dimensions or a bad limit."""
    check_limit(limit)
    if len(group_by) > MAX_DIMENSIONS or len(set(group_by)) < len(group_by):
        raise Malformed("malformed", f"Usage can be grouped by up to {MAX_DIMENSIONS} different dimensions.")
    groups = [_group(dimension).label(f"by_{dimension.value}") for dimension in group_by]
    statement = select(*groups, *_sums()).where(*conditions(filters))
    if not groups:
        return statement
    statement = statement.group_by(*(group.name for group in groups)).limit(limit)
    in_time = [group for group, dimension in zip(groups, group_by, strict=True) if dimension in _PERIODS]
    by_money = cast(func.coalesce(func.sum(_columns.cost_micro_usd), 0), BigInteger).desc()
    return statement.order_by(*(one.asc() for one in in_time), by_money, func.count().desc(), *groups)


def to_totals(row: dict[str, Any], group_by: tuple[Dimension, ...]) -> Totals:
    """The totals of a row. Databases give sums as decimals, so every number is made whole here."""
    group: dict[str, str | int] = {}
    for dimension in group_by:
        value = row[f"by_{dimension.value}"]
        group[dimension.value] = int(value) // 1_000_000 if dimension in _PERIODS else value
    estimated = int(row["estimated"])
    return Totals(
        group=group,
        usage=Usage(estimated=estimated > 0, **{name: int(row[name]) for name in BUCKETS}),
        estimated=estimated,
        **{name: int(row[name]) for name in ("calls", "errors", "refused", "cancelled", "cost_micro_usd", "unpriced")},
    )


_SCOPES = ("team", "user", "key", "model", "profile", "server")


def spent_statement(scope: tuple[str, str], since: float, until: float | None) -> Select[Any]:
    """The sum of known costs of a scope. Raises Malformed for a kind that does not exist."""
    kind, name = scope
    statement = select(func.coalesce(func.sum(_columns.cost_micro_usd), 0)).where(_columns.at >= micros(since))
    if until is not None:
        statement = statement.where(_columns.at < micros(until))
    if kind == "org":
        return statement
    if kind == "tool":
        server, _, tool = name.partition("/")
        return statement.where(_columns.server == server, _columns.tool == tool)
    if kind not in _SCOPES:
        raise Malformed("malformed", f"A scope is one of org, {', '.join(_SCOPES)}, tool.")
    return statement.where(_columns[kind] == name)
