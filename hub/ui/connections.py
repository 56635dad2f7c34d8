"""Connections: one's own provider credentials, and a team's, in place of the hub's; what each server needs."""

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.core.refusal import Refusal
from hub.ui.resources import form_of
from hub.ui.site import Site
from hub.ui.sources import Visit


class ConnectionPages:
    """`/console/connections`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """The route."""
        return [Route("/console/connections", self._site.page(self._page), methods=["GET", "POST"])]

    async def _page(self, visit: Visit) -> Response:
        note = ""
        if visit.request.method == "POST":
            form = {name: str(value) for name, value in (await form_of(visit.request)).items()}
            path, team = f"/me/connections/{form.get('provider', '')}", form.get("team", "")
            try:
                if form.get("do") == "remove":
                    await visit.send("DELETE", path, query={"team": team} if team else None)
                    return self._site.go(visit, "/console/connections", "disconnected")
                given = {"value": form.get("value", ""), **({"team": team} if team else {})}
                await visit.send("PUT", path, given)
                return self._site.go(visit, "/console/connections", "connected")
            except Refusal as refusal:
                note = refusal.message
        return self._site.show(
            visit,
            "connections.html",
            status=422 if note else 200,
            note=note,
            providers=await visit.items("/me/connections"),
            profiles=(await visit.get("/me/profiles"))["items"],
        )
