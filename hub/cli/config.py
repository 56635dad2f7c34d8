"""Configuration as code: apply, diff, export, check, schema."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import yaml
from cyclopts import Parameter

from hub.cli.client import Connection
from hub.cli.output import say, show_diff, show_json
from hub.core.refusal import Fault, InvalidSpec, Refusal
from hub.resources import cautions, compile_snapshot
from hub.resources.files import Loaded, load, parse_all
from hub.resources.model_catalog import load_catalogue
from hub.resources.schema import json_schema

Paths = Annotated[list[Path], Parameter(help="YAML files, or folders of them.", negative="")]
Prune = Annotated[bool, Parameter(help="Also delete what these files managed before and no longer name.", negative="")]


def _source(paths: list[Path]) -> str:
    return "file:" + ",".join(str(path) for path in paths)


def _send(paths: list[Path], connection: Connection, *, prune: bool, dry_run: bool) -> list[dict[str, Any]]:
    loaded = load(paths)
    parse_all(loaded)
    body = {"resources": loaded.resources, "source": _source(paths), "prune": prune, "dry_run": dry_run}
    with connection.api() as api:
        try:
            return api.call("POST", "/api/v1/apply", body)["changes"]
        except InvalidSpec as invalid:
            raise _located(invalid, loaded) from None


def _located(invalid: InvalidSpec, loaded: Loaded) -> InvalidSpec:
    return InvalidSpec([Fault(f.path, f.message, f.source or loaded.where(f.path)) for f in invalid.faults])


def _report(changes: list[dict[str, Any]], connection: Connection, done: str) -> None:
    if connection.json:
        show_json(changes)
        return
    for change in changes:
        say(
            f"{change['action']:8} {change['kind']}/{change['name']}"
            + (f"  ({change['note']})" if "note" in change else "")
        )
        show_diff(change["diff"])
        for caution in change.get("warnings", ()):
            say(f"    warning: {caution}")
        if "secret" in change:
            say(f"    secret, shown once: {change['secret']}")
    say(f"{len(changes)} {done}" if changes else "Nothing differs.")


def apply(*paths: Path, prune: Prune = False, connection: Connection = Connection()) -> None:
    """Make the hub hold what the files say: all of it, or nothing when anything is wrong."""
    _report(_send(_given(paths), connection, prune=prune, dry_run=False), connection, "changed.")


def diff(*paths: Path, prune: Prune = False, connection: Connection = Connection()) -> int:
    """Show what `apply` would change. Exit status 0: nothing; 1: something (or it failed)."""
    changes = _send(_given(paths), connection, prune=prune, dry_run=True)
    _report(changes, connection, "would change.")
    return 1 if changes else 0


class NothingGiven(Refusal):
    """The command was given no file, which is a wrong use of it."""

    exit_status = 2


def _given(paths: tuple[Path, ...]) -> list[Path]:
    if not paths:
        raise NothingGiven("no_files", "Name at least one file or folder.")
    return list(paths)


def export(*, connection: Connection = Connection()) -> None:
    """Print every resource as YAML that `apply` takes (or JSON)."""
    with connection.api() as api:
        resources = api.call("GET", "/api/v1/export")
    if connection.json:
        show_json(resources)
    else:
        yaml.safe_dump(resources, sys.stdout, sort_keys=False, allow_unicode=True)


def check(*paths: Path) -> None:
    """Check files without a hub: every field, every reference; names file, line and field of each fault."""
    loaded = load(_given(paths))
    specs = parse_all(loaded)
    try:
        snapshot = compile_snapshot(specs, secrets=(), catalogue=load_catalogue(), generation=0)
    except InvalidSpec as invalid:
        raise _located(invalid, loaded) from None
    for kind, named in (("models", snapshot.models), ("routes", snapshot.routes)):
        for name in named:
            for caution in cautions(snapshot, kind, name):
                say(f"Warning: {kind}/{name}: {caution}")
    say(f"{sum(len(named) for named in specs.values())} resources, no fault.")


def schema() -> None:
    """Print the JSON Schema of resource files, for editors."""
    print(json.dumps(json_schema(), indent=2))
