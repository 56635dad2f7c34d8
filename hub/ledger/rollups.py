"""Sums by hour and day, kept beside the entries: exact always, since what is not summed yet is read from entries.

The writer marks the hour of each entry as stale in the same transaction. A stale hour is read from its entries; once
it is over, `Rollups` sums it anew, whole, and takes the mark away. Days are made from hours. The rows of an hour or a day
are as many as combinations of dimensions occur; from them the few rows of each grouping are made, after which the first of
them says `grouped`. Hours before the `purged` mark have lost their entries: what still arrives for them is added to their
sums, and deleted.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from sqlalchemy import (
    ColumnElement,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql import Select

from hub.core.logs import get_logger
from hub.ledger.latency import compact
from hub.ledger.rows import ATTEMPT, ENTRY, ROLLUP, STALE, TAG
from hub.ledger.sums import (
    DAY,
    DIMENSIONS,
    GROUPINGS,
    HOUR,
    SUMS,
    entry_sums,
    entry_times,
    rollup_sums,
    rollup_times,
    span_of,
)
from hub.store.inserts import INSERTS
from hub.store.transactions import writing

log = get_logger(__name__)

INTERVAL_SECONDS = 30.0
SETTLING = 60_000_000  # microseconds after its end that an hour is left alone, for what is still on its way
PURGED = "purged"
_AT_ONCE = 1000
_IN_DAYS = tuple(name for name in DIMENSIONS if name not in ("session", "tags"))


_KEPT = (*DIMENSIONS, *SUMS, "untimed")
_HISTOGRAMS = ("durations", "first_bytes")
_WRITTEN = ("span", "start", "number", "grouped", *_KEPT, *_HISTOGRAMS)
# Of an hour or a day the first row says whether its groupings are there. In the words of the index.
UNGROUPED = and_(ROLLUP.c.number == literal_column("1"), ROLLUP.c.grouped == literal_column("0"))


def _span(table: Any, span: str, start: int) -> ColumnElement[bool]:
    return and_(table.c.span == span, table.c.start == start)


class Rollups:
    """Keeps the table `rollup`. An async context manager that owns the task which does it.

    `now` is in seconds since the epoch.
    """

    def __init__(
        self, engine: AsyncEngine, *, now: Callable[[], float] = time.time, interval: float = INTERVAL_SECONDS
    ) -> None:
        self._engine = engine
        self._now = now
        self._interval = interval
        self._stop = asyncio.Event()
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the task."""
        self._task = asyncio.create_task(self._run(), name="ledger rollups")  # noqa: TID251 - ended in __aexit__
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the task. An hour that was being summed is summed at the next start."""
        self._stop.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def refresh(self) -> int:
        """Sum every stale hour and day that is over; returns how many. Raises Unavailable."""
        done = 0
        async with self._lock:
            for start in await self._due("hour", HOUR):
                await self._sum_hour(start)
                done += 1
            for start in await self._due("day", DAY):
                done += await self._sum_day(start)
            for span, start in await self._ungrouped():
                await self._group(span, start)
        return done

    async def purge(self, before: int) -> int:
        """Delete the entries before `before` (microseconds), after they were summed; returns how many.

        Their sums stay. Raises Unavailable.
        """
        horizon = before - before % HOUR
        await self.refresh()
        async with self._lock, writing(self._engine) as connection:
            waiting = select(func.count()).where(STALE.c.span == "hour", STALE.c.start < horizon)
            if int((await connection.execute(waiting)).scalar_one()):
                return 0
            await connection.execute(delete(STALE).where(STALE.c.span == PURGED))
            await connection.execute(insert(STALE).values(span=PURGED, start=horizon, touched=0))
            await connection.execute(delete(ATTEMPT).where(ATTEMPT.c.at < horizon))
            await connection.execute(delete(TAG).where(TAG.c.at < horizon))
            return int((await connection.execute(delete(ENTRY).where(ENTRY.c.at < horizon))).rowcount)

    async def _due(self, span: str, length: int) -> list[int]:
        over = int(self._now() * 1_000_000) - length - SETTLING
        statement = select(STALE.c.start).where(STALE.c.span == span, STALE.c.start <= over).order_by(STALE.c.start)
        async with self._engine.connect() as connection:
            return [int(start) for start in (await connection.execute(statement)).scalars()]

    async def _sum_hour(self, start: int) -> None:
        within = and_(ENTRY.c.at >= start, ENTRY.c.at < start + HOUR)
        async with writing(self._engine) as connection:
            await connection.execute(delete(STALE).where(_span(STALE, "hour", start)))
            purged = (await connection.execute(select(STALE.c.start).where(STALE.c.span == PURGED))).scalar()
            if purged is None or start >= purged:
                await connection.execute(delete(ROLLUP).where(_span(ROLLUP, "hour", start)))
                await _ungroup(connection, "hour", start)
                await connection.execute(_summed("hour", start, _of_entries(within)))
            else:
                top = select(func.max(ROLLUP.c.number)).where(_span(ROLLUP, "hour", start))
                most = int((await connection.execute(top)).scalar() or 0)
                await connection.execute(_summed("hour", start, _of_entries(within), most))
                first = and_(_span(ROLLUP, "hour", start), ROLLUP.c.number == 1)
                await connection.execute(update(ROLLUP).where(first).values(grouped=0))
                await connection.execute(delete(ATTEMPT).where(ATTEMPT.c.entry.in_(select(ENTRY.c.id).where(within))))
                await connection.execute(delete(TAG).where(TAG.c.at >= start, TAG.c.at < start + HOUR))
                await connection.execute(delete(ENTRY).where(within))
            await _compact(connection, ["hour"], start)
            await mark(connection, "day", start - start % DAY)

    async def _sum_day(self, start: int) -> int:
        hours = and_(ROLLUP.c.span == "hour", ROLLUP.c.start >= start, ROLLUP.c.start < start + DAY)
        stale = and_(STALE.c.span == "hour", STALE.c.start >= start, STALE.c.start < start + DAY)
        async with writing(self._engine) as connection:
            if int((await connection.execute(select(func.count()).select_from(STALE).where(stale))).scalar_one()):
                return 0
            await connection.execute(delete(STALE).where(_span(STALE, "day", start)))
            await connection.execute(delete(ROLLUP).where(_span(ROLLUP, "day", start)))
            await _ungroup(connection, "day", start)
            await connection.execute(_summed("day", start, _of_rollups(hours, _IN_DAYS)))
            await _compact(connection, ["day"], start)
        return 1

    async def _ungrouped(self) -> list[tuple[str, int]]:
        statement = select(ROLLUP.c.span, ROLLUP.c.start).where(UNGROUPED).order_by(ROLLUP.c.start, ROLLUP.c.span)
        async with self._engine.connect() as connection:
            return [(str(span), int(start)) for span, start in await connection.execute(statement)]

    async def _group(self, span: str, start: int) -> None:
        """Sum the rows of an hour or a day by each grouping, unless another replica just does."""
        rows = _span(ROLLUP, span, start)
        async with writing(self._engine) as connection:
            mine = await connection.execute(update(ROLLUP).where(rows, UNGROUPED).values(grouped=1))
            if not mine.rowcount:
                return
            await _ungroup(connection, span, start)
            sums = [_rows(span_of(span, one), start, _of_rollups(rows, one), grouped=1) for one in GROUPINGS]
            await connection.execute(insert(ROLLUP).from_select(_WRITTEN, union_all(*sums)))
            await _compact(connection, [span_of(span, one) for one in GROUPINGS], start)

    async def _run(self) -> None:
        while not self._stop.is_set():
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001 - hours stay stale and exact meanwhile
                log.warning("usage is not summed: the database does not take it", error=type(error).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._stop.wait()


async def mark(connection: AsyncConnection, span: str, start: int) -> None:
    """Say that the sums of an hour or a day are not what its entries say any more, with what changes them."""
    statement = INSERTS[connection.dialect.name](STALE).values(span=span, start=start, touched=0)
    await connection.execute(
        statement.on_conflict_do_update(index_elements=["span", "start"], set_={"touched": STALE.c.touched + 1})
    )


def _of_entries(where: ColumnElement[bool]) -> Select[Any]:
    columns = [ENTRY.c[name] for name in DIMENSIONS]
    return select(*columns, *entry_sums(), *entry_times()).where(where).group_by(*columns)


def _of_rollups(where: ColumnElement[bool], by: tuple[str, ...]) -> Select[Any]:
    columns = [ROLLUP.c[name] for name in by]
    empty = [literal("{}" if name == "tags" else "").label(name) for name in DIMENSIONS if name not in by]
    return select(*columns, *empty, *rollup_sums(), *rollup_times()).where(where).group_by(*columns)


async def _ungroup(connection: AsyncConnection, span: str, start: int) -> None:
    names = [span_of(span, grouping) for grouping in GROUPINGS]
    await connection.execute(delete(ROLLUP).where(ROLLUP.c.span.in_(names), ROLLUP.c.start == start))


def _summed(span: str, start: int, sums: Select[Any], above: int = 0) -> Any:
    """The statement that writes `sums` as rows of the span, numbered after `above`."""
    return insert(ROLLUP).from_select(_WRITTEN, _rows(span, start, sums, above))


def _rows(span: str, start: int, sums: Select[Any], above: int = 0, grouped: int = 0) -> Select[Any]:
    """`sums` as rows of the span, numbered after `above`, in the order of `_WRITTEN`."""
    inner = sums.subquery()
    number = (func.row_number().over(order_by=inner.c.call) + above).label("number")
    histograms = [func.coalesce(inner.c[name], "") for name in _HISTOGRAMS]
    first = (literal(span), literal(start), number, literal(grouped))
    return select(*first, *(inner.c[name] for name in _KEPT), *histograms)


async def _compact(connection: AsyncConnection, spans: Sequence[str], start: int) -> None:
    """Histograms that were joined, with each bucket named once: so their length is bounded, however many the calls."""
    columns = ROLLUP.c
    place = tuple_(columns.span, columns.number)
    within = and_(columns.span.in_(spans), columns.start == start, columns.calls > 1)
    after: tuple[str, int] = ("", -1)
    while True:
        some = select(columns.span, columns.number, columns.durations, columns.first_bytes)
        some = some.where(within, place > after).order_by(columns.span, columns.number).limit(_AT_ONCE)
        rows = (await connection.execute(some)).all()
        changes = [
            {"of": span, "row": number, "durations": compact(durations), "first_bytes": compact(first_bytes)}
            for span, number, durations, first_bytes in rows
        ]
        if changes:
            one = and_(columns.span == bindparam("of"), columns.start == start, columns.number == bindparam("row"))
            await connection.execute(update(ROLLUP).where(one), changes)
        if len(rows) < _AT_ONCE:
            return
        after = (rows[-1][0], rows[-1][1])
