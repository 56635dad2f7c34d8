"""Sums by hour and day, kept beside the entries: exact always, since what is not summed yet is read from entries.

The writer marks the hour of each entry as stale in the same transaction. A stale hour is read from its entries; once
it is over, `Rollups` sums it anew, whole, and takes the mark away, unless more came meanwhile. Days are made from hours. The
rows of an hour or a day are as many as combinations of dimensions occur; from them the few rows of each grouping are made,
after which the first of them says `grouped`. All of it is read beside those who write, and written in slices. Hours before
the `purged` mark have lost their entries: what still arrives for them is added to their sums, and deleted.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from types import TracebackType
from typing import Any, Self

from sqlalchemy import (
    ColumnElement,
    Insert,
    and_,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql import Select

from hub.core.logs import get_logger
from hub.ledger.rows import ATTEMPT, ENTRY, ROLLUP, STALE, TAG
from hub.ledger.slices import Changed, Slices, rows_of
from hub.ledger.sums import (
    DAY,
    DIMENSIONS,
    GROUPINGS,
    HOUR,
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
_IN_DAYS = tuple(name for name in DIMENSIONS if name not in ("session", "tags"))


_LOCK = 0x68756273  # of whoever sums, among replicas
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
        async with self._lock, self._alone() as alone:
            if not alone:
                return 0
            for start in await self._due("hour", HOUR):
                done += await self._sum_hour(start)
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

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncGenerator[bool]:
        """Whether no other replica sums meanwhile."""
        if self._engine.dialect.name == "sqlite":
            yield True
            return
        async with self._engine.begin() as connection:
            statement = text("SELECT pg_try_advisory_xact_lock(:key, hashtext(current_schema()))")
            taken = await connection.execute(statement, {"key": _LOCK})
            yield bool(taken.scalar())

    async def _sum_hour(self, start: int) -> int:
        within = and_(ENTRY.c.at >= start, ENTRY.c.at < start + HOUR)
        async with self._engine.connect() as connection:
            touched = await _touched(connection, "hour", start)
            purged = (await connection.execute(select(STALE.c.start).where(STALE.c.span == PURGED))).scalar()
        if purged is not None and start < purged:
            await self._add_late(start, within)
            return 1

        async def still(connection: AsyncConnection) -> bool:
            return touched is not None and await _touched(connection, "hour", start) == touched

        slices = Slices(self._engine, start, still)
        try:
            await slices.clear(_spans("hour"))
            await slices.write(_of_entries(within))
            async with slices.transaction() as connection:
                await connection.execute(delete(STALE).where(_span(STALE, "hour", start)))
                await mark(connection, "day", start - start % DAY)
        except Changed:
            return 0
        return 1

    async def _add_late(self, start: int, within: ColumnElement[bool]) -> None:
        """Add what came for an hour whose entries are gone, and let it go."""
        async with writing(self._engine) as connection:
            await connection.execute(delete(STALE).where(_span(STALE, "hour", start)))
            await connection.execute(
                delete(ROLLUP).where(ROLLUP.c.span.in_(_spans("hour")[1:]), ROLLUP.c.start == start)
            )
            top = select(func.max(ROLLUP.c.number)).where(_span(ROLLUP, "hour", start))
            most = int((await connection.execute(top)).scalar() or 0)
            late = (await connection.execute(_of_entries(within))).mappings().all()
            head = {"start": start, "grouped": 0}
            await connection.execute(insert(ROLLUP), rows_of(head, Counter(hour=most), late))
            first = and_(_span(ROLLUP, "hour", start), ROLLUP.c.number == 1)
            await connection.execute(update(ROLLUP).where(first).values(grouped=0))
            await connection.execute(delete(ATTEMPT).where(ATTEMPT.c.entry.in_(select(ENTRY.c.id).where(within))))
            await connection.execute(delete(TAG).where(TAG.c.at >= start, TAG.c.at < start + HOUR))
            await connection.execute(delete(ENTRY).where(within))
            await mark(connection, "day", start - start % DAY)

    async def _sum_day(self, start: int) -> int:
        hours = and_(ROLLUP.c.span == "hour", ROLLUP.c.start >= start, ROLLUP.c.start < start + DAY)
        stale = and_(STALE.c.span == "hour", STALE.c.start >= start, STALE.c.start < start + DAY)
        async with self._engine.connect() as connection:
            touched = await _touched(connection, "day", start)

        async def still(connection: AsyncConnection) -> bool:
            waiting = int((await connection.execute(select(func.count()).select_from(STALE).where(stale))).scalar_one())
            return not waiting and touched is not None and await _touched(connection, "day", start) == touched

        slices = Slices(self._engine, start, still)
        try:
            await slices.clear(_spans("day"))
            await slices.write(_of_rollups(hours, "day", _IN_DAYS))
            async with slices.transaction() as connection:
                await connection.execute(delete(STALE).where(_span(STALE, "day", start)))
        except Changed:
            return 0
        return 1

    async def _ungrouped(self) -> list[tuple[str, int]]:
        waits = select(STALE.c.start).where(STALE.c.span == ROLLUP.c.span, STALE.c.start == ROLLUP.c.start).exists()
        statement = select(ROLLUP.c.span, ROLLUP.c.start).where(UNGROUPED, ~waits)
        async with self._engine.connect() as connection:
            rows = await connection.execute(statement.order_by(ROLLUP.c.start, ROLLUP.c.span))
            return [(str(span), int(start)) for span, start in rows]

    async def _group(self, span: str, start: int) -> None:
        """Sum the rows of an hour or a day by each grouping."""
        rows = _span(ROLLUP, span, start)

        async def still(connection: AsyncConnection) -> bool:
            first = select(ROLLUP.c.number).where(rows, UNGROUPED).with_for_update()
            return (await connection.execute(first)).first() is not None

        slices = Slices(self._engine, start, still)
        with contextlib.suppress(Changed):
            await slices.clear(_spans(span)[1:])
            sums = [_of_rollups(rows, span_of(span, one), one) for one in GROUPINGS]
            await slices.write(union_all(*sums), grouped=1)
            async with slices.transaction() as connection:
                await connection.execute(update(ROLLUP).where(rows, UNGROUPED).values(grouped=1))

    async def _run(self) -> None:
        while not self._stop.is_set():
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001 - hours stay stale and exact meanwhile
                log.warning("usage is not summed: the database does not take it", error=type(error).__name__)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._stop.wait()


async def _touched(connection: AsyncConnection, span: str, start: int) -> int | None:
    """What the mark of an hour or a day says, which is locked until the transaction ends; None when there is none."""
    mark = select(STALE.c.touched).where(_span(STALE, span, start)).with_for_update()
    return (await connection.execute(mark)).scalar()


def _spans(span: str) -> list[str]:
    """The spans of an hour or a day: of all dimensions together, and of each grouping."""
    return [span, *(span_of(span, grouping) for grouping in GROUPINGS)]


def marking(dialect: str) -> Insert:
    """The statement that marks hours or days (`span`, `start`, `touched`: 0): in a database of that dialect."""
    statement = INSERTS[dialect](STALE)
    return statement.on_conflict_do_update(index_elements=["span", "start"], set_={"touched": STALE.c.touched + 1})


async def mark(connection: AsyncConnection, span: str, start: int) -> None:
    """Say that the sums of an hour or a day are not what its entries say any more, with what changes them."""
    await connection.execute(marking(connection.dialect.name), {"span": span, "start": start, "touched": 0})


def _of_entries(where: ColumnElement[bool]) -> Select[Any]:
    columns = [ENTRY.c[name] for name in DIMENSIONS]
    span = literal("hour").label("span")
    return select(span, *columns, *entry_sums(), *entry_times()).where(where).group_by(*columns)


def _of_rollups(where: ColumnElement[bool], span: str, by: tuple[str, ...]) -> Select[Any]:
    """Sums of rows by some dimensions. What is asked for stands in the same order, whatever the dimensions."""
    columns = [
        ROLLUP.c[name] if name in by else literal("{}" if name == "tags" else "").label(name) for name in DIMENSIONS
    ]
    sums = select(literal(span).label("span"), *columns, *rollup_sums(), *rollup_times())
    return sums.where(where).group_by(*(ROLLUP.c[name] for name in by))
