"""OAuth clients: as whom the hub asks for sign-ins at the providers behind its servers."""

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.core.refusal import Refusal
from hub.store.diffs import difference
from hub.ui.resources import form_of, values_of
from hub.ui.site import Site
from hub.ui.sources import Visit
from hub.ui.typed import counted

PATH = "/admin/oauth-clients"
_FIELDS = ("server", "client_id", "scopes")


class OAuthClientPages:
    """`/admin/oauth-clients`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """The route."""
        return [Route(PATH, self._site.page(self._page), methods=["GET", "POST"])]

    async def _page(self, visit: Visit) -> Response:
        note, conflict, typed = "", None, {name: visit.query(name) for name in _FIELDS}
        if visit.request.method == "POST":
            values = values_of(await form_of(visit.request))
            form = {name: given[-1].strip() for name, given in values.items()}
            seen = dict(given.rsplit(" ", 1) for given in values.get("seen", []) if " " in given)
            typed = {name: form.get(name, "") for name in _FIELDS}
            try:
                if form.get("do") == "forget":
                    await visit.send("DELETE", "/oauth-clients", query={"issuer": form.get("issuer", "")})
                    return self._site.go(visit, PATH, "client-forgotten")
                found = await visit.get(f"/servers/{typed['server']}")
                auth = _asking(found, typed, form.get("secret", ""))
                if counted(seen.get(found["name"], str(found["version"]))) == found["version"]:
                    await _give(visit, found, auth, form.get("secret", ""))
                    return self._site.go(visit, PATH, "client-given")
                conflict = {"theirs": found, "diff": difference(found["spec"].get("auth") or {}, auth, "auth")}
            except Refusal as refusal:
                note = refusal.message
        clients = (await visit.get("/oauth-clients"))["items"]
        return self._site.show(
            visit,
            "oauth_clients.html",
            status=409 if conflict else 422 if note else 200,
            note=note,
            conflict=conflict,
            typed=typed,
            clients=clients,
            redirect=visit.address + "/oauth/connected",
            servers=[
                one
                for one in await visit.items("/servers", view="specs")
                if (one["spec"].get("auth") or {}).get("type") == "oauth"
            ],
            writable=visit.can("platform.write") and visit.can("secrets.write"),
        )


def _asking(server: dict[str, Any], typed: dict[str, str], secret: str) -> dict[str, Any]:
    """The `auth` of a server that uses a client which somebody registered at its provider."""
    auth: dict[str, Any] = {**(server["spec"].get("auth") or {}), "type": "oauth", "client_id": typed["client_id"]}
    auth.pop("client_secret", None)
    if typed["scopes"]:
        auth["scopes"] = typed["scopes"].split()
    if secret:
        auth["client_secret"] = f"vault:{_reference(server)}"
    return auth


def _reference(server: dict[str, Any]) -> str:
    return f"{server['name'][:50]}-oauth-client"


async def _give(visit: Visit, server: dict[str, Any], auth: dict[str, Any], secret: str) -> None:
    """Let a server use a client: its secret goes to the vault, the rest to the server. Raises Refusal."""
    spec = {**server["spec"], "auth": auth}
    # Refused before a secret is kept.
    await visit.send("POST", "/apply", {"resources": {"servers": {server["name"]: spec}}, "dry_run": True})
    if secret:
        await visit.send("PUT", f"/secrets/{_reference(server)}", {"value": secret})
    await visit.send("PUT", f"/servers/{server['name']}", {"spec": spec, "version": server["version"]})
