"""What upstream servers last said they offer, so that the hub can answer before it has asked them again."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from hub.store.tables import ServerSnapshotRow

_TABLE: Any = ServerSnapshotRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it


class ServerSnapshots:
    """Bytes by server name; what is in them is the reader's matter."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def load(self) -> dict[str, bytes]:
        """All of them."""
        async with self._engine.connect() as connection:
            rows = (await connection.execute(select(_TABLE.c.server, _TABLE.c.content))).all()
        return {row.server: bytes(row.content) for row in rows}

    async def save(self, server: str, data: bytes) -> None:
        """Keep what a server offers, instead of what it offered before."""
        row = {"server": server, "content": data, "saved_at": datetime.now(UTC).isoformat()}
        async with self._engine.begin() as connection:
            await connection.execute(delete(_TABLE).where(_TABLE.c.server == server))
            await connection.execute(insert(_TABLE), row)
