"""Trace export: where a person sends the traces of their own calls, and an owner those of a team."""

from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.core.refusal import InvalidSpec, Refusal
from hub.store.diffs import difference
from hub.ui.resources import form_of
from hub.ui.site import Site, status_of
from hub.ui.sources import Visit
from hub.ui.typed import counted

PATH = "/console/traces"
_TYPED = ("endpoint", "protocol", "auth", "api_key_header", "service_name")
_START = {
    "protocol": "http/protobuf",
    "auth": "none",
    "api_key_header": "X-API-Key",
    "service_name": "hub",
    "sample": 1,
}


class TracePages:
    """`/console/traces`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """The route."""
        return [Route(PATH, self._site.page(self._page), methods=["GET", "POST"])]

    async def _page(self, visit: Visit) -> Response:
        if visit.request.method == "GET":
            return await self._shown(visit)
        form = {name: str(value) for name, value in (await form_of(visit.request)).items()}
        team = form.get("team", "")
        typed, wrong, status = _typed(form), {}, 422
        seen = {**({"team": team} if team else {}), "version": counted(form.get("version", ""))}
        try:
            if form.get("do") == "remove":
                await visit.send("DELETE", "/me/exports", query={"team": team} if team else None)
                return self._site.go(visit, PATH, "unsent")
            await visit.send("PUT", "/me/exports", {**typed, **seen})
            return self._site.go(visit, PATH, "sending")
        except InvalidSpec as invalid:
            wrong = {fault.path.rpartition(".")[2]: fault.message for fault in invalid.faults}
        except Refusal as refusal:
            wrong, status = {"": refusal.message}, status_of(refusal)
        return await self._shown(
            visit, team, {name: value for name, value in typed.items() if name != "value"}, wrong, status
        )

    async def _shown(
        self,
        visit: Visit,
        team: str = "",
        typed: dict[str, Any] | None = None,
        wrong: dict[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        cards: list[dict[str, Any]] = []
        for one in await visit.items("/me/exports"):
            whose = one["owner"].get("team", "")
            meant = typed is not None and whose == team
            values = {**_START, **(one["export"] or {}), **(typed if meant and typed else {})}
            theirs = one["export"] if meant and status == 409 else None
            conflict = {"theirs": theirs, "diff": _differing(theirs, typed or {})} if theirs else None
            cards.append(
                {**one, "team": whose, "values": values, "wrong": wrong if meant else {}, "conflict": conflict}
            )
        return self._site.show(visit, "traces.html", status=status, cards=cards)


def _differing(theirs: dict[str, Any], typed: dict[str, Any]) -> list[dict[str, Any]]:
    """What saving what was typed would change in what somebody else has saved: what is not said is as it starts."""
    known = (*_TYPED, "sample", "enabled")
    start = {**_START, "enabled": True}
    was, said = ({name: {**start, **one}.get(name) for name in known} for one in (theirs, typed))
    return difference(was, said)


def _typed(form: dict[str, str]) -> dict[str, Any]:
    """What a form says of an export; a share in percent becomes a part of one, and stays as typed where it is no number."""
    typed: dict[str, Any] = {name: form[name].strip() for name in _TYPED if form.get(name, "").strip()}
    share = form.get("sample", "100").strip()
    try:
        typed["sample"] = round(float(share) / 100, 6)
    except ValueError:
        typed["sample"] = share
    return {**typed, "enabled": "enabled" in form, **({"value": form["value"]} if form.get("value") else {})}
