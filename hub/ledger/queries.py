"""Questions to the ledger: the calls themselves, newest first, and when keys were used last."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, column, func, select, values
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql import Select

from hub.core.entry import Entry
from hub.ledger.filters import MAX_LIMIT, Filters, check_limit, conditions, continues, cursor_after
from hub.ledger.rows import ENTRY, to_entry
from hub.ledger.totals import Dimension, Totals, spent_statement, to_totals, totals_statement

_KEYS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first, and the cursor of the next page (None on the last)."""

    items: tuple[Entry, ...]
    next: str | None


class Queries:
    """Reads the table `entry`. Every method raises SQLAlchemyError when the database cannot be reached."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def logs(self, filters: Filters = Filters(), *, limit: int = 50, cursor: str | None = None) -> Page:  # noqa: B008 - frozen
        """A page of at most `limit` (1 to 1000) entries. Raises Malformed for a bad limit or cursor."""
        statement = logs_statement(filters, limit, cursor)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(statement)).mappings().all()
        items = tuple(to_entry(dict(row)) for row in rows[:limit])
        return Page(items, cursor_after(items[-1]) if len(rows) > limit else None)

    async def entry(self, call: str) -> Entry | None:
        """The entry of one call, or None when there is none."""
        if "\x00" in call:
            return None
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(ENTRY).where(ENTRY.c.id == call))).mappings().first()
        return to_entry(dict(row)) if row is not None else None

    async def usage(
        self,
        filters: Filters = Filters(),  # noqa: B008 - frozen
        *,
        group_by: tuple[Dimension, ...] = (),
        limit: int = MAX_LIMIT,
    ) -> tuple[Totals, ...]:
        """Totals of each group (of everything, when `group_by` is empty).

        At most `limit` groups: in order of time when grouped by day or hour, else the most expensive first.
        Raises Malformed for a dimension that does not exist, for more than three, or a bad limit.
        """
        statement = totals_statement(filters, group_by, limit)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(statement)).mappings().all()
        return tuple(to_totals(dict(row), group_by) for row in rows)

    async def spent(self, scope: tuple[str, str], since: float, until: float | None = None) -> int:
        """Micro-dollars that calls of `scope` cost in [since, until), seconds since the epoch; unpriced calls add none.

        A scope is (kind, name) as in budgets: `("org", "")`, `("team", "platform")`, `("tool", "server/tool")`.
        Raises Malformed for a kind that does not exist.
        """
        async with self._engine.connect() as connection:
            return int((await connection.execute(spent_statement(scope, since, until))).scalar_one())

    async def last_used(self, keys: Iterable[str]) -> dict[str, float]:
        """When each key called last, in seconds since the epoch; keys that never did are left out."""
        wanted = list(dict.fromkeys(keys))
        used: dict[str, float] = {}
        async with self._engine.connect() as connection:
            for start in range(0, len(wanted), _KEYS_AT_ONCE):
                rows = await connection.execute(last_used_statement(wanted[start : start + _KEYS_AT_ONCE]))
                used.update({row[0]: row[1] / 1_000_000 for row in rows if row[1] is not None})
        return used


def logs_statement(filters: Filters, limit: int, cursor: str | None) -> Select[Any]:
    """One row more than `limit`, to know whether another page follows. Raises Malformed."""
    check_limit(limit)
    statement = select(ENTRY).where(*conditions(filters))
    if cursor:
        statement = statement.where(continues(cursor))
    return statement.order_by(ENTRY.c.at.desc(), ENTRY.c.id.desc()).limit(limit + 1)


def last_used_statement(keys: list[str]) -> Select[Any, Any]:
    """Key and latest `at`: one look into the index for each key, however many entries it has."""
    wanted = values(column("name", Text), name="given").data([(key,) for key in keys]).cte("wanted")
    latest = select(func.max(ENTRY.c.at)).where(ENTRY.c.key == wanted.c.name).correlate(wanted).scalar_subquery()
    return select(wanted.c.name, latest)
