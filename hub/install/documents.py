"""Files of each format as editable text: one face over JSON with comments, TOML, YAML and lines of variables."""

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from hub.core.rarely import Part, load
from hub.install import jsonc, yaml_edit
from hub.install.paths import ABSENT, Step, find, with_value, written

MAX_BYTES = 8 << 20


class Uneditable(ValueError):
    """A file that cannot be read or edited safely; the message says why. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Format:
    """How one format is read and edited: text in, text out.

    `extend` appends new items to the list at a path and `drop` takes items away from it, where that is worth doing at once.
    """

    data: Callable[[str], Any]
    put: Callable[[str, Sequence[Step], Any], str]
    remove: Callable[[str, Sequence[Step]], str]
    extend: Callable[[str, Sequence[Step], list[Any]], str] | None = None
    drop: Callable[[str, Sequence[Step], list[Step]], str] | None = None


def _toml_data(text: str) -> Any:
    return tomllib.loads(text)


def _toml_put(text: str, path: Sequence[Step], value: Any) -> str:
    return load(Part.TOML).put(text, [_plain(step) for step in path], value)


def _toml_remove(text: str, path: Sequence[Step]) -> str:
    return load(Part.TOML).remove(text, [_plain(step) for step in path])


def _plain(step: Step) -> str:
    if not isinstance(step, str):
        raise Uneditable("lists of tables are not edited")
    return step


_VARIABLE = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)


def _env_data(text: str) -> dict[str, str]:
    return {name: value.strip("\"'") for name, value in _VARIABLE.findall(text)}


def _env_put(text: str, path: Sequence[Step], value: Any) -> str:
    name, line = _plain(path[0]), f"{path[0]}={value}"
    for match in _VARIABLE.finditer(text):
        if match.group(1) == name:
            return text[: match.start()] + line + text[match.end() :]
    return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{line}\n"


def _env_remove(text: str, path: Sequence[Step]) -> str:
    for match in _VARIABLE.finditer(text):
        if match.group(1) == path[0]:
            return text[: match.start()] + text[match.end() :].removeprefix("\n")
    return text


def _json_data(text: str) -> Any:
    return jsonc.parse(text).value


FORMATS: Mapping[str, Format] = {
    "json": Format(_json_data, jsonc.put, jsonc.remove),
    "toml": Format(_toml_data, _toml_put, _toml_remove),
    "yaml": Format(yaml_edit.data, yaml_edit.put, yaml_edit.remove, yaml_edit.extend, yaml_edit.drop),
    "env": Format(_env_data, _env_put, _env_remove),
}


def read(format_: str, text: str) -> Any:
    """A file's text as plain data; an empty one is {}. Raises Uneditable."""
    if len(text) > MAX_BYTES:
        raise Uneditable(f"it is larger than {MAX_BYTES >> 20} MiB")
    try:
        found = FORMATS[format_].data(text)
    except (ValueError, RecursionError) as error:
        raise Uneditable(f"it is not {format_.upper()}: {error}") from None
    return {} if found is None else found


class Change(NamedTuple):
    """A place, what shall stand there (ABSENT: nothing), and whether nothing stood there before."""

    path: tuple[Step, ...]
    value: Any
    is_new: bool


@dataclass(slots=True)
class Draft:
    """Changes of a document, worked out on its data so that its text is edited and read back once for all of them."""

    data: Any
    changes: list[Change] = field(default_factory=list[Change])

    def put(self, path: Sequence[Step], value: Any) -> None:
        """`value` at `path` from now on (ABSENT: nothing)."""
        before = find(self.data, path)
        if before != value:
            self.changes.append(Change(tuple(path), value, before is ABSENT))
            self.data = with_value(self.data, path, value)


def put(format_: str, text: str, path: Sequence[Step], value: Any) -> str:
    """`text` with `value` at `path` (ABSENT: without it); see `put_all`."""
    draft = Draft(read(format_, text))
    draft.put(path, value)
    return put_all(format_, text, draft)


def put_all(format_: str, text: str, draft: Draft) -> str:
    """`text` with the changes of a draft of its data. The result is read back and compared before it is given.

    Raises Uneditable: the file is not what its name says, or its layout is beyond the editor.
    """
    editor = FORMATS[format_]
    is_crlf = 0 < text.count("\n") == text.count("\r\n")
    new = text.replace("\r\n", "\n") if is_crlf else text
    path: Sequence[Step] = ()
    try:
        for place, group in groupby(draft.changes, _place):
            path = place.path
            new = _edited(editor, new, place, list(group))
        new = new.replace("\n", "\r\n") if is_crlf else new
        after = read(format_, new)
    except (ValueError, LookupError, TypeError) as error:
        raise Uneditable(f"{written(path)} cannot be edited: {error}") from None
    if _same(format_, after) != _same(format_, draft.data):
        raise Uneditable(f"{written(path)} cannot be edited without changing something else")
    return new


class _Place(NamedTuple):
    """Where changes happen: at a place itself, or to the list at `path` that items come to or, if it `removes`, go from."""

    path: tuple[Step, ...]
    items: bool
    removes: bool


def _place(change: Change) -> _Place:
    removes = change.value is ABSENT
    items = not isinstance(change.path[-1], str) and (removes or change.is_new)
    return _Place(change.path[:-1] if items else change.path, items, removes)


def _edited(editor: Format, text: str, place: _Place, changes: list[Change]) -> str:
    """`text` with changes at one place; several items of a list come and go together."""
    if place.items and len(changes) > 1:
        if place.removes and editor.drop is not None:
            return editor.drop(text, place.path, [change.path[-1] for change in changes])
        if not place.removes and editor.extend is not None:
            return editor.extend(text, place.path, [change.value for change in changes])
    for path, value, _ in changes:
        text = editor.remove(text, path) if place.removes else editor.put(text, path, value)
    return text


def _same(format_: str, value: Any) -> str:
    """Data as a text to compare; in TOML, a table that holds nothing is as good as none."""
    return json.dumps(_pruned(value) if format_ == "toml" else value, sort_keys=True, default=str)


def _pruned(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    inner = {name: _pruned(one) for name, one in value.items()}
    return {name: one for name, one in inner.items() if one != {}}
