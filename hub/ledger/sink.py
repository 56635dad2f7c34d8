"""Entries into the database: in batches, each exactly once, and one bad row never stops the others."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from msgspec import json
from sqlalchemy import Insert
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hub.core.entry import Entry
from hub.core.logs import get_logger
from hub.ledger.private_file import append
from hub.ledger.rollups import marking
from hub.ledger.rows import (
    ATTEMPT,
    ATTEMPT_COLUMNS,
    ENTRY,
    ENTRY_COLUMNS,
    TAG,
    TAG_COLUMNS,
    to_attempts,
    to_row,
    to_tags,
)
from hub.ledger.sums import HOUR
from hub.store.inserts import INSERTS
from hub.store.transactions import turn

log = get_logger(__name__)

PATIENCE_SECONDS = 30.0

OnWritten = Callable[[Sequence[Entry]], Awaitable[None]]
"""Told of entries that the database holds now: at least once each, in batches, never at the same time twice."""

_TOLD = 220  # entries that listeners are told of at once: the loop is held for a millisecond or two
_DATA_CLASSES = ("22", "23")  # SQLSTATE: data exceptions, integrity violations


# Rows in one statement, tried in this order. The database's library lets other threads run while it works, which costs
# more than a row does; the fewer statements, the better.
_TOGETHER = (256, 64, 16, 4)


class _Rows:
    """An insert of rows, worded once: putting its parameters together row by row costs more than the insert.

    Rows are tuples in the order of `columns`.
    """

    def __init__(self, insert: Insert, columns: Sequence[str], engine: AsyncEngine) -> None:
        compiled = insert.compile(dialect=engine.dialect, column_keys=columns)
        order = [columns.index(name) for name in compiled.positiontup or ()]
        self._sql = str(compiled)
        self._ordered = itemgetter(*order)
        self._many: dict[int, str] = {}
        if engine.dialect.name == "sqlite":
            head, _, rest = self._sql.partition(" VALUES ")
            row, _, tail = rest.partition(") ")
            self._many = {count: f"{head} VALUES {', '.join([f'{row})'] * count)} {tail}" for count in _TOGETHER}

    async def write(self, connection: AsyncConnection, rows: Iterable[tuple[Any, ...]]) -> None:
        """Insert them. Some are asked for at a time, so that others have their turn between."""
        rows = iter(rows)
        while ordered := [self._ordered(row) for row in islice(rows, _TOGETHER[0])]:
            for count, sql in self._many.items():
                while len(ordered) >= count:
                    flat = tuple(chain.from_iterable(ordered[:count]))
                    del ordered[:count]
                    await connection.exec_driver_sql(sql, flat)
            if ordered:
                await connection.exec_driver_sql(self._sql, ordered)


class Sink:
    """Writes entries with `INSERT ... ON CONFLICT DO NOTHING`, so that a repeated batch changes nothing.

    Rows that the database will never take are appended to `rejects` (JSON lines, mode 0600), with an error logged.
    """

    def __init__(self, engine: AsyncEngine, rejects: Path, on_written: Sequence[OnWritten]) -> None:
        self._engine = engine
        self._rejects = rejects
        self._on_written = tuple(on_written)
        insert = INSERTS[engine.dialect.name]
        self._insert = _Rows(insert(ENTRY).on_conflict_do_nothing(index_elements=["id"]), ENTRY_COLUMNS, engine)
        self._attempts = _Rows(
            insert(ATTEMPT).on_conflict_do_nothing(index_elements=["entry", "number"]), ATTEMPT_COLUMNS, engine
        )
        self._tags = _Rows(
            insert(TAG).on_conflict_do_nothing(index_elements=["at", "entry", "name"]), TAG_COLUMNS, engine
        )
        # An update, so that the row is locked until these entries are there to be summed.
        self._stale = marking(engine.dialect.name)

    async def write(self, entries: Sequence[Entry]) -> None:
        """Write them and tell who listens.

        Raises SQLAlchemyError, OSError or TimeoutError when the database cannot be reached.
        """
        if not entries:
            return
        await self._write(entries)
        for start in range(0, len(entries), _TOLD):
            for told in self._on_written:
                try:
                    await told(entries[start : start + _TOLD])
                except Exception:  # a broken export must not stop the ledger
                    log.exception("an export of the ledger failed", entries=len(entries))
            await asyncio.sleep(0)

    async def _write(self, entries: Sequence[Entry]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS), turn(self._engine), self._engine.begin() as connection:
                now = time.time_ns() // 1000
                await self._insert.write(connection, (to_row(entry, now) for entry in entries))
                await self._attempts.write(connection, (row for entry in entries for row in to_attempts(entry)))
                await self._tags.write(connection, (row for entry in entries if entry.tags for row in to_tags(entry)))
                await connection.execute(self._stale, _hours(entries))
        except (DBAPIError, OverflowError, UnicodeError) as error:
            if not _is_about_data(error):
                raise
            if len(entries) == 1:
                # Not log.exception: the database's error quotes the row.
                log.error("the database refuses an entry", entry=entries[0].id, error=type(error).__name__)  # noqa: TRY400 - a traceback would show the row
                await asyncio.to_thread(self._append, [json.encode(entries[0])])
                return
            half = len(entries) // 2
            await self._write(entries[:half])
            await self._write(entries[half:])

    async def keep(self, payloads: Sequence[bytes]) -> None:
        """Append payloads that cannot become rows to `rejects`, for a person to look at. Raises OSError."""
        if payloads:
            log.error("these entries need a newer hub; kept aside", entries=len(payloads), file=self._rejects.name)
            await asyncio.to_thread(self._append, payloads)

    def _append(self, payloads: Sequence[bytes]) -> None:
        append(self._rejects, b"".join(payload + b"\n" for payload in payloads))


def _hours(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """The hours whose sums change with these entries, in order, so that two hubs never wait for each other."""
    hours = sorted({entry.at - entry.at % HOUR for entry in entries})
    return [{"span": "hour", "start": hour, "touched": 0} for hour in hours]


def _is_about_data(error: Exception) -> bool:
    """Whether the database refuses the rows themselves; any other trouble may pass, so the rows wait for it."""
    if not isinstance(error, DBAPIError):
        return True
    state = getattr(error.orig, "sqlstate", None) or ""
    return isinstance(error, DataError | IntegrityError) or state[:2] in _DATA_CLASSES
