"""Claude Code's gateway protocol, beside the sign-in: is anybody there, what is pushed to the client, what is spent."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hub.core.principal import Principal
from hub.core.refusal import NotFound, Unauthenticated
from hub.edge.credentials import presented
from hub.edge.model_lists import openai_model
from hub.edge.own_api import budgets_over
from hub.identity import AccessTokens, Claims, Identity
from hub.install.pushed import variables
from hub.resources import Snapshot
from hub.routing import visible_models

MARKETPLACE = "hub"
TOKEN = "HUB_MCP_TOKEN"  # noqa: S105 - the name of the variable that the pushed plugin reads
_PRIVATE = {"cache-control": "private, no-cache"}
_WARNS_AT = 75  # percent


@dataclass(frozen=True, slots=True)
class GatewayApi:
    """`/api/hello`, `/managed/settings`, `/api/oauth/usage`.

    `catalogue_token` gives what reads the marketplace in a user's name; `budget` what is observed of a budget.
    """

    identity: Identity
    snapshots: Callable[[], Snapshot]
    address: Callable[[Request], str]
    tokens: AccessTokens
    catalogue_token: Callable[[str], str]
    budget: Callable[[str], Awaitable[dict[str, Any]]]

    async def _hello(self, request: Request) -> Response:
        """The client looks whether it can reach the hub. Open, and without an entry in the ledger."""
        del request
        return Response(status_code=200, headers={"cache-control": "no-store"})

    def _caller(self, request: Request) -> Principal:
        return self.identity.resolve(self.snapshots(), presented(request.scope)).principal

    async def _settings(self, request: Request) -> Response:
        """What the caller's team pushes to their client."""
        principal, snapshot = self._caller(request), self.snapshots()
        if not principal.user and not principal.key:
            raise Unauthenticated("missing_key", "Sign in first.")
        claims = self.tokens.read(presented(request.scope).secret)
        catalogue = self.catalogue_token(principal.user) if claims is not None else ""
        settings = pushed(snapshot, principal, self.address(request), catalogue)
        if settings is None:
            raise NotFound(
                "not_found", "Your team pushes no settings. Its administrator gives it some under 'clients'."
            )
        if claims is not None:
            token = self.tokens.make_standing(Claims(claims.user, claims.grant, "/mcp"))
            settings["env"] = {**settings["env"], TOKEN: token}
        canonical = json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        checksum = f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"
        headers = {**_PRIVATE, "etag": f'"{checksum}"'}
        if request.headers.get("if-none-match", "") in (checksum, f'"{checksum}"'):
            return Response(status_code=304, headers=headers)
        uuid = str(uuid5(NAMESPACE_URL, f"{principal.id}|{checksum}"))
        return JSONResponse({"uuid": uuid, "checksum": checksum, "settings": settings}, headers=headers)

    async def _usage(self, request: Request) -> Response:
        """The tightest budget over the caller, as the client shows it."""
        principal, snapshot = self._caller(request), self.snapshots()
        seen = [await self._seen(snapshot, name) for name in budgets_over(snapshot, principal)]
        used = [one for one in seen if one["limit"] > 0]
        if not used:
            return JSONResponse({"extra_usage": {"is_enabled": False}, "limits": []}, headers=_PRIVATE)
        tightest = max(used, key=lambda one: one["spent"] / one["limit"])
        extra = {
            "is_enabled": True,
            "monthly_limit": round(tightest["limit"] * 100),
            "used_credits": round(tightest["spent"] * 100, 2),
            "utilization": _percent(tightest),
            "currency": "USD",
        }
        return JSONResponse({"extra_usage": extra, "limits": [_limit(one) for one in used]}, headers=_PRIVATE)

    async def _seen(self, snapshot: Snapshot, name: str) -> dict[str, Any]:
        status = await self.budget(name)
        limit, spent = float(status.get("limit_usd") or 0), float(status.get("spent_usd") or 0)
        return {"name": name, "limit": limit, "spent": spent, "resets_at": status.get("resets_at")}

    def routes(self) -> list[Route]:
        """The routes, to be mounted at the root."""
        return [
            Route("/api/hello", self._hello, methods=["GET"]),
            Route("/managed/settings", self._settings, methods=["GET"]),
            Route("/api/oauth/usage", self._usage, methods=["GET"]),
        ]


def _percent(seen: dict[str, Any]) -> float:
    return round(100 * seen["spent"] / seen["limit"], 2)


def _limit(seen: dict[str, Any]) -> dict[str, Any]:
    percent = _percent(seen)
    severity = "critical" if percent >= 100 else "warning" if percent >= _WARNS_AT else "normal"
    about = {"kind": "spend", "group": seen["name"], "percent": percent, "resets_at": seen["resets_at"]}
    return {**about, "severity": severity, "is_active": True}


def pushed(snapshot: Snapshot, principal: Principal, address: str, catalogue_token: str) -> dict[str, Any] | None:
    """The settings of a caller's client: the hub's own, over them what their team says; None when it says nothing."""
    teams = [principal.team, *sorted(principal.roles)]
    spec = next((t.clients for name in teams if (t := snapshot.teams.get(name)) is not None and t.clients), None)
    if spec is None:
        return None
    wanted = spec.settings.get("model", "")
    listed = [openai_model(model) for model in visible_models(snapshot, principal) if model.converses]
    env = variables("claude-code", address, listed, wanted if isinstance(wanted, str) else "")
    if wanted:
        env.pop("ANTHROPIC_MODEL", None)  # the client would prefer it to the team's
    settings: dict[str, Any] = {"env": env}
    if spec.profile:
        scheme, _, rest = address.partition("://")
        at = f"hub:{catalogue_token}@{rest}/marketplace/claude-gateway.git"
        url = f"{scheme}://{at}" if catalogue_token else f"{address}/marketplace/claude.git"
        source = {"source": "git", "url": url}
        settings["extraKnownMarketplaces"] = {MARKETPLACE: {"source": source}}
        settings["enabledPlugins"] = {f"{spec.profile.replace('.', '-')}@{MARKETPLACE}": True}
    return _over(settings, spec.settings)


def _over(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """`base` with `more` laid over it, object by object."""
    merged = dict(base)
    for name, value in more.items():
        old = merged.get(name)
        merged[name] = _over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value  # pyright: ignore[reportUnknownArgumentType]
    return merged
