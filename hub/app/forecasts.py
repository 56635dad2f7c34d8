"""When the money of a budget that never begins anew ends, and when a limit is full, at a rate that the ledger knows."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from hub.ledger import Order, Queries, scope_filters
from hub.policy import LimitStatus
from hub.resources.spending import LimitSpec

_LOOKED_BACK = 28 * 86400.0  # seconds whose spending says how it will go on
_SOONEST = 3600.0  # seconds of spending that must be known before a rate says anything
_LATELY, _MINUTE = 10.0, 60.0  # seconds of calls that say how it will go on, and what a limit is of
_FURTHEST = 10 * 365 * 86400.0
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "org": (),
    "tool": ("server", "tool"),
}  # the others are called as they are


async def runs_out_at(queries: Queries, scope: tuple[str, str], left: int, now: float) -> float | None:
    """When `left` micro-dollars of `scope` are spent; None where nothing says so, or that is more than ten years away.

    The rate is what was spent in the last four weeks, or since the first call where that is less. Times are in seconds since
    the epoch. Raises Unavailable.
    """
    if left <= 0:
        return now
    filters = scope_filters(scope, now - _LOOKED_BACK, None)
    page = await queries.logs(filters, limit=1, order=Order(ascending=True))
    if not page.items and page.next is None:
        return None
    since = page.items[0].at / 1e6 if page.items else now - _LOOKED_BACK
    spent = (await queries.usage(replace(filters, since=since)))[0].cost_micro_usd
    passed = now - since
    if passed < _SOONEST or spent <= 0 or left * passed / spent > _FURTHEST:
        return None
    return now + left * passed / spent


@dataclass(frozen=True, slots=True)
class Rate:
    """What went on in the last seconds: calls, tokens, and which of the calls were of tools."""

    calls: int = 0
    tokens: int = 0
    tools: int = 0


async def lately(queries: Queries, scopes: Collection[tuple[str, str]], now: float) -> Mapping[tuple[str, str], Rate]:
    """What each of these scopes had in the last seconds, with one question for all of a kind. Raises Unavailable."""
    found: dict[tuple[str, str], Rate] = {}
    for kind in {kind for kind, _ in scopes}:
        names = [name for own, name in scopes if own == kind]
        alone = len(names) == 1
        columns = () if alone else _COLUMNS.get(kind, (kind,))
        filters = scope_filters((kind, names[0]) if alone else ("org", ""), now - _LATELY, None)
        for row in await queries.usage(filters, group_by=(*columns, "call")):
            scope = (kind, names[0] if alone else "/".join(str(row.group[column]) for column in columns))
            old, tools = found.get(scope, Rate()), row.calls if row.group["call"] == "tool" else 0
            tokens = row.usage.prompt + row.usage.completion
            found[scope] = Rate(old.calls + row.calls, old.tokens + tokens, old.tools + tools)
    return found


def full_at(spec: LimitSpec, used: LimitStatus, rate: Rate, now: float) -> float | None:
    """When the first of a limit's rates is used up if calls go on as in the last seconds: now where one is, None where none will.

    Calls of all replicas count, once the ledger has them. Times are in seconds since the epoch. Nobody knows it of a limit
    that holds for each of many by itself.
    """
    if spec.each is not None:
        return None
    rates = (
        (spec.rpm, used.requests, rate.calls),
        (spec.tpm, used.tokens, rate.tokens),
        (spec.tool_calls_per_minute, used.tool_calls, rate.tools),
    )
    ends = [
        now if taken >= limit else now + (limit - taken) * _LATELY / many
        for limit, taken, many in rates
        if limit is not None and (taken >= limit or many * _MINUTE / _LATELY > limit)
    ]
    return min(ends, default=None)
