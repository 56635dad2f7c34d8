"""Existing client configurations, taken over: servers and a profile as a diff, secrets into the vault."""

import sys
from pathlib import Path
from typing import Annotated, Any

import yaml
from cyclopts import Parameter

from hub.cli.client import Connection
from hub.cli.output import clean, say, show_diff, show_json, warn
from hub.core.refusal import Malformed
from hub.install.disk import read_text
from hub.install.importing import Proposal, proposal


def import_(
    *files: Path,
    profile: Annotated[str, Parameter(help="The profile that takes the servers.")] = "imported",
    apply: Annotated[bool, Parameter(help="Do it: secrets go to the vault, then all is applied.", negative="")] = False,
    yaml_only: Annotated[
        bool, Parameter(name="yaml", help="Only print the YAML; no hub is asked.", negative="")
    ] = False,
    connection: Connection = Connection(),
) -> None:
    """Read configurations of Claude Code, Cursor, VS Code, Codex and others, and propose what the hub would hold."""
    texts = {str(path): _text(path) for path in files}
    if not texts:
        raise Malformed("malformed", "Name at least one file, such as ~/.claude.json or .vscode/mcp.json.")
    found = proposal(texts)
    resources = found.resources(profile)
    if yaml_only:
        _print(found, resources, connection)
        return
    body: dict[str, Any] = {"resources": resources, "dry_run": not apply}
    with connection.api() as api:
        for name, value in found.secrets.items() if apply else ():
            api.call("PUT", f"/api/v1/secrets/{name}", {"value": value})
        changes = api.call("POST", "/api/v1/apply", body)["changes"]
    if connection.json:
        show_json({"changes": changes, "secrets": sorted(found.secrets), "notes": list(found.notes)})
        return
    for change in changes:
        say(f"{change['action']:8} {change['kind']}/{change['name']}")
        show_diff(change["diff"])
    _tell(found)
    done = "changed." if apply else "would change. Do it with --apply."
    say(f"{len(changes)} {done}" if changes else "Nothing differs.")


def _text(path: Path) -> str:
    text = read_text(path)
    if text is None:
        raise Malformed("malformed", f"There is no file {path}.")
    return text


def _print(found: Proposal, resources: dict[str, dict[str, Any]], connection: Connection) -> None:
    if connection.json:
        show_json({"resources": resources, "secrets": sorted(found.secrets), "notes": list(found.notes)})
        return
    sys.stdout.write(clean(yaml.safe_dump(resources, sort_keys=False, allow_unicode=True)))
    _tell(found)


def _tell(found: Proposal) -> None:
    for name in sorted(found.secrets):
        warn(f"secret: vault:{name}")
    for note in found.notes:
        warn(f"note: {note}")
