"""Sums written a few rows in each transaction, so that whoever else writes waits little, however many rows there are."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy import RowMapping, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql import CompoundSelect, Select

from hub.ledger.latency import compact
from hub.ledger.rows import ROLLUP
from hub.store.transactions import writing

AT_ONCE = 250  # rows
Still = Callable[[AsyncConnection], Awaitable[bool]]


class Changed(Exception):
    """What is summed is not what it was when this began."""


class Slices:
    """The rows of one hour or day, written anew. `still` says in each transaction whether what they sum is still the same.

    What is written counts for nothing until the last transaction says that all is there.
    """

    def __init__(self, engine: AsyncEngine, start: int, still: Still) -> None:
        self._engine = engine
        self._start = start
        self._still = still

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncConnection]:
        """One of the transactions. Raises Changed, and Unavailable."""
        async with writing(self._engine) as connection:
            if not await self._still(connection):
                raise Changed
            yield connection

    async def clear(self, spans: Sequence[str]) -> None:
        """Delete the rows that spans have. Raises as `transaction` does."""
        there = ROLLUP.c.span.in_(spans) & (ROLLUP.c.start == self._start)
        async with self._engine.connect() as connection:
            most = int((await connection.execute(select(func.max(ROLLUP.c.number)).where(there))).scalar() or 0)
        for last in range(AT_ONCE, most + AT_ONCE, AT_ONCE):
            async with self.transaction() as connection:
                await connection.execute(delete(ROLLUP).where(there, ROLLUP.c.number <= last))

    async def write(self, sums: Select[Any] | CompoundSelect[Any], *, grouped: int = 0) -> None:
        """Write the rows that `sums` gives, each with its span, which are read meanwhile. Raises as `transaction` does."""
        head = {"start": self._start, "grouped": grouped}
        numbers: Counter[str] = Counter()
        async with self._engine.connect() as source:
            async for some in (await source.stream(sums)).mappings().partitions(AT_ONCE):
                rows = await asyncio.to_thread(rows_of, head, numbers, some)
                async with self.transaction() as connection:
                    await connection.execute(insert(ROLLUP), rows)


def rows_of(head: dict[str, Any], numbers: Counter[str], sums: Sequence[RowMapping]) -> list[dict[str, Any]]:
    """Rows to insert, those of each span numbered on.

    Histograms name each bucket once: so their length is bounded, however many the calls.
    """
    rows: list[dict[str, Any]] = []
    for one in sums:
        numbers[one["span"]] += 1
        times = {name: compact(one[name] or "") for name in ("durations", "first_bytes")}
        rows.append({**head, **one, **times, "number": numbers[one["span"]]})
    return rows
