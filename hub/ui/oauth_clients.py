"""OAuth clients: as whom the hub asks for sign-ins at the providers behind its servers."""

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.core.refusal import Refusal
from hub.ui.resources import form_of
from hub.ui.site import Site
from hub.ui.sources import Visit

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
        note, typed = "", {name: visit.query(name) for name in _FIELDS}
        if visit.request.method == "POST":
            form = {name: str(value).strip() for name, value in (await form_of(visit.request)).items()}
            typed = {name: form.get(name, "") for name in _FIELDS}
            try:
                if form.get("do") == "forget":
                    await visit.send("DELETE", "/oauth-clients", query={"issuer": form.get("issuer", "")})
                    return self._site.go(visit, PATH, "client-forgotten")
                await _give(visit, typed, form.get("secret", ""))
                return self._site.go(visit, PATH, "client-given")
            except Refusal as refusal:
                note = refusal.message
        clients = (await visit.get("/oauth-clients"))["items"]
        return self._site.show(
            visit,
            "oauth_clients.html",
            status=422 if note else 200,
            note=note,
            typed=typed,
            clients=clients,
            redirect=visit.address + "/oauth/connected",
            servers=[
                one for one in await visit.items("/servers") if (one["spec"].get("auth") or {}).get("type") == "oauth"
            ],
            writable=visit.can("platform.write") and visit.can("secrets.write"),
        )


async def _give(visit: Visit, typed: dict[str, str], secret: str) -> None:
    """Let a server use a client that somebody registered at its provider: its secret goes to the vault, the rest to the server.

    Raises Refusal.
    """
    name = typed["server"]
    server = await visit.get(f"/servers/{name}")
    auth: dict[str, Any] = {**(server["spec"].get("auth") or {}), "type": "oauth", "client_id": typed["client_id"]}
    auth.pop("client_secret", None)
    if typed["scopes"]:
        auth["scopes"] = typed["scopes"].split()
    reference = f"{name[:50]}-oauth-client"
    if secret:
        auth["client_secret"] = f"vault:{reference}"
    spec = {**server["spec"], "auth": auth}
    # Refused before a secret is kept.
    await visit.send("POST", "/apply", {"resources": {"servers": {name: spec}}, "dry_run": True})
    if secret:
        await visit.send("PUT", f"/secrets/{reference}", {"value": secret})
    await visit.send("PUT", f"/servers/{name}", {"spec": spec, "version": server["version"]})
