"""From a client's template to a file: what would be written, writing it, and taking exactly that away again."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from hub.core.refusal import Conflict, Malformed, Refusal
from hub.install import disk, owned
from hub.install.clients import Client, Edit, FileTemplate
from hub.install.documents import Draft, Uneditable, put_all, read
from hub.install.facts import Facts, Model, render_for, render_path
from hub.install.owned import Entry, Owned, OwnedFile, OwnedValue
from hub.install.paths import ABSENT, Step, find, written

_SHARED = 0o644
_NONE: Mapping[Path, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Where:
    """This machine as far as paths go: `platform` is linux, macos or windows; `project` the folder of a project."""

    home: Path
    environment: Mapping[str, str]
    platform: str
    project: Path

    @property
    def state(self) -> Path:
        """The file that says what was written."""
        roots = {"windows": self.environment.get("APPDATA"), "linux": self.environment.get("XDG_CONFIG_HOME")}
        root = roots.get(self.platform)
        return (Path(root) if root else self.home / ".config") / "hub" / "installed.json"

    def path(self, template: FileTemplate, name: str) -> Path:
        """Where a file lies: the first of its places whose variables are all set."""
        for candidate in template.path[self.platform]:
            text = candidate.replace("<name>", name)
            if text.startswith("$"):
                variable, _, rest = text[1:].partition("/")
                root = self.environment.get(variable)
                if not root:
                    continue
                return Path(root) / rest if rest else Path(root)
            return self.home / text[2:] if text.startswith("~/") else self.project / text
        raise Malformed("malformed", "This client's file has no known place on this system.")


@dataclass(frozen=True, slots=True)
class Plan:
    """A file as it is and as it would be. Nothing is written yet."""

    path: Path
    format: str
    before: str | None
    after: str
    mode: int
    entry: Entry

    @property
    def changes(self) -> bool:
        """Whether anything would be written."""
        return self.before != self.after

    def diff(self, secret: str = "") -> str:
        """The difference as people read it, with the key masked."""
        lines = difflib.unified_diff(
            (self.before or "").splitlines(), self.after.splitlines(),
            "/dev/null" if self.before is None else str(self.path), str(self.path), lineterm="", n=2,
        )  # fmt: skip
        text = "\n".join(lines)
        return text.replace(secret, f"{secret[:17]}...") if secret else text


@dataclass(frozen=True, slots=True)
class _Value:
    """One rendered edit."""

    at: tuple[Step, ...]
    value: Any
    line: str = ""


def _values(edits: Iterable[Edit], facts: Facts) -> list[_Value]:
    found: list[_Value] = []
    for edit in edits:
        rows: Sequence[Model | None] = facts.models if edit.each else (None,)
        for model in rows:
            at = render_path(edit.at, facts, model)
            if at is None:
                continue
            template = edit.open if edit.open is not None and not facts.needs_key else edit.value
            line = str(render_for(edit.line, facts, model)) if edit.line else ""
            value = ABSENT if edit.remove or edit.line else render_for(template, facts, model)
            if value is not ABSENT or edit.remove or line:
                found.append(_Value(at, value, line))
    return found


def _with_line(text: Any, line: str) -> str:
    """A text of header lines in which `line` stands once; other lines stay."""
    name = line.partition(":")[0].strip().lower()
    lines = [one for one in str(text).splitlines() if one.partition(":")[0].strip().lower() != name] if text else []
    return "\n".join([*lines, line])


def _without_line(text: str, name: str) -> str:
    return "\n".join(one for one in text.splitlines() if one.partition(":")[0].strip().lower() != name.lower())


def plan(
    client: Client, what: str, scope: str, facts: Facts, where: Where, known: Owned, first: Mapping[Path, str] = _NONE
) -> Plan:
    """What setting up `what` (tools, models, passthrough) for a client would write, after what `first` writes.

    Raises Malformed (the client has no such file), Conflict (something of that name is there and is not
    ours), or Refusal `uneditable_file`.
    """
    template = client.file(what, scope)
    if template is None:
        raise Malformed("malformed", missing(client, what, scope))
    path = where.path(template, facts.name)
    before = first[path] if path in first else disk.read_text(path)
    text = before or ""
    file = known.files.get(str(path))
    if not text.strip() and template.start:
        start = {name: render_for(value, facts, None) for name, value in template.start.items()}
        text = yaml.safe_dump(start, sort_keys=False)
    try:
        draft = Draft(read(template.format, text))
        values = [_written(template, draft, value, file, path) for value in _values(template.edits, facts)]
        text = put_all(template.format, text, draft)
    except Uneditable as error:
        raise Refusal("uneditable_file", f"{path} was left as it is: {error}.", status=409) from None
    entry = Entry(client.name, facts.profile, what, scope, facts.hub_url, facts.name, tuple(values))
    mode = _SHARED if scope == "project" else disk.PRIVATE
    return Plan(path, template.format, before, text, mode, entry)


def _written(template: FileTemplate, draft: Draft, value: _Value, file: OwnedFile | None, path: Path) -> OwnedValue:
    """Put a value into the draft; what is to be remembered of it."""
    current = find(draft.data, value.at)
    ours = _ours(file, value.at)
    wanted = _with_line("" if current is ABSENT else current, value.line) if value.line else value.value
    if template.what == "tools" and ours is None and current is not ABSENT and not _alike(current, wanted):
        raise Conflict(
            "already_exists",
            f"{path} has a '{written(value.at)}' that the hub did not write. Remove it, or choose another name with --name.",
        )
    before = ours.before if ours is not None else current
    made = ours.made if ours is not None else _depth(draft.data, value.at)
    draft.put(value.at, wanted)
    stamp = owned.digest(None if wanted is ABSENT else wanted)
    return OwnedValue(value.at, stamp, before, made, value.line.partition(":")[0])


def _alike(current: Any, wanted: Any) -> bool:
    """Whether what stands there leads to the same place, so that it may be replaced."""
    if current == wanted or not isinstance(current, Mapping) or not isinstance(wanted, Mapping):
        return current == wanted
    places = ("url", "httpUrl", "serverUrl", "uri")
    return any(name in wanted and current.get(name) == wanted[name] for name in places)


def _ours(file: OwnedFile | None, at: tuple[Step, ...]) -> OwnedValue | None:
    entries = file.entries if file else ()
    return next((value for entry in entries for value in entry.values if value.at == at), None)


def _depth(data: Any, at: Sequence[Step]) -> int:
    """How many steps of a path lead somewhere."""
    return next((n for n in range(len(at)) if find(data, at[: n + 1]) is ABSENT), len(at))


def missing(client: Client, what: str, scope: str) -> str:
    """Why a client has no file for this, and what to do instead."""
    if what == "models" and client.no_models:
        return f"{client.title} has no file for models. {client.no_models}"
    scopes = [file.scope for file in client.files if file.what == what]
    if scopes:
        return f"{client.title} takes {what} in the scope '{scopes[0]}' only: its '{scope}' file could not hold a key safely."
    return f"{client.title} has no file for {what}."


Put = Callable[[Plan, int], str]


def put_whole(made: Plan, mode: int) -> str:
    """Put a plan's text in place of its file; returns what the file holds then."""
    disk.replace(made.path, made.after, mode)
    return made.after


