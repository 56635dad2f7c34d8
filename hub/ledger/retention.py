"""What is deleted when it is old: bodies after some days, and entries where the hub is told to; sums stay."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Self

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from hub.core.background import Background
from hub.core.logs import get_logger
from hub.ledger.rollups import Rollups
from hub.ledger.rows import ENTRY, PAYLOAD
from hub.ledger.sums import DAY, HOUR
from hub.store.transactions import reading, writing

log = get_logger(__name__)

INTERVAL_SECONDS = 3600.0
_AT_ONCE = 2000


class Retention(Background):
    """Deletes bodies older than `bodies_days`, and entries older than `entries_days` (0: never). Owns its task.

    `now` is in seconds since the epoch. The audit trail is never deleted.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        rollups: Rollups,
        *,
        bodies_days: int,
        entries_days: int,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._engine = engine
        self._rollups = rollups
        self._bodies_days = bodies_days
        self._entries_days = entries_days
        self._now = now

    async def __aenter__(self) -> Self:
        """Start the task."""
        self.start(self._run(), "ledger retention")
        return self

    async def sweep(self) -> tuple[int, int]:
        """Delete what is too old now; returns how many bodies and entries. Raises Unavailable."""
        now = int(self._now() * 1_000_000)
        bodies = await self._bodies(now - self._bodies_days * DAY)
        entries = await self._entries(now - self._entries_days * DAY) if self._entries_days else 0
        if bodies or entries:
            log.info("old records are deleted", bodies=bodies, entries=entries)
        return bodies, entries

    async def _bodies(self, before: int) -> int:
        done = 0
        while True:
            old = select(PAYLOAD.c.entry).where(PAYLOAD.c.at < before).limit(_AT_ONCE)
            async with writing(self._engine) as connection:
                gone = (await connection.execute(delete(PAYLOAD).where(PAYLOAD.c.entry.in_(old)))).rowcount
            done += gone
            if gone < _AT_ONCE:
                return done

    async def _entries(self, before: int) -> int:
        """An hour at a time, so that nobody who writes waits for long."""
        done = 0
        while True:
            async with reading(self._engine) as connection:
                oldest = (await connection.execute(select(func.min(ENTRY.c.at)))).scalar()
            if oldest is None or oldest >= before:
                return done
            gone = await self._rollups.purge(min(oldest - oldest % HOUR + HOUR, before))
            if not gone:
                return done
            done += gone

    async def _run(self) -> None:
        while True:
            try:
                await self.sweep()
            except Exception as error:  # noqa: BLE001 - what is old waits for the next sweep
                log.warning("old records could not be deleted", error=type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.sleep(INTERVAL_SECONDS)
