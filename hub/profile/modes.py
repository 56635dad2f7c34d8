"""How a profile presents its tools: all of them, a few that find and call the others, or one that runs programs."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hub.profile.view import Kind, ProfileView, Tool

MODES = ("full", "search", "code")
_READ_ONLY = {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True, "openWorldHint": False}
_ANYTHING = {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": False, "openWorldHint": True}
_TEXT = {"type": "string"}


@dataclass(frozen=True, slots=True)
class _Own:
    """One of the hub's own tools: what is said of it (given the servers' names), and what it takes."""

    name: str
    title: str
    about: Callable[[str], str]
    properties: Mapping[str, Any]
    required: tuple[str, ...]
    hints: Mapping[str, bool]

    def tool(self, servers: str) -> Tool:
        schema = {
            "type": "object",
            "properties": self.properties,
            "required": self.required,
            "additionalProperties": False,
        }
        definition = {
            "name": self.name,
            "title": self.title,
            "description": self.about(servers),
            "inputSchema": schema,
            "annotations": {"title": self.title, **self.hints},
        }
        raw = json.dumps(definition).encode()
        return Tool(self.name, "", self.name, raw, offered=raw, meta=self.name)


FIND = _Own(
    "find_tools",
    "Find tools",
    lambda servers: (
        f"Find tools by words. This profile has tools of: {servers}. Gives the best matches, with what each takes; "
        "call one with call_tool, or by its name."
    ),
    {
        "query": {**_TEXT, "description": "What the tool should do, in a few words."},
        "limit": {"type": "integer", "minimum": 1, "maximum": 50, "default": 8},
    },
    ("query",),
    _READ_ONLY,
)
DESCRIBE = _Own(
    "describe_tool",
    "Describe a tool",
    lambda servers: "Give the whole definition of a tool, with the JSON Schema of its arguments.",
    {"name": {**_TEXT, "description": "The name of a tool, as find_tools gives it."}},
    ("name",),
    _READ_ONLY,
)
CALL = _Own(
    "call_tool",
    "Call a tool",
    lambda servers: "Call a tool by its name, with the arguments that its definition asks for.",
    {
        "name": {**_TEXT, "description": "The name of a tool, as find_tools gives it."},
        "arguments": {"type": "object", "description": "Its arguments.", "additionalProperties": True},
    },
    ("name",),
    _ANYTHING,
)
FUNCTIONS = replace(
    FIND,
    about=lambda servers: (
        f"Find functions for run_program by words. This profile has tools of: {servers}. Gives the best matches as "
        "typed Python stubs."
    ),
)
RUN = _Own(
    "run_program",
    "Run a program",
    lambda servers: (
        "Run a small Python program that calls tools as functions (find them with find_tools), for example: "
        "rows = server__list(limit=5)\\n[r['id'] for r in rows['items']]. Arguments go by name; a function returns the "
        "tool's structured result, else its text. A failing tool raises ToolError. The value of the last expression is "
        "the answer; print() works too. There are plain values, functions, comprehensions, f-strings, try, and json; no "
        "imports, classes, files or network."
    ).replace("\\n", "\n"),
    {"program": {**_TEXT, "description": "The program."}},
    ("program",),
    _ANYTHING,
)
READ = _Own(
    "read_result",
    "Read on in a long result",
    lambda servers: "Read a part of a result that was too long to be shown whole.",
    {
        "id": {**_TEXT, "description": "The id in the notice under the result."},
        "offset": {"type": "integer", "minimum": 0, "default": 0, "description": "The first character."},
        "limit": {"type": "integer", "minimum": 1, "maximum": 200_000, "default": 20_000},
    },
    ("id",),
    _READ_ONLY,
)
GREP = _Own(
    "grep_result",
    "Search a long result",
    lambda servers: "Find lines in a result that was too long to be shown whole.",
    {
        "id": {**_TEXT, "description": "The id in the notice under the result."},
        "pattern": {**_TEXT, "description": "A regular expression (RE2)."},
        "context": {"type": "integer", "minimum": 0, "maximum": 20, "default": 0, "description": "Lines around each."},
    },
    ("id", "pattern"),
    _READ_ONLY,
)
LIST_RESOURCES = _Own(
    "list_resources",
    "List resources",
    lambda servers: (
        f"List what can be read (documents, files, records) of: {servers}. Read one with read_resource. Of a template "
        "(`{name}` in a URI) fill in the names first."
    ),
    {
        "search": {**_TEXT, "description": "Only those in which every word occurs.", "default": ""},
        "offset": {"type": "integer", "minimum": 0, "default": 0, "description": "How many to pass over."},
    },
    (),
    _READ_ONLY,
)
READ_RESOURCE = _Own(
    "read_resource",
    "Read a resource",
    lambda servers: "Read a resource by its URI, as list_resources, or the result of a tool, gives it.",
    {"uri": {**_TEXT, "description": "The URI."}},
    ("uri",),
    _READ_ONLY,
)
_OF_MODE: Mapping[str, tuple[_Own, ...]] = {"search": (FIND, DESCRIBE, CALL), "code": (FUNCTIONS, RUN)}


def presented(view: ProfileView, mode: str) -> ProfileView:
    """A profile in a mode. Whatever is listed, every tool can be called by its name."""
    keeps = (READ, GREP) if view.max_results else ()
    reads = (LIST_RESOURCES, READ_RESOURCE) if view.resources_as_tools else ()
    reads = tuple(one for one in reads if one.name not in view.tools)  # a server's own tool is not hidden by them
    own = (*_OF_MODE.get(mode, ()), *keeps, *reads)
    if not own:
        return view
    servers = ", ".join(sorted(_of(view))) or "no server yet"
    added = [one.tool(servers) for one in own]
    listed: Iterable[Tool] = added if mode in _OF_MODE else (*view.tools.values(), *added)
    tools = {tool.name: tool for tool in sorted(listed, key=lambda tool: tool.name)}
    others = {**view.others, **{name: tool for name, tool in view.tools.items() if name not in tools}}
    return replace(view, tools=tools, others=others, whole=view, _lists={})


def _of(view: ProfileView) -> set[str]:
    """The servers that something is of."""
    return {item.server for kind in Kind for item in view.items(kind).values()}
