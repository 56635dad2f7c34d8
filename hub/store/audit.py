"""The audit trail: one row per change or denied attempt, each hashed over itself and the one before."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hub.core.refusal import Malformed
from hub.store.diffs import Diff
from hub.store.records import Action, Actor, AuditReport, AuditRow
from hub.store.tables import AuditTable, StateRow
from hub.store.transactions import reading, writing

_AUDIT: Any = AuditTable.__table__  # type: ignore[attr-defined]  # SQLModel adds it
STATE: Any = StateRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_FIELDS = ("id", "at", "actor", "source", "address", "action", "kind", "name", "version", "diff", "detail")
_BATCH = 5000


def _hash(previous: str, row: Any) -> str:
    content = orjson.dumps([row[field] for field in _FIELDS])
    return hashlib.sha256(previous.encode() + b"\n" + content).hexdigest()


def audit_row(row: Any) -> AuditRow:
    """A row of the table as a value."""
    return AuditRow(
        row.id, datetime.fromisoformat(row.at), row.actor, row.source, row.address, row.action, row.kind, row.name,
        row.version, orjson.loads(row.diff), row.detail, row.hash,
    )  # fmt: skip


async def lock_state(connection: AsyncConnection) -> Any:
    """The state row, held until the transaction ends, so that writers follow each other."""
    return (await connection.execute(select(STATE).where(STATE.c.id == 1).with_for_update())).one()


class AuditTrail:
    """Appends to and reads the table `audit`. The head of the chain stands in the table `state`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._walked = ("", 0)  # the hash and the id at which the last good walk ended
        self._lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction in which rows may be appended: one at a time in this process, and in the whole database."""
        async with self._lock, writing(self._engine) as connection:
            yield connection

    async def append(
        self,
        connection: AsyncConnection,
        actor: Actor,
        action: Action,
        *,
        subject: tuple[str, str, int] = ("", "", 0),
        diff: Diff | None = None,
        detail: str = "",
    ) -> None:
        """Append a row in a `transaction`, so that what it tells of happens with it or not at all."""
        state = await lock_state(connection)
        row: dict[str, Any] = {
            "id": state.audit_id + 1,
            "at": datetime.now(UTC).isoformat(),
            "actor": actor.id,
            "source": actor.source,
            "address": actor.address,
            "action": action,
            "kind": subject[0],
            "name": subject[1],
            "version": subject[2],
            "diff": orjson.dumps(diff or [], option=orjson.OPT_SORT_KEYS).decode(),
            "detail": detail,
        }
        row["previous"] = state.audit_hash
        row["hash"] = _hash(state.audit_hash, row)
        await connection.execute(insert(_AUDIT), row)
        await connection.execute(
            update(STATE).where(STATE.c.id == 1).values(audit_id=row["id"], audit_hash=row["hash"])
        )

    async def note(self, actor: Actor, action: Action, detail: str = "", of: tuple[str, str] = ("", "")) -> None:
        """A row that tells of no change of a resource: a sign-in, a denied attempt; `of` is what it is about, if a resource."""
        async with self.transaction() as connection:
            await self.append(connection, actor, action, subject=(*of, 0), detail=detail)

    async def read(
        self, limit: int = 100, cursor: str | None = None, **filters: Any
    ) -> tuple[list[AuditRow], str | None]:
        """Rows, newest first, and the cursor of the next page.

        `filters`: kind, name, actor, action (equal), since (inclusive) and until (exclusive) as aware datetimes.
        Raises Malformed for a cursor that is none.
        """
        statement = select(_AUDIT).order_by(_AUDIT.c.id.desc()).limit(limit + 1)
        if cursor is not None:
            if not cursor.isdecimal() or len(cursor) > 18:
                raise Malformed("malformed", "This cursor is not one of ours. Start again without one.")
            statement = statement.where(_AUDIT.c.id < int(cursor))
        for field in ("kind", "name", "actor", "action"):
            if filters.get(field):
                statement = statement.where(_AUDIT.c[field] == filters[field])
        if filters.get("since"):
            statement = statement.where(_AUDIT.c.at >= filters["since"].astimezone(UTC).isoformat())
        if filters.get("until"):
            statement = statement.where(_AUDIT.c.at < filters["until"].astimezone(UTC).isoformat())
        async with reading(self._engine) as connection:
            rows = (await connection.execute(statement)).all()
        found = [audit_row(row) for row in rows[:limit]]
        return found, str(found[-1].id) if len(rows) > limit else None

    async def verify(self) -> AuditReport:
        """Walk the whole chain and compare its end with the head that stands apart."""
        return await self._walk("", 0)

    async def verify_rest(self) -> AuditReport:
        """The same from where this process's last walk ended, for what is asked often: older rows are not looked at again."""
        previous, last = self._walked
        async with reading(self._engine) as connection:
            found = (await connection.execute(select(_AUDIT.c.hash).where(_AUDIT.c.id == last))).scalar()
        if last and found != previous:
            return AuditReport(False, last, previous, f"row {last} was changed")
        return await self._walk(previous, last)

    async def _walk(self, previous: str, last: int) -> AuditReport:
        async with reading(self._engine) as connection:
            state = (await connection.execute(select(STATE).where(STATE.c.id == 1))).one()
            while True:
                statement = select(_AUDIT).where(_AUDIT.c.id > last).order_by(_AUDIT.c.id).limit(_BATCH)
                rows = (await connection.execute(statement)).mappings().all()
                for row in rows:
                    if row["id"] != last + 1:
                        return AuditReport(False, last, previous, f"row {last + 1} is missing")
                    if row["previous"] != previous or row["hash"] != _hash(previous, row):
                        return AuditReport(False, last, previous, f"row {row['id']} was changed")
                    previous, last = row["hash"], row["id"]
                if len(rows) < _BATCH:
                    break
        if (last, previous) != (state.audit_id, state.audit_hash):
            return AuditReport(False, last, previous, f"the last rows are missing: {last} of {state.audit_id} are here")
        self._walked = (previous, last)
        return AuditReport(True, last, previous)
