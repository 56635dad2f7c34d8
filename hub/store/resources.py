"""The one repository: every door ends in `Resources`, and every change swaps the snapshot whole."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from hub.core.logs import get_logger
from hub.core.refusal import Conflict, Fault, InvalidSpec, NotFound
from hub.resources.compiler import compile_snapshot
from hub.resources.kinds import KINDS, Specs, dump, parse
from hub.resources.model_catalog import ModelCatalog
from hub.resources.snapshot import REVOKED, KeySecret, Snapshot, Stop
from hub.store.audit import AuditTrail
from hub.store.journal import Journal, MadeSecret, Step, Stored
from hub.store.key_secrets import KeyMaker, shared
from hub.store.plans import Wanted, planned
from hub.store.records import API, Action, Actor, AuditReport, AuditRow, Change, Resource, Version, Written

log = get_logger(__name__)
OnChange = Callable[[Snapshot, Snapshot], None]
Check = Callable[[Snapshot, frozenset[tuple[str, str]]], list[Fault]]
Raw = Mapping[str, Mapping[str, dict[str, Any]]]
_FOLLOW_SECONDS = 0.5
_TRIES = 50


@dataclass(frozen=True, slots=True)
class _State:
    """What is in force: the stored rows, their parsed specs, secrets given by reference, and the snapshot."""

    stored: Stored
    specs: Specs
    given: tuple[KeySecret, ...]
    snapshot: Snapshot


class Resources:
    """Reads come from memory; writes go through the journal, one at a time."""

    def __init__(self, journal: Journal, audit: AuditTrail, keys: KeyMaker, catalogue: ModelCatalog) -> None:
        self._journal = journal
        self._audit = audit
        self._keys = keys
        self._catalogue = catalogue
        self._state: _State | None = None
        self._listeners: list[OnChange] = []
        self._checks: list[Check] = []
        self._lock = asyncio.Lock()

    # -- reading ---------------------------------------------------------------------------------------------------

    @property
    def _now(self) -> _State:
        if self._state is None:
            raise RuntimeError("load() comes first")
        return self._state

    def snapshot(self) -> Snapshot:
        """The snapshot in force."""
        state = self._state or self._now  # which says that there is none
        return state.snapshot

    def on_change(self, listener: OnChange) -> None:
        """Call `listener(old, new)` after each change of the snapshot."""
        self._listeners.append(listener)

    def on_check(self, check: Check) -> None:
        """Let `check(snapshot, touched)` find faults in what would be, before anything is written.

        `touched` are kind and name of what changes.
        """
        self._checks.append(check)

    async def find(self, kind: str, name: str) -> Resource | None:
        """One resource, or None."""
        return self._now.stored.resources.get((kind, name))

    async def get(self, kind: str, name: str) -> Resource:
        """One resource. Raises NotFound."""
        found = await self.find(kind, name)
        if found is None:
            raise NotFound("not_found", f"There is no {kind.rstrip('s')} '{name}'.")
        return found

    async def of_kind(self, kind: str) -> list[Resource]:
        """Every resource of a kind, by name."""
        return [one for (of, _), one in sorted(self._now.stored.resources.items()) if of == kind]

    async def page(
        self, kind: str, *, limit: int = 100, cursor: str | None = None
    ) -> tuple[list[Resource], str | None]:
        """Resources of a kind by name, after `cursor`, and the cursor of the next page."""
        names = sorted(n for k, n in self._now.stored.resources if k == kind and (cursor is None or n > cursor))
        page = [self._now.stored.resources[kind, name] for name in names[:limit]]
        return page, page[-1].name if len(names) > limit else None

    async def export(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Every spec, by kind and name: what `apply` takes."""
        specs = self._now.specs
        return {kind: {n: dump(s) for n, s in sorted(specs[kind].items())} for kind in KINDS if specs.get(kind)}

    def secrets_of(self, key: str) -> list[MadeSecret | KeySecret]:
        """What is known of a key's secrets (never themselves)."""
        state = self._now
        made = [secret for secret in state.stored.secrets if secret.key == key]
        return [*made, *(secret for secret in state.given if secret.key == key)]

    async def history(self, kind: str, name: str) -> list[Version]:
        """All versions of a resource, newest first. Raises NotFound."""
        return await self._journal.history(kind, name)

    async def audit(self, **query: Any) -> tuple[list[AuditRow], str | None]:
        """Audit rows, newest first (see `AuditTrail.read`)."""
        return await self._audit.read(**query)

    async def verify_audit(self) -> AuditReport:
        """Is the audit trail whole?"""
        return await self._audit.verify()

    async def verify_new_audit(self) -> AuditReport:
        """Is it whole, from where it was last found to be? Costs little, however long it is."""
        return await self._audit.verify_rest()

    async def note(self, actor: Actor, action: Action, detail: str = "", of: tuple[str, str] = ("", "")) -> None:
        """An audit row that tells of no change of a resource. `of`: the resource that it is about, kind and name."""
        await self._audit.note(actor, action, detail, of)

    # -- loading ---------------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read everything and put it in force. A given secret that is missing rests its key and is logged."""
        stored = await self._journal.load()
        specs: Specs = {}
        for (kind, name), resource in stored.resources.items():
            specs.setdefault(kind, {})[name] = parse(kind, name, resource.spec)
        given, faults = await self._keys.given_of(specs)
        for fault in faults:
            log.warning("a key rests", key=fault.path, reason=fault.message)
        self._swap(stored, specs, tuple(given))

    def _compile(self, stored: Stored, specs: Specs, given: tuple[KeySecret, ...], generation: int) -> Snapshot:
        secrets = [*(made.compiled() for made in stored.secrets), *given]
        return compile_snapshot(
            specs, secrets=secrets, catalogue=self._catalogue, generation=generation, stops=stored.stops
        )

    def _swap(self, stored: Stored, specs: Specs, given: tuple[KeySecret, ...]) -> None:
        snapshot = self._compile(stored, specs, given, stored.generation)
        old = self._state.snapshot if self._state is not None else snapshot
        self._state = _State(stored, specs, given, snapshot)
        for listener in self._listeners:
            listener(old, snapshot)

    async def follow(self) -> None:
        """Follow the changes of other replicas, until cancelled."""
        while True:
            await asyncio.sleep(_FOLLOW_SECONDS)
            try:
                if await self._journal.generation() != self._now.stored.generation:
                    async with self._lock:
                        await self.load()
            except OSError as error:
                log.warning("the database cannot be reached; the last snapshot stays in force", error=str(error))

    # -- writing ---------------------------------------------------------------------------------------------------

    async def put(
        self, kind: str, name: str, spec: dict[str, Any], actor: Actor, *, expected_version: int | None = None
    ) -> Written:
        """Create or change one resource. `expected_version` is what the writer saw (0: that it does not exist).

        Raises InvalidSpec, or Conflict `version_conflict`, `managed_by_file`, `already_exists`.
        """
        async with self._lock:
            parse(kind, name, spec)
            old = await self.find(kind, name)
            _check_version(kind, name, old, expected_version)
            changes = await self._carry_out(Wanted({kind: {name: spec}}, API), actor)
        secret = changes[0].secret if changes else None
        return Written(await self.get(kind, name), created=old is None, secret=secret)

    async def delete(self, kind: str, name: str, actor: Actor, *, expected_version: int | None = None) -> None:
        """Delete one resource. Raises NotFound, Conflict, or InvalidSpec naming who still uses it."""
        async with self._lock:
            _check_version(kind, name, await self.get(kind, name), expected_version)
            await self._carry_out(Wanted({}, API, deletions=((kind, name),)), actor)

    async def apply(
        self, resources: Raw, actor: Actor, *, source: str | None = None, prune: bool = False
    ) -> list[Change]:
        """Make many resources be as said: all, or none. `source` is the file that manages them from now on.

        With `prune`, what the same source managed and no longer names is deleted. Raises InvalidSpec or Conflict.
        """
        async with self._lock:
            return await self._carry_out(Wanted(resources, source or API, prune=prune), actor)

    async def diff(
        self, resources: Raw, actor: Actor, *, source: str | None = None, prune: bool = False
    ) -> list[Change]:
        """What `apply` would change; nothing is written. Raises as `apply` does."""
        async with self._lock:
            wanted = Wanted(resources, source or API, prune=prune)
            steps = planned(wanted, self._now.stored.resources)
            await self._after(steps)
            versions = [self._version_after(step) for step in steps]
            return [_change(step, version) for step, version in zip(steps, versions, strict=True)]

    def _version_after(self, step: Step) -> int:
        old = self._now.stored.resources.get((step.kind, step.name))
        return old.version + 1 if old else 1

    async def restore(
        self, kind: str, name: str, version: int, actor: Actor, *, expected_version: int | None = None
    ) -> Written:
        """Make an old version's spec current, as a new version. Raises NotFound, InvalidSpec or Conflict."""
        for old in await self.history(kind, name):
            if old.version == version and old.spec is not None:
                return await self.put(kind, name, old.spec, actor, expected_version=expected_version)
        raise NotFound("not_found", f"{kind}/{name} has no version {version} to restore (a deletion is none).")

    async def rotate_key(self, name: str, actor: Actor, *, overlap_seconds: int = 0) -> str:
        """Give a key a new secret, returned once; the old ones end after the overlap. Raises NotFound or InvalidSpec."""
        async with self._lock:
            resource = await self.get("keys", name)
            if "secret" in resource.spec:
                message = f"its secret is given as {resource.spec['secret']}; change it there"
                raise InvalidSpec([Fault(f"keys.{name}.secret", message)])
            credential, made = self._keys.new(name)
            step = self._key_step("rotate", resource, ends=time.time() + overlap_seconds)
            await self._write([replace(step, made=made)], actor)
            return credential

    async def revoke_key(self, name: str, actor: Actor) -> None:
        """End all secrets of a key at once. A key whose secret is given by reference is disabled instead."""
        async with self._lock:
            resource = await self.get("keys", name)
            if "secret" in resource.spec:
                spec = {**resource.spec, "enabled": False}
                await self._carry_out(Wanted({"keys": {name: spec}}, resource.managed_by), actor)
                return
            await self._write([self._key_step("revoke", resource, ends=REVOKED)], actor)

    async def stop(self, scope: tuple[str, str], reason: str, actor: Actor) -> Stop:
        """Stop what falls under a scope, new calls and open ones, before this returns."""
        stop = Stop(reason, actor.id, datetime.now(UTC).isoformat())
        async with self._lock:
            await self._journal.stop(scope, stop, actor)
            await self.load()
        return stop

    async def resume(self, scope: tuple[str, str], actor: Actor) -> None:
        """Let a stopped scope work again."""
        async with self._lock:
            await self._journal.stop(scope, None, actor)
            await self.load()

    def _key_step(self, action: Action, resource: Resource, ends: float) -> Step:
        return Step("keys", resource.name, action, resource.spec, resource.managed_by, [], ends=ends)

    async def _carry_out(self, wanted: Wanted, actor: Actor) -> list[Change]:
        steps = planned(wanted, self._now.stored.resources)
        if not steps:
            return []
        secrets: dict[str, str] = {}
        for index, step in enumerate(steps):
            if self._needs_secret(step):
                secrets[step.name], made = self._keys.new(step.name)
                steps[index] = replace(step, made=made)
        versions = await self._write(steps, actor)
        return [
            _change(step, version, secrets.get(step.name) if step.kind == "keys" else None)
            for step, version in zip(steps, versions, strict=True)
        ]

    def _needs_secret(self, step: Step) -> bool:
        if step.kind != "keys" or step.spec is None or step.spec.get("secret"):
            return False
        return not any(secret.key == step.name for secret in self._now.stored.secrets)

    async def imagined(self, kind: str, name: str, spec: dict[str, Any]) -> Snapshot:
        """The snapshot as it would be with this resource; nothing is written. Raises InvalidSpec."""
        return await self._after([Step(kind, name, "change", spec, API, [])])

    async def _after(self, steps: list[Step]) -> Snapshot:
        """The snapshot after these steps. Raises InvalidSpec when not everything would hold together."""
        specs = {kind: dict(named) for kind, named in self._now.specs.items()}
        for step in steps:
            if step.spec is None:
                specs.get(step.kind, {}).pop(step.name, None)
            else:
                specs.setdefault(step.kind, {})[step.name] = parse(step.kind, step.name, step.spec)
        given, faults = await self._keys.given_of(specs)
        touched = {f"keys.{step.name}.secret" for step in steps if step.kind == "keys"}
        faults = [fault for fault in faults if fault.path in touched]
        faults += shared([*(made.compiled() for made in self._now.stored.secrets), *given])
        if faults:
            raise InvalidSpec(faults)
        snapshot = self._compile(self._now.stored, specs, tuple(given), 0)
        changed = frozenset((step.kind, step.name) for step in steps if step.spec is not None)
        faults = [fault for check in self._checks for fault in check(snapshot, changed)]
        if faults:
            raise InvalidSpec(faults)
        return snapshot

    async def _write(self, steps: list[Step], actor: Actor) -> list[int]:
        for _ in range(_TRIES):
            await self._after(steps)
            versions = await self._journal.write(steps, actor, self._now.stored.generation)
            await self.load()
            if versions is not None:
                return versions
        raise Conflict("version_conflict", "Other replicas keep changing the configuration. Try again.", retryable=True)


def _check_version(kind: str, name: str, old: Resource | None, expected: int | None) -> None:
    if expected is None:
        return
    current = old.version if old else 0
    if expected == 0 and current:
        raise Conflict("already_exists", f"There is a {kind.rstrip('s')} '{name}' already. Change it instead.")
    if expected != current:
        raise Conflict(
            "version_conflict",
            f"{kind}/{name} is at version {current} and you changed version {expected}. Read it again and redo your change.",
        )


def _change(step: Step, version: int, secret: str | None = None) -> Change:
    return Change(step.kind, step.name, step.action, version, step.diff, secret=secret)
