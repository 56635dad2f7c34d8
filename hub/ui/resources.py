"""Resources of every kind: their lists, and one editor whose form is made from the spec's schema."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

import yaml
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.core.refusal import Conflict, InvalidSpec, Refusal
from hub.identity import WRITE, Permission, teams_with
from hub.resources import KINDS
from hub.resources.provider_kinds import KINDS as PROVIDER_KINDS
from hub.store.diffs import difference
from hub.ui.actions import ACTIONS, Act, overtaken
from hub.ui.columns import PAGES, value_of
from hub.ui.drafts import Draft, drafted, faulty, imagined, longer
from hub.ui.forms import Field, fields
from hub.ui.shapes import Shape, about, shapes_of
from hub.ui.site import Site
from hub.ui.sources import Visit

MOST_FIELDS = 20_000
_LISTED, _MOST = 100, 1000  # on a page, and in one answer of the API
_ASKED = ("model", "header", "key", "tokens", "tools", "images", "stream")
_SUGGESTED = ("teams", "users", "routes", "models", "profiles", "servers", "keys", "guardrails", "providers")
_OF_ADMINISTRATORS = {"keys": frozenset({"secret"}), "routes": frozenset({"shadow"})}
_OWN = {"keys": Permission.KEYS_OWN, "routes": Permission.ROUTES_OWN}
# Keys that nobody used for so many days; 0: ever.
UNUSED = {"7 days": 7, "30 days": 30, "90 days": 90, "ever": 0}
_ZONES = (
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "America/New_York",
    "America/Los_Angeles",
    "Asia/Tokyo",
    "Asia/Kolkata",
)


class ResourcePages:
    """The pages of all kinds below one app's path."""

    def __init__(self, site: Site, base: str) -> None:
        self._site = site
        self._base = base

    def routes(self, kinds: tuple[str, ...] = tuple(KINDS)) -> list[BaseRoute]:
        """For each kind: its list, a new one, one."""
        page = self._site.page
        found: list[BaseRoute] = []
        for kind in kinds:
            found += [
                Route(f"{self._base}/{kind}", page(self._list(kind)), methods=["GET"]),
                Route(f"{self._base}/new/{kind}", page(self._new(kind)), methods=["GET", "POST"]),
                Route(f"{self._base}/{kind}/{{name:path}}", page(self._one(kind)), methods=["GET", "POST"]),
            ]
        return found

    # -- lists ---------------------------------------------------------------------------------------------------------

    def _list(self, kind: str) -> Any:
        async def endpoint(visit: Visit) -> Response:
            words, unused = visit.query("q").lower().split(), visit.query("unused") if kind == "keys" else ""
            searched = bool(words or unused in UNUSED)
            found, cursor = await self._page(visit, kind, searched=searched)
            items = [item for item in found if all(word in str(item).lower() for word in words)]
            if unused in UNUSED:
                items = [item for item in items if is_unused(item["status"], UNUSED[unused])]
            return self._site.show(
                visit,
                "resources.html",
                kind=kind,
                about=PAGES[kind],
                items=items[:_LISTED],
                more=len(items) > _LISTED,
                words=visit.query("q"),
                unused=unused,
                spans=tuple(UNUSED) if kind == "keys" else (),
                next=cursor,
                base=f"{self._base}/{kind}",
                new=f"{self._base}/new/{kind}" if _may_write(visit, kind) else "",
                value_of=partial(value_of, kind),
            )

        return endpoint

    async def _page(self, visit: Visit, kind: str, *, searched: bool) -> tuple[list[dict[str, Any]], str | None]:
        """A page of a kind and where the next begins; all there is where something is searched for."""
        limit, cursor = (_MOST, "") if searched else (_LISTED, visit.query("cursor"))
        data = await visit.get(f"/{kind}", limit=limit, cursor=cursor)
        found = list(data["items"])
        while searched and data["next"]:
            data = await visit.get(f"/{kind}", limit=_MOST, cursor=data["next"])
            found += data["items"]
        return found, data["next"]

    # -- a new one -----------------------------------------------------------------------------------------------------

    def _new(self, kind: str) -> Any:
        async def endpoint(visit: Visit) -> Response:
            draft = Draft(kind, "", _starting(visit, kind), 0)
            if visit.request.method == "POST":
                return await self._write(visit, draft, None)
            if visit.query("view") == "yaml":
                draft = replace(draft, text="")
            return await self._editor(visit, draft, None)

        return endpoint

    # -- one -----------------------------------------------------------------------------------------------------------

    def _one(self, kind: str) -> Any:
        async def endpoint(visit: Visit) -> Response:
            name = visit.request.path_params["name"]
            view = visit.query("view")
            if visit.request.method == "POST":
                return await self._change(visit, kind, name)
            if view == "history":
                return await self._history(visit, kind, name)
            resource = await visit.get(f"/{kind}/{name}")
            text = _yaml(resource["spec"]) if view == "yaml" else None
            draft = Draft(kind, name, resource["spec"], resource["version"], text)
            return await self._editor(visit, draft, resource)

        return endpoint

    async def _history(self, visit: Visit, kind: str, name: str, note: str = "") -> Response:
        versions = (await visit.get(f"/{kind}/{name}/history"))["items"]
        return self._site.show(
            visit,
            "history.html",
            status=409 if note else 200,
            note=note,
            kind=kind,
            name=name,
            about=PAGES[kind],
            versions=versions,
            base=f"{self._base}/{kind}",
            here_path=self._path(kind, name),
            tabs=(),
            writable=_may_write(visit, kind) and not versions[0].get("file"),
        )

    def _path(self, kind: str, name: str) -> str:
        return f"{self._base}/{kind}/{quote(name, safe='/')}"

    async def _change(self, visit: Visit, kind: str, name: str) -> Response:
        form = await form_of(visit.request)
        action = ACTIONS.get(str(form.get("do", "")))
        if action is None:
            resource = await visit.get(f"/{kind}/{name}")
            return await self._write(visit, Draft(kind, name, resource["spec"], resource["version"]), resource)
        try:
            done = await action(Act(visit, kind, name, {key: values[-1] for key, values in values_of(form).items()}))
        except Conflict as conflict:
            return await self._history(visit, kind, name, overtaken(conflict, await visit.maybe(f"/{kind}/{name}")))
        if done.secret:
            return self._reveal(visit, name, done.secret)
        if done.link:
            return self._site.show(visit, "link.html", secret=done.link["url"], name=name, ends=done.link["expires_at"])
        if done.tested:
            resource = await visit.get(f"/{kind}/{name}")
            draft = Draft(kind, name, resource["spec"], resource["version"])
            return await self._editor(visit, draft, resource, tested=done.tested)
        if done.gone:
            return self._site.go(visit, f"{self._base}/{kind}?gone={quote(name)}", done.said)
        return self._site.go(visit, self._path(kind, name), done.said)

    def _reveal(self, visit: Visit, name: str, secret: str) -> Response:
        back = self._path("keys", name)
        if visit.request.headers.get("hx-request") == "true":
            # It is shown in place of the form, once.
            return self._site.show(visit, "secret.html", block="revealed", secret=secret, name=name, back=back)
        return self._site.show(visit, "secret.html", secret=secret, name=name, back=back)

    async def _write(self, visit: Visit, old: Draft, resource: dict[str, Any] | None) -> Response:
        form = await form_of(visit.request)
        draft = drafted(values_of(form), old, _editable(visit, old.kind))
        do = str(form.get("do", "save"))
        if do.startswith(("add:", "when:")):
            return await self._editor(visit, longer(draft, do, values_of(form)), resource)
        if do != "save" or draft.notes or draft.faults:
            return await self._unsaved(visit, draft, resource, do, values_of(form))
        try:
            written = await visit.send(
                "PUT", f"/{draft.kind}/{draft.name}", {"spec": draft.spec, "version": draft.version}
            )
        except InvalidSpec as invalid:
            return await self._editor(visit, faulty(draft, invalid), resource, status=422)
        except Conflict as conflict:
            return await self._conflict(visit, draft, resource, conflict)
        except Refusal as refusal:
            return await self._editor(visit, replace(draft, notes=(refusal.message,)), resource, status=refusal.status)
        if "secret" in written:
            return self._reveal(visit, draft.name, written["secret"])
        return self._site.go(visit, self._path(draft.kind, draft.name), "saved" if old.version else "created")

    async def _unsaved(
        self, visit: Visit, draft: Draft, resource: dict[str, Any] | None, do: str, values: dict[str, list[str]]
    ) -> Response:
        """The editor again: with one more row, with what cannot be read, or with the plan of a call under the draft."""
        if do != "explain" or draft.notes or draft.faults:
            return await self._editor(visit, draft, resource, status=422 if do in ("save", "explain") else 200)
        try:
            found = await imagined(visit, draft.kind, draft.name, draft.spec, _asked(values))
        except InvalidSpec as invalid:
            return await self._editor(visit, faulty(draft, invalid), resource, status=422)
        except Refusal as refusal:
            return await self._editor(visit, replace(draft, notes=(refusal.message,)), resource, status=refusal.status)
        return await self._editor(visit, draft, resource, plan=found)

    async def _conflict(
        self, visit: Visit, draft: Draft, resource: dict[str, Any] | None, conflict: Conflict
    ) -> Response:
        notes: tuple[str, ...] = (conflict.message,)
        if conflict.code == "version_conflict":
            theirs = await visit.get(f"/{draft.kind}/{draft.name}")
            found = {"theirs": theirs, "diff": difference(theirs["spec"], draft.spec)}
            draft, notes = replace(draft, version=theirs["version"], conflict=found), ()
        return await self._editor(visit, replace(draft, notes=(*draft.notes, *notes)), resource, status=409)

    async def _editor(
        self,
        visit: Visit,
        draft: Draft,
        resource: dict[str, Any] | None,
        *,
        status: int = 200,
        tested: dict[str, Any] | None = None,
        plan: dict[str, Any] | None = None,
    ) -> Response:
        shown: tuple[Field, ...] = fields(_editable(visit, draft.kind), draft.spec, draft.faults)
        return self._site.show(
            visit,
            "resource.html",
            status=status,
            draft=draft,
            fields=shown,
            resource=resource,
            about=PAGES[draft.kind],
            doc=about(draft.kind).partition("\n\n")[0],
            base=f"{self._base}/{draft.kind}",
            here_path=self._path(draft.kind, draft.name) if resource else f"{self._base}/new/{draft.kind}",
            choices=await _choices(visit),
            writable=_may_write(visit, draft.kind),
            plan=await visit.maybe("/explain", model=draft.name) if resource and draft.kind == "models" else None,
            sign_ins=await visit.items(f"/users/{draft.name}/sign-ins") if resource and draft.kind == "users" else [],
            uses=await visit.items(f"/{draft.kind}/{draft.name}/uses") if resource else [],
            offered=await visit.items(f"/servers/{draft.name}/tools") if resource and draft.kind == "servers" else [],
            switches=any(shape.name == "enabled" for shape in shapes_of(draft.kind)),
            tested=tested,
            asked=_asked(values_of(await form_of(visit.request))),
            imagined=plan,
        )


