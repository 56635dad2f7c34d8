"""JSON Schema of a spec in, one shape per field out: which widget it takes and how its text reads back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from hub.resources import KINDS
from hub.ui.hints import hint_of, is_common

Schema = Mapping[str, Any]
# Names whose plain form would mislead.
_LABELS = {
    "usd": "Amount (USD)", "rpm": "Requests per minute", "tpm": "Tokens per minute", "url": "URL", "base_url": "Base URL",
    "cwd": "Working directory", "env": "Environment", "api_key": "API key", "parallel": "Calls at the same time",
    "on": "Looks at", "input": "Input", "cache_write_5m": "Cache write, 5 min", "cache_write_1h": "Cache write, 1 h",
    "audio_in": "Audio in", "audio_out": "Audio out", "image": "Pictures drawn", "image_in": "Pictures given",
    "searches": "Web searches, per thousand", "openapi": "OpenAPI document", "rpd": "Requests per day", "tls": "TLS",
    "pii": "Personal data", "json_schema": "JSON schema", "max_chars": "Longest text, in characters", "builtin": "Built in",
    "memory_mib": "Memory, MiB", "idle_stop": "Idle stop, seconds", "deadline_ms": "Deadline, ms", "email": "E-mail",
    "timezone": "Time zone", "allow_private": "Allow private addresses",
}  # fmt: skip
# Fields that name other resources, for suggestions.
REFERS = {
    "team": "teams", "user": "users", "route": "routes", "routes": "routes", "models": "models", "profiles": "profiles",
    "kind": "kinds", "model": "targets", "timezone": "timezones", "teams": "teams", "servers": "servers",
    "guardrails": "guardrails", "fallback": "models",
}  # fmt: skip
# What a resource is comes before what it may; the rest keeps the order of the spec.
_FIRST = {
    name: place
    for place, name in enumerate(
        ("kind", "title", "description", "team", "user", "email", "role", "teams", "scope"),
    )
}
_SECRETS = frozenset({"secret", "api_key", "auth_value", "client_secret", "token", "signing_secret"})
_ONE_LINE = frozenset({"cwd", "url", "base_url", "icon", "endpoint"})
_LONG = 1000  # texts that may be longer get an area


@dataclass(frozen=True, slots=True)
class Shape:
    """How one field is edited.

    `widget` is text, area, secret, moment, number, switch, choice, lines, flags, pairs, group, scope, rows, entries,
    conditions or json. `optional` fields may be left out; `default` is what then holds. `parts` are the fields of a group, or
    of each of its rows; `choices` the values of a choice. `rare` ones are folded until they say something.
    """

    name: str
    label: str
    widget: str
    optional: bool
    default: Any = None
    choices: tuple[str, ...] = ()
    parts: tuple["Shape", ...] = ()
    whole: bool = False  # numbers: integers only
    numbers: bool = False  # lines: of numbers
    refers: str = ""
    help: str = ""
    rare: bool = False


@lru_cache(maxsize=64)
def shapes_of(kind: str) -> tuple[Shape, ...]:
    """The fields of a kind's spec, in their order."""
    schema = KINDS[kind].model_json_schema()
    found = (
        replace(shape, help=hint_of(kind, shape.name) or shape.help, rare=not is_common(kind, shape.name))
        for shape in _parts(schema, _Book(schema.get("$defs", {})))
    )
    return tuple(sorted(found, key=lambda shape: _FIRST.get(shape.name, len(_FIRST))))


@lru_cache(maxsize=64)
def about(kind: str) -> str:
    """What a kind is, in its own words."""
    return (KINDS[kind].__doc__ or "").strip()


def label_of(name: str) -> str:
    """A field's name as a label."""
    return _LABELS.get(name) or name.replace("_", " ").capitalize()


def schema_shapes(schema: Schema) -> tuple[Shape, ...]:
    """The fields of any object schema, such as a tool's: unknown constructs become JSON fields."""
    properties = schema.get("properties")
    return _parts(schema, _Book(schema.get("$defs", {}))) if isinstance(properties, dict) else ()


@dataclass(frozen=True, slots=True)
class _Book:
    """The definitions of a schema, and how many levels may still be opened: a schema may hold itself."""

    entries: Schema
    levels: int = 6

    def get(self, name: str) -> Schema:
        found = self.entries.get(name)
        return found if isinstance(found, dict) else {}


