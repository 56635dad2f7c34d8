"""Tools as functions of a program: a name that a program can write, and a typed line that says what it takes."""

import keyword
import re
from collections.abc import Iterable
from typing import Any, cast

import msgspec

from hub.profile.offers import object_of, text_of
from hub.profile.view import Tool

_FOREIGN = re.compile(r"[^A-Za-z0-9_]")
_TYPES = {
    "string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None", "array": "list", "object": "dict",
}  # fmt: skip
_MOST_ABOUT = 300  # characters of a description


def function_names(tools: Iterable[Tool]) -> dict[str, Tool]:
    """Each tool by the name that a program calls it by; names that become equal are numbered."""
    named: dict[str, Tool] = {}
    for tool in tools:
        plain = _FOREIGN.sub("_", tool.name)
        plain = f"tool_{plain}" if not plain or plain[0].isdigit() or keyword.iskeyword(plain) else plain
        name, number = plain, 2
        while name in named:
            name, number = f"{plain}_{number}", number + 1
        named[name] = tool
    return named


def stub(name: str, tool: Tool) -> str:
    """A tool as a line of Python: `def name(*, a: str, b: int = 5) -> dict`, with its description."""
    schema = object_of(bytes(object_of(tool.definition).get("inputSchema", b"{}")))
    properties = object_of(bytes(schema.get("properties", b"{}")))
    needed = _names(bytes(schema.get("required", b"[]")))
    arguments = sorted(properties, key=lambda one: one not in needed)
    listed = ", ".join(_argument(one, bytes(properties[one]), is_needed=one in needed) for one in arguments)
    returns = "dict" if "outputSchema" in object_of(tool.definition) else "Any"
    about = " ".join(text_of(tool.definition, "description").split())[:_MOST_ABOUT]
    return f"def {name}({'*, ' if listed else ''}{listed}) -> {returns}" + (f'\n    """{about}"""' if about else "")


def _argument(name: str, raw: bytes, *, is_needed: bool) -> str:
    try:
        schema = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        schema = {}
    given: dict[str, Any] = cast("dict[str, Any]", schema) if isinstance(schema, dict) else {}
    plain = f"{name}: {_type(given)}"
    if is_needed:
        return plain
    return f"{plain} = {given['default']!r}" if "default" in given else f"{plain} = ..."


def _type(schema: dict[str, Any]) -> str:
    values = schema.get("enum")
    if isinstance(values, list) and 0 < len(cast("list[Any]", values)) <= 12:
        return f"Literal[{', '.join(repr(one) for one in cast('list[Any]', values))}]"
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_TYPES.get(str(one), "Any") for one in cast("list[Any]", kind))
    name = _TYPES.get(str(kind), "Any")
    items = schema.get("items")
    if name == "list" and isinstance(items, dict):
        return f"list[{_type(cast('dict[str, Any]', items))}]"
    return name


def _names(raw: bytes) -> set[str]:
    try:
        return {str(one) for one in msgspec.json.decode(raw, type=list[Any])}
    except msgspec.DecodeError:
        return set()
