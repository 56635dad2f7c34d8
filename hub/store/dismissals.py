"""Which announcements a person has read and put away. It follows them to every browser."""
# SQLModel declares `__tablename__` as a method, and documents that a text may be assigned:
# pyright: reportAssignmentType=false

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import Field, SQLModel

from hub.store.inserts import INSERTS
from hub.store.transactions import reading, writing


class DismissalRow(SQLModel, table=True):
    """An announcement that a person has put away, as it was when they did."""

    __tablename__ = "announcement_dismissal"

    user: str = Field(primary_key=True)
    announcement: str = Field(primary_key=True)
    digest: str
    at: str


_TABLE: Any = DismissalRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it


class Dismissals:
    """Reads and writes the table `announcement_dismissal`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def of(self, user: str) -> dict[str, str]:
        """What a person has put away: the digest of each announcement, by its name."""
        statement = select(_TABLE.c.announcement, _TABLE.c.digest).where(_TABLE.c.user == user)
        async with reading(self._engine) as connection:
            return {row.announcement: row.digest for row in await connection.execute(statement)}

    async def put(self, user: str, announcement: str, digest: str, known: Collection[str]) -> None:
        """Put an announcement away as it is now, and forget those that are not `known` any more."""
        row = {"digest": digest, "at": datetime.now(UTC).isoformat()}
        added = INSERTS[self._engine.dialect.name](_TABLE).values(user=user, announcement=announcement, **row)
        gone = delete(_TABLE).where(_TABLE.c.user == user, _TABLE.c.announcement.not_in({announcement, *known}))
        async with writing(self._engine) as connection:
            await connection.execute(added.on_conflict_do_update(index_elements=["user", "announcement"], set_=row))
            await connection.execute(gone)

    async def remove(self, user: str, announcement: str) -> None:
        """Let it show again."""
        mine = (_TABLE.c.user == user) & (_TABLE.c.announcement == announcement)
        async with writing(self._engine) as connection:
            await connection.execute(delete(_TABLE).where(mine))
