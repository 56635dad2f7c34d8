"""What a server offers: asked for page by page, checked tool by tool, kept byte for byte."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from msgspec import UNSET, DecodeError, Raw, Struct, UnsetType, json

from hub.core.refusal import UpstreamFailed
from hub.upstream.mcp_headers import mirrored_of
from hub.upstream.mcp_values import RpcReply, ToolDefinition
from hub.upstream.mcp_wire import METHOD_NOT_FOUND, parse_error

MOST_TOOLS = 500
MOST_PAGES = 100
MOST_DESCRIPTION = 8 << 10  # bytes
MOST_SCHEMA = 64 << 10  # bytes
MOST_DEFINITION = 256 << 10  # bytes, with icons and all
MOST_DEPTH = 64
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_NOTHING = Raw(b"")

Ask = Callable[[str, bytes], Awaitable[RpcReply]]


class _Page(Struct, frozen=True, rename="camel"):
    tools: list[Raw]
    next_cursor: str | None = None


class _Tool(Struct, frozen=True, rename="camel"):
    name: str
    input_schema: dict[str, object]
    description: str | None = None
    output_schema: Raw = _NOTHING


class _Named(Struct, frozen=True):
    name: str | UnsetType = UNSET


_pages = json.Decoder(_Page)
_tools = json.Decoder(_Tool)
_names = json.Decoder(_Named)


class ListRefused(UpstreamFailed):
    """The server answers, but not with its tools."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The tools that are good, and the name and fault of those that are not."""

    tools: tuple[ToolDefinition, ...] = ()
    rejected: tuple[tuple[str, str], ...] = ()


async def list_tools(ask: Ask) -> Listing:
    """All tools, over all pages. A server without tools has none. Raises UpstreamFailed."""
    raws: list[Raw] = []
    seen: set[str] = set()
    params = b"{}"
    for _ in range(MOST_PAGES):
        reply = await ask("tools/list", params)
        if reply.result is None:
            return _refused(reply.error or b"")
        try:
            page = _pages.decode(reply.result)
        except (DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UpstreamFailed(
                "upstream_protocol", f"its answer to tools/list is not a list of tools: {error}"
            ) from error
        raws += page.tools
        if page.next_cursor is None or page.next_cursor in seen or len(raws) > MOST_TOOLS:
            break
        seen.add(page.next_cursor)
        params = json.encode({"cursor": page.next_cursor})
    return checked(raws)


def _refused(error: bytes) -> Listing:
    fault = parse_error(error)
    if fault.code == METHOD_NOT_FOUND:
        return Listing()
    raise ListRefused("upstream_error", f"it refuses tools/list: {fault.message or fault.code}")


def checked(raws: list[Raw]) -> Listing:
    """The good tools among `raws`, in order; a bad one hides no other."""
    tools: dict[str, ToolDefinition] = {}
    rejected: list[tuple[str, str]] = []
    for raw in raws:
        name, fault = "", ""
        try:
            tool = _definition(bytes(raw))
            name = tool.name
            fault = _surplus(name, tools)
            if not fault:
                tools[name] = tool
        except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
            name, fault = _name_of(bytes(raw)), str(error)
        if fault:
            rejected.append((name, fault))
    return Listing(tuple(tools.values()), tuple(rejected))


def _surplus(name: str, tools: dict[str, ToolDefinition]) -> str:
    if name in tools:
        return "another tool has the same name"
    return f"the server has more than {MOST_TOOLS} tools" if len(tools) >= MOST_TOOLS else ""


def _definition(raw: bytes) -> ToolDefinition:
    """The tool in `raw`. Raises ValueError with what is wrong with it."""
    if len(raw) > MOST_DEFINITION:
        raise ValueError(f"its definition has more than {MOST_DEFINITION >> 10} KiB")
    tool = _tools.decode(raw)
    if not _NAME.fullmatch(tool.name):
        raise ValueError("its name may have 1 to 128 letters, digits, '_', '.' and '-'")
    if len((tool.description or "").encode()) > MOST_DESCRIPTION:
        raise ValueError(f"its description has more than {MOST_DESCRIPTION >> 10} KiB")
    if len(json.encode(tool.input_schema)) > MOST_SCHEMA or len(bytes(tool.output_schema)) > MOST_SCHEMA:
        raise ValueError(f"a schema has more than {MOST_SCHEMA >> 10} KiB")
    if _depth(tool.input_schema) > MOST_DEPTH:
        raise ValueError(f"its schema is nested more than {MOST_DEPTH} deep")
    if tool.input_schema.get("type", "object") != "object":
        raise ValueError("its inputSchema is not of type object")
    return ToolDefinition(tool.name, raw, mirrored_of(tool.input_schema))


def _name_of(raw: bytes) -> str:
    try:
        name = _names.decode(raw).name
    except (ValueError, RecursionError):
        return ""
    return "" if name is UNSET else str(name)[:128]


def _depth(value: object) -> int:
    """How deep lists and objects are nested in `value`."""
    level: list[object] = [value]
    depth = 0
    while level and depth <= MOST_DEPTH:
        inner: list[object] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()  # pyright: ignore[reportUnknownArgumentType]
            elif isinstance(one, list):
                inner += one  # pyright: ignore[reportUnknownArgumentType]
        level = [one for one in inner if isinstance(one, dict | list)]
        depth += 1
    return depth
