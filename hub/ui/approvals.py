"""What waits for approval: tools of locked profiles that are new or have changed, each with what differs."""

from typing import Any
from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.core.refusal import Refusal
from hub.ui.resources import form_of
from hub.ui.site import Site
from hub.ui.sources import Visit


async def waiting_in(visit: Visit) -> dict[str, list[dict[str, Any]]]:
    """The locked profiles, each with the tools that wait."""
    profiles = [item for item in await visit.items("/profiles") if item["spec"].get("lock")]
    return {item["name"]: item["status"].get("drifts", []) for item in profiles}


class ApprovalPages:
    """`/admin/approvals`, and `/admin/approvals/{profile}`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """The routes."""
        page = self._site.page
        return [
            Route("/admin/approvals", page(self._all), methods=["GET"]),
            Route("/admin/approvals/{name}", page(self._one), methods=["GET", "POST"]),
        ]

    async def _all(self, visit: Visit) -> Response:
        return self._site.show(visit, "approvals.html", waiting=await waiting_in(visit))

    async def _one(self, visit: Visit) -> Response:
        name, note = visit.request.path_params["name"], ""
        if visit.request.method == "POST":
            form = await form_of(visit.request)
            seen = dict(one.rsplit(" ", 1) for one in map(str, form.getlist("seen")) if " " in one)
            chosen = list(seen) if form.get("do") == "all" else [str(one) for one in form.getlist("tool")]
            try:
                digests = {tool: seen[tool] for tool in chosen if tool in seen}
                await visit.send("POST", f"/profiles/{name}/approve", {"tools": chosen, "digests": digests})
                return self._site.go(visit, f"/admin/approvals/{quote(name)}", "approved")
            except Refusal as refusal:
                if refusal.status not in (400, 404, 409):
                    raise
                note = refusal.message if chosen else "Choose the tools that you approve, or approve all."
        profile = await visit.get(f"/profiles/{name}")
        drifts = (await visit.get(f"/profiles/{name}/drifts"))["items"]
        return self._site.show(
            visit,
            "approval.html",
            status=409 if note else 200,
            profile=profile,
            lock=profile["spec"].get("lock"),
            drifts=drifts,
            note=note,
            writable=visit.can("catalogue.write"),
        )
