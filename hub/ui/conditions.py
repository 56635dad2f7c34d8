"""The conditions of a rule as rows that are chosen from a list, and back: nothing typed is lost on the way."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hub.core.refusal import Fault
from hub.resources.rules import DAYS
from hub.ui.typed import ABSENT, Form, number, one

MOST_ROWS = 200


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of condition: how people call it, the fields of the spec that it says, and the inputs that it takes.

    `input` is pair (a name and a pattern), names (patterns, one of which must fit), range, yes, hours,
    percent or expression.
    Those that are `repeated` may stand several times in a rule. `words` say what yes and no mean, or what stands
    before and after a percentage.
    """

    name: str
    label: str
    input: str
    fields: tuple[str, ...]
    repeated: bool = False
    refers: str = ""
    words: tuple[str, str] = ("", "")


KINDS = (
    Kind("header", "Header", "pair", ("headers",), repeated=True),
    Kind("tag", "Tag", "pair", ("tags",), repeated=True),
    Kind("model", "Model asked for", "names", ("models",), refers="models"),
    Kind("key", "Key", "names", ("keys",), refers="keys"),
    Kind("team", "Team", "names", ("teams",), refers="teams"),
    Kind("user", "User", "names", ("users",), refers="users"),
    Kind("tokens", "Tokens of the prompt", "range", ("tokens_over", "tokens_under")),
    Kind("tools", "Tools", "yes", ("tools",), words=("the call offers tools", "the call offers none")),
    Kind("images", "Images", "yes", ("images",), words=("the call holds an image", "the call holds none")),
    Kind("stream", "Streaming", "yes", ("stream",), words=("the answer is streamed", "the answer comes whole")),
    Kind("time", "Time of the week", "hours", ("hours",)),
    Kind("budget", "Budget used", "percent", ("budget_used_over",), words=("more than", "% of a budget is used")),
    Kind("share", "Share of the calls", "percent", ("share",), words=("it is among", "% of the calls, by session")),
    Kind("cel", "Expression (CEL)", "expression", ("cel",)),
)
_BY_NAME: Mapping[str, Kind] = {kind.name: kind for kind in KINDS}
_HOURS: Mapping[str, Any] = {"days": list(DAYS), "start": "00:00", "end": "24:00", "timezone": "UTC"}
_OFFICE: Mapping[str, Any] = {"days": list(DAYS[:5]), "start": "08:00", "end": "18:00", "timezone": "UTC"}


@dataclass(frozen=True, slots=True)
class Row:
    """One condition as it is typed. `value` is that of its field, or (name, pattern), or (over, under)."""

    kind: Kind
    value: Any
    wrong: tuple[str, ...] = ()


class Conditions(dict[str, Any]):
    """What the rows say, as the spec has it; with the rows as they were typed, which may say less, or the same twice."""

    def __init__(self, said: Mapping[str, Any], rows: Sequence[Row]) -> None:
        super().__init__(said)
        self.rows = tuple(rows)


def rows_of(spec: Any) -> tuple[Row, ...]:
    """The rows that show the conditions of a spec."""
    if isinstance(spec, Conditions):
        return spec.rows
    found: list[Row] = []
    for kind in KINDS if isinstance(spec, dict) else ():
        given = [spec.get(name) for name in kind.fields]
        if kind.input == "pair" and isinstance(given[0], dict):
            found += [Row(kind, pair) for pair in given[0].items()]
        elif kind.input == "range" and given != [None, None]:
            found.append(Row(kind, tuple(given)))
        elif kind.input not in ("pair", "range") and given[0] not in (None, []):
            value = given[0]
            found.append(Row(kind, {**_HOURS, **value} if kind.input == "hours" and isinstance(value, dict) else value))
    return tuple(found)


