"""Attempts to sign in of the last minute, counted for all replicas together. Of names only hashes are kept."""
# SQLModel declares `__tablename__` as a method, and documents that a text may be assigned:
# pyright: reportAssignmentType=false

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from math import ceil
from typing import Any

import orjson
from sqlalchemy import Text, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlmodel import Field, SQLModel

from hub.store.inserts import INSERTS
from hub.store.transactions import writing

_MINUTE = 60.0
_FORGOTTEN_AT_ONCE = 500


class AttemptRow(SQLModel, table=True):
    """The attempts by one name: seconds since the epoch, as JSON, the oldest first; `until` is when none counts any more."""

    __tablename__ = "sign_in_attempt"

    name: str = Field(primary_key=True)
    times: str = Field(sa_type=Text)
    until: float = Field(index=True)


_TABLE: Any = AttemptRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it


class SignInAttempts:
    """Reads and writes the table `sign_in_attempt`. Every method raises Unavailable when the database is away."""

    def __init__(self, engine: AsyncEngine, now: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._now = now
        self._cleared = 0.0

    async def take(self, most: Mapping[str, int]) -> int:
        """Count an attempt by each name, if each has fewer than `most` in the last minute, whichever replica counted them.

        Returns in how many whole seconds one may be made; 0: this one was counted.
        """
        await self._forget()
        limits = {_hashed(name): limit for name, limit in most.items()}
        async with writing(self._engine) as connection:
            now = self._now()
            known = await self._held(connection, sorted(limits), now)
            full = [times[-limits[name]] for name, times in known.items() if len(times) >= limits[name]]
            if full:
                return max(1, ceil(max(full) + _MINUTE - now))
            for name, times in known.items():
                await _keep(connection, name, [*times, now])
        return 0

    async def forgive(self, names: Collection[str]) -> None:
        """The last attempt by each name was a good one, and does not count."""
        async with writing(self._engine) as connection:
            for name, times in (await self._held(connection, sorted(map(_hashed, names)), self._now())).items():
                await _keep(connection, name, times[:-1])

    async def _held(self, connection: AsyncConnection, names: list[str], now: float) -> dict[str, list[float]]:
        """The times by each name, held for this transaction; always in the same order, so that none waits for another."""
        row = INSERTS[self._engine.dialect.name](_TABLE)
        found: dict[str, list[float]] = {}
        for name in names:
            new = row.values(name=name, times="[]", until=now + _MINUTE)
            await connection.execute(new.on_conflict_do_nothing(index_elements=["name"]))
            held = select(_TABLE.c.times).where(_TABLE.c.name == name).with_for_update()
            times = orjson.loads((await connection.execute(held)).scalar_one())
            found[name] = [at for at in times if now - _MINUTE < at]
        return found

    async def _forget(self) -> None:
        """Take away what does not count any more, once a minute."""
        now = self._now()
        if now - self._cleared < _MINUTE:
            return
        self._cleared = now
        old = select(_TABLE.c.name).where(_TABLE.c.until < now - _MINUTE).limit(_FORGOTTEN_AT_ONCE)
        async with writing(self._engine) as connection:
            some = old.with_for_update(skip_locked=True)
            await connection.execute(delete(_TABLE).where(_TABLE.c.name.in_(some)))


async def _keep(connection: AsyncConnection, name: str, times: list[float]) -> None:
    until = max(times, default=0.0) + _MINUTE
    kept = update(_TABLE).where(_TABLE.c.name == name)
    await connection.execute(kept.values(times=orjson.dumps(times).decode(), until=until))


def _hashed(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
