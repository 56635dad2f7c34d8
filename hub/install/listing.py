"""What a profile offers to one caller, as every catalogue tells it: tools, arguments, marks, cost, and what clients cut."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.install.clients import Client, clients
from hub.install.neutral import plain

_MOST_ARGUMENTS = 12
_PROPERTY = 64
_DEEP = 8
_UNION = ("anyOf", "oneOf", "allOf")
LEFT_OUT = "(description left out: the hub's scanner flagged it)"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a tool. `type` is a word for people."""

    name: str
    type: str
    required: bool


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as the caller sees it. `read_only` and `destructive` are what its server says of it; None is not said.

    `flagged` says that its texts speak to a model rather than to people, so none of them is copied.
    """

    name: str
    server: str
    title: str = ""
    description: str = ""
    arguments: tuple[Argument, ...] = ()
    read_only: bool | None = None
    destructive: bool | None = None
    tokens: int = 0
    described: int = 0
    faults: tuple[str, ...] = ()
    flagged: bool = False

    @property
    def about(self) -> str:
        """What it does, in its server's words; for a flagged tool, that these were left out."""
        return LEFT_OUT if self.flagged else self.description or self.title

    @property
    def mark(self) -> str:
        """`reads`, `destructive`, `writes`, or "" when the server does not say."""
        if self.read_only:
            return "reads"
        if self.destructive:
            return "destructive"
        return "writes" if self.read_only is False or self.destructive is False else ""

    @property
    def signature(self) -> str:
        """The arguments in a line; those that may be left out carry a question mark."""
        shown = [f"{a.name}{'' if a.required else '?'}: {a.type}" for a in self.arguments[:_MOST_ARGUMENTS]]
        more = len(self.arguments) - len(shown)
        return ", ".join([*shown, *([f"and {more} more"] if more > 0 else [])])


@dataclass(frozen=True, slots=True)
class Listing:
    """A profile as one caller may use it. `version` moves whenever what they see does; `updated` is ISO 8601.

    `models` are globs over the models that go with it; without any, all do.
    """

    profile: str
    title: str
    description: str
    instructions: str
    security: str
    url: str
    version: str
    tools: tuple[Tool, ...]
    updated: str = ""
    gaps: tuple[tuple[str, str], ...] = ()
    models: tuple[str, ...] = ()

    @property
    def tokens(self) -> int:
        """About how many tokens the definitions take in a prompt."""
        return sum(tool.tokens for tool in self.tools)

    @property
    def needs_key(self) -> bool:
        """Whether a client has to present a key."""
        return self.security == "key"

    @property
    def hub_url(self) -> str:
        """The hub's own address."""
        return self.url.rpartition("/mcp/")[0]


def tool_of(definition: Mapping[str, Any], server: str, tokens: int, *, flagged: bool = False) -> Tool:
    """A tool from its definition in `tools/list`, whose every text is a stranger's. A flagged one's are left out."""
    notes = definition.get("annotations")
    notes = notes if isinstance(notes, Mapping) else {}
    schema = definition.get("inputSchema")
    schema = schema if isinstance(schema, Mapping) else {}
    description = definition.get("description")
    return Tool(
        name=plain(definition.get("name"), 128),
        server=server,
        title="" if flagged else plain(definition.get("title") or notes.get("title"), 100),
        description="" if flagged else plain(description),
        arguments=() if flagged else tuple(_arguments(schema)),
        read_only=_flag(notes.get("readOnlyHint")),
        destructive=_flag(notes.get("destructiveHint")),
        tokens=tokens,
        described=len(description.encode()) if isinstance(description, str) else 0,
        faults=() if flagged else tuple(_faults(schema)),
        flagged=flagged,
    )


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _arguments(schema: Mapping[str, Any]) -> Iterable[Argument]:
    properties, required = schema.get("properties"), schema.get("required")
    names = required if isinstance(required, list) else []
    if not isinstance(properties, Mapping):
        return
    for name, inner in properties.items():
        yield Argument(plain(name, 64), _type(inner), name in names)


def _type(schema: Any, depth: int = 0) -> str:
    """A schema in a word or two, for people."""
    if not isinstance(schema, Mapping) or depth > _DEEP:
        return "any"
    if isinstance(values := schema.get("enum"), list):
        return " or ".join(plain(str(value), 24) for value in values[:4]) + (" or more" if len(values) > 4 else "")
    for union in _UNION:
        if isinstance(options := schema.get(union), list) and options:
            words = [
                _type(one, depth + 1)
                for one in options[:4]
                if not (isinstance(one, Mapping) and one.get("type") == "null")
            ]
            return " or ".join(dict.fromkeys(words)) or "any"
    kind = schema.get("type")
    if isinstance(kind, list):
        return " or ".join(plain(str(one), 16) for one in kind[:4] if one != "null")
    if kind == "array":
        return f"{_type(schema.get('items'), depth + 1)} list" if isinstance(schema.get("items"), Mapping) else "list"
    return plain(kind, 16) or "any"