def with_condition(spec: Any, name: str) -> Any:
    """The conditions with an empty one more, of the kind that was chosen. One that stands already is not doubled."""
    kind, rows = _BY_NAME.get(name), rows_of(spec)
    if kind is None or (not kind.repeated and any(row.kind is kind for row in rows)):
        return spec
    empty: Mapping[str, Any] = {
        "pair": ("", ""), "names": [], "range": ("", ""), "yes": True, "hours": dict(_OFFICE), "percent": "",
        "expression": "",
    }  # fmt: skip
    return _conditions((*rows, Row(kind, empty[kind.input])), spec)


# -- reading ---------------------------------------------------------------------------------------------------------


def read_conditions(name: str, form: Form, old: Any) -> Any:
    """The conditions that a form says; ABSENT where it says none and none were there."""
    rows: list[Row] = []
    for index in list(dict.fromkeys(form.get(f"{name}.@row", ())))[:MOST_ROWS]:
        at = f"{name}.{index}"
        kind = _BY_NAME.get(one(form, f"{at}.@kind"))
        if kind is not None:
            rows.append(Row(kind, _READERS[kind.input](at, form)))
    made = _conditions(rows, old)
    return made if rows or isinstance(old, dict) else ABSENT


def _names(at: str, form: Form) -> list[str]:
    return [text.strip() for text in form.get(f"{at}.@value", ()) if text.strip()]


def _hours(at: str, form: Form) -> dict[str, Any]:
    given = {part: one(form, f"{at}.{part}").strip() or _HOURS[part] for part in ("start", "end", "timezone")}
    return {"days": [day for day in DAYS if day in form.get(f"{at}.days", ())], **given}


_READERS: Mapping[str, Any] = {
    "pair": lambda at, form: (one(form, f"{at}.name").strip(), one(form, f"{at}.@value").strip()),
    "names": _names,
    "range": lambda at, form: tuple(
        number(one(form, f"{at}.{part}").strip(), whole=True) for part in ("over", "under")
    ),
    "yes": lambda at, form: one(form, f"{at}.@value") != "no",
    "hours": _hours,
    "percent": lambda at, form: number(one(form, f"{at}.@value").strip()),
    "expression": lambda at, form: one(form, f"{at}.@value").strip(),
}


def _conditions(rows: Sequence[Row], old: Any) -> Conditions:
    """The rows with what they say. What `old` said outright of nothing stays said."""
    before = dict(old) if isinstance(old, dict) else {}
    said: dict[str, Any] = {name: value for name, value in before.items() if value in (None, [], {})}
    for row in rows:
        said |= _said(row, said, before)
    return Conditions(said, rows)


