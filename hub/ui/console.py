"""The Console's own pages: home, the catalogue of models, profiles as their users see them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.core.refusal import Conflict, NotFound, Refusal
from hub.identity import WRITE, Permission
from hub.install import clients
from hub.ui.composer import may_change
from hub.ui.resources import form_of
from hub.ui.site import Site, is_partial
from hub.ui.sources import Visit, together

_LATELY = 7  # days over which targets are compared
_MOST_SHOWN = 60
_MOST_SEARCHED = 1000  # of the catalogue; the rest needs another word
_MOST_NAMED = 24
_ASKED = ("model", "header", "tokens", "max_output", "key", "tools", "images")


async def this_month(visit: Visit) -> dict[str, Any]:
    """Calls, errors and cost since the first of the month (UTC), of what the visitor may see."""
    start = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    rows = (await visit.get("/usage", group_by="call", since=start.isoformat(), times=0))["items"]
    return {
        name: sum(int(row[name]) for row in rows)
        for name in ("calls", "errors", "refused", "cost_micro_usd", "unpriced")
    }


class ConsolePages:
    """Pages for developers."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """The routes."""
        page = self._site.page
        return [
            Route("/console", page(self._home), methods=["GET"]),
            Route("/console/announcements", page(self._put_away), methods=["POST"]),
            Route("/console/models", page(self._models), methods=["GET"]),
            Route("/console/profiles", page(self._profiles), methods=["GET"]),
            Route("/console/profiles/{name}", page(self._profile), methods=["GET"]),
            Route("/console/routing", page(self._routing), methods=["GET"]),
            Route("/console/routes", page(self._routes), methods=["GET"]),
        ]

    async def _home(self, visit: Visit, note: str = "") -> Response:
        found = await together(
            notices=visit.get("/me/announcements", dismissed=1),
            spend=this_month(visit),
            budgets=visit.items("/me/budgets"),
            profiles=visit.items("/me/profiles"),
            providers=visit.items("/me/providers"),
            models=visit.conversing(),
            calls=visit.calls(limit=8),
        )
        notices, read_too = found["notices"]["items"], visit.query("notices") == "all"
        return self._site.show(
            visit,
            "home.html",
            status=409 if note else 200,
            note=note,
            address=visit.address,
            announcements=[one for one in notices if read_too or not one["dismissed"]],
            put_away=0 if read_too else sum(one["dismissed"] for one in notices),
            spend=found["spend"],
            budgets=found["budgets"],
            profiles=found["profiles"],
            providers=found["providers"],
            models=found["models"],
            calls=found["calls"]["items"],
        )

    async def _put_away(self, visit: Visit) -> Response:
        form = await form_of(visit.request)
        path = f"/me/announcements/{form.get('name', '')}/dismissal"
        if form.get("do") == "show":
            await visit.send("DELETE", path)
            return self._site.go(visit, "/console?notices=all")
        try:
            await visit.send("PUT", path, {"digest": form.get("digest", "")})
        except Conflict as conflict:
            return await self._home(visit, conflict.message)
        return self._site.go(visit, "/console", "put-away")

    async def _models(self, visit: Visit) -> Response:
        words = visit.query("q").lower().split()
        needs = [need for need in visit.request.query_params.getlist("can")[:10] if need]
        found = (await visit.get("/me/models"))["items"]
        capabilities = sorted({capability for model in found for capability in model["capabilities"]})
        chosen: list[dict[str, Any]] = [
            {**model, "called": [model["id"]]}
            for model in found
            if all(word in f"{model['id']} {model['display_name']} {model['description']}".lower() for word in words)
            and set(needs) <= set(model["capabilities"])
        ]
        known = await self._known(visit, needs, {model["id"] for model in chosen})
        return self._site.show(
            visit,
            "models.html",
            models=chosen if visit.query("all") else chosen[:_MOST_SHOWN],
            known=known[:_MOST_SHOWN],
            more=len(known) > _MOST_SHOWN,
            found=len(chosen),
            all=len(found),
            words=visit.query("q"),
            needs=needs,
            capabilities=capabilities,
            address=visit.address,
        )

    async def _known(self, visit: Visit, needs: list[str], shown: set[str]) -> list[dict[str, Any]]:
        """The models of the whole catalogue that are searched for and are not shown already."""
        if not visit.query("q").strip():
            return []
        found = await visit.get("/model-catalogue", search=visit.query("q"), limit=_MOST_SEARCHED)
        return [
            {**model, "targets": []}
            for model in found["items"]
            if shown.isdisjoint(model["called"]) and set(needs) <= set(model["capabilities"])
        ]

    async def _profiles(self, visit: Visit) -> Response:
        servers = await visit.items("/me/servers")
        return self._site.show(
            visit,
            "profiles.html",
            profiles=(await visit.get("/me/profiles"))["items"],
            servers=[{**one, "offered": await visit.items(f"/me/servers/{one['name']}/tools")} for one in servers],
            address=visit.address,
        )

    async def _profile(self, visit: Visit) -> Response:
        name = visit.request.path_params["name"]
        profiles = (await visit.get("/me/profiles"))["items"]
        profile = next((one for one in profiles if one["name"] == name), None)
        if profile is None:
            raise NotFound("profile_not_found", f"There is no profile '{name[:64]}' that you may use.")
        return self._site.show(
            visit,
            "profile.html",
            profile=profile,
            address=visit.address,
            clients=list(clients().values()),
            composing=may_change(visit, await visit.get(f"/profiles/{name}")),
            accounts=[one for one in await visit.items("/me/accounts") if name in one["profiles"]],
        )

    async def _fares(self, visit: Visit, model: str, route: str) -> list[dict[str, Any]]:
        """How the targets of what was named fared lately."""
        if not model and not route:
            return []
        since = (datetime.now(UTC) - timedelta(days=_LATELY)).isoformat(timespec="seconds")
        return (await visit.get("/usage/targets", model="" if route else model, route=route, since=since))["items"]

    async def _routes(self, visit: Visit) -> Response:
        """The Console lists routes where it explains them."""
        return self._site.go(visit, "/console/routing", visit.query("done"))

    async def _routes_of(self, visit: Visit) -> list[dict[str, Any]]:
        """All routes, to who sees them; to others those of their calls, and those of their teams, which they may change."""
        if visit.operator:
            writes = visit.can(WRITE["routes"])
            return [{**one, "changes": writes} for one in await visit.items("/routes")]
        own = await visit.items("/routes") if visit.can(Permission.ROUTES_OWN) else []
        names = {one["name"] for one in own}
        leading = {one["name"]: one for one in await visit.items("/me/routes")}
        unused = [{**one, "changes": True} for one in own if one["name"] not in leading]
        return [*({**one, "changes": name in names} for name, one in leading.items()), *unused]

    async def _routing(self, visit: Visit) -> Response:
        route = visit.query("route").strip()
        asked = {name: visit.query(name).strip() for name in _ASKED}
        models = (await visit.get("/me/models"))["items"]
        refusal, plan, fares = None, None, list[dict[str, Any]]()
        try:
            plan = await visit.get("/explain", **asked) if asked["model"] else None
            fares = await self._fares(visit, asked["model"], route)
        except Refusal as found:
            if is_partial(visit.request):
                raise  # told above what stands there
            refusal = found
        return self._site.show(
            visit,
            "routing.html",
            status=refusal.status if refusal else 200,
            refusal=refusal,
            asked=asked,
            models=models,
            names=[model for model in models if len(model["targets"]) > 1][:_MOST_NAMED],
            key_names=await visit.names("keys") if visit.operator else [],
            routes=await self._routes_of(visit),
            builds=visit.can(WRITE["routes"]) or visit.can(Permission.ROUTES_OWN),
            plan=plan,
            fares=fares,
            compared="" if refusal else route or asked["model"],
            lately=_LATELY,
        )
