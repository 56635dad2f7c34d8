"""Asking a server for what it offers: tools, prompts, resources and templates, each list page by page."""

import math
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace

from msgspec import DecodeError, Raw, Struct, json

from hub.core.refusal import UpstreamFailed
from hub.upstream.mcp.definitions import MOST, Listing, checked
from hub.upstream.mcp.values import RpcReply
from hub.upstream.mcp.wire import METHOD_NOT_FOUND, parse_error

MOST_PAGES = 100
MOST_BYTES = 32 << 20  # of one list, over all its pages

Ask = Callable[[str, bytes], Awaitable[RpcReply]]


class _Page(Struct, frozen=True, rename="camel"):
    tools: list[Raw] | None = None
    prompts: list[Raw] | None = None
    resources: list[Raw] | None = None
    resource_templates: list[Raw] | None = None
    next_cursor: str | None = None
    ttl_ms: object = None

    def items(self, method: str) -> list[Raw] | None:
        """What the list of that method holds; None when it is not there."""
        if method == "resources/templates/list":
            return self.resource_templates
        return {"tools/list": self.tools, "prompts/list": self.prompts}.get(method, self.resources)

    @property
    def ttl(self) -> float:
        """The seconds for which it holds; without end where it says nothing of use."""
        given = self.ttl_ms
        return given / 1000 if isinstance(given, int | float) and given > 0 else math.inf


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


async def list_all(ask: Ask, declares: Callable[[str], bool], announced: Collection[str] = ()) -> Listing:
    """Everything that a server offers. What it does not declare is not asked for, except tools.

    The lists hold as long as the server says, except those of the `announced` kinds, whose changes it tells. Raises
    UpstreamFailed when the tools cannot be listed; a fault of another list leaves that one empty, and is told.
    """
    ttls: dict[str, float] = {}
    tools = await _listed(ask, "tools/list", ttls)
    faults: list[tuple[str, str]] = []
    prompts = await _spared(ask, "prompts/list", ttls, faults) if declares("prompts") else []
    resources = await _spared(ask, "resources/list", ttls, faults) if declares("resources") else []
    templates = await _spared(ask, "resources/templates/list", ttls, faults) if declares("resources") else []
    found = checked(tools, prompts, resources, templates)
    ttl = min((ttl for method, ttl in ttls.items() if method.partition("/")[0] not in announced), default=math.inf)
    return replace(found, rejected=(*found.rejected, *faults), ttl=ttl)


async def _spared(ask: Ask, method: str, ttls: dict[str, float], faults: list[tuple[str, str]]) -> list[Raw]:
    """A list whose absence must not take the tools away."""
    try:
        return await _listed(ask, method, ttls)
    except ListRefused as error:
        faults.append((method, error.message))
        return []


async def _listed(ask: Ask, method: str, ttls: dict[str, float]) -> list[Raw]:
    """All of a list, over all pages, and in `ttls` how long it holds. Raises UpstreamFailed.

    A server without that list has none of it.
    """
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
        ttls[method] = min(ttls.get(method, math.inf), page.ttl)
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
