"""What is observed of resources, beside what they say: used money, states of servers, when keys were used."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from hub import __version__
from hub.app.forecasts import Rate, full_at, lately, runs_out_at
from hub.app.profile_desk import ProfileDesk
from hub.app.recording import Recording
from hub.app.told import iso, listing_and_calls
from hub.core.principal import Principal
from hub.core.refusal import Refusal
from hub.edge import provider_view
from hub.policy import Policy
from hub.profile import ProfileView, Tool
from hub.resources import cautions
from hub.routing import Health, RuleHits
from hub.store import Resource, Resources, Secrets
from hub.store.journal import MadeSecret
from hub.upstream import ServerDefinitions, Servers

_definition = msgspec.json.Decoder(dict[str, Any])


def _usd(micro: int) -> str:
    return f"{micro / 1e6:.6f}"


@dataclass(frozen=True, slots=True)
class Serving:
    """What is observed while models are called."""

    health: Health
    hits: RuleHits


class Observed:
    """Answers for `status` of a resource, for the instance, and for the pages."""

    def __init__(
        self,
        resources: Resources,
        recording: Recording,
        policy: Policy,
        servers: Servers,
        secrets: Secrets,
        desk: ProfileDesk,
        serving: Serving,
    ) -> None:
        self._resources = resources
        self._queries = recording.queries
        self._deliveries = recording.deliveries
        self._policy = policy
        self._servers = servers
        self._secrets = secrets
        self._serving = serving
        self._desk = desk

    async def status(self, kind: str, resource: Resource) -> dict[str, Any]:
        """What is observed of one resource."""
        return (await self.statuses(kind, (resource,)))[0]

    async def statuses(self, kind: str, resources: Sequence[Resource]) -> list[dict[str, Any]]:
        """What is observed of resources of one kind, in their order; the ledger is asked once for all keys, or limits."""
        names = [resource.name for resource in resources]
        if kind == "keys":
            used = await self._queries.last_used(names)
            return [self._key(name, used.get(name)) for name in names]
        if kind == "limits":
            return await self._limits(names)
        return [await self._status(kind, resource) for resource in resources]

    async def _status(self, kind: str, resource: Resource) -> dict[str, Any]:
        at_hand = {
            "profiles": self._profile,
            "exports": self._export,
            "announcements": self._announcement,
            "models": self._model,
            "routes": self._route,
        }
        asked = {"budgets": self.budget, "servers": self.server}
        if kind in at_hand:
            return at_hand[kind](resource.name)
        if kind in asked:
            return await asked[kind](resource.name)
        return await self._provider(resource.name, resource.spec) if kind == "providers" else {}

    def _model(self, name: str) -> dict[str, Any]:
        return {"warnings": cautions(self._resources.snapshot(), "models", name)}

    def _route(self, name: str) -> dict[str, Any]:
        odd = cautions(self._resources.snapshot(), "routes", name)
        return {"rules": self._serving.hits.of(name), **({"warnings": odd} if odd else {})}

    def _announcement(self, name: str) -> dict[str, Any]:
        spec = self._resources.snapshot().announcements.get(name)
        return {"current": spec is not None and spec.is_current()}

    def _export(self, name: str) -> dict[str, Any]:
        if name not in self._resources.snapshot().exports:
            return {"status": "disconnected"}
        health = self._deliveries.health(name)
        if health is None:
            return {"status": "connected"}  # a file
        return {
            "status": health.status,
            "last_checked_at": iso(health.checked_at),
            "last_error": health.error or None,
            "sent": health.sent,
            "dropped": health.dropped,
            "waiting": health.waiting,
        }

    def _key(self, name: str, used: float | None) -> dict[str, Any]:
        secrets = [
            {
                "id": secret.id if isinstance(secret, MadeSecret) else None,
                "last_four": secret.last_four,
                "created_at": secret.created_at.isoformat() if isinstance(secret, MadeSecret) else None,
                "ends_at": iso(secret.ends_at),
                "revoked": secret.ends_at == 0,
                "ended": secret.ends_at is not None and secret.ends_at <= time.time(),
            }
            for secret in self._resources.secrets_of(name)
        ]
        return {"secrets": secrets, "last_used": iso(used)}

    async def budget(self, name: str) -> dict[str, Any]:
        """What is used of a budget, when it begins anew, and when its money ends at this rate."""
        await self._policy.look((name,))
        found, spec = self._policy.budget_status(name), self._resources.snapshot().budgets.get(name)
        if found is None or spec is None:
            return {"state": "disabled"}
        ends = found.runs_out_at
        if found.resets_at is None:
            ends = await runs_out_at(self._queries, spec.scope.parts, found.limit - found.spent, time.time())
        return {
            "spent_usd": _usd(found.spent),
            "reserved_usd": _usd(found.reserved),
            "remaining_usd": _usd(found.limit - found.spent - found.reserved),
            "starts_at": iso(found.starts_at),
            "resets_at": iso(found.resets_at),
            "alerts_reached": list(found.alerts),
            "unpriced_calls": found.unpriced,
            "limit_usd": _usd(found.limit),
            "carried_over_usd": _usd(found.carried_over),
            "runs_out_at": iso(ends),
        }

    async def _limits(self, names: Sequence[str]) -> list[dict[str, Any]]:
        await self._policy.look(names)
        specs, now = self._resources.snapshot().limits, time.time()
        scopes = {specs[name].scope.parts for name in names if name in specs}
        rates = await lately(self._queries, scopes, now)
        return [self._limit(name, rates, now) for name in names]

    def _limit(self, name: str, rates: Mapping[tuple[str, str], Rate], now: float) -> dict[str, Any]:
        found, spec = self._policy.limit_status(name), self._resources.snapshot().limits.get(name)
        if found is None or spec is None:
            return {"state": "disabled"}
        return {
            "requests_last_minute": found.requests,
            "tokens_last_minute": found.tokens,
            "tool_calls_last_minute": found.tool_calls,
            "parallel": found.parallel,
            "waiting": found.waiting,
            "full_at": iso(full_at(spec, found, rates.get(spec.scope.parts, Rate()), now)),
            "clear_in_seconds": found.rest,
        }

    async def server(self, name: str) -> dict[str, Any]:
        """What is observed of a server; it may have no secret in it."""
        if name not in self._resources.snapshot().servers:
            return {"state": "disabled"}
        status = self._servers.status(name)
        return {
            "state": str(status.state),
            "since": iso(status.since),
            "transport": status.transport,
            "era": str(status.era) if status.era else None,
            "protocol_version": status.version or None,
            "server_info": msgspec.json.decode(status.server_info),
            "pid": status.pid,
            "last_error": status.last_error or None,
            "stderr": list(status.stderr),
            "restarts": status.restarts,
            "in_flight": status.in_flight,
            **listing_and_calls(status),
            "tools": status.tools,
            **_offered(self._servers.definitions(name)),
            "rejected": [{"tool": tool, "reason": reason} for tool, reason in status.rejected],
            "findings": self._desk.findings(name),
        }

    def server_tools(self, name: str) -> list[dict[str, Any]]:
        """The tools of a server under their own names, as last seen."""
        return [_described(tool.name, tool.raw) for tool in self._servers.definitions(name).tools]

    def _profile(self, name: str) -> dict[str, Any]:
        snapshot = self._resources.snapshot()
        view = self._desk.view(snapshot, name)
        if view is None:
            return {"state": "disabled"}
        return {
            **self._desk.status(snapshot, name),
            "url": f"/mcp/{name}",
            "tools": len(view.tools),
            "tokens": sum(tool.tokens for tool in view.tools.values()),
            "gaps": _gaps(view),
            "conflicts": [{"name": taken, "tool": tool} for taken, tool in view.conflicts],
        }

    async def _provider(self, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        ok, detail = await self._credential(spec.get("api_key"))
        observed = provider_view(name, self._serving.health.provider(name))
        return {"credential": "ok" if ok else "missing", "detail": detail, **observed}

    async def _credential(self, reference: str | None) -> tuple[bool, str]:
        if not reference:
            return True, "none needed"
        try:
            await self._secrets.resolve(reference)
        except Refusal as refusal:
            return False, refusal.message
        return True, reference

    async def instance(self) -> dict[str, Any]:
        """This hub as a whole."""
        snapshot = self._resources.snapshot()
        report = await self._resources.verify_new_audit()
        providers: list[dict[str, Any]] = []
        for name, provider in snapshot.providers.items():
            ok, detail = await self._credential(provider.spec.api_key)
            observed = provider_view(name, self._serving.health.provider(name))
            providers.append({"kind": provider.spec.kind, "ok": ok, "detail": detail, **observed})
        return {
            "version": __version__,
            "generation": snapshot.generation,
            "digest": snapshot.digest,
            "audit": {"ok": report.ok, "rows": report.rows, "fault": report.fault},
            "providers": providers,
            "servers": [self._server_line(name) for name in snapshot.servers],
            "catalogue": {"models": len(snapshot.catalogue), "as_of": snapshot.catalogue.version},
        }

    def _server_line(self, name: str) -> dict[str, Any]:
        status = self._servers.status(name)
        return {
            "name": name,
            "state": str(status.state),
            "era": status.version or (str(status.era) if status.era else ""),
            "tools": status.tools,
            "error": status.last_error,
        }

    def profiles(self, principal: Principal) -> list[dict[str, Any]]:
        """The profiles that a principal may use, with their tools."""
        snapshot = self._resources.snapshot()
        found: list[dict[str, Any]] = []
        for name, spec in snapshot.profiles.items():
            view = self._desk.view_of(snapshot, name, principal)
            if view is None or not principal.may_use_profile(name):
                continue
            tools = view.visible(principal)
            found.append(
                {
                    "name": name,
                    "title": spec.title or name,
                    "description": spec.description,
                    "url": f"/mcp/{name}",
                    "tools": [_tool(tool) for tool in tools],
                    "tokens": sum(tool.tokens for tool in tools),
                    "gaps": _gaps(view),
                }
            )
        return found


def _offered(known: ServerDefinitions) -> dict[str, Any]:
    """How much a server offers, and what its tools cost in a prompt."""
    return {
        "tokens": sum(len(tool.raw) for tool in known.tools) // 4,
        "prompts": len(known.prompts),
        "resources": len(known.resources),
        "templates": len(known.templates),
        "revision": known.revision,
    }


def _gaps(view: ProfileView) -> list[dict[str, Any]]:
    return [
        {"server": gap.server, "state": gap.state, "since": iso(gap.since), "message": gap.message} for gap in view.gaps
    ]


def _tool(tool: Tool) -> dict[str, Any]:
    """A tool as whoever may call it sees it, with where it comes from and what it costs in a prompt."""
    return {**_described(tool.name, tool.definition), "server": tool.server, "own": tool.own}


def _described(name: str, raw: bytes) -> dict[str, Any]:
    definition = _definition.decode(raw)
    text = definition.get("description")
    return {
        "name": name,
        "title": str(definition.get("title") or ""),
        "description": text.strip() if isinstance(text, str) else "",
        "input_schema": definition.get("inputSchema") or {},
        "annotations": definition.get("annotations") or {},
        "tokens": len(raw) // 4,
    }
