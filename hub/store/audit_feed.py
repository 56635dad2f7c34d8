"""The audit trail for those who take a copy: from where they stopped, in order, each row at least once."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from hub.store.audit import audit_row
from hub.store.records import AuditRow
from hub.store.tables import AuditTable, ExportPositionRow
from hub.store.transactions import reading, writing

_AUDIT: Any = AuditTable.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_POSITION: Any = ExportPositionRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_AT_ONCE = 1000


class AuditFeed:
    """Reads the trail forwards. Every method raises Unavailable when the database cannot be reached."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def after(self, export: str, limit: int) -> Sequence[AuditRow]:
        """The rows that this export has not had, oldest first. One that is new begins with the first row."""
        position = select(_POSITION.c.row).where(_POSITION.c.name == export)
        async with reading(self._engine) as connection:
            last = (await connection.execute(position)).scalar() or 0
            statement = select(_AUDIT).where(_AUDIT.c.id > last).order_by(_AUDIT.c.id).limit(limit)
            return [audit_row(row) for row in (await connection.execute(statement)).all()]

    async def had(self, export: str, row: int) -> None:
        """The export has everything up to this row."""
        async with writing(self._engine) as connection:
            await connection.execute(delete(_POSITION).where(_POSITION.c.name == export))
            await connection.execute(insert(_POSITION).values(name=export, row=row))

    async def all(self) -> AsyncIterator[Sequence[AuditRow]]:
        """The whole trail in pieces, oldest first."""
        last = 0
        while True:
            statement = select(_AUDIT).where(_AUDIT.c.id > last).order_by(_AUDIT.c.id).limit(_AT_ONCE)
            async with reading(self._engine) as connection:
                rows = [audit_row(row) for row in (await connection.execute(statement)).all()]
            if not rows:
                return
            yield rows
            last = rows[-1].id