def is_unused(status: dict[str, Any], days: int) -> bool:
    """Whether a key was used last more than `days` days ago, or never (0 days: never at all)."""
    last = status.get("last_used")
    if not last:
        return True
    return days > 0 and datetime.now(UTC) - datetime.fromisoformat(last) > timedelta(days=days)


def _may_write(visit: Visit, kind: str) -> bool:
    return visit.can(WRITE[kind]) or (kind in _OWN and visit.can(_OWN[kind]))


def _editable(visit: Visit, kind: str) -> tuple[Shape, ...]:
    """The fields that the visitor may say something about: some of a key's are an administrator's."""
    shapes = shapes_of(kind)
    if visit.operator:
        return shapes
    return tuple(shape for shape in shapes if shape.name not in _OF_ADMINISTRATORS.get(kind, ()))


async def form_of(request: Request) -> FormData:
    """The fields of a posted form. Files are not taken."""
    return await request.form(max_files=0, max_fields=MOST_FIELDS)


def _asked(values: dict[str, list[str]]) -> dict[str, str]:
    """What is typed beside "Explain": it stays, whichever button is pressed."""
    return {name: (values.get(f"explain.{name}") or [""])[-1].strip() for name in _ASKED}


def values_of(form: FormData) -> dict[str, list[str]]:
    """A form as names to values."""
    found: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            found.setdefault(name, []).append(value)
    return found


