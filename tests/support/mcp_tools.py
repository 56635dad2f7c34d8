"""The tools of the scriptable MCP upstreams: definitions, and results that follow from the arguments alone."""

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
_TRACE = "example.com/trace"


def _schema(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


_TEXT, _INTEGER, _NUMBER = {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "number"}

_ECHO: Json = {
    "name": "echo",
    "title": "Echo",
    "description": "Gives the text back.",
    "inputSchema": _schema(text=_TEXT),
    "annotations": {"readOnlyHint": True, "idempotentHint": True, "openWorldHint": False},
}
_ADD: Json = {
    "name": "add",
    "description": "Adds two numbers.",
    "inputSchema": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"number": _NUMBER},
        "properties": {"a": {"$ref": "#/$defs/number"}, "b": {"$ref": "#/$defs/number", "default": None}},
        "required": ["a", "b"],
        "additionalProperties": False,
    },
    "outputSchema": {
        "type": "object",
        "$defs": {"sum": _NUMBER},
        "properties": {"sum": {"$ref": "#/$defs/sum"}},
        "required": ["sum"],
    },
}
_PLAIN: list[Json] = [
    {"name": "fail", "description": "Always fails.", "inputSchema": _schema()},
    {"name": "big", "description": "So many bytes of text.", "inputSchema": _schema(n=_INTEGER)},
    {"name": "sleep", "description": "Answers after so many milliseconds.", "inputSchema": _schema(ms=_INTEGER)},
    {"name": "env", "description": "The value of an environment variable.", "inputSchema": _schema(name=_TEXT)},
    {"name": "progress", "description": "Reports progress n times.", "inputSchema": _schema(n=_INTEGER)},
    {"name": "headers", "description": "The headers of the request.", "inputSchema": _schema()},
    {"name": "ask", "description": "Asks the caller a question.", "inputSchema": _schema(question=_TEXT)},
]
# Fields that no specification knows. "@1.50" is written as the number 1.50, which a trip through floats would lose.
_ECHO_EXTRA: Json = {"_meta": {_TRACE: "t-0", "x-unknown": [1]}, "x-custom": {"kept": True}}
_ADD_EXTRA: Json = {"x-nested": {"deep": [1, None, "@1.50"]}, "x-big": 12345678901234567890}


def definitions(*, standard: bool, extra: int, unknown_fields: bool) -> list[Json]:
    """The tools that `tools/list` shows, in order."""
    tools: list[Json] = []
    if standard:
        tools = [_ECHO, _ADD, *_PLAIN]
        if unknown_fields:
            tools[:2] = [{**_ECHO, **_ECHO_EXTRA}, {**_ADD, **_ADD_EXTRA}]
    for number in range(extra):
        name = f"tool_{number:03d}"
        tools.append({"name": name, "description": f"Extra tool {number}.", "inputSchema": _schema(text=_TEXT)})
    return tools


def _text(text: str) -> Json:
    return {"content": [{"type": "text", "text": text}]}


def _echo(given: Json) -> Json:
    return _text(str(given["text"]))


def _add(given: Json) -> Json:
    total = given["a"] + given["b"]
    return {**_text(str(total)), "structuredContent": {"sum": total}}


RESULTS: dict[str, Callable[[Json], Json]] = {
    "echo": _echo,
    "add": _add,
    "fail": lambda _: {**_text("it failed, as asked"), "isError": True},
    "big": lambda given: _text("b" * int(given["n"])),
    "sleep": lambda given: _text(f"slept {given['ms']} ms"),
    "progress": lambda given: _text(f"{given['n']} steps done"),
}


def result_of(name: str, arguments: Json, *, unknown_fields: bool) -> Json | None:
    """What a tool answers; None when there is no such tool. Wrong arguments make an `isError` result."""
    if name.startswith("tool_"):
        return _text(name)
    if name not in RESULTS:
        return None
    try:
        result = RESULTS[name](arguments)
    except (KeyError, TypeError, ValueError) as fault:
        return {**_text(f"wrong arguments: {fault!r}"), "isError": True}
    if unknown_fields and name == "echo":
        result["content"][0]["x-part"] = {"kept": True}
        result |= {"_meta": {_TRACE: "t-1"}, "x-custom": {"kept": True, "number": "@1.50"}}
    return result