def _said(row: Row, said: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    field = row.kind.fields[0]
    match row.kind.input:
        case "pair":
            return {field: {**(said.get(field) or {}), row.value[0]: row.value[1]}}
        case "names":
            return {field: [*(said.get(field) or []), *row.value]}
        case "range":
            return {name: value for name, value in zip(row.kind.fields, row.value, strict=True) if value != ""}
        case "hours":
            outright = before.get("hours")
            kept = outright if isinstance(outright, dict) else {}
            return {field: {part: given for part, given in row.value.items() if part in kept or given != _HOURS[part]}}
        case _:
            return {field: row.value}


# -- telling ---------------------------------------------------------------------------------------------------------


def told(conditions: Any) -> str:
    """The conditions of a rule (rows, or as a spec has them) as a sentence goes on after "when"; "" without any."""
    rows = conditions if isinstance(conditions, tuple) else rows_of(conditions)
    return " and ".join(filter(None, (_TELLERS[row.kind.input](row) for row in rows)))


def _tell_hours(row: Row) -> str:
    given = {**_HOURS, **row.value}
    days = [str(day) for day in given["days"]]
    told_days = ", ".join(day.capitalize() for day in days) if len(days) < len(DAYS) else "any day"
    return f"it is {told_days} from {given['start']} to {given['end']} ({given['timezone']})"


def _tell_range(row: Row) -> str:
    over, under = (value if value not in (None, "") else "" for value in row.value)
    parts = [f"more than {over}" if over != "" else "", f"fewer than {under}" if under != "" else ""]
    said = " and ".join(part for part in parts if part)
    return f"the prompt has {said} tokens" if said else ""


def _tell_names(row: Row) -> str:
    given = row.value if isinstance(row.value, list) else [row.value]
    return f"{row.kind.label.lower()} is {' or '.join(str(one) for one in given) or '…'}"


_TELLERS: Mapping[str, Any] = {
    "pair": lambda row: f"{row.kind.label.lower()} {row.value[0] or '…'} is {row.value[1] or '…'}",
    "names": _tell_names,
    "range": _tell_range,
    "yes": lambda row: row.kind.words[0 if row.value else 1],
    "hours": _tell_hours,
    "percent": lambda row: f"{row.kind.words[0]} {row.value or '…'} {row.kind.words[1]}",
    "expression": lambda row: f"this is true: {row.value or '…'}",
}


_MISSES: Mapping[str, str] = {
    "pair": "the {label} {name} is not as it asks",
    "names": "the {label} is not one of those it names",
    "yes": "the call is not as it asks about {label}",
    "hours": "it is another time of the week",
    "percent": "the call is not in its share",
    "expression": "its expression is not true",
    "tokens_over": "the prompt has too few tokens",
    "tokens_under": "the prompt has too many tokens",
}


def missed(because: str) -> str:
    """What kept a rule from deciding, in plain words: the API names the condition, as `headers.x-env` or `tokens_over`."""
    if because.startswith("cel: "):
        return f"its expression fails: {because.removeprefix('cel: ')}"
    field, _, name = because.partition(".")
    kind = next((kind for kind in KINDS if field in kind.fields), None)
    return (_MISSES.get(field) or _MISSES[kind.input]).format(label=kind.label.lower(), name=name) if kind else because


# -- what is wrong -----------------------------------------------------------------------------------------------------


def unfinished(spec: Any, path: str = "") -> Iterator[Fault]:
    """What is missing in the conditions of a draft: an empty one would hold for every call. `@3` is the fourth row."""
    if isinstance(spec, Conditions):
        seen: set[tuple[str, str]] = set()
        for place, row in enumerate(spec.rows):
            message = _missing(row, seen)
            if message:
                yield Fault(f"{path}.@{place}", message)
    elif isinstance(spec, dict):
        for name, value in spec.items():
            yield from unfinished(value, f"{path}.{name}" if path else name)
    elif isinstance(spec, list):
        for place, value in enumerate(spec):
            yield from unfinished(value, f"{path}.{place}")


def _missing(row: Row, seen: set[tuple[str, str]]) -> str:
    label = row.kind.label.lower()
    if row.kind.input == "pair":
        name, value = row.value
        known = (row.kind.name, name.lower())
        if not name or not value:
            return f"Say which {label} has to have which value (* is any), or remove this condition."
        if known in seen:
            return f"There is a condition on this {label} already: remove one of them."
        seen.add(known)
        return ""
    if row.value in ([], ("", ""), ""):
        what = "a number" if row.kind.input in ("range", "percent") else f"at least one {label}"
        return f"Say {what}, or remove this condition."
    return ""


def shown(spec: Any, faults: Sequence[Fault], at: str) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """The rows with what is wrong with each, and what is wrong with the whole."""
    rows = list(rows_of(spec))
    whole: list[str] = []
    for fault in faults:
        place = _place(rows, fault.path[len(at) :].lstrip("."))
        if place is None:
            whole.append(fault.message)
        else:
            rows[place] = replace(rows[place], wrong=(*rows[place].wrong, fault.message))
    return tuple(rows), tuple(whole)


def _place(rows: Sequence[Row], path: str) -> int | None:
    """The row that a fault is about: `@3`, `headers.x-env`, `hours.start`."""
    field, _, rest = path.partition(".")
    if field.startswith("@"):
        return int(field[1:])
    mine = [place for place, row in enumerate(rows) if field in row.kind.fields]
    named = [place for place in mine if rows[place].kind.input == "pair" and rest.startswith(str(rows[place].value[0]))]
    return next(iter(named or mine), None)
