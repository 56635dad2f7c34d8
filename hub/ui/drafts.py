"""Resources as somebody is about to write them: what a form says, and what a model or route would do if it were saved."""

from dataclasses import dataclass, replace
from typing import Any

import yaml

from hub.core.refusal import InvalidSpec
from hub.ui.conditions import unfinished
from hub.ui.forms import faults_within, read, with_row, with_when
from hub.ui.shapes import Shape
from hub.ui.sources import Visit
from hub.ui.typed import ABSENT, counted

_ANY = "x"  # the name of a draft that has none yet


@dataclass(frozen=True, slots=True)
class Draft:
    """What the editor shows: a resource as somebody is about to write it.

    `version` is what they have seen (0: it does not exist yet). `text` is the YAML as typed, when that is edited.
    """

    kind: str
    name: str
    spec: dict[str, Any]
    version: int
    text: str | None = None
    notes: tuple[str, ...] = ()
    faults: tuple[Any, ...] = ()
    conflict: dict[str, Any] | None = None


def drafted(values: dict[str, list[str]], old: Draft, shapes: tuple[Shape, ...]) -> Draft:
    """The draft that a form says, with the rows gone or moved whose button was pressed."""
    name = old.name or (values.get("name") or [""])[0].strip()
    seen = counted((values.get("version") or [""])[0])
    version = old.version if seen is None else seen
    if "yaml" in values:
        text = values["yaml"][0]
        spec, fault = _parsed(text)
        return Draft(old.kind, name, spec if spec is not ABSENT else {}, version, text, (fault,) if fault else ())
    do = (values.get("do") or [""])[0]
    verb, _, place = do.partition(":")
    path, _, index = place.rpartition(".")
    rows = values.get(f"{path}.@row", [])
    if verb == "drop":
        values[f"{path}.@row"] = [row for row in rows if row != index]
    if verb == "up" and index in rows[1:]:
        at = rows.index(index)
        values[f"{path}.@row"] = [*rows[: at - 1], index, rows[at - 1], *rows[at + 1 :]]
    spec = {**_kept(old.spec, shapes), **read(shapes, values, old.spec)}
    missing = tuple(unfinished(spec)) if do in ("", "save", "explain") else ()
    return Draft(old.kind, name, spec, version, faults=missing)


def longer(draft: Draft, do: str, values: dict[str, list[str]]) -> Draft:
    """The draft with one more row: `add:PATH`, or a condition of the chosen kind: `when:PATH`. Entries are read by name."""
    verb, _, path = do.partition(":")
    if verb == "when":
        return replace(draft, spec=with_when(draft.spec, path, (values.get(f"{path}.@new") or [""])[0]))
    return draft if f"{path}.@new" in values else replace(draft, spec=with_row(draft.spec, path))


def _kept(spec: dict[str, Any], shapes: tuple[Shape, ...]) -> dict[str, Any]:
    """What the form does not show stays as it is."""
    shown = {shape.name for shape in shapes}
    return {name: value for name, value in spec.items() if name not in shown}


def _parsed(text: str) -> tuple[Any, str]:
    """The mapping that a YAML text says, and what is wrong with it. Aliases are refused: they can grow without bound."""
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
            return ABSENT, "Write every value out: anchors and aliases are not read here."
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        return ABSENT, f"This is not YAML{where}: {getattr(error, 'problem', None) or 'it cannot be read'}."
    if found is None:
        return {}, ""
    return (
        (found, "")
        if isinstance(found, dict)
        else (ABSENT, "A mapping of fields is needed, one 'name: value' per line.")
    )


def faulty(draft: Draft, invalid: InvalidSpec) -> Draft:
    """The draft with what is wrong, each fault beside its field."""
    own, others = faults_within(draft.kind, draft.name, invalid.faults)
    return replace(draft, faults=tuple(own), notes=tuple(others))


async def imagined(visit: Visit, kind: str, name: str, spec: dict[str, Any], asked: dict[str, str]) -> dict[str, Any]:
    """The plan of a call as `asked` with the draft in force. A route is asked for by name. Raises Refusal."""
    name = name or _ANY
    header, _, value = asked["header"].partition("=")
    headers = {header.strip(): value.strip()} if header.strip() else {}
    model = name
    if kind == "routes":
        headers = {"x-hub-route": name, **headers}
        model = asked["model"] or next(iter(await visit.names("models")), "")
    content: Any = [{"type": "image_url", "image_url": {"url": "?"}}] if asked["images"] else "?"
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": content}]}
    if asked["tools"]:
        body["tools"] = [{"type": "function", "function": {"name": "any"}}]
    tokens = counted(asked["tokens"]) or 0
    if asked["stream"]:
        body["stream"] = True
    draft = {"kind": kind, "name": name, "spec": spec}
    said = {"draft": draft, "body": body, "headers": headers, "tokens": tokens, "key": asked["key"]}
    return await visit.send("POST", "/explain", said)
