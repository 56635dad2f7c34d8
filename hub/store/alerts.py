"""The alerts of budgets: that each was told, to whom it has to go, and what of it is left to do. They outlive the process."""
# SQLModel declares `__tablename__` as a method, and documents that a text may be assigned:
# pyright: reportAssignmentType=false

from typing import Any

from msgspec import Struct
from sqlalchemy import Text, delete, select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import Field, SQLModel

from hub.store.inserts import INSERTS

KEPT_SECONDS = 400 * 86_400.0  # longer than any period but the one without an end


class AlertRow(SQLModel, table=True):
    """An alert. `due` is when it is to be posted next, in seconds since the epoch; None: nothing is left to do."""

    __tablename__ = "budget_alert"

    id: str = Field(primary_key=True)
    budget: str
    body: str = Field(sa_type=Text)
    at: float
    tries: int = 0
    due: float | None = Field(default=None, index=True)


class Waiting(Struct, frozen=True):
    """An alert that is to be posted now: its id, its budget's name, the JSON text, when it arose, and the tries before."""

    id: str
    budget: str
    body: str
    at: float
    tries: int


_TABLE: Any = AlertRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it


class AlertLog:
    """Reads and writes the table `budget_alert`, which replicas share. Methods raise SQLAlchemyError or OSError."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def note(self, identifier: str, budget: str, body: str, at: float, due: float | None) -> bool:
        """Write an alert down; False when that was done before, by whichever replica."""
        added = INSERTS[self._engine.dialect.name](_TABLE).values(
            id=identifier, budget=budget, body=body, at=at, tries=0, due=due
        )
        old = delete(_TABLE).where(_TABLE.c.at < at - KEPT_SECONDS, _TABLE.c.due.is_(None))
        async with self._engine.begin() as connection:
            await connection.execute(old)
            return (await connection.execute(added.on_conflict_do_nothing(index_elements=["id"]))).rowcount == 1

    async def take(self, now: float, lease: float, most: int = 20) -> list[Waiting]:
        """What is due, taken for `lease` seconds: until then no other replica posts it."""
        due = select(_TABLE).where(_TABLE.c.due <= now).order_by(_TABLE.c.due).limit(most)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(due)).all()
        if not rows:
            return []
        taken: list[Waiting] = []
        async with self._engine.begin() as connection:
            for row in rows:
                mine = (_TABLE.c.id == row.id) & (_TABLE.c.due == row.due)
                if (await connection.execute(update(_TABLE).where(mine).values(due=now + lease))).rowcount == 1:
                    taken.append(Waiting(row.id, row.budget, row.body, row.at, row.tries))
        return taken

    async def settle(self, identifier: str, due: float | None) -> None:
        """A try has ended: it is due again then, or (None) nothing is left to do."""
        mine = _TABLE.c.id == identifier
        async with self._engine.begin() as connection:
            await connection.execute(update(_TABLE).where(mine).values(due=due, tries=_TABLE.c.tries + 1))
