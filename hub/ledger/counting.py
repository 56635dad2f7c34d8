"""How many calls match in all: exact where that is cheap to know, else how many there are at least.

Few are counted. Of many, what is asked for by one dimension and a range of time is told by the sums of hours and days,
and only what these do not tell yet is counted, no further than the bound.
"""

from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from hub.ledger.pages import BY_ROWS, Search, chosen
from hub.ledger.totals import Stale, rolled_calls

COUNTED = 20_000  # entries that are counted one by one, at most
_MOST_GAPS = 8


@dataclass(frozen=True, slots=True)
class Count:
    """How many calls match; where it is not `exact`, there are at least so many."""

    calls: int
    exact: bool


async def count(connection: AsyncConnection, search: Search, stale: Stale, most: int = COUNTED) -> Count:
    """How many entries match `search`, wherever its page begins. Raises Malformed for a bad time."""
    if search.dialect == "postgresql":
        await connection.execute(BY_ROWS)
    if search.straight() is None:
        way, whole = await chosen(connection, search)
        whole = whole or await _number(connection, search.size(way)) < search.most
        return Count(await _number(connection, search.matching(way)), whole)
    counted = await _counted(connection, replace(search, most=most))
    if counted.exact:
        return counted
    rolled = rolled_calls(search.filters, stale, search.dialect)
    if rolled is None or len(rolled[1]) > _MOST_GAPS:
        return counted
    calls, exact = await _number(connection, rolled[0]), True
    for gap in rolled[1]:
        more = await _counted(connection, replace(search, filters=gap, most=most))
        calls, exact = calls + more.calls, exact and more.exact
    return Count(max(calls, counted.calls), exact)


async def _counted(connection: AsyncConnection, search: Search) -> Count:
    """The entries that its straight way leads to, counted up to its bound."""
    way = search.straight()
    assert way is not None, "filters by one dimension and time have a way of their own"
    calls = await _number(connection, search.size(way))
    return Count(calls, calls < search.most)


async def _number(connection: AsyncConnection, statement: object) -> int:
    return int((await connection.execute(statement)).scalar() or 0)  # type: ignore[call-overload]  # a Select of one number
