"""What has to be written so that the resources are as somebody wants them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hub.core.refusal import Conflict, Fault, InvalidSpec
from hub.resources.kinds import dump, parse
from hub.store.diffs import difference
from hub.store.journal import Step
from hub.store.records import API, Resource, file_of

Current = Mapping[tuple[str, str], Resource]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Specs as somebody wants them. `manager` is `api`, or the file they stand in."""

    resources: Mapping[str, Mapping[str, dict[str, Any]]]
    manager: str
    deletions: tuple[tuple[str, str], ...] = ()
    prune: bool = False


def planned(wanted: Wanted, current: Current) -> list[Step]:
    """The steps from `current` to `wanted`; empty when nothing differs.

    Raises InvalidSpec with the faults of all specs, or Conflict `managed_by_file`.
    """
    specs = _parsed(wanted)
    steps: list[Step] = []
    for (kind, name), spec in specs.items():
        old = current.get((kind, name))
        _check_manager(wanted.manager, old)
        if old is None:
            steps.append(Step(kind, name, "create", spec, wanted.manager, difference({}, spec)))
            continue
        diff = difference(old.spec, spec)
        if old.managed_by != wanted.manager:
            diff.append({"path": "managed_by", "op": "change", "old": old.managed_by, "new": wanted.manager})
        if diff:
            steps.append(Step(kind, name, "change", spec, wanted.manager, diff))
    gone = list(wanted.deletions)
    if wanted.prune and wanted.manager != API:
        gone += [key for key, old in sorted(current.items()) if old.managed_by == wanted.manager and key not in specs]
    for key in gone:
        old = current[key]
        _check_manager(wanted.manager, old)
        steps.append(Step(*key, "delete", None, wanted.manager, difference(old.spec, {})))
    return steps


def _parsed(wanted: Wanted) -> dict[tuple[str, str], dict[str, Any]]:
    specs: dict[tuple[str, str], dict[str, Any]] = {}
    faults: list[Fault] = []
    for kind, named in wanted.resources.items():
        for name, raw in named.items():
            try:
                specs[kind, name] = dump(parse(kind, name, raw))
            except InvalidSpec as invalid:
                faults.extend(invalid.faults)
    if faults:
        raise InvalidSpec(faults)
    return specs


def _check_manager(manager: str, old: Resource | None) -> None:
    # Files may take over from each other and from the API; the other doors may not touch what a file manages.
    if manager != API or old is None or old.managed_by == API:
        return
    file = file_of(old.managed_by)
    raise Conflict(
        "managed_by_file", f"{old.kind}/{old.name} is managed by {file}. Change it there and apply that file again."
    )
