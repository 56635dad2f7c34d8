"""What a profile weighs as it is composed: tools, tokens in each prompt, and what clients would cut of it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.core.principal import Globs
from hub.install.listing import Listing, Tool, tool_of, warnings
from hub.profile import public_names

Offers = Mapping[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Weight:
    """The tools that are chosen, about how many tokens they take in a prompt, and cautions (tool or "", message)."""

    tools: int
    tokens: int
    cautions: tuple[tuple[str, str], ...]


def weight_of(profile: str, spec: Mapping[str, Any], offers: Offers) -> Weight:
    """The weight of a profile's spec, over what its servers offer, under the names that its clients would see."""
    servers: Mapping[str, Mapping[str, Any]] = spec.get("servers", {})
    chosen = {
        (server, str(tool["name"])): tool
        for server, own in servers.items()
        for tool in offers.get(server, ())
        if plainly(own).allows(str(tool["name"]))
    }
    renamed = {key: str(name) for key in chosen if (name := servers[key[0]].get("rename", {}).get(key[1]))}
    names, _ = public_names(str(spec.get("prefix", "always")), chosen, renamed)
    tools = tuple(
        _tool(key[0], names[key], tool, servers[key[0]].get("describe", {}).get(key[1])) for key, tool in chosen.items()
    )
    listing = Listing(profile, profile, "", "", "key", f"/mcp/{profile}", "1", tools)
    return Weight(len(tools), listing.tokens, tuple(_cautions(listing)))


def plainly(own: Mapping[str, Any]) -> Globs:
    """The tools that the patterns of a server in a profile choose by name."""
    return Globs(tuple(pattern for pattern in own.get("tools", ["*"]) if isinstance(pattern, str)))


def _tool(server: str, name: str, offered: Mapping[str, Any], described: Any) -> Tool:
    description = str(described or offered["description"])
    definition = {"name": name, "description": description, "inputSchema": offered["input_schema"]}
    more = _bytes(name, description) - _bytes(str(offered["name"]), str(offered["description"]))
    tokens = max(0, int(offered["tokens"]) + more // 4)
    return tool_of({**definition, "annotations": offered["annotations"]}, server, tokens)


def _bytes(*texts: str) -> int:
    return sum(len(json.dumps(text, ensure_ascii=False).encode()) for text in texts)


def _cautions(listing: Listing) -> Iterable[tuple[str, str]]:
    """Each caution once: several clients that cut the same tool are told of by the first of them."""
    seen: set[tuple[str, str]] = set()
    for one in warnings(listing):
        kind = one.message.partition(";")[0] if one.tool else one.message
        if (one.tool, kind) not in seen:
            seen.add((one.tool, kind))
            yield one.tool, one.message
