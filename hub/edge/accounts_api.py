"""Accounts at MCP servers that want a sign-in: one's own, or the hub's; connected in the browser, and taken back."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route as Page

from hub.core.accounts import SHARED, Account, owner_of
from hub.core.principal import Principal
from hub.core.refusal import Forbidden, NotFound
from hub.edge.connections_api import one_line
from hub.edge.resources_api import mapping_of
from hub.edge.routes import Answer, Ask, Route, listed
from hub.identity import Permission, require, teams_with
from hub.resources import Snapshot
from hub.resources.tools import ServerSpec
from hub.store import Actor, Resources
from hub.upstream import DOCUMENT, ServerSignIns, client_document, owner_for

RETURN = "/oauth/connected"
CONSOLE = "/console/connections"
MOST_CHARACTERS = 4096  # of a key, which goes into a header


@dataclass(frozen=True, slots=True)
class AccountsApi:
    """The routes below `/api/v1/me/accounts`, and the page to which providers send the browser back."""

    sign_ins: ServerSignIns
    resources: Resources
    visitor: Callable[[Request], Awaitable[Principal]]
    address: Callable[[Request], str]

    async def _list(self, ask: Ask) -> Answer:
        items: list[dict[str, Any]] = []
        own, shared = await self.sign_ins.held(owner_of(ask.principal.user)), await self.sign_ins.held(SHARED)
        for name, profiles in sorted(_within_reach(ask.snapshot, ask.principal).items()):
            spec = ask.snapshot.servers[name]
            personal = spec.auth is not None and spec.auth.is_personal
            items.append(
                {
                    "server": name,
                    "title": spec.title,
                    "account": "user" if personal else "hub",
                    "by": "sign-in" if spec.auth is not None and spec.auth.type == "oauth" else "key",
                    "profiles": profiles,
                    "may_connect": bool(ask.principal.user) if personal else _may_share(ask.principal),
                    "connected": _told((own if personal else shared).get(name)),
                }
            )
        return listed(ask, items)

    async def _connect(self, ask: Ask) -> Answer:
        name, spec = _server(ask)
        owner = _owner(ask.principal, spec)
        if spec.auth is not None and spec.auth.type != "oauth":
            return await self._keep(ask, name, spec, owner)
        url = await self.sign_ins.begin(name, spec, owner, self.address(ask.request) + RETURN)
        return Answer({"server": name, "url": url})

    async def _keep(self, ask: Ask, name: str, spec: ServerSpec, owner: str) -> Answer:
        """Keep somebody's own key for a server."""
        given = mapping_of(ask.body, "key").get("key") if ask.body is not None else None
        key = one_line("key", f"your key for '{name}'", given, MOST_CHARACTERS)
        account = await self.sign_ins.keep(name, spec, owner, key)
        await self.resources.note(
            ask.actor, "account-connected", detail=f"servers/{name} of {owner}", of=("servers", name)
        )
        return Answer({"server": name, "connected": _told(account)})

    async def _disconnect(self, ask: Ask) -> Answer:
        name, spec = _server(ask)
        owner = _owner(ask.principal, spec)
        if not await self.sign_ins.forget(name, owner):
            raise NotFound("not_found", f"No account is connected at '{name}'.")
        await self.resources.note(
            ask.actor, "account-disconnected", detail=f"servers/{name} of {owner}", of=("servers", name)
        )
        return Answer({"server": name, "connected": None})

    def routes(self) -> Iterator[Route]:
        """The rows."""
        path, mine = "/api/v1/me/accounts", Permission.SELF
        yield Route(
            "GET", path, mine, "The servers of your profiles that want a sign-in, and whether there is one", self._list,
            "people", reply="Page",
        )  # fmt: skip
        yield Route(
            "POST", f"{path}/{{name}}", mine,
            "Connect an account at a server: with your `key`, or by opening the `url` of the answer in a browser",
            self._connect, "people", body="AccountKey",
        )  # fmt: skip
        yield Route("DELETE", f"{path}/{{name}}", mine, "Forget the account at a server", self._disconnect, "people")

    # -- the browser -----------------------------------------------------------------------------------------------

    async def _back(self, request: Request) -> Response:
        """The browser comes back from a provider. Only whoever was sent there may: a link of somebody else's connects nothing."""
        given = dict(request.query_params)
        name, owner = self.sign_ins.begun_for(given.get("state", ""))
        principal = await self.visitor(request)
        spec = self.resources.snapshot().servers.get(name)
        if spec is None or spec.auth is None or spec.auth.type != "oauth":
            raise NotFound("not_found", f"Server '{name}' wants no sign-in any more.")
        if principal.kind != "user" or _owner(principal, spec) != owner:
            raise Forbidden(
                "forbidden", "Sign in to the hub as the one who began this, in this browser, and begin again."
            )
        await self.sign_ins.finish(name, spec, given)
        actor = Actor(f"user:{principal.user}", source="oauth")
        await self.resources.note(actor, "account-connected", detail=f"servers/{name} of {owner}", of=("servers", name))
        return RedirectResponse(f"{CONSOLE}?{urlencode({'server': name, 'done': 'account'})}", 303)

    async def _document(self, request: Request) -> Response:
        """How the hub describes itself to authorization servers."""
        base = self.address(request)
        document = client_document(base, [base + RETURN])
        return JSONResponse(document, headers={"cache-control": "public, max-age=3600"})

    def pages(self) -> list[Page]:
        """The routes that no program calls."""
        return [
            Page(RETURN, self._back, methods=["GET"]),
            Page(DOCUMENT, self._document, methods=["GET"]),
        ]


def _within_reach(snapshot: Snapshot, principal: Principal) -> dict[str, list[str]]:
    """The servers with a sign-in that a principal's profiles lead to, each with those profiles."""
    found: dict[str, list[str]] = {}
    for profile, spec in sorted(snapshot.profiles.items()):
        if principal.may_use_profile(profile):
            for name in spec.servers:
                server = snapshot.servers.get(name)
                if server is not None and server.auth is not None and server.auth.is_connected:
                    found.setdefault(name, []).append(profile)
    if _may_share(principal):
        for name, server in snapshot.servers.items():
            if server.auth is not None and server.auth.is_connected:
                found.setdefault(name, [])
    return found


def _server(ask: Ask) -> tuple[str, ServerSpec]:
    name = ask.path("name")
    if name not in _within_reach(ask.snapshot, ask.principal):
        raise NotFound("not_found", f"There is no server '{name[:64]}' in your profiles that wants a sign-in.")
    return name, ask.snapshot.servers[name]


def _owner(principal: Principal, spec: ServerSpec) -> str:
    if principal.kind != "user":
        raise Forbidden("forbidden", "Sign in yourself: a key does not say whose account is connected.")
    owner = owner_for(principal, spec)
    if owner == SHARED:
        require(principal, Permission.PLATFORM_WRITE)
    return owner


def _may_share(principal: Principal) -> bool:
    """Whether a principal may connect the hub's own accounts."""
    return teams_with(principal, Permission.PLATFORM_WRITE) is None


def _told(account: Account | None) -> dict[str, Any] | None:
    if account is None:
        return None
    return {
        "since": account.connected_at,
        "scope": account.tokens.scope,
        "issuer": account.issuer,
        "error": account.error or None,
    }
