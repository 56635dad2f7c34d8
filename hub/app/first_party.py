"""The hub's own MCP server: what this caller may use, and what it has cost. Read-only."""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from hub.app.told import iso, listing_and_calls
from hub.core.accounts import Account, owner_of
from hub.core.principal import Principal
from hub.core.refusal import Refusal
from hub.ledger import Filters, Queries, parse_dimensions
from hub.resources import Snapshot
from hub.resources.tools import ServerSpec
from hub.routing import price_view, visible_models
from hub.upstream import Servers, ServerStatus

Tool = tuple[dict[str, Any], Callable[[Principal, Mapping[str, Any]], Awaitable[dict[str, Any]]]]
_READ_ONLY = {"readOnlyHint": True, "destructiveHint": False, "idempotentHint": True, "openWorldHint": False}
_NOTHING = {"type": "object", "properties": {}, "additionalProperties": False}


def _definition(name: str, title: str, description: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "title": title,
        "description": description,
        "inputSchema": arguments or _NOTHING,
        "annotations": {"title": title, **_READ_ONLY},
    }


def _result(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "content": [{"type": "text", "text": json.dumps(data, indent=1)}],
        "structuredContent": data,
        "isError": False,
    }


def _complaint(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": True}


def _health(status: ServerStatus) -> dict[str, Any]:
    return {
        "state": str(status.state),
        "since": iso(status.since),
        "error": status.last_error or None,
        "tools": status.tools,
        **listing_and_calls(status),
    }


def _account(spec: ServerSpec | None, connected: bool) -> dict[str, Any]:
    """Whether the caller has connected an account where the server is called with each caller's own."""
    personal = spec is not None and spec.auth is not None and spec.auth.is_personal
    return {"account": "connected" if connected else "not connected"} if personal else {}


class FirstParty:
    """The tools, over the snapshot and the ledger. `held` gives the accounts of an owner, `servers` those that run."""

    def __init__(
        self,
        snapshots: Callable[[], Snapshot],
        queries: Queries,
        held: Callable[[str], Awaitable[list[Account]]],
        servers: Callable[[], Servers],
    ) -> None:
        self._snapshots = snapshots
        self._queries = queries
        self._held = held
        self._running = servers

    async def _whoami(self, principal: Principal, _: Mapping[str, Any]) -> dict[str, Any]:
        return _result(
            {
                "principal": principal.id,
                "key": principal.key or None,
                "user": principal.user or None,
                "team": principal.team or None,
                "roles": {team or "*": role.value for team, role in principal.roles.items()},
            }
        )

    async def _models(self, principal: Principal, arguments: Mapping[str, Any]) -> dict[str, Any]:
        words = str(arguments.get("search", "")).lower().split()
        found = visible_models(self._snapshots(), principal)
        chosen = [model for model in found if all(word in model.id.lower() for word in words)]
        models = [
            {
                "model": model.id,
                "kind": model.kind,
                "context_window": model.context_window,
                "usd_per_million_tokens": price_view(model.price),
            }
            for model in chosen[:100]
        ]
        return _result({"models": models, "shown": len(models), "found": len(chosen)})

    async def _profiles(self, principal: Principal, _: Mapping[str, Any]) -> dict[str, Any]:
        profiles = [
            {"profile": name, "title": spec.title or name, "description": spec.description, "path": f"/mcp/{name}"}
            for name, spec in self._snapshots().profiles.items()
            if principal.may_use_profile(name)
        ]
        return _result({"profiles": profiles})

    async def _servers(self, principal: Principal, arguments: Mapping[str, Any]) -> dict[str, Any]:
        wanted, snapshot = str(arguments.get("profile", "")), self._snapshots()
        profiles = {
            name: spec
            for name, spec in snapshot.profiles.items()
            if wanted in ("", name) and principal.may_use_profile(name)
        }
        if wanted and not profiles:
            return _complaint(f"There is no profile '{wanted[:64]}' that this key may use.")
        names = sorted({server for spec in profiles.values() for server in spec.servers})
        own = {one.server for one in await self._held(owner_of(principal.user))} if principal.user else set[str]()
        servers = [
            {
                "server": name,
                "profiles": sorted(profile for profile, spec in profiles.items() if name in spec.servers),
                **_health(self._running().status(name)),
                **_account(snapshot.servers.get(name), name in own),
            }
            for name in names
        ]
        return _result({"servers": servers})

    async def _usage(self, principal: Principal, arguments: Mapping[str, Any]) -> dict[str, Any]:
        try:
            groups = parse_dimensions(str(arguments.get("by", "call")))
            mine: dict[str, Any] = {"key": principal.key} if principal.key else {"user": principal.user}
            start = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
            rows = await self._queries.usage(Filters(since=start.timestamp(), **mine), group_by=groups)
        except Refusal as refusal:
            return _complaint(refusal.message)
        usage = [
            {
                **{name: str(value) for name, value in row.group.items()},
                "calls": row.calls,
                "errors": row.errors,
                "prompt_tokens": row.usage.prompt,
                "completion_tokens": row.usage.completion,
                "cost_usd": f"{row.cost_micro_usd / 1e6:.6f}",
                "calls_without_known_price": row.unpriced,
            }
            for row in rows
        ]
        return _result({"since": start.isoformat(), "usage": usage})

    def tools(self) -> Mapping[str, Tool]:
        """Definition and function of each tool, by name."""
        search = {"type": "string", "description": "Only models in whose name every word occurs."}
        profile = {"type": "string", "description": "Only those of this profile."}
        by = {
            "type": "string",
            "description": "Up to three of call, model, profile, server, tool, day, joined by commas.",
        }
        rows: list[Tool] = [
            (_definition("whoami", "Who am I?", "Who this key belongs to, and which roles it holds."), self._whoami),
            (
                _definition(
                    "list_models",
                    "Models",
                    "The models that this key may call through the hub, with context window and price.",
                    {"type": "object", "properties": {"search": search}, "additionalProperties": False},
                ),
                self._models,
            ),
            (_definition("list_profiles", "Profiles", "The tool profiles that this key may use."), self._profiles),
            (
                _definition(
                    "list_servers",
                    "Servers",
                    "How the servers behind this key's profiles do: why a tool may be missing, slow or failing, and where "
                    "an account has to be connected first.",
                    {"type": "object", "properties": {"profile": profile}, "additionalProperties": False},
                ),
                self._servers,
            ),
            (
                _definition(
                    "usage",
                    "Usage",
                    "Calls, tokens and cost of this key since the first of the month (UTC).",
                    {"type": "object", "properties": {"by": by}, "additionalProperties": False},
                ),
                self._usage,
            ),
        ]
        return {definition["name"]: (definition, function) for definition, function in rows}
