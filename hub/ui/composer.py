"""Composing a profile: which tools of which servers, under which names, at what cost in tokens."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.core.principal import Globs
from hub.core.refusal import Conflict, Refusal
from hub.identity import WRITE, Permission, teams_with
from hub.store.diffs import difference
from hub.ui.actions import ACTIONS, Act, overtaken
from hub.ui.columns import PAGES
from hub.ui.resources import form_of, values_of
from hub.ui.site import Site
from hub.ui.sources import Visit
from hub.ui.typed import counted, one
from hub.ui.weighing import plainly, weight_of

MANY_TOOLS = 40  # beyond this, several clients cut the list or choose badly
ABOUT = ("title", "description", "instructions", "mode")


class ComposerPages:
    """`/admin/compose/{profile}` for operators; `/console/compose/{profile}` for the people of a profile's team."""

    def __init__(self, site: Site, base: str) -> None:
        self._site = site
        self._base = base
        self._servers = "/servers" if base == "/admin" else "/me/servers"

    def routes(self) -> list[BaseRoute]:
        """The routes. Operators make profiles in the editor that all kinds have."""
        page = self._site.page
        found: list[BaseRoute] = [Route(f"{self._base}/compose/{{name}}", page(self._compose), methods=["GET", "POST"])]
        if self._base == "/console":
            found.append(Route("/console/new/profiles", page(self._new), methods=["GET", "POST"]))
        return found

    async def _new(self, visit: Visit) -> Response:
        typed, note = {name: visit.query(name) for name in ("name", "title", "description", "team", "server")}, ""
        if visit.request.method == "POST":
            form = await form_of(visit.request)
            typed = {name: str(form.get(name, "")).strip() for name in typed}
            about = {name: typed[name] for name in ("title", "description", "team") if typed[name]}
            chosen = [typed["server"]] if typed["server"] else []
            spec = self._within(
                visit, {**about, "servers": {name: {} for name in chosen}}, await self._offers(visit, chosen)
            )
            try:
                await visit.send("PUT", f"/profiles/{typed['name']}", {"spec": spec, "version": 0})
                return self._site.go(visit, f"/console/compose/{quote(typed['name'])}", "created")
            except Refusal as refusal:
                note = refusal.message
        access = visit.principal.access
        return self._site.show(
            visit,
            "new_profile.html",
            status=422 if note else 200,
            typed=typed,
            note=note,
            teams=own_teams(visit),
            servers=await visit.items("/me/servers"),
            names=sorted({one for level in access for one in level.profiles.patterns if one != "*"}),
        )

    async def _compose(self, visit: Visit) -> Response:
        name = visit.request.path_params["name"]
        profile = await visit.get(f"/profiles/{name}")
        if visit.query("view") == "history" and visit.request.method == "GET":
            return await self._history(visit, profile)
        spec, version, notes, conflict = profile["spec"], profile["version"], list[str](), None
        if visit.request.method == "POST":
            values = values_of(await form_of(visit.request))
            if values.get("do") in (["restore"], ["delete"]):
                return await self._acted(visit, profile, values)
            offers = await self._offers(visit, _servers(values))
            spec = self._within(visit, composed(profile["spec"], values, offers), offers)
            seen = counted(one(values, "version")) or 0
            if values.get("do") == ["show"]:
                version = seen  # what is saved later is still what was begun with that one
            else:
                try:
                    await visit.send("PUT", f"/profiles/{name}", {"spec": spec, "version": seen})
                    return self._site.go(visit, f"{self._base}/compose/{quote(name)}", "saved")
                except Conflict as refusal:
                    if refusal.code != "version_conflict":
                        raise
                    conflict = {"theirs": profile, "diff": difference(profile["spec"], spec)}
                except Refusal as refusal:
                    notes.append(refusal.message)
                    version = seen
        offers = await self._offers(visit, list(spec.get("servers", {})))
        known = [item["name"] for item in await visit.items(self._servers)]
        diet = await visit.maybe(f"/profiles/{name}/diet")
        return self._site.show(
            visit,
            "compose.html",
            status=409 if conflict else 422 if notes else 200,
            profile=profile,
            spec=spec,
            conflict=conflict,
            weight=weight_of(name, spec, offers),
            base=self._base,
            version=version,
            notes=notes,
            servers=[_shown(server, own, offers[server]) for server, own in spec.get("servers", {}).items()],
            others=[server for server in known if server not in spec.get("servers", {})],
            many=MANY_TOOLS,
            diet=diet,
            writable=may_change(visit, profile),
        )

    async def _history(self, visit: Visit, profile: dict[str, Any], note: str = "") -> Response:
        path = f"{self._base}/compose/{quote(profile['name'])}"
        return self._site.show(
            visit,
            "history.html",
            status=409 if note else 200,
            note=note,
            kind="profiles",
            name=profile["name"],
            about=PAGES["profiles"],
            versions=await visit.items(f"/profiles/{profile['name']}/history"),
            base=f"{self._base}/profiles",
            here_path=path,
            tabs=(("Tools", path), ("History", f"{path}?view=history")),
            writable=may_change(visit, profile),
        )

    async def _acted(self, visit: Visit, profile: dict[str, Any], values: Mapping[str, Sequence[str]]) -> Response:
        """What the buttons beside the composer do."""
        name, form = profile["name"], {field: given[-1] for field, given in values.items()}
        try:
            done = await ACTIONS[form["do"]](Act(visit, "profiles", name, form))
        except Conflict as conflict:
            return await self._history(visit, profile, overtaken(conflict, profile))
        after = f"{self._base}/profiles" if done.gone else f"{self._base}/compose/{quote(name)}"
        return self._site.go(visit, after, done.said)

    async def _offers(self, visit: Visit, servers: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        return {server: await visit.items(f"{self._servers}/{server}/tools") for server in servers}

    def _within(self, visit: Visit, spec: dict[str, Any], offers: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
        """The spec for somebody who may not use all of a server: what they may use of it is named tool by tool."""
        if self._base == "/admin":
            return spec
        servers = {
            server: own
            if own.get("tools", ["*"]) != ["*"] or _grants_all(visit, server)
            else {**own, "tools": [tool["name"] for tool in offers.get(server, [])]}
            for server, own in spec["servers"].items()
        }
        return {**spec, "servers": servers}


def own_teams(visit: Visit) -> list[str]:
    """The teams for which the visitor may make profiles."""
    return sorted(teams_with(visit.principal, Permission.CATALOGUE_OWN) or ())


def may_change(visit: Visit, profile: Mapping[str, Any]) -> bool:
    """Whether the visitor may change a profile here."""
    if profile.get("file"):
        return False
    return visit.can(WRITE["profiles"]) or profile["spec"].get("team") in own_teams(visit)


def _grants_all(visit: Visit, server: str) -> bool:
    return all(level.tools.covers(Globs((f"{server}/*",))) for level in visit.principal.access)


def _servers(values: Mapping[str, list[str]]) -> list[str]:
    added = [name for name in values.get("add", []) if name]
    return [name for name in dict.fromkeys([*values.get("server", []), *added]) if f"remove.{name}" not in values]


def _shown(server: str, own: Mapping[str, Any], tools: list[dict[str, Any]]) -> dict[str, Any]:
    """One server of the profile with each of its tools: chosen or not, and what it is called."""
    patterns = own.get("tools", ["*"])
    plain = [pattern for pattern in patterns if isinstance(pattern, str)]
    chosen = plainly(own)
    rename, describe = own.get("rename", {}), own.get("describe", {})
    return {
        "name": server,
        "patterns": patterns,
        "all": patterns == ["*"],
        "selectors": len(plain) < len(patterns),
        "tools": [
            {
                **tool,
                "on": chosen.allows(tool["name"]),
                "rename": rename.get(tool["name"], ""),
                "describe": describe.get(tool["name"], ""),
            }
            for tool in tools
        ],
    }


def composed(
    spec: Mapping[str, Any], values: Mapping[str, list[str]], offers: Mapping[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    """The profile's spec as the form says: what the form does not speak of stays as it was."""
    before: Mapping[str, Any] = spec.get("servers", {})
    servers = {name: _server(name, before.get(name, {}), values, offers.get(name, [])) for name in _servers(values)}
    about = {name: _text(values, f"about.{name}") for name in ABOUT if f"about.{name}" in values}
    kept = {name: value for name, value in spec.items() if name not in about}
    return {**kept, **{name: value for name, value in about.items() if value}, "servers": servers}


def _server(
    name: str, before: Mapping[str, Any], values: Mapping[str, list[str]], tools: list[dict[str, Any]]
) -> dict[str, Any]:
    found = {key: value for key, value in before.items() if key not in ("tools", "rename", "describe")}
    if name not in values.get("server", []):
        return {**before}  # just added: everything it offers
    patterns = _patterns(before.get("tools", ["*"]), name, values, tools)
    if patterns != ["*"] or "tools" in before:
        found["tools"] = patterns
    seen = {tool["name"] for tool in tools}
    for field in ("rename", "describe"):
        # Tools that the server does not offer right now keep what was said about them.
        kept = {tool: text for tool, text in before.get(field, {}).items() if tool not in seen}
        given = {tool: _text(values, f"{field}.{name}.{tool}") for tool in seen}
        both = {**kept, **{tool: text for tool, text in sorted(given.items()) if text}}
        if both:
            found[field] = both
    return found


def _text(values: Mapping[str, list[str]], field: str) -> str:
    """What was typed: a form sends its line ends as CRLF."""
    return (values.get(field) or [""])[0].replace("\r\n", "\n").strip()


def _patterns(before: list[Any], name: str, values: Mapping[str, list[str]], tools: list[dict[str, Any]]) -> list[Any]:
    """The tools' patterns: as they were while they choose the same tools, else the chosen names outright."""
    if f"all.{name}" in values:
        return ["*"]
    chosen = values.get(f"tool.{name}", [])
    plain = plainly({"tools": before})
    if {tool["name"] for tool in tools if plain.allows(tool["name"])} == set(chosen):
        return before
    return chosen