def _parts(schema: Schema, definitions: _Book) -> tuple[Shape, ...]:
    required = schema.get("required", ())
    deeper = _Book(definitions.entries, definitions.levels - 1)
    return tuple(
        _shape(name, part if isinstance(part, dict) else {}, deeper, name not in required)
        for name, part in schema.get("properties", {}).items()
    )


def _resolved(schema: Schema, definitions: _Book) -> tuple[Schema, bool]:
    """The schema itself behind references and `X | None`, and whether None may stand."""
    nullable = False
    for _ in range(8):
        if "$ref" in schema:
            target = definitions.get(str(schema["$ref"]).rpartition("/")[2])
            schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
            continue
        kinds = schema.get("type")
        if isinstance(kinds, list):
            real = [kind for kind in kinds if kind != "null"]
            nullable = nullable or len(real) < len(kinds)
            schema = {**schema, "type": real[0] if len(real) == 1 else None}
        options = schema.get("anyOf")
        if not isinstance(options, list):
            break
        real = [option for option in options if isinstance(option, dict) and option.get("type") != "null"]
        nullable = nullable or len(real) < len(options)
        if len(real) != 1:
            break
        schema = {**real[0], **{key: value for key, value in schema.items() if key != "anyOf"}}
    return schema, nullable


def _shape(name: str, given: Schema, definitions: _Book, optional: bool) -> Shape:
    schema, nullable = _resolved(given, definitions)
    widget, extra = _widget(name, schema, definitions)
    text = schema.get("description", "")
    return Shape(
        name,
        label_of(name),
        widget,
        optional or nullable,
        schema.get("default"),
        refers=REFERS.get(name, ""),
        help=text if isinstance(text, str) and widget not in ("group", "scope") else "",
        **extra,
    )


def _widget(name: str, schema: Schema, definitions: _Book) -> tuple[str, dict[str, Any]]:
    if schema.get("title") == "ScopeSpec":
        return "scope", {"choices": tuple(schema.get("properties", {}))}
    if schema.get("title") == "WhenSpec":
        return "conditions", {}
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        if values == [True]:
            return "switch", {}
        return "choice", {"choices": tuple(str(value) for value in values)}
    if definitions.levels == 0:
        return "json", {}
    return _typed_widget(name, schema, definitions)


def _typed_widget(name: str, schema: Schema, definitions: _Book) -> tuple[str, dict[str, Any]]:
    match schema.get("type"):
        case "boolean":
            return "switch", {}
        case "integer":
            return "number", {"whole": True}
        case "number":
            return "number", {}
        case "string":
            return _text_widget(name, schema), {}
        case "array":
            return _array_widget(schema, definitions)
        case "object":
            return _object_widget(schema, definitions)
        case _:
            return "json", {}


def _text_widget(name: str, schema: Schema) -> str:
    if schema.get("format") == "date-time":
        return "moment"
    if name in _SECRETS:
        return "secret"
    return "area" if _LONG < schema.get("maxLength", 0) < 65_536 and name not in _ONE_LINE else "text"


def _array_widget(schema: Schema, definitions: _Book) -> tuple[str, dict[str, Any]]:
    items, _ = _resolved(schema.get("items", {}), definitions)
    if "enum" in items:
        return "flags", {"choices": tuple(str(value) for value in items["enum"])}
    if items.get("type") == "string":
        return "lines", {}
    if items.get("type") in ("integer", "number"):
        return "lines", {"numbers": True}
    if items.get("properties"):
        return "rows", {"parts": _parts(items, definitions)}
    return "json", {}


def _object_widget(schema: Schema, definitions: _Book) -> tuple[str, dict[str, Any]]:
    if schema.get("properties"):
        return "group", {"parts": _parts(schema, definitions)}
    patterns = list(schema.get("patternProperties", {}).values())
    inner = patterns[0] if patterns else schema.get("additionalProperties")
    values, _ = _resolved(inner if isinstance(inner, dict) else {}, definitions)
    if values.get("type") == "string":
        return "pairs", {"choices": tuple(str(value) for value in values.get("enum", ()))}
    if values.get("properties"):
        return "entries", {"parts": _parts(values, definitions)}
    return "json", {}