def _faults(schema: Mapping[str, Any]) -> Iterable[str]:
    """What the stricter model APIs refuse in an input schema."""
    if any(word in schema for word in _UNION):
        yield "its input schema is a union at the top, which Claude's and OpenAI's APIs refuse"
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        odd = [
            name
            for name in properties
            if len(name) > _PROPERTY or not name.replace("-", "_").replace(".", "_").isidentifier()
        ]
        if odd:
            yield f"the argument name {plain(odd[0], 40)!r} is one that Claude's API refuses"


def version_of(resource_version: int, tools: Iterable[Tool], *rest: str) -> str:
    """A semantic version that moves when the profile or what it shows moves."""
    seen = hashlib.sha256(repr((tuple(tools), rest)).encode()).hexdigest()
    return f"1.{resource_version}.{int(seen[:7], 16)}"


@dataclass(frozen=True, slots=True)
class Caution:
    """What a client will not do right. `tool` is "" when it is about all of them."""

    client: str
    tool: str
    message: str


def shown_name(client: Client, listing: Listing, tool: Tool, name: str = "") -> str:
    """The name under which a client shows a tool to its model."""
    server = name or listing.profile
    words = {"<name>": server, "<server>": listing.profile, "<tool>": tool.name}
    text = client.tool_name
    for word, value in words.items():
        text = text.replace(word, value)
    return text


_FLAGGED = "its description speaks to the model like an instruction; look at it before you use this tool."


def warnings(listing: Listing, chosen: Iterable[Client] | None = None) -> list[Caution]:
    """What each client cuts, refuses or forgets of this profile."""
    found: list[Caution] = []
    for client in chosen if chosen is not None else clients().values():
        limits = client.limits
        most = limits.get("tools")
        if most and len(listing.tools) > most:
            found.append(
                Caution(
                    client.name,
                    "",
                    f"{client.title} takes {most} tools at once; this profile has {len(listing.tools)}.",
                )
            )
        for tool in listing.tools:
            # A flagged tool is no matter of one client, but whoever sets one up should hear of it.
            found += [Caution(client.name, tool.name, _FLAGGED)] if tool.flagged and chosen is not None else []
            found += [Caution(client.name, tool.name, text) for text in _tool_warnings(client, listing, tool)]
    return found


def _tool_warnings(client: Client, listing: Listing, tool: Tool) -> Iterable[str]:
    shown = shown_name(client, listing, tool)
    longest = client.limits.get("tool_name", 0)
    if longest and len(shown) > longest:
        yield f"'{shown}' has {len(shown)} characters; {client.title} takes {longest}. Rename it, or set prefix: never."
    described = client.limits.get("description", 0)
    if described and tool.described > described:
        yield f"its description has {tool.described} bytes; {client.title} cuts it at {described}."
    for fault in tool.faults:
        if client.name in ("claude-code", "codex"):
            yield f"{fault}."


def to_json(listing: Listing) -> dict[str, Any]:
    """The listing as the JSON catalogue."""
    return {
        **{field: getattr(listing, field) for field in _FIELDS},
        "tokens": listing.tokens,
        "tools": [_tool_json(listing, tool) for tool in listing.tools],
        "gaps": [{"server": server, "message": message} for server, message in listing.gaps],
        "models": list(listing.models),
        "warnings": [{"client": w.client, "tool": w.tool or None, "message": w.message} for w in warnings(listing)],
    }


_FIELDS = ("profile", "title", "description", "instructions", "security", "url", "version", "updated")


def _tool_json(listing: Listing, tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "server": tool.server,
        "title": tool.title or None,
        "description": tool.description,
        "arguments": [{"name": a.name, "type": a.type, "required": a.required} for a in tool.arguments],
        "read_only": tool.read_only,
        "destructive": tool.destructive,
        "tokens": tool.tokens,
        "description_bytes": tool.described,
        "faults": list(tool.faults),
        "flagged": tool.flagged,
        "names": {client.name: shown_name(client, listing, tool) for client in clients().values()},
    }


def from_json(data: Mapping[str, Any]) -> Listing:
    """The listing that a hub's JSON catalogue tells of."""
    tools = tuple(
        Tool(
            name=tool["name"],
            server=tool["server"],
            title=tool["title"] or "",
            description=tool["description"],
            arguments=tuple(Argument(a["name"], a["type"], a["required"]) for a in tool["arguments"]),
            read_only=tool["read_only"],
            destructive=tool["destructive"],
            tokens=tool["tokens"],
            described=tool["description_bytes"],
            faults=tuple(tool["faults"]),
            flagged=tool["flagged"],
        )
        for tool in data["tools"]
    )
    gaps = tuple((gap["server"], gap["message"]) for gap in data["gaps"])
    texts: dict[str, Any] = {field: str(data[field]) for field in _FIELDS}
    return Listing(**texts, tools=tools, gaps=gaps, models=tuple(data.get("models", ())))
