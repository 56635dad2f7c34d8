"""What this machine's installer wrote and where: the marker of ownership that makes undoing exact.

One file of the person's own configuration folder, mode 0600. For each file that was written it keeps the
bytes' digest, where the original lies, and for each value what stood there before.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from hub.core.refusal import Refusal
from hub.install.disk import read_text, write_private
from hub.install.paths import ABSENT, Step

VERSION = 1


def digest(value: Any) -> str:
    """The SHA-256 of a value in canonical JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def digest_of(text: str) -> str:
    """The SHA-256 of a file's text."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, slots=True)
class OwnedValue:
    """A value that was written. `before` is what stood there, `made` how many steps of the path were there already.

    `line` is the header's name when only a line of a longer text is ours.
    """

    at: tuple[Step, ...]
    after: str
    before: Any = ABSENT
    made: int = 0
    line: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One installation in one file: which client's, of which profile at which hub, what for."""

    client: str
    profile: str
    what: str
    scope: str
    hub: str
    name: str
    values: tuple[OwnedValue, ...]

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """Two entries with the same identity are one installation, made again."""
        profile = self.profile if self.what == "tools" else ""
        return self.client, profile, self.what, self.name if self.what == "tools" else ""


@dataclass(frozen=True, slots=True)
class OwnedFile:
    """A file that holds something of ours. `original` is the backup of what it was, "" when there was no file.

    `folders` is how many folders were made for it, `mode` its permission bits before.
    """

    path: str
    format: str
    written: str
    original: str
    mode: int
    folders: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class OwnedKey:
    """A key that was made for a client on this machine."""

    hub: str
    client: str
    name: str
    secret: str
    profiles: tuple[str, ...] = ()
    models: bool = False


@dataclass(frozen=True, slots=True)
class Owned:
    """All of it."""

    files: Mapping[str, OwnedFile] = field(default_factory=dict[str, OwnedFile])
    keys: tuple[OwnedKey, ...] = ()

    def key(self, hub: str, client: str) -> OwnedKey | None:
        """The key of a client at a hub."""
        return next((key for key in self.keys if (key.hub, key.client) == (hub, client)), None)

    def with_key(self, key: OwnedKey) -> "Owned":
        """With a key in place of an older one."""
        others = tuple(k for k in self.keys if (k.hub, k.client) != (key.hub, key.client))
        return replace(self, keys=(*others, key))

    def without_key(self, key: OwnedKey) -> "Owned":
        """Without a key."""
        return replace(self, keys=tuple(k for k in self.keys if k != key))

    def with_file(self, path: str, file: OwnedFile | None) -> "Owned":
        """With what is known of a file; None forgets it."""
        files = {name: one for name, one in self.files.items() if name != path}
        return replace(self, files=files if file is None else {**files, path: file})

    def entries(self) -> Iterator[tuple[OwnedFile, Entry]]:
        """Every installation with its file."""
        for file in self.files.values():
            for entry in file.entries:
                yield file, entry


def load(path: Path) -> Owned:
    """What was written so far. Raises Refusal `unreadable_state` when the file was tampered with."""
    text = read_text(path)
    if text is None:
        return Owned()
    try:
        raw: Any = json.loads(text)
        if raw["version"] != VERSION:
            raise ValueError(f"version {raw['version']}")
        files = {path: _file(path, one) for path, one in raw["files"].items()}
        keys = tuple(_key(key) for key in raw["keys"])
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Refusal(
            "unreadable_state", f"{path} is not as the installer writes it ({error}). Move it away and try again."
        ) from None
    return Owned(files, keys)


def save(path: Path, owned: Owned) -> None:
    """Keep it, for the next time."""
    files = {name: _file_view(one) for name, one in owned.files.items()}
    data = {"version": VERSION, "files": files, "keys": [asdict(key) for key in owned.keys]}
    write_private(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def _file_view(file: OwnedFile) -> dict[str, Any]:
    entries = [
        {**{f: getattr(entry, f) for f in _ENTRY_FIELDS}, "values": [_value_view(v) for v in entry.values]}
        for entry in file.entries
    ]
    view = {f: getattr(file, f) for f in ("format", "written", "original", "mode", "folders")}
    return {**view, "entries": entries}


_ENTRY_FIELDS = ("client", "profile", "what", "scope", "hub", "name")


def _value_view(value: OwnedValue) -> dict[str, Any]:
    view: dict[str, Any] = {"at": list(value.at), "after": value.after, "made": value.made, "line": value.line}
    return view if value.before is ABSENT else {**view, "before": value.before}


def _key(raw: Any) -> OwnedKey:
    return OwnedKey(raw["hub"], raw["client"], raw["name"], raw["secret"], tuple(raw["profiles"]), raw["models"])


def _entry(raw: Any) -> Entry:
    client, profile, what, scope, hub, name = (str(raw[field]) for field in _ENTRY_FIELDS)
    return Entry(client, profile, what, scope, hub, name, _values(raw["values"]))


def _file(path: str, raw: Any) -> OwnedFile:
    entries = tuple(_entry(entry) for entry in raw["entries"])
    return OwnedFile(path, raw["format"], raw["written"], raw["original"], raw["mode"], raw["folders"], entries)


def _values(raw: Sequence[Any]) -> tuple[OwnedValue, ...]:
    return tuple(OwnedValue(tuple(v["at"]), v["after"], v.get("before", ABSENT), v["made"], v["line"]) for v in raw)