def _yaml(spec: dict[str, Any]) -> str:
    return yaml.safe_dump(spec, sort_keys=False, allow_unicode=True, width=100) if spec else ""


def _starting(visit: Visit, kind: str) -> dict[str, Any]:
    """The spec that a new form starts with: what the query names, for links that know a part of it."""
    known = {shape.name: shape for shape in shapes_of(kind)}
    given = {name: value for name, value in visit.request.query_params.items() if name in known}
    spec: dict[str, Any] = {name: value for name, value in given.items() if known[name].widget in ("text", "choice")}
    if kind == "keys" and not visit.operator:
        spec = {
            "team": visit.principal.team,
            **({} if visit.can("keys.write") else {"user": visit.principal.user}),
            **spec,
        }
    if kind == "routes" and not visit.operator:
        spec = {"team": next(iter(sorted(teams_with(visit.principal, _OWN[kind]) or ())), ""), **spec}
    scope = visit.query("scope").partition(":")
    if "scope" in known and scope[0]:
        spec["scope"] = {scope[0]: scope[2] or True}
    return spec


async def _choices(visit: Visit) -> dict[str, list[str]]:
    """Names to suggest while typing, as far as the visitor may see them."""
    found = {kind: await visit.names(kind) for kind in _SUGGESTED}
    secrets = await visit.items("/secrets") if visit.can("secrets.write") else []
    found["secrets"] = [f"vault:{item['name']}" for item in secrets]
    found["kinds"] = sorted(PROVIDER_KINDS)
    found["targets"] = [f"{name}/" for name in found["providers"]]
    found["timezones"] = list(_ZONES)
    found["all"] = sorted({name for names in found.values() for name in names if not name.startswith("vault:")})
    return found
