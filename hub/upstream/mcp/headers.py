"""The headers of the modern HTTP wire: what of a request they repeat, and how a value gets into a header."""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import DecodeError, json

from hub.upstream.mcp.wire import Object, parse_object, parse_text

ANNOTATION = "x-mcp-header"
_PARAM = b"mcp-param-"
# The member of params that `Mcp-Name` repeats, by the method.
NAMED_BY = {
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}
_PLAIN = re.compile(r"[\x20-\x7e]*")
_WRAPPED = re.compile(r"=\?base64\?.*\?=")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}")
_MIRRORED_TYPES = ("string", "integer", "boolean")
# Where a JSON Schema holds further schemas. Values such as `default` or `enum` are data and are not entered.
_ONE = frozenset(
    [
        "items",
        "contains",
        "unevaluatedItems",
        "additionalProperties",
        "propertyNames",
        "unevaluatedProperties",
        "not",
        "if",
        "then",
        "else",
        "contentSchema",
    ]
)
_LIST = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_MAP = frozenset(("patternProperties", "dependentSchemas", "$defs", "definitions"))

Path = tuple[str, ...]
Mirrored = tuple[tuple[Path, str], ...]


def encode_value(value: str) -> str:
    """The value as a header can carry it: as it is, or wrapped as `=?base64?...?=`."""
    if _PLAIN.fullmatch(value) and value == value.strip() and not _WRAPPED.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode('ascii')}?="


def name_header(method: str, params: Object) -> str | None:
    """What `Mcp-Name` says of a request; None when the method has no such header."""
    key = NAMED_BY.get(method)
    if key is None or key not in params:
        return None
    return encode_value(parse_text(bytes(params[key])))


def param_headers(mirrored: Mirrored, params: Object) -> list[tuple[str, str]]:
    """The `Mcp-Param-*` headers of a call of a tool with these `mirrored` arguments."""
    if not mirrored or "arguments" not in params:
        return []
    arguments = parse_object(bytes(params["arguments"]))
    headers: list[tuple[str, str]] = []
    for path, name in mirrored:
        value = _rendered(_at(arguments, path))
        if value is not None:
            headers.append((f"Mcp-Param-{name}", encode_value(value)))
    return headers


def unnamed_params(own: Iterable[tuple[str, str]], given: Mapping[bytes, bytes]) -> tuple[tuple[str, str], ...]:
    """The `Mcp-Param-*` of a caller that repeat nothing the hub knows of: they go on, for whoever does. `own` come first."""
    found = [name for name in given if name.startswith(_PARAM)]
    if not found:
        return ()
    known = {name.lower() for name, _ in own}
    told = ((name.decode("latin-1"), given[name].decode("latin-1")) for name in found)
    return tuple(pair for pair in told if pair[0] not in known)


def _at(arguments: Object, path: Path) -> Any:
    """The decoded value at `path`; None when it is not there."""
    raw = arguments.get(path[0])
    if raw is None:
        return None
    try:
        value: Any = json.decode(raw)
    except (DecodeError, RecursionError):
        return None
    for key in path[1:]:
        value = value.get(key) if isinstance(value, dict) else None  # pyright: ignore[reportUnknownMemberType]
    return value  # pyright: ignore[reportUnknownVariableType]


def _rendered(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        try:
            return str(value)
        except ValueError:  # a number with more digits than Python prints
            return None
    return None


def mirrored_of(schema: Mapping[str, Any]) -> Mirrored:
    """The arguments that the schema wants repeated in headers. Raises ValueError when it says so wrongly."""
    found: dict[str, tuple[Path, str]] = {}
    for path, node in _positions(schema):
        if ANNOTATION not in node:
            continue
        if not path:
            raise ValueError(f"{ANNOTATION} stands where no argument of a known name is")
        name, where = node[ANNOTATION], ".".join(path)
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise ValueError(f"{ANNOTATION} of '{where}' is no header name")
        if node.get("type") not in _MIRRORED_TYPES:
            raise ValueError(f"{ANNOTATION} of '{where}' needs the type {', '.join(_MIRRORED_TYPES)}")
        if name.lower() in found:
            raise ValueError(f"{ANNOTATION} '{name}' stands twice")
        found[name.lower()] = (path, name)
    return tuple(sorted(found.values()))


def _positions(root: Mapping[str, Any]) -> Iterator[tuple[Path | None, Mapping[str, Any]]]:
    """Every schema inside `root` with its path through `properties`; None once another keyword was crossed."""
    waiting: list[tuple[Path | None, Any]] = [((), root)]
    while waiting:
        path, node = waiting.pop()
        if not isinstance(node, dict):
            continue
        yield path, node  # pyright: ignore[reportUnknownVariableType]
        for keyword, value in node.items():  # pyright: ignore[reportUnknownVariableType]
            waiting += _inside(path, str(keyword), value)  # pyright: ignore[reportUnknownArgumentType]


def _inside(path: Path | None, keyword: str, value: Any) -> list[tuple[Path | None, Any]]:
    if keyword == "properties" and isinstance(value, dict):
        return [(None if path is None else (*path, str(name)), sub) for name, sub in value.items()]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if keyword in _ONE:
        return [(None, value)]
    if keyword in _LIST and isinstance(value, list):
        return [(None, sub) for sub in value]  # pyright: ignore[reportUnknownVariableType]
    if keyword in _MAP and isinstance(value, dict):
        return [(None, sub) for sub in value.values()]  # pyright: ignore[reportUnknownVariableType]
    return []
