"""Pages of the log, found by looking at a bounded number of entries, however many there are and however few match.

A way leads to entries through one index. Where one way has all that is asked for in the order of the page, the page is
read off it. Otherwise the ways are measured: one with few entries is looked through whole; where each has many, the
page is what matches among the next entries in order, and its cursor goes on after the last that was looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

from sqlalchemy import ColumnElement, FromClause, collate, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Select

from hub.core.entry import Entry
from hub.ledger.filters import Filters, Order, Sort, conditions, continues, cursor_at, equals, lasting, within
from hub.ledger.rows import ENTRY, SOUGHT, TAG, to_entry

LOOKED_AT = 5_000  # entries that one page looks at, at most

# PostgreSQL expects rows of the same value all over the disk, and would rather read all entries in order of time, past
# those with other values. So it is to count rows alone; for this transaction.
BY_ROWS = select(func.set_config("random_page_cost", "0", True), func.set_config("seq_page_cost", "0", True))
_RANGE = frozenset({"since", "until"})
_LASTING = frozenset({"min_duration_ms", "max_duration_ms"})
_COLUMN_OF = {"since": "at", "until": "at", "tag": "tags", "teams": "team"} | dict.fromkeys(_LASTING, "duration_ms")


@dataclass(frozen=True, slots=True)
class Page:
    """Entries in their order, and the cursor of the next page (None on the last).

    `cut`: enough entries were looked at, and not enough of them matched; there may be more beyond.
    """

    items: tuple[Entry, ...]
    next: str | None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """A way through one index to the entries for which `where` holds, and with it the filters that it `covers`.

    `in_order`: the index has them in the order of the page. `source` is where they are read from, `counted` what the index
    is of.
    """

    where: tuple[ColumnElement[bool], ...]
    covers: frozenset[str]
    in_order: bool
    source: FromClause = ENTRY
    counted: FromClause = ENTRY
    at: ColumnElement[int] = ENTRY.c.at
    entry: ColumnElement[str] = ENTRY.c.id


@dataclass(frozen=True, slots=True)
class Search:
    """What a page is asked for. `cursor` says where it begins, `most` how many entries it may look at."""

    filters: Filters
    order: Order
    limit: int
    cursor: str | None
    dialect: str
    most: int = LOOKED_AT

    @property
    def asked(self) -> frozenset[str]:
        """The names of the filters that are used."""
        return frozenset(one.name for one in fields(self.filters) if getattr(self.filters, one.name) is not None)

    def ways(self) -> Iterator[Way]:
        """Every way to its entries; the last is the order's own. Raises Malformed."""
        filters, asked = self.filters, self.asked
        by_time = self.order.by is Sort.AT
        times = tuple(within(filters, ENTRY.c.at))
        for name, but in SOUGHT.items():
            value = getattr(filters, name)
            if value is not None and value != but:
                yield Way((*equals(name, value), *times), _RANGE | {name}, by_time, entry=self._tied(ENTRY.c.id))
        name, _, value = (filters.tag or "").partition("=")
        if value:  # without one it means the entries that have no such tag, too
            yield Way(
                (TAG.c.name == name, TAG.c.value == value, *within(filters, TAG.c.at)), _RANGE | {"tag"}, by_time,
                source=TAG.join(ENTRY, ENTRY.c.id == TAG.c.entry), counted=TAG, at=TAG.c.at,
                entry=self._tied(TAG.c.entry),
            )  # fmt: skip
        if filters.teams is not None:
            one = len(filters.teams) == 1
            team = ENTRY.c.team == filters.teams[0] if one else ENTRY.c.team.in_(filters.teams)
            yield Way((team, *times), _RANGE | {"teams"}, by_time and one, entry=self._tied(ENTRY.c.id))
        lasts = Way(tuple(lasting(filters, ENTRY.c.duration_ms)), _LASTING, self.order.by is Sort.DURATION)
        began = Way(times, _RANGE, by_time)
        for way in (lasts, began):
            if way.covers & asked and not way.in_order:
                yield way
        own = {Sort.AT: began, Sort.DURATION: lasts}
        yield own.get(self.order.by, Way((), frozenset(), in_order=True))

    def straight(self) -> Way | None:
        """The way that has all that is asked for in order, if there is one."""
        return next((way for way in self.ways() if way.in_order and self.asked <= way.covers), None)

    # -- what is asked of the database -----------------------------------------------------------------------------

    def page(self, way: Way) -> Select[Any]:
        """The page itself, off the straight way; one row more than its limit, to know whether another page follows."""
        return self._ordered(select(ENTRY).select_from(way.source), way).limit(self.limit + 1)

    def size(self, way: Way) -> Select[Any]:
        """How many entries a way leads to, counted no further than a page may look."""
        return select(func.count()).select_from(
            select(literal_column("1")).select_from(way.counted).where(*way.where).limit(self.most).subquery()
        )

    def matches(self, way: Way) -> Select[Any, Any]:
        """Ids of entries on the way that match, and what they are ordered by."""
        rest = replace(self.filters, **dict.fromkeys(way.covers))
        by = self.order.by.value
        columns = {by} | {_COLUMN_OF.get(name, name) for name in self.asked - way.covers}
        looked = select(way.entry.label("id"), *(ENTRY.c[name] for name in sorted(columns))).select_from(way.source)
        seen = self._ordered(looked, way).limit(self.most).subquery("looked_at")
        found = select(seen.c.id, seen.c[by]).where(*conditions(rest, seen, self.dialect))
        return found.order_by(*self._sorted(seen.c[by], seen.c.id)).limit(self.limit + 1)

    def matching(self, way: Way) -> Select[Any]:
        """How many match of the entries on the way, of which no more are looked at than for a page."""
        rest = replace(self.filters, **dict.fromkeys(way.covers))
        columns = {_COLUMN_OF.get(name, name) for name in self.asked - way.covers} or {"at"}
        looked = select(*(ENTRY.c[name] for name in sorted(columns))).select_from(way.source).where(*way.where)
        seen = looked.limit(self.most).subquery("looked_at")
        return select(func.count()).select_from(seen).where(*conditions(rest, seen, self.dialect))

    def last(self, way: Way) -> Select[Any, Any]:
        """The last entry that may be looked at on a way: its id and what it is ordered by. No row: the way ends before."""
        by = self._by(way)
        looked = select(way.entry.label("id"), by.label(self.order.by.value)).select_from(way.source)
        return self._ordered(looked, way).offset(self.most - 1).limit(1)

    def _ordered(self, statement: Any, way: Way) -> Any:
        by = self._by(way)
        statement = statement.where(*way.where)
        if self.cursor:
            statement = statement.where(continues(self.cursor, self.order, by, way.entry))
        return statement.order_by(*self._sorted(by, way.entry))

    def _tied(self, entry: ColumnElement[str]) -> ColumnElement[str]:
        """The ids by which entries of one moment are ordered; in no order in which PostgreSQL has an index of all entries.

        It expects what was common to be so still, and would rather read past all entries since than sort a few.
        """
        return entry if self.dialect == "sqlite" else collate(entry, "C")

    def _by(self, way: Way) -> ColumnElement[Any]:
        """What is ordered by; off the order, in words that keep the database from going the order's own way instead."""
        column = way.at if self.order.by is Sort.AT else ENTRY.c[self.order.by.value]
        return column if way.in_order else column + literal_column("0")

    def _sorted(self, by: ColumnElement[Any], entry: ColumnElement[str]) -> tuple[ColumnElement[Any], ...]:
        return (by.asc(), entry.asc()) if self.order.ascending else (by.desc(), entry.desc())


