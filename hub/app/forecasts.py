"""When the money of a budget that never begins anew will end, at the rate of the last weeks, which the ledger knows."""

from dataclasses import replace

from hub.ledger import Order, Queries, scope_filters

_LOOKED_BACK = 28 * 86400.0  # seconds whose spending says how it will go on
_SOONEST = 3600.0  # seconds of spending that must be known before a rate says anything
_FURTHEST = 10 * 365 * 86400.0


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
