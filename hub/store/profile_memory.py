"""What profiles remember: the names that they gave, and the definitions of tools that were approved."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hub.store.tables import STATE, ProfileNameRow, ProfilePinRow, ProfileVariantRow

_NAME: Any = ProfileNameRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_PIN: Any = ProfilePinRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_VARIANT: Any = ProfileVariantRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MemoryRows:
    """Rows of a profile: names (kind, name, server, own, basis) and pins (server, own, definition, by).

    `variants` are like pins, with a digest; those of the tools in `settled` (server, own) that waited go.
    """

    names: tuple[Row, ...] = ()
    pins: tuple[Row, ...] = ()
    forget_pins: bool = False
    variants: tuple[Row, ...] = ()
    settled: tuple[tuple[str, str], ...] = ()


class ProfileMemory:
    """Reads and writes what profiles remember."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def generation(self) -> int:
        """A number that grows with whatever is saved, by whichever replica."""
        async with self._engine.connect() as connection:
            return int((await connection.execute(select(STATE.c.remembered).where(STATE.c.id == 1))).scalar_one())

    async def load(self) -> dict[str, MemoryRows]:
        """Everything, by profile, oldest first."""
        names: dict[str, list[Row]] = {}
        pins: dict[str, list[Row]] = {}
        variants: dict[str, list[Row]] = {}
        async with self._engine.connect() as connection:
            for table, found in ((_NAME, names), (_PIN, pins), (_VARIANT, variants)):
                for row in (await connection.execute(select(table).order_by(table.c.at))).mappings():
                    found.setdefault(row["profile"], []).append(
                        {key: value for key, value in row.items() if key not in ("profile", "at")}
                    )
        return {
            name: MemoryRows(
                tuple(names.get(name, ())), tuple(pins.get(name, ())), variants=tuple(variants.get(name, ()))
            )
            for name in names.keys() | pins.keys() | variants.keys()
        }

    async def save(self, profile: str, rows: MemoryRows) -> None:
        """Add rows of a profile; a row with the same key gives way."""
        async with self._engine.begin() as connection:
            if rows.forget_pins:
                for table in (_PIN, _VARIANT):
                    await connection.execute(delete(table).where(table.c.profile == profile))
            for server, own in rows.settled:
                waiting = (_VARIANT.c.server == server) & (_VARIANT.c.own == own) & (_VARIANT.c.by == "")
                await connection.execute(delete(_VARIANT).where(waiting, _VARIANT.c.profile == profile))
            await _put(connection, _NAME, profile, ("kind", "name"), rows.names)
            await _put(connection, _PIN, profile, ("server", "own"), rows.pins)
            await _put(connection, _VARIANT, profile, ("server", "own", "digest"), rows.variants)
            await connection.execute(update(STATE).where(STATE.c.id == 1).values(remembered=STATE.c.remembered + 1))


async def _put(
    connection: AsyncConnection, table: Any, profile: str, key: tuple[str, ...], rows: Iterable[Row]
) -> None:
    at = datetime.now(UTC).isoformat()
    for row in rows:
        same = [table.c[name] == row[name] for name in key]
        await connection.execute(delete(table).where(table.c.profile == profile, *same))
        await connection.execute(insert(table), {"profile": profile, "at": at, **row})