async def find(connection: AsyncConnection, search: Search) -> Page:
    """The page. Raises Malformed for a bad cursor or time."""
    if search.dialect == "postgresql":
        await connection.execute(BY_ROWS)
    way = search.straight()
    if way is not None:
        rows = (await connection.execute(search.page(way))).mappings().all()
        items = tuple(to_entry(dict(row)) for row in rows[: search.limit])
        return Page(items, _after(search, rows[search.limit - 1]) if len(rows) > search.limit else None)
    way, whole = await chosen(connection, search)
    found = (await connection.execute(search.matches(way))).mappings().all()
    items = await _entries(connection, [row["id"] for row in found[: search.limit]])
    if len(found) > search.limit:
        return Page(items, _after(search, found[search.limit - 1]))
    last = None if whole else (await connection.execute(search.last(way))).mappings().first()
    return Page(items, None if last is None else _after(search, last), last is not None)


def _after(search: Search, row: Any) -> str:
    return cursor_at(row[search.order.by.value], row["id"])


async def chosen(connection: AsyncConnection, search: Search) -> tuple[Way, bool]:
    """The way to go, and whether a page looks through all of it."""
    *ways, own = search.ways()
    if ways:
        sizes = (await connection.execute(select(*(search.size(way).scalar_subquery() for way in ways)))).one()
        least = min(range(len(ways)), key=lambda number: sizes[number])
        if sizes[least] < search.most:
            return ways[least], True
    return next((way for way in ways if way.in_order), own), False


async def _entries(connection: AsyncConnection, ids: list[str]) -> tuple[Entry, ...]:
    """These entries, in this order."""
    rows = (await connection.execute(select(ENTRY).where(ENTRY.c.id.in_(ids)))).mappings()
    entries = {row["id"]: to_entry(dict(row)) for row in rows}
    return tuple(entries[one] for one in ids)
