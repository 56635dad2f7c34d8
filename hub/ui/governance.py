"""Keeping things in hand: emergency stops, guardrails tried on samples, one's own sign-ins and password."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.core.refusal import Refusal
from hub.ui.resources import form_of
from hub.ui.site import Site
from hub.ui.sources import Visit

SCOPES = ("org", "team", "user", "key", "model", "profile", "server")
_KINDS = {
    "team": "teams",
    "user": "users",
    "key": "keys",
    "model": "models",
    "profile": "profiles",
    "server": "servers",
}
_MOST_SAMPLES = 200
_LOOKED_AT = 500


class GovernancePages:
    """`/admin/stops`, `/admin/try/{guardrail}` and `/console/account`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """The routes."""
        page = self._site.page
        return [
            Route("/admin/stops", page(self._stops), methods=["GET", "POST"]),
            Route("/admin/try/{name}", page(self._try), methods=["GET", "POST"]),
            Route("/console/account", page(self._account), methods=["GET", "POST"]),
        ]

    async def _stops(self, visit: Visit) -> Response:
        note, typed = "", dict.fromkeys(("kind", "name", "reason"), "")
        if visit.request.method == "POST":
            form = await form_of(visit.request)
            typed = {name: str(form.get(name, "")).strip() for name in typed}
            scope = {typed["kind"]: True if typed["kind"] == "org" else typed["name"]}
            what = "stop" if form.get("do") == "stop" else "resume"
            try:
                await visit.send("POST", f"/{what}", {"scope": scope, "reason": typed["reason"]})
                return self._site.go(visit, "/admin/stops", "stopped" if what == "stop" else "resumed")
            except Refusal as refusal:
                note = refusal.message
        names = {name for kind in _KINDS.values() for name in await visit.names(kind)}
        return self._site.show(
            visit,
            "stops.html",
            status=422 if note else 200,
            stops=(await visit.get("/stops"))["items"],
            scopes=SCOPES,
            names=sorted(names),
            note=note,
            typed=typed,
            writable=visit.can("platform.write"),
        )

    async def _try(self, visit: Visit) -> Response:
        name = visit.request.path_params["name"]
        guardrail = await visit.get(f"/guardrails/{name}")
        found, clean, note, report = "", "", "", None
        if visit.request.method == "POST":
            form = await form_of(visit.request)
            found, clean = str(form.get("found", "")), str(form.get("clean", ""))
            samples = [*_samples(found, expected=True), *_samples(clean, expected=False)][:_MOST_SAMPLES]
            try:
                report = await visit.send(
                    "POST", f"/guardrails/{name}/test", {"samples": samples, "spec": guardrail["spec"]}
                )
                report["results"] = [
                    {**result, "sample": s["text"]} for result, s in zip(report["results"], samples, strict=False)
                ]
            except Refusal as refusal:
                note = refusal.message
        recent = (await visit.calls(limit=_LOOKED_AT))["items"]
        return self._site.show(
            visit,
            "try.html",
            guardrail=guardrail,
            found=found,
            clean=clean,
            note=note,
            report=report,
            looked_at=len(recent),
            seen=seen_in(recent, name),
        )

    async def _account(self, visit: Visit) -> Response:
        note = ""
        if visit.request.method == "POST":
            form = await form_of(visit.request)
            try:
                if form.get("do") == "password":
                    body = {"old": str(form.get("old", "")), "new": str(form.get("new", ""))}
                    await visit.send("PUT", "/me/password", body)
                    return self._site.go(visit, "/login")
                what = "programs" if form.get("do") == "end-program" else "sign-ins"
                await visit.send("DELETE", f"/me/{what}/{form.get('id', '')}")
                return self._site.go(visit, "/console/account", "sent")
            except Refusal as refusal:
                note = refusal.message
        return self._site.show(
            visit,
            "account.html",
            status=422 if note else 200,
            me=await visit.get("/me"),
            sign_ins=await visit.items("/me/sign-ins"),
            programs=await visit.items("/me/programs"),
            note=note,
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What a guardrail found in calls: the calls themselves, and how often it did, or in shadow would have done, what.

    `done` pairs (action, where) with the count of calls; `errors` are calls that it could not decide about.
    """

    calls: tuple[dict[str, Any], ...]
    done: tuple[tuple[tuple[str, str, bool], int], ...]
    errors: int


def seen_in(calls: Iterable[dict[str, Any]], rule: str) -> Seen:
    """What the guardrail `rule` found in these calls."""
    found: list[dict[str, Any]] = []
    done: Counter[tuple[str, str, bool]] = Counter()
    errors = 0
    for call in calls:
        own = [one for one in call["findings"] if isinstance(one, dict) and one.get("rule") == rule]
        if own:
            found.append(call)
            done.update({(one.get("action", ""), one.get("point", ""), one.get("shadow", False)) for one in own})
            errors += any(one.get("error") for one in own)
    return Seen(tuple(found), tuple(done.most_common()), errors)


def _samples(text: str, *, expected: bool) -> list[dict[str, Any]]:
    lines = [line.strip() for line in text.replace("\r\n", "\n").split("\n")]
    return [{"text": line, "found": expected} for line in lines if line]
