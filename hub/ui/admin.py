"""The Admin Dashboard's own pages: overview, roles, audit, secrets, instance."""

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.core.refusal import Refusal
from hub.identity import TABLE
from hub.identity.permissions import DESCRIPTIONS
from hub.resources import KINDS
from hub.store import ACTIONS
from hub.ui.approvals import waiting_in
from hub.ui.console import this_month
from hub.ui.ledger import RANGES, since_of
from hub.ui.resources import form_of
from hub.ui.site import Site, status_of, target_of
from hub.ui.sources import Visit, together

_AUDIT = (("actor", ()), ("action", ("", *ACTIONS)), ("kind", ("", *KINDS)), ("name", ()))


async def _missing(visit: Visit) -> list[str]:
    """The kinds without which nobody can use the hub, and of which there is none."""
    kinds = ("teams", "providers", "models", "profiles")
    return [kind for kind in kinds if not (await visit.get(f"/{kind}", limit=1))["items"]]


async def _odd(visit: Visit) -> list[dict[str, Any]]:
    """The keys and models that were unlike the week before in the last day."""
    return [one for one in (await visit.get("/usage/changes", limit=20))["items"] if one["alerts"]]


class AdminPages:
    """Pages for administrators and auditors."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """The routes."""
        page = self._site.page
        return [
            Route("/admin", page(self._overview), methods=["GET"]),
            Route("/admin/roles", page(self._roles), methods=["GET"]),
            Route("/admin/audit", page(self._audit), methods=["GET"]),
            Route("/admin/secrets", page(self._secrets), methods=["GET", "POST"]),
            Route("/admin/instance", page(self._instance), methods=["GET"]),
            Route("/admin/boundary", page(self._boundary), methods=["GET"]),
        ]

    async def _overview(self, visit: Visit) -> Response:
        # What is unlike the week before takes a look at all of it, so the page asks for that apart.
        if target_of(visit.request) == "odd":
            return self._site.show(visit, "overview.html", odd=await _odd(visit))
        _, since = since_of(visit, "7d")
        missing = await _missing(visit)
        if "teams" in missing and "providers" in missing and visit.can("people.write"):
            return self._site.go(visit, "/admin/start")
        found = await together(
            spend=this_month(visit),
            instance=visit.get("/instance"),
            waiting=waiting_in(visit),
            budgets=visit.items("/budgets"),
            series=visit.get("/usage", group_by="day", since=since),
            by_model=visit.get("/usage", group_by="model", since=since, call="model", limit=6, times=0),
            by_user=visit.get("/usage", group_by="user", since=since, times=0),
            calls=visit.calls(limit=8),
            failures=visit.calls(limit=5, outcome="error"),
            changes=visit.get("/audit", limit=8),
        )
        lists = {name: found[name]["items"] for name in ("series", "by_user", "calls", "failures", "changes")}
        return self._site.show(
            visit,
            "overview.html",
            missing=missing if visit.can("people.write") else [],
            waiting={name: tools for name, tools in found["waiting"].items() if tools},
            budgets=[{"title": "", "mode": "block", **one["spec"], **one} for one in found["budgets"]],
            by_model=found["by_model"]["items"],
            instance=found["instance"],
            spend=found["spend"],
            odd=await _odd(visit) if visit.query("compare") else None,
            **lists,
        )

    async def _roles(self, visit: Visit) -> Response:
        people: dict[str, list[str]] = {}
        for user in await visit.items("/users", view="specs"):
            roles: dict[str, Any] = {**user["spec"].get("teams", {})}
            if user["spec"].get("role"):
                roles[""] = user["spec"]["role"]
            for team, role in roles.items():
                people.setdefault(role, []).append(f"{user['name']} ({team})" if team else user["name"])
        return self._site.show(visit, "roles.html", table=TABLE, descriptions=DESCRIPTIONS, people=people)

    async def _audit(self, visit: Visit) -> Response:
        # To check the chain takes a moment where the trail is long, so the page asks for that apart.
        if target_of(visit.request) == "chain":
            report = await visit.get("/audit/verify")
            return self._site.show(visit, "audit.html", report=report)
        chosen = {name: visit.query(name) for name, _ in _AUDIT if visit.query(name)}
        span, since = since_of(visit, "all")
        page = await visit.get("/audit", limit=50, cursor=visit.query("cursor"), since=since, **chosen)
        return self._site.show(
            visit,
            "audit.html",
            rows=page["items"],
            next=page["next"],
            chosen=chosen,
            names=_AUDIT,
            kinds=KINDS,
            span=span,
            ranges=(*RANGES, "all"),
            report=await visit.get("/audit/verify") if visit.query("check") else None,
        )

    async def _secrets(self, visit: Visit) -> Response:
        note, status, name = "", 200, visit.query("name")
        if visit.request.method == "POST":
            form = await form_of(visit.request)
            name = str(form.get("name", "")).strip()
            try:
                if form.get("do") == "remove":
                    await visit.send("DELETE", f"/secrets/{name}")
                    return self._site.go(visit, "/admin/secrets", "forgotten")
                said = {"value": form.get("value", ""), **({"seen": form["seen"]} if "seen" in form else {})}
                await visit.send("PUT", f"/secrets/{name}", said)
                return self._site.go(visit, "/admin/secrets", "stored")
            except Refusal as refusal:
                note, status = refusal.message, status_of(refusal)
        secrets = (await visit.get("/secrets"))["items"]
        return self._site.show(visit, "secrets.html", status=status, secrets=secrets, note=note, name=name)

    async def _boundary(self, visit: Visit) -> Response:
        instance = await visit.get("/instance")
        said = [
            (kind, item["name"], item["spec"]["capture"])
            for kind in ("teams", "keys")
            for item in await visit.items(f"/{kind}", view="specs")
            if item["spec"].get("capture")
        ]
        return self._site.show(visit, "boundary.html", boundary=instance["data_boundary"], said=said)

    async def _instance(self, visit: Visit) -> Response:
        return self._site.show(
            visit,
            "instance.html",
            instance=await visit.get("/instance"),
            me=await visit.get("/me"),
            address=visit.address,
        )
