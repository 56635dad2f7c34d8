"""Asking a server for what it offers: tools, prompts, resources and templates, each list page by page."""

from collections.abc import Awaitable, Callable

from msgspec import DecodeError, Raw, Struct, json

from hub.core.refusal import UpstreamFailed
from hub.upstream.mcp_definitions import MOST, Listing, checked
from hub.upstream.mcp_values import RpcReply
from hub.upstream.mcp_wire import METHOD_NOT_FOUND, parse_error

MOST_PAGES = 100
MOST_BYTES = 32 << 20  # of one list, over all its pages

Ask = Callable[[str, bytes], Awaitable[RpcReply]]


class _Page(Struct, frozen=True, rename="camel"):
    tools: list[Raw] | None = None
    prompts: list[Raw] | None = None
    resources: list[Raw] | None = None
    resource_templates: list[Raw] | None = None
    next_cursor: str | None = None

    def items(self, method: str) -> list[Raw] | None:
        """What the list of that method holds; None when it is not there."""
        if method == "resources/templates/list":
            return self.resource_templates
        return {"tools/list": self.tools, "prompts/list": self.prompts}.get(method, self.resources)


_pages = json.Decoder(_Page)


# A client that can do everything: what a server shows to some clients only, it shows to this one.
ABLE = json.encode(
    {
        "elicitation": {"form": {}, "url": {}},
        "extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}},
        "roots": {"listChanged": True},
        "sampling": {"context": {}, "tools": {}},
    },
    order="deterministic",
)


class ListRefused(UpstreamFailed):
    """The server answers, but not with its list."""


async def list_all(ask: Ask, declares: Callable[[str], bool]) -> Listing:
    """Everything that a server offers. What it does not declare is not asked for, except tools.

    Raises UpstreamFailed when the tools cannot be listed; a fault of another list leaves that one empty, and is told.
    """
    tools = await _listed(ask, "tools/list")
    faults: list[tuple[str, str]] = []
    prompts = await _spared(ask, "prompts/list", faults) if declares("prompts") else []
    resources = await _spared(ask, "resources/list", faults) if declares("resources") else []
    templates = await _spared(ask, "resources/templates/list", faults) if declares("resources") else []
    found = checked(tools, prompts, resources, templates)
    return Listing(found.tools, found.prompts, found.resources, found.templates, (*found.rejected, *faults))


async def _spared(ask: Ask, method: str, faults: list[tuple[str, str]]) -> list[Raw]:
    """A list whose absence must not take the tools away."""
    try:
        return await _listed(ask, method)
    except ListRefused as error:
        faults.append((method, error.message))
        return []


async def _listed(ask: Ask, method: str) -> list[Raw]:
    """All of a list, over all pages. A server without that list has none of it. Raises UpstreamFailed."""
    raws: list[Raw] = []
    seen: set[str] = set()
    size = 0
    params = b"{}"
    for _ in range(MOST_PAGES):
        reply = await ask(method, params)
        if reply.result is None:
            _check(reply.error or b"", method)
            return raws
        page = _page(reply.result, method)
        size += len(reply.result)
        if size > MOST_BYTES:
            raise ListRefused("upstream_protocol", f"its answers to {method} have more than {MOST_BYTES >> 20} MiB")
        raws += page.items(method) or ()
        if page.next_cursor is None or page.next_cursor in seen or len(raws) > MOST:
            break
        seen.add(page.next_cursor)
        params = json.encode({"cursor": page.next_cursor})
    return raws


def _page(result: bytes, method: str) -> _Page:
    try:
        page = _pages.decode(result)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ListRefused("upstream_protocol", f"its answer to {method} is not a list: {error}") from error
    if page.items(method) is None:
        raise ListRefused("upstream_protocol", f"its answer to {method} holds no list")
    return page


def _check(error: bytes, method: str) -> None:
    """A method that does not exist is an empty list. Raises ListRefused for any other error."""
    fault = parse_error(error)
    if fault.code != METHOD_NOT_FOUND:
        raise ListRefused("upstream_error", f"it refuses {method}: {fault.message or fault.code}")
