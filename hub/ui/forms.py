"""A form's text in, a spec out, and back: nothing typed is lost, every fault stands at its field."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hub.core.refusal import Fault
from hub.ui.conditions import read_conditions, shown, with_condition
from hub.ui.shapes import Shape
from hub.ui.typed import ABSENT, Form, number, one

MOST_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Field:
    """One field, ready to be shown. `name` is that of its input; `rows` are (key, fields) of rows and entries."""

    shape: Shape
    name: str
    value: Any
    wrong: tuple[str, ...] = ()
    parts: tuple["Field", ...] = ()
    rows: tuple[tuple[str, tuple["Field", ...]], ...] = ()

    @property
    def speaks(self) -> bool:
        """Whether it says anything but what holds anyway, or something is wrong with it."""
        inner = (*self.parts, *(part for _, parts in self.rows for part in parts))
        silent = self.value in (None, [], {}, "") or self.value == self.shape.default
        return bool(self.wrong) or (not silent) or any(part.wrong for part in inner)


# -- reading ---------------------------------------------------------------------------------------------------------


def read(shapes: Iterable[Shape], form: Form, old: Any, prefix: str = "spec") -> dict[str, Any]:
    """The mapping that a form says. A field at its default is left out, unless `old` says it outright.

    What cannot be read (a number that is none) stays as it was typed, for the API to say what is wrong with it.
    """
    spec: dict[str, Any] = {}
    before = old if isinstance(old, dict) else {}
    for shape in shapes:
        value = _READERS[shape.widget](shape, f"{prefix}.{shape.name}", form, before.get(shape.name, ABSENT))
        if value is ABSENT or (shape.name not in before and value == shape.default and shape.optional):
            continue
        spec[shape.name] = value
    return spec


def _text(shape: Shape, name: str, form: Form, old: Any) -> Any:
    text = one(form, name).replace("\r\n", "\n")
    if shape.widget != "area":
        text = text.strip()
    return text if text or not shape.optional else ABSENT


def _moment(shape: Shape, name: str, form: Form, old: Any) -> Any:
    text = one(form, name).strip()
    if not text:
        return ABSENT
    return text if text.endswith("Z") or "+" in text[10:] else f"{text}Z"


def _number(shape: Shape, name: str, form: Form, old: Any) -> Any:
    text = one(form, name).strip()
    if not text:
        return ABSENT
    return number(text, whole=shape.whole)


def _switch(shape: Shape, name: str, form: Form, old: Any) -> Any:
    on = bool(one(form, name))
    return on if on or shape.default is True or old is not ABSENT else ABSENT


def _choice(shape: Shape, name: str, form: Form, old: Any) -> Any:
    return one(form, name) or ABSENT


def is_plain_lines(value: Any) -> bool:
    """Whether a list survives being written as lines: no item has a line break or blanks around it."""
    return isinstance(value, list) and all(str(item).strip() == str(item) and "\n" not in str(item) for item in value)


def _lines(shape: Shape, name: str, form: Form, old: Any) -> Any:
    if f"{name}.@json" in form:
        return _json(shape, f"{name}.@json", form, old)
    lines = [line.strip() for line in one(form, name).splitlines()]
    if shape.numbers:
        lines = [word.strip() for line in lines for word in line.split(",")]
    found: list[Any] = [number(line) if shape.numbers else line for line in lines if line]
    # An empty list and nothing said differ where access is granted: the form keeps which of them it was.
    return found if found or (not shape.optional) or old == [] else ABSENT


def _flags(shape: Shape, name: str, form: Form, old: Any) -> Any:
    found = [value for value in form.get(name, ()) if value in shape.choices]
    return found if found or not shape.optional else ABSENT


def _pairs(shape: Shape, name: str, form: Form, old: Any) -> Any:
    keys, values = form.get(f"{name}.@key", ()), form.get(f"{name}.@value", ())
    found = {key.strip(): value for key, value in zip(keys, values, strict=False) if key.strip()}
    return found if found or old == {} else ABSENT


def _group(shape: Shape, name: str, form: Form, old: Any) -> Any:
    found = read(shape.parts, form, old if isinstance(old, dict) else {}, name)
    if shape.optional and old != {} and all(value in ("", [], {}) for value in found.values()):
        return ABSENT
    return found


def _scope(shape: Shape, name: str, form: Form, old: Any) -> Any:
    kind, which = one(form, f"{name}.@kind"), one(form, f"{name}.@name").strip()
    if kind not in shape.choices:
        return {}
    return {kind: True if kind == "org" else which}


def _indices(form: Form, name: str) -> list[str]:
    return list(dict.fromkeys(form.get(f"{name}.@row", ())))[:MOST_ROWS]


def _rows(shape: Shape, name: str, form: Form, old: Any) -> Any:
    before = old if isinstance(old, list) else []
    found: list[Any] = []
    for place, index in enumerate(_indices(form, name)):
        row = read(shape.parts, form, before[place] if place < len(before) else {}, f"{name}.{index}")
        if row:
            found.append(row)
    return found if found or not shape.optional or old == [] else ABSENT


def _entries(shape: Shape, name: str, form: Form, old: Any) -> Any:
    before = old if isinstance(old, dict) else {}
    found: dict[str, Any] = {}
    for index in _indices(form, name):
        key = one(form, f"{name}.{index}.@key").strip()
        if key:
            found[key] = read(shape.parts, form, before.get(key, {}), f"{name}.{index}")
    added = one(form, f"{name}.@new").strip()  # counts also where "Add" was not pressed
    if added:
        found.setdefault(added, {})
    return found if found or old == {} else ABSENT


def _when(shape: Shape, name: str, form: Form, old: Any) -> Any:
    return read_conditions(name, form, old)


def _json(shape: Shape, name: str, form: Form, old: Any) -> Any:
    text = one(form, name).strip()
    if not text:
        return ABSENT
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return text


_READERS = {
    "text": _text, "area": _text, "secret": _text, "moment": _moment, "number": _number, "switch": _switch,
    "choice": _choice, "lines": _lines, "flags": _flags, "pairs": _pairs, "group": _group, "scope": _scope,
    "rows": _rows, "entries": _entries, "json": _json,
    "conditions": _when,
}  # fmt: skip


# -- showing ---------------------------------------------------------------------------------------------------------


def fields(
    shapes: Iterable[Shape], spec: Any, faults: Sequence[Fault] = (), *, prefix: str = "spec", at: str = ""
) -> tuple[Field, ...]:
    """The fields of a form that shows `spec`. `at` is where the mapping stands in the spec, as faults name it."""
    known = spec if isinstance(spec, dict) else {}
    return tuple(
        _field(shape, known.get(shape.name), faults, f"{prefix}.{shape.name}", f"{at}{shape.name}") for shape in shapes
    )


def _field(shape: Shape, value: Any, faults: Sequence[Fault], name: str, at: str) -> Field:
    mine = [fault for fault in faults if fault.path == at or fault.path.startswith(f"{at}.")]
    if shape.widget == "group":
        parts = fields(shape.parts, value, mine, prefix=name, at=f"{at}.")
        return Field(shape, name, value, _left(mine, parts), parts)
    if shape.widget == "conditions":
        rows, whole = shown(value, mine, at)
        return Field(shape, name, rows, whole)
    if shape.widget == "rows":
        given = value if isinstance(value, list) else []
        rows = tuple(
            (str(i), fields(shape.parts, row, mine, prefix=f"{name}.{i}", at=f"{at}.{i}."))
            for i, row in enumerate(given)
        )
        return Field(shape, name, given, _left(mine, [part for _, parts in rows for part in parts]), rows=rows)
    if shape.widget == "entries":
        entries = value if isinstance(value, dict) else {}
        rows = tuple(
            (key, fields(shape.parts, row, mine, prefix=f"{name}.{i}", at=f"{at}.{key}."))
            for i, (key, row) in enumerate(entries.items())
        )
        return Field(shape, name, entries, _left(mine, [part for _, parts in rows for part in parts]), rows=rows)
    return Field(shape, name, value, tuple(fault.message for fault in mine))


def _left(faults: Sequence[Fault], parts: Iterable[Field]) -> tuple[str, ...]:
    """The faults that no part of a group has taken."""
    taken = {message for part in parts for message in _all(part)}
    return tuple(fault.message for fault in faults if fault.message not in taken)


def _all(field: Field) -> Iterable[str]:
    yield from field.wrong
    if field.shape.widget == "conditions":
        for row in field.value:
            yield from row.wrong
    for part in field.parts:
        yield from _all(part)
    for _, parts in field.rows:
        for part in parts:
            yield from _all(part)


def with_row(spec: dict[str, Any], path: str) -> dict[str, Any]:
    """The spec with an empty row added to the rows at a form path such as `spec.targets`."""
    return _changed(spec, path.split(".")[1:], lambda value: [*(value if isinstance(value, list) else []), {}])


def with_when(spec: dict[str, Any], path: str, kind: str) -> dict[str, Any]:
    """The spec with one more condition of a kind at a form path such as `spec.rules.0.when`."""
    return _changed(spec, path.split(".")[1:], lambda value: with_condition(value, kind))


def _changed(value: Any, parts: Sequence[str], change: Callable[[Any], Any]) -> Any:
    if not parts:
        return change(value)
    if isinstance(value, list):
        place = int(parts[0]) if parts[0].isdecimal() else -1
        return [_changed(item, parts[1:], change) if i == place else item for i, item in enumerate(value)]
    given = value if isinstance(value, dict) else {}
    return {**given, parts[0]: _changed(given.get(parts[0]), parts[1:], change)}


def faults_within(kind: str, name: str, faults: Iterable[Fault]) -> tuple[list[Fault], list[str]]:
    """The faults of one resource with paths from its spec on, and the texts of those about something else."""
    start = f"{kind}.{name}"
    own: list[Fault] = []
    others: list[str] = []
    for fault in faults:
        if fault.path.startswith(f"{start}."):
            own.append(Fault(fault.path[len(start) + 1 :], fault.message))
        elif fault.path == start:
            others.append(fault.message)
        else:
            others.append(f"{fault.path}: {fault.message}")
    return own, others
