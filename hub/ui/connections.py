"""Connections: one's own provider credentials, and a team's, in place of the hub's; what each server needs."""

from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.core.refusal import Refusal
from hub.ui.resources import form_of
from hub.ui.site import Site, status_of
from hub.ui.sources import Visit
from hub.ui.typed import counted


class ConnectionPages:
    """`/console/connections`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """The route."""
        return [Route("/console/connections", self._site.page(self._page), methods=["GET", "POST"])]

    async def _page(self, visit: Visit) -> Response:
        if visit.request.method == "POST":
            form = {name: str(value) for name, value in (await form_of(visit.request)).items()}
            if "server" in form:
                return await self._account(visit, form)
            path, team = f"/me/connections/{form.get('provider', '')}", form.get("team", "")
            seen = {**({"team": team} if team else {}), "version": counted(form.get("version", ""))}
            try:
                if form.get("do") == "remove":
                    await visit.send("DELETE", path, query={"team": team} if team else None)
                    return self._site.go(visit, "/console/connections", "disconnected")
                await visit.send("PUT", path, {"value": form.get("value", ""), **seen})
                return self._site.go(visit, "/console/connections", "connected")
            except Refusal as refusal:
                return await self._shown(visit, refusal)
        return await self._shown(visit)

    async def _account(self, visit: Visit, form: dict[str, str]) -> Response:
        """Connect an account at a server, or take it back."""
        path = f"/me/accounts/{form['server']}"
        try:
            if form.get("do") == "remove":
                await visit.send("DELETE", path)
                return self._site.go(visit, "/console/connections", "disconnected")
            done = await visit.send("POST", path, {"key": form["key"]} if "key" in form else None)
            if "url" not in done:
                return self._site.go(visit, "/console/connections", "account")
            url = str(done["url"])
        except Refusal as refusal:
            return await self._shown(visit, refusal)
        # A link, not a redirect: whoever goes to another site sees which.
        return self._site.show(visit, "leave.html", server=form["server"], url=url, host=urlsplit(url).netloc)

    async def _shown(self, visit: Visit, refusal: Refusal | None = None) -> Response:
        return self._site.show(
            visit,
            "connections.html",
            status=200 if refusal is None else status_of(refusal),
            note=refusal.message if refusal else "",
            providers=await visit.items("/me/connections"),
            profiles=(await visit.get("/me/profiles"))["items"],
            accounts=await visit.items("/me/accounts"),
            wanted=visit.query("server"),
        )
