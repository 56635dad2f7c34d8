"""`/api/v1/oauth-clients`: as whom the hub asks for sign-ins at the providers behind its servers, and for which of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from hub.core.accounts import Account
from hub.core.refusal import NotFound
from hub.edge.accounts_api import RETURN
from hub.edge.routes import Answer, Ask, Query, Route, listed
from hub.identity import Permission
from hub.resources import Snapshot
from hub.store import Resources
from hub.upstream import DOCUMENT, ServerSignIns


@dataclass(frozen=True, slots=True)
class ServerClientsApi:
    """The routes. A client was `given` by a server's settings, `registered` by the hub, or `described` by its document.

    A server with a sign-in at which nobody has connected an account yet, and without a client of its own, is
    `unknown`: the first sign-in tells.
    """

    sign_ins: ServerSignIns
    resources: Resources
    address: Callable[[Request], str]

    async def _list(self, ask: Ask) -> Answer:
        accounts = [one for one in await self.sign_ins.everybody() if one.issuer]
        redirect = self.address(ask.request) + RETURN
        items = [*_given(ask.snapshot, redirect), *(_registered(*one) for one in await self.sign_ins.registrations())]
        known = {(item["client_id"], item["issuer"]) for item in items}
        for account in accounts:
            name = account.registration.client_id
            if name.endswith(DOCUMENT) and (name, account.issuer) not in known:
                known.add((name, account.issuer))
                items.append(_client("described", name, account.issuer, redirect))
        for item in items:
            _fill(item, [one for one in accounts if _is_of(one, item)])
        named = {server for item in items for server in item["servers"]}
        items += [
            {
                **_client("unknown", None, None, redirect),
                "servers": [server],
                "accounts": sum(one.server == server for one in accounts),
            }
            for server in sorted(_with_sign_in(ask.snapshot))
            if server not in named
        ]
        return listed(ask, items)

    async def _forget(self, ask: Ask) -> Answer:
        issuer = ask.query("issuer")
        if not await self.sign_ins.unregister(issuer):
            raise NotFound("not_found", f"The hub has not registered itself at '{issuer[:200]}'.")
        await self.resources.note(ask.actor, "oauth-client-forgotten", detail=issuer[:500])
        return Answer({"issuer": issuer, "forgotten": True})

    def routes(self) -> Iterator[Route]:
        """The rows."""
        path = "/api/v1/oauth-clients"
        about = "As whom the hub asks for sign-ins at the providers behind its servers, with redirect addresses and accounts"
        yield Route("GET", path, Permission.PLATFORM_READ, about, self._list, "servers", reply="Page")
        about = "Forget a client that the hub registered itself; the next sign-in registers a new one"
        yield Route(
            "DELETE", path, Permission.PLATFORM_WRITE, about, self._forget, "servers",
            query=(Query("issuer", "the authorization server"),),
        )  # fmt: skip


def _client(source: str, client_id: str | None, issuer: str | None, redirect: str) -> dict[str, Any]:
    return {
        "source": source,
        "client_id": client_id,
        "issuer": issuer,
        "redirect_uri": redirect,
        "secret": None,
        "scopes": [],
        "servers": [],
        "accounts": 0,
        "ended": 0,
    }


def _with_sign_in(snapshot: Snapshot) -> list[str]:
    return [name for name, spec in snapshot.servers.items() if spec.auth is not None and spec.auth.type == "oauth"]


def _given(snapshot: Snapshot, redirect: str) -> list[dict[str, Any]]:
    """The clients that servers name themselves; one that several name stands once."""
    found: dict[tuple[str, str | None], dict[str, Any]] = {}
    for name in _with_sign_in(snapshot):
        auth = snapshot.servers[name].auth
        if auth is None or auth.client_id is None:
            continue
        item = found.setdefault((auth.client_id, auth.client_secret), _client("given", auth.client_id, None, redirect))
        item["secret"] = auth.client_secret
        item["scopes"] = sorted({*item["scopes"], *auth.scopes})
        item["servers"].append(name)
    return list(found.values())


def _registered(issuer: str, redirect: str, registration: Any) -> dict[str, Any]:
    item = _client("registered", registration.client_id, issuer, redirect)
    return {**item, "secret": "kept encrypted" if registration.client_secret else None}


def _is_of(account: Account, item: dict[str, Any]) -> bool:
    if account.registration.client_id != item["client_id"]:
        return False
    return account.server in item["servers"] if item["source"] == "given" else account.issuer == item["issuer"]


def _fill(item: dict[str, Any], accounts: list[Account]) -> None:
    """What its accounts tell of a client."""
    item["servers"] = sorted({*item["servers"], *(one.server for one in accounts)})
    item["scopes"] = sorted({*item["scopes"], *(scope for one in accounts for scope in one.tokens.scope.split())})
    item["issuer"] = item["issuer"] or next((one.issuer for one in accounts), None)
    item["accounts"] = len(accounts)
    item["ended"] = sum(bool(one.error) for one in accounts)
