"""Questions to the ledger: the calls themselves, newest first, and when keys were used last."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from sqlalchemy import Text, column, func, select, values
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql import Select

from hub.core.entry import Entry
from hub.ledger.counting import COUNTED, Count, count
from hub.ledger.filters import MAX_LIMIT, Filters, Order, check_limit
from hub.ledger.pages import LOOKED_AT, Page, Search, find
from hub.ledger.rollups import PURGED, UNGROUPED
from hub.ledger.rows import ENTRY, ROLLUP, STALE, to_entry
from hub.ledger.totals import Group, Stale, Totals, check_groups, scope_filters, to_totals, totals_statement
from hub.store.transactions import reading

_KEYS_AT_ONCE = 500


class Queries:
    """Reads what the ledger has written. Every method raises Unavailable when the database cannot be reached.

    `looked_at` is how many entries one page looks at, at most.
    """

    def __init__(self, engine: AsyncEngine, *, looked_at: int = LOOKED_AT) -> None:
        self._engine = engine
        self._looked_at = looked_at
        self._dialect = engine.dialect.name

    async def logs(
        self,
        filters: Filters = Filters(),  # noqa: B008 - frozen
        *,
        limit: int = 50,
        cursor: str | None = None,
        order: Order = Order(),  # noqa: B008 - frozen
    ) -> Page:
        """A page of at most `limit` (1 to 1000) entries, of those that a page may look at. Raises Malformed.

        It can hold fewer entries than there are, even none, and still have a `next` to go on with: see `Page.cut`.
        """
        check_limit(limit)
        search = Search(filters, order, limit, cursor, self._dialect, self._looked_at)
        async with reading(self._engine) as connection:
            return await find(connection, search)

    async def count(self, filters: Filters = Filters()) -> Count:  # noqa: B008 - frozen
        """How many calls match in all, without reading more than a bounded number of them. Raises Malformed."""
        async with reading(self._engine) as connection:
            search = Search(filters, Order(), 1, None, self._dialect, self._looked_at)
            return await count(connection, search, await stale_of(connection), max(COUNTED, self._looked_at))

    async def each(self, filters: Filters, most: int) -> AsyncIterator[Sequence[Entry]]:
        """The newest `most` entries that match, in pieces of up to 1,000, newest first."""
        cursor: str | None = None
        while most > 0:
            page = await self.logs(filters, limit=min(most, MAX_LIMIT), cursor=cursor)
            if page.items:
                yield page.items
            most -= len(page.items)
            cursor = page.next
            if cursor is None:
                return

    async def entry(self, call: str) -> Entry | None:
        """The entry of one call, or None when there is none."""
        if "\x00" in call:
            return None
        async with reading(self._engine) as connection:
            row = (await connection.execute(select(ENTRY).where(ENTRY.c.id == call))).mappings().first()
        return to_entry(dict(row)) if row is not None else None

    async def usage(
        self,
        filters: Filters = Filters(),  # noqa: B008 - frozen
        *,
        group_by: tuple[Group, ...] = (),
        limit: int = MAX_LIMIT,
        start: int = 0,
        timed: bool = False,
    ) -> tuple[Totals, ...]:
        """Totals of each group (of everything, when `group_by` is empty); `timed` says how long their calls took, too.

        At most `limit` groups, from the place `start` on: in order of time when grouped by day or hour, else the most
        expensive first. Raises Malformed for a dimension that does not exist, or for more than three.
        """
        check_groups(group_by)
        async with reading(self._engine) as connection:
            stale = await stale_of(connection)
            statement = totals_statement(
                filters, group_by, limit, start, stale=stale, dialect=self._dialect, timed=timed
            )
            rows = (await connection.execute(statement)).mappings().all()
        # In a thread: histograms of many rows take some time to add up.
        return await asyncio.to_thread(lambda: tuple(to_totals(row, group_by) for row in rows))

    async def spent(self, scope: tuple[str, str], since: float, until: float | None = None) -> int:
        """Micro-dollars that calls of `scope` cost in [since, until), seconds since the epoch; unpriced calls add none.

        A scope is (kind, name) as in budgets: `("org", "")`, `("team", "platform")`, `("tool", "server/tool")`.
        Raises Malformed for a kind that does not exist.
        """
        return (await self.usage(scope_filters(scope, since, until)))[0].cost_micro_usd

    async def last_used(self, names: Iterable[str], kind: str = "key") -> dict[str, float]:
        """When each key (or `user`) called last, in seconds since the epoch; those that never did are left out."""
        wanted = list(dict.fromkeys(names))
        used: dict[str, float] = {}
        async with reading(self._engine) as connection:
            for start in range(0, len(wanted), _KEYS_AT_ONCE):
                rows = await connection.execute(last_used_statement(wanted[start : start + _KEYS_AT_ONCE], kind))
                used.update({row[0]: row[1] / 1_000_000 for row in rows if row[1] is not None})
        return used


async def stale_of(connection: AsyncConnection) -> Stale:
    """What the rollups do not tell yet."""
    found: dict[str, list[int]] = {"hour": [], "day": [], PURGED: []}
    for span, start in await connection.execute(select(STALE.c.span, STALE.c.start)):
        found[span].append(int(start))
    grouped = (await connection.execute(select(ROLLUP.c.start).where(UNGROUPED).limit(1))).first() is None
    return Stale(tuple(sorted(found["hour"])), tuple(found["day"]), *found[PURGED][:1], grouped=grouped)


def last_used_statement(names: list[str], kind: str = "key") -> Select[Any, Any]:
    """Name and latest `at`: one look into the index for each, however many entries it has."""
    wanted = values(column("name", Text), name="given").data([(name,) for name in names]).cte("wanted")
    latest = select(func.max(ENTRY.c.at)).where(ENTRY.c[kind] == wanted.c.name).correlate(wanted).scalar_subquery()
    return select(wanted.c.name, latest)
