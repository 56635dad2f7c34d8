"""Writing changes down: versions, current rows, audit rows and the generation, in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hub.core.refusal import NotFound
from hub.resources.snapshot import KeySecret, Stop
from hub.store.audit import STATE, AuditTrail, lock_state
from hub.store.diffs import Diff
from hub.store.records import Action, Actor, Resource, Version
from hub.store.tables import STOP, KeySecretRow, ResourceRow, ResourceVersionRow, storable
from hub.store.transactions import reading

_RESOURCE: Any = ResourceRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_VERSION: Any = ResourceVersionRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_SECRET: Any = KeySecretRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it


@dataclass(frozen=True, slots=True)
class MadeSecret:
    """A secret made for a key, as it is kept: its hash, its public id, its last four characters."""

    key: str
    digest: bytes
    id: str
    last_four: str
    created_at: datetime
    ends_at: float | None = None

    def compiled(self) -> KeySecret:
        """As the compiler takes it."""
        return KeySecret(self.key, self.digest, self.last_four, self.ends_at)


@dataclass(frozen=True, slots=True)
class Step:
    """One change to write: the new spec (None: deleted), what it differs in, and what happens to a key's secrets.

    `ends` ends the key's secrets so far at that time (seconds since the epoch); `made` is a new one.
    """

    kind: str
    name: str
    action: Action
    spec: dict[str, Any] | None
    managed_by: str
    diff: Diff
    made: MadeSecret | None = None
    ends: float | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """Everything in the tables: resources, made secrets, and the generation they belong to."""

    resources: dict[tuple[str, str], Resource]
    secrets: tuple[MadeSecret, ...]
    generation: int
    stops: Mapping[tuple[str, str], Stop]


class Journal:
    """Reads and writes the tables of resources."""

    def __init__(self, engine: AsyncEngine, audit: AuditTrail) -> None:
        self._engine = engine
        self._audit = audit

    async def generation(self) -> int:
        """The generation that the tables are at."""
        async with self._engine.connect() as connection:
            return int((await connection.execute(select(STATE.c.generation).where(STATE.c.id == 1))).scalar_one())

    async def load(self) -> Stored:
        """Read everything, at one moment."""
        async with reading(self._engine) as connection:
            state = (await connection.execute(select(STATE).where(STATE.c.id == 1))).one()
            rows = (await connection.execute(select(_RESOURCE))).all()
            secrets = (await connection.execute(select(_SECRET))).all()
            stopped = (await connection.execute(select(STOP))).all()
        resources = {
            (row.kind, row.name): Resource(
                row.kind, row.name, row.version, row.managed_by, datetime.fromisoformat(row.updated_at), row.updated_by,
                orjson.loads(row.spec),
            )
            for row in rows
        }  # fmt: skip
        made = tuple(
            MadeSecret(
                row.key, bytes(row.digest), row.id, row.last_four, datetime.fromisoformat(row.created_at), row.ends_at
            )
            for row in secrets
        )
        stops = {(row.scope, row.name): Stop(row.reason, row.by, row.at) for row in stopped}
        return Stored(resources, made, state.generation, stops)

    async def stop(self, scope: tuple[str, str], stop: Stop | None, actor: Actor) -> None:
        """Write an emergency stop down, or (None) that it is over; all replicas follow."""
        kind, name = scope
        async with self._audit.transaction() as connection:
            state = await lock_state(connection)
            await connection.execute(delete(STOP).where((STOP.c.scope == kind) & (STOP.c.name == name)))
            if stop is not None:
                row = {"scope": kind, "name": name, "reason": storable(stop.reason), "by": stop.by, "at": stop.at}
                await connection.execute(insert(STOP), row)
            reason = stop.reason if stop is not None else ""
            action: Action = "resume" if stop is None else "stop"
            await self._audit.append(connection, actor, action, subject=(kind, name, 0), detail=storable(reason))
            await connection.execute(update(STATE).where(STATE.c.id == 1).values(generation=state.generation + 1))

    async def write(self, steps: Sequence[Step], actor: Actor, seen: int) -> list[int] | None:
        """Write all steps, or none; returns the version of each, or None when the tables have moved on since `seen`."""
        async with self._audit.transaction() as connection:
            state = await lock_state(connection)
            if state.generation != seen:
                return None
            versions = [await self._step(connection, step, actor) for step in steps]
            await connection.execute(update(STATE).where(STATE.c.id == 1).values(generation=seen + 1))
        return versions

    async def _step(self, connection: AsyncConnection, step: Step, actor: Actor) -> int:
        now = datetime.now(UTC).isoformat()
        at = (_VERSION.c.kind == step.kind) & (_VERSION.c.name == step.name)
        last = (await connection.execute(select(func.max(_VERSION.c.version)).where(at))).scalar() or 0
        version = last if step.action in ("rotate", "revoke") else last + 1
        if version != last:
            spec = None if step.spec is None else orjson.dumps(step.spec, option=orjson.OPT_SORT_KEYS).decode()
            row: dict[str, Any] = {"kind": step.kind, "name": step.name, "version": version, "spec": spec}
            row["managed_by"] = step.managed_by
            await connection.execute(insert(_VERSION), {**row, "at": now, "by": actor.id})
            here = (_RESOURCE.c.kind == step.kind) & (_RESOURCE.c.name == step.name)
            await connection.execute(delete(_RESOURCE).where(here))
            if spec is not None:
                await connection.execute(insert(_RESOURCE), {**row, "updated_at": now, "updated_by": actor.id})
        await self._secrets(connection, step)
        subject = (step.kind, step.name, version)
        await self._audit.append(connection, actor, step.action, subject=subject, diff=step.diff)
        return int(version)

    async def _secrets(self, connection: AsyncConnection, step: Step) -> None:
        if step.kind != "keys":
            return
        mine = _SECRET.c.key == step.name
        if step.spec is None:
            await connection.execute(delete(_SECRET).where(mine))
        elif step.ends is not None:
            earlier = mine & ((_SECRET.c.ends_at.is_(None)) | (_SECRET.c.ends_at > step.ends))
            await connection.execute(update(_SECRET).where(earlier).values(ends_at=step.ends))
        if step.made is not None:
            made = step.made
            row = {"digest": made.digest, "key": made.key, "id": made.id, "last_four": made.last_four}
            await connection.execute(
                insert(_SECRET), {**row, "created_at": made.created_at.isoformat(), "ends_at": made.ends_at}
            )

    async def history(self, kind: str, name: str) -> list[Version]:
        """All versions, newest first. Raises NotFound when there never was such a resource."""
        at = (_VERSION.c.kind == kind) & (_VERSION.c.name == name)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(select(_VERSION).where(at).order_by(_VERSION.c.version.desc()))).all()
        if not rows:
            raise NotFound("not_found", f"There is no {kind.rstrip('s')} '{name}', and there was none.")
        return [
            Version(
                row.version, datetime.fromisoformat(row.at), row.by, row.managed_by,
                None if row.spec is None else orjson.loads(row.spec),
            )
            for row in rows
        ]  # fmt: skip
