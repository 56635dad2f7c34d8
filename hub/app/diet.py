"""Tool diet: which tools of a profile nobody calls, what carrying them costs, and a slimmer profile as a diff."""

import time
from collections.abc import Mapping
from typing import Any

from hub.catalogue import Catalogue
from hub.core.refusal import NotFound
from hub.ledger import Filters, Queries, Sessions
from hub.profile import ProfileView
from hub.resources import Snapshot
from hub.store import Resources
from hub.store.diffs import difference
from hub.upstream import ServerDefinitions

_MOST_TOOLS = 100_000
RARELY = 0.01  # the share of a profile's calls under which a tool is rarely called
_PICO = 1_000_000


class Diet:
    """Joins what a profile offers with what was called of it."""

    def __init__(
        self,
        resources: Resources,
        queries: Queries,
        sessions: Sessions,
        catalogue: Catalogue[ServerDefinitions, ProfileView],
    ) -> None:
        self._resources = resources
        self._queries = queries
        self._sessions = sessions
        self._catalogue = catalogue

    async def report(self, profile: str, days: int) -> dict[str, Any]:
        """The report of the last `days`. Raises NotFound for a profile that does not exist or is disabled."""
        snapshot = self._resources.snapshot()
        view = self._catalogue.view(snapshot, profile)
        if view is None:
            raise NotFound("not_found", f"There is no profile '{profile[:64]}'.")
        since = time.time() - days * 86_400
        rows = await self._queries.usage(
            Filters(since=since, profile=profile, call="tool"), group_by=("server", "tool"), limit=_MOST_TOOLS
        )
        called = {(str(row.group["server"]), str(row.group["tool"])): row.calls for row in rows}
        turns, by_target = await self._sessions.turns_with(profile, int(since * 1e6))
        tools = _tools(view, called)
        unused = [tool for tool in tools if tool["verdict"] != "used"]
        carried = sum(tool["tokens"] for tool in tools)
        idle = sum(tool["tokens"] for tool in unused)
        return {
            "profile": profile,
            "days": days,
            "calls": sum(called.values()),
            "turns": turns,
            "tokens_per_turn": carried,
            "unused_tokens_per_turn": idle,
            "cost_usd": _cost(snapshot, idle, by_target),
            "tools": tools,
            **await self._proposal(profile, view, tools),
        }

    async def _proposal(self, profile: str, view: ProfileView, tools: list[dict[str, Any]]) -> dict[str, Any]:
        """The profile's spec with only the tools that are called, and how it differs; null where nothing would go."""
        resource = await self._resources.get("profiles", profile)
        kept: dict[str, list[str]] = {}
        for tool in tools:
            if tool["verdict"] == "used":
                kept.setdefault(tool["server"], []).append(tool["own"])
        if not kept or all(tool["verdict"] == "used" for tool in tools):
            return {"proposal": None, "diff": []}
        servers: dict[str, Any] = {}
        for server, chosen in resource.spec.get("servers", {}).items():
            if server in kept:
                servers[server] = {**(chosen or {}), "tools": sorted(kept[server])}
            elif not any(tool["server"] == server for tool in tools):
                servers[server] = chosen  # it is down, or offers no tools: nothing is known against it
        proposal = {**resource.spec, "servers": servers}
        return {"proposal": proposal, "diff": difference(resource.spec, proposal)}


def _tools(view: ProfileView, called: Mapping[tuple[str, str], int]) -> list[dict[str, Any]]:
    """The profile's tools, the heaviest of those that nobody calls first."""
    total = sum(called.values())
    found: list[dict[str, Any]] = []
    for tool in view.tools.values():
        calls = called.get((tool.server, tool.own), 0)
        verdict = "never" if not calls else "rarely" if calls < total * RARELY else "used"
        found.append(
            {
                "name": tool.name,
                "server": tool.server,
                "own": tool.own,
                "tokens": tool.tokens,
                "calls": calls,
                "verdict": verdict,
            }
        )
    order = {"never": 0, "rarely": 1, "used": 2}
    return sorted(found, key=lambda tool: (order[tool["verdict"]], -tool["tokens"], tool["name"]))


def _cost(snapshot: Snapshot, tokens: int, by_target: Mapping[tuple[str, str], int]) -> dict[str, str | None]:
    """What carrying `tokens` in each of these turns cost: had all been read from a cache, and had none.

    None where a price is not known, or no turn is.
    """
    fresh = cached = 0
    for (model, target), turns in by_target.items():
        price = snapshot.price(model, target)
        if price is None or price.rates.input is None:
            return {"cached": None, "fresh": None}
        read = price.rates.input if price.rates.cache_read is None else price.rates.cache_read
        fresh += turns * tokens * price.rates.input
        cached += turns * tokens * read
    if not by_target:
        return {"cached": None, "fresh": None}
    return {"cached": f"{cached / _PICO / 1e6:.6f}", "fresh": f"{fresh / _PICO / 1e6:.6f}"}
