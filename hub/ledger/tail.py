"""Entries as they are written, to whoever follows: of every replica, each once, however long its call took."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from hub.core.entry import Entry
from hub.ledger.filters import Filters, conditions
from hub.ledger.rows import ENTRY, to_entry
from hub.store.transactions import reading

PATIENCE_SECONDS = 2.0  # after which other replicas' entries are looked for
OVERLAP = 5_000_000  # microseconds that replicas' clocks and transactions may be apart
_AT_ONCE = 500
_REMEMBERED = 5000


class Tail:
    """Wakes followers when this process has written entries. Told by the ledger's writer."""

    def __init__(self, engine: AsyncEngine, now: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._now = now
        self._followers: set[asyncio.Event] = set()

    async def __call__(self, entries: Sequence[Entry]) -> None:
        """Entries were written."""
        for follower in self._followers:
            follower.set()

    async def follow(self, filters: Filters) -> AsyncIterator[Sequence[Entry]]:
        """What is written from now on and matches, in order; empty pieces when nothing came for two seconds.

        Raises Unavailable when the database cannot be reached.
        """
        woken = asyncio.Event()
        self._followers.add(woken)
        try:
            async for piece in self._pieces(filters, woken):
                yield piece
        finally:
            self._followers.discard(woken)

    async def _pieces(self, filters: Filters, woken: asyncio.Event) -> AsyncIterator[Sequence[Entry]]:
        begun = position = int(self._now() * 1_000_000)
        seen: deque[str] = deque(maxlen=_REMEMBERED)
        known: set[str] = set()
        while True:
            rows = await self._since(filters, max(position - OVERLAP, begun))
            fresh = [(written, entry) for written, entry in rows if entry.id not in known]
            if fresh:
                position = max(position, fresh[-1][0])
            seen.extend(entry.id for _, entry in fresh)
            known = set(seen)
            yield [entry for _, entry in fresh]
            if len(rows) < _AT_ONCE:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        await woken.wait()
                woken.clear()

    async def _since(self, filters: Filters, written: int) -> list[tuple[int, Entry]]:
        statement = (
            select(ENTRY)
            .where(ENTRY.c.written >= written, *conditions(filters, dialect=self._engine.dialect.name))
            .order_by(ENTRY.c.written, ENTRY.c.id)
            .limit(_AT_ONCE)
        )
        async with reading(self._engine) as connection:
            rows = (await connection.execute(statement)).mappings().all()
        return [(int(row["written"]), to_entry(dict(row))) for row in rows]
