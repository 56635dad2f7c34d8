"""The clients that can be set up: read from `ide-configs/`, one folder per client, into typed rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from hub.core.refusal import NotFound
from hub.install.paths import Step

PLATFORMS = ("linux", "macos", "windows")


@dataclass(frozen=True, slots=True)
class Edit:
    """One value in a file, as a template. `line` is joined to a text of lines; `remove` takes the value away.

    `each` repeats the edit for every model. `open` is the template for a profile that needs no key.
    """

    at: tuple[Step, ...]
    value: Any = None
    line: str = ""
    remove: bool = False
    each: str = ""
    open: Any = None


@dataclass(frozen=True, slots=True)
class FileTemplate:
    """A file of a client: `what` it sets up, in which scope, where it lies on each platform, and what is written.

    `what` is tools, models, passthrough, or sign-in: what models need in a file of its own. `start` is what
    a file holds that has to be made; `shows_key` says that the client asks for the key itself.
    """

    what: str
    scope: str
    format: str
    path: Mapping[str, tuple[str, ...]]
    edits: tuple[Edit, ...]
    start: Mapping[str, Any] = field(default_factory=dict[str, Any])
    shows_key: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """An address that sets a client up when it is opened. With `open_only` it can carry no key, not even a variable."""

    title: str
    url: str
    config: Any = None
    open_only: bool = False


@dataclass(frozen=True, slots=True)
class OwnCommand:
    """The client's own way to its file: arguments of its program. `add` reads the entry as JSON from its input."""

    add: tuple[str, ...]
    remove: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Client:
    """One client. `tool_name` is how it shows a tool; `limits` are what it cuts or refuses beyond."""

    name: str
    title: str
    tool_name: str
    files: tuple[FileTemplate, ...]
    program: str = ""
    vendor: str = ""
    limits: Mapping[str, int] = field(default_factory=dict[str, int])
    reserved: tuple[str, ...] = ()
    after: str = ""
    after_project: str = ""
    after_models: str = ""
    no_models: str = ""
    commands: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    warnings: tuple[str, ...] = ()
    own_command: OwnCommand | None = None

    def file(self, what: str, scope: str) -> FileTemplate | None:
        """The file that sets up `what` (tools, models, passthrough) in a scope, if this client has one."""
        return next((one for one in self.files if (one.what, one.scope) == (what, scope)), None)


def folder() -> Path:
    """Where the templates lie: in the checkout, or in the installed package."""
    package = Path(__file__).parents[1]
    places = [package.parent / "ide-configs", package / "shipped" / "ide-configs"]
    return next(place for place in places if place.exists())


def _step(raw: Any) -> Step:
    return {str(name): str(value) for name, value in raw.items()} if isinstance(raw, dict) else str(raw)


def _edit(raw: Mapping[str, Any]) -> Edit:
    fields: dict[str, Any] = {**raw, "at": tuple(_step(step) for step in raw["at"])}
    return Edit(**fields)


def _paths(raw: Sequence[str] | Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    if isinstance(raw, Mapping):
        return {platform: tuple(raw[platform]) for platform in PLATFORMS}
    return {platform: tuple(raw) for platform in PLATFORMS}


def _file(raw: Mapping[str, Any]) -> FileTemplate:
    edits = tuple(_edit(edit) for edit in raw["edits"])
    fields: dict[str, Any] = {**raw, "path": _paths(raw["path"]), "edits": edits}
    return FileTemplate(**fields)


def _client(name: str, raw: Mapping[str, Any]) -> Client:
    fields: dict[str, Any] = {"name": name, **raw}
    fields |= {field: tuple(raw.get(field, ())) for field in ("reserved", "commands", "warnings")}
    fields |= {"files": tuple(map(_file, raw["files"])), "links": tuple(Link(**one) for one in raw.get("links", ()))}
    if own := raw.get("own_command"):
        fields["own_command"] = OwnCommand(tuple(own["add"]), tuple(own["remove"]))
    return Client(**fields)


@cache
def clients() -> Mapping[str, Client]:
    """All clients by name."""
    found = {
        path.parent.name: _client(path.parent.name, yaml.safe_load(path.read_text(encoding="utf-8")))
        for path in sorted(folder().glob("*/client.yaml"))
    }
    return dict(sorted(found.items()))


def client(name: str) -> Client:
    """One client. Raises NotFound naming those that there are."""
    found = clients().get(name)
    if found is None:
        raise NotFound("not_found", f"There is no client '{name[:40]}'. Clients: {', '.join(clients())}.")
    return found
