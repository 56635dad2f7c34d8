"""One resource: get, put, delete, history, restore."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from cyclopts import Parameter

from hub.cli.client import Connection
from hub.cli.output import say, show_json, table
from hub.core.refusal import Malformed

Kind = Literal[
    "providers", "models", "routes", "servers", "profiles", "teams", "users", "keys", "budgets", "limits", "guardrails",
    "announcements", "exports",
]  # fmt: skip


def get(kind: Kind, name: str | None = None, *, connection: Connection = Connection()) -> None:
    """Show one resource, or list a kind."""
    with connection.api() as api:
        if name is not None:
            resource = api.call("GET", api.resource(kind, name))
            if connection.json:
                show_json(resource)
            else:
                yaml.safe_dump(resource, sys.stdout, sort_keys=False, allow_unicode=True)
            return
        items = list(api.pages(f"/api/v1/{kind}", 10_000))
    if connection.json:
        show_json(items)
        return
    table(
        ("name", "version", "managed by", "changed", "by"),
        (
            (i["name"], i["version"], i.get("file", i["managed_by"]), i["updated_at"][:19], i["updated_by"])
            for i in items
        ),
        right=("version",),
    )


def _spec(text: str | None, file: Path | None) -> dict[str, Any]:
    if (text is None) == (file is None):
        raise Malformed("malformed", "Give the spec either as JSON or with --file.")
    raw = text if text is not None else (sys.stdin.read() if str(file) == "-" else Path(str(file)).read_text())
    try:
        spec = yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise Malformed("malformed", f"The spec is neither JSON nor YAML: {error}") from None
    if not isinstance(spec, dict):
        raise Malformed("malformed", "The spec is a mapping of fields.")
    return json.loads(json.dumps(spec, default=str))


def put(
    kind: Kind,
    name: str,
    spec: Annotated[str | None, Parameter(help="The spec as JSON.")] = None,
    *,
    file: Annotated[
        Path | None, Parameter(help="Read the spec from a YAML or JSON file, or - for standard input.")
    ] = None,
    version: Annotated[int | None, Parameter(help="Refuse if somebody changed it since this version.")] = None,
    connection: Connection = Connection(),
) -> None:
    """Create or change one resource."""
    body: dict[str, Any] = {"spec": _spec(spec, file)}
    if version is not None:
        body["version"] = version
    with connection.api() as api:
        resource = api.call("PUT", api.resource(kind, name), body)
    if connection.json:
        show_json(resource)
        return
    say(f"{kind}/{name} is now at version {resource['version']}.")
    for caution in resource["status"].get("warnings", ()):
        say(f"Warning: {caution}")
    if "secret" in resource:
        say(f"Its secret, shown once: {resource['secret']}")


def delete(kind: Kind, name: str, *, connection: Connection = Connection()) -> None:
    """Delete one resource. Its history stays and can be restored."""
    with connection.api() as api:
        answer = api.call("DELETE", api.resource(kind, name))
    if connection.json:
        show_json(answer)
    else:
        say(f"{kind}/{name} is deleted. Undo: hub history {kind} {name}, then hub restore {kind} {name} VERSION")


def history(kind: Kind, name: str, *, connection: Connection = Connection()) -> None:
    """Show all versions of one resource, newest first."""
    with connection.api() as api:
        items = api.call("GET", api.resource(kind, name, "/history"))["items"]
    if connection.json:
        show_json(items)
        return
    table(
        ("version", "at", "by", "spec"),
        ((i["version"], i["at"][:19], i["by"], "deleted" if i["deleted"] else json.dumps(i["spec"])) for i in items),
        right=("version",),
    )


def restore(kind: Kind, name: str, version: int, *, connection: Connection = Connection()) -> None:
    """Make an old version current again (as a new version)."""
    with connection.api() as api:
        resource = api.call("POST", api.resource(kind, name, "/restore"), {"version": version})
    if connection.json:
        show_json(resource)
    else:
        say(f"{kind}/{name} is at version {resource['version']}, as it was at {version}.")