def apply(made: Plan, known: Owned, state: Path, put_in_place: Put = put_whole) -> Owned:
    """Write a plan's file, with a backup, and remember it. Raises Refusal when the file changed meanwhile."""
    name = str(made.path)
    old = known.files.get(name)
    if disk.read_text(made.path) != made.before:
        raise Conflict("version_conflict", f"{made.path} changed while it was being edited. Try again.")
    others = tuple(entry for entry in (old.entries if old else ()) if entry.identity != made.entry.identity)
    if old is None:
        original = "" if made.before is None else str(disk.back_up(made.path, made.before))
        old = OwnedFile(name, made.format, "", original, disk.mode_of(made.path), disk.missing_folders(made.path), ())
    intact = old.written == "" or (made.before is not None and owned.digest_of(made.before) == old.written)
    stamp = owned.digest_of(made.after) if intact else "changed by others"
    known = known.with_file(name, replace(old, written=stamp, entries=(*others, made.entry)))
    owned.save(state, known)
    if made.changes:
        mode = made.mode if made.mode == disk.PRIVATE else (old.mode or made.mode)
        text = put_in_place(made, mode)
        if text != made.after and intact:
            known = known.with_file(name, replace(known.files[name], written=owned.digest_of(text)))
            owned.save(state, known)
    elif made.mode == disk.PRIVATE:
        made.path.resolve().chmod(made.mode)
    return known


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of a file: `restored` (byte for byte), `deleted`, `cleaned` (only ours was taken out), `gone`.

    `kept` names values that somebody changed since; they were left.
    """

    path: str
    outcome: str
    kept: tuple[str, ...] = ()


Chosen = Callable[[Entry], bool]


def undo(known: Owned, chosen: Chosen, state: Path) -> tuple[Owned, list[Undone]]:
    """Take away what the chosen entries wrote. Files that nobody touched since are as they were before, to the byte."""
    reports: list[Undone] = []
    for name, file in list(known.files.items()):
        going = tuple(entry for entry in file.entries if chosen(entry))
        if going:
            staying = tuple(entry for entry in file.entries if not chosen(entry))
            left, report = _undone(file, going, staying)
            known = known.with_file(name, left)
            owned.save(state, known)
            reports.append(report)
    return known, reports


def _undone(file: OwnedFile, going: tuple[Entry, ...], staying: tuple[Entry, ...]) -> tuple[OwnedFile | None, Undone]:
    path = Path(file.path)
    text = disk.read_text(path)
    left = replace(file, entries=staying) if staying else None
    if text is None:
        return left, Undone(file.path, "gone")
    intact = owned.digest_of(text) == file.written
    if intact and not staying:
        return None, _restored(file, path)
    try:
        new, kept = _cleaned(file, going, staying, text)
    except Uneditable as error:
        raise Refusal("uneditable_file", f"{path} was left as it is: {error}.", status=409) from None
    if not staying and not file.original and read(file.format, new) in ({}, []):
        disk.delete(path, file.folders)
        return None, Undone(file.path, "deleted", tuple(kept))
    disk.replace(path, new, disk.mode_of(path) or disk.PRIVATE)
    if left is not None and intact:
        left = replace(left, written=owned.digest_of(new))
    return left, Undone(file.path, "cleaned", tuple(kept))


def _restored(file: OwnedFile, path: Path) -> Undone:
    original = disk.read_text(Path(file.original)) if file.original else None
    if original is None:
        disk.delete(path, file.folders)
        return Undone(file.path, "deleted")
    disk.replace(path, original, file.mode or disk.PRIVATE)
    Path(file.original).unlink()
    return Undone(file.path, "restored")


def _cleaned(file: OwnedFile, going: tuple[Entry, ...], staying: tuple[Entry, ...], text: str) -> tuple[str, list[str]]:
    """The text without the values of `going` that nobody changed, and those that somebody did."""
    needed = {written(value.at) for entry in staying for value in entry.values}
    draft, kept = Draft(read(file.format, text)), list[str]()
    for value in reversed([value for entry in going for value in entry.values if written(value.at) not in needed]):
        current = find(draft.data, value.at)
        if current is ABSENT and value.before is ABSENT:
            _drop_empty(draft, value)
        elif owned.digest(None if current is ABSENT else current) == value.after:
            draft.put(value.at, value.before)
            if value.before is ABSENT:
                _drop_empty(draft, value)
        elif value.line and isinstance(current, str):
            draft.put(value.at, _without_line(current, value.line) or ABSENT)
        else:
            kept.append(written(value.at))
    return put_all(file.format, text, draft), kept


def _drop_empty(draft: Draft, value: OwnedValue) -> None:
    """Take away what was made to hold a value and holds nothing now."""
    for depth in range(len(value.at) - 1, value.made, -1):
        if find(draft.data, value.at[:depth]) not in ({}, [], None):
            break
        draft.put(value.at[:depth], ABSENT)


def condition(file: OwnedFile, entry: Entry) -> str:
    """How an entry fares: `ok`, `changed` (a value differs), `missing`, `unparseable`, or `no file`."""
    text = disk.read_text(Path(file.path))
    if text is None:
        return "no file"
    try:
        data = read(file.format, text)
    except Uneditable:
        return "unparseable"
    found = [find(data, value.at) for value in entry.values]
    if any(one is ABSENT and value.after != owned.digest(None) for one, value in zip(found, entry.values, strict=True)):
        return "missing"
    same = all(
        owned.digest(None if one is ABSENT else one) == value.after
        for one, value in zip(found, entry.values, strict=True)
    )
    return "ok" if same else "changed"
