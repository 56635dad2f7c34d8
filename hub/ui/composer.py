"""Composing a profile: which tools of which servers, under which names, at what cost in tokens."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.core.principal import Globs
from hub.core.refusal import Refusal
from hub.identity import WRITE
from hub.ui.resources import form_of, values_of
from hub.ui.site import Site
from hub.ui.sources import Visit

MANY_TOOLS = 40  # beyond this, several clients cut the list or choose badly


class ComposerPages:
    """`/admin/compose/{profile}`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """The route."""
        return [Route("/admin/compose/{name}", self._site.page(self._compose), methods=["GET", "POST"])]

    async def _compose(self, visit: Visit) -> Response:
        name = visit.request.path_params["name"]
        profile = await visit.get(f"/profiles/{name}")
        spec, version, notes = profile["spec"], profile["version"], list[str]()
        if visit.request.method == "POST":
            values = values_of(await form_of(visit.request))
            spec = composed(profile["spec"], values, await self._offers(visit, _servers(values)))
            if values.get("do") != ["show"]:
                try:
                    seen = int((values.get("version") or ["0"])[0])
                    await visit.send("PUT", f"/profiles/{name}", {"spec": spec, "version": seen})
                    return self._site.go(visit, f"/admin/compose/{quote(name)}", "saved")
                except (Refusal, ValueError) as refusal:
                    notes.append(str(refusal))
        offers = await self._offers(visit, list(spec.get("servers", {})))
        known = await visit.names("servers")
        diet = await visit.maybe(f"/profiles/{name}/diet")
        return self._site.show(
            visit,
            "compose.html",
            status=422 if notes else 200,
            profile=profile,
            version=version,
            notes=notes,
            servers=[_shown(server, own, offers[server]) for server, own in spec.get("servers", {}).items()],
            others=[server for server in known if server not in spec.get("servers", {})],
            many=MANY_TOOLS,
            diet=diet,
            writable=visit.can(WRITE["profiles"]) and not profile["managed_by"].startswith("file:"),
        )

    async def _offers(self, visit: Visit, servers: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        return {server: await visit.items(f"/servers/{server}/tools") for server in servers}


def _servers(values: Mapping[str, list[str]]) -> list[str]:
    added = [name for name in values.get("add", []) if name]
    return [name for name in dict.fromkeys([*values.get("server", []), *added]) if f"remove.{name}" not in values]


def _shown(server: str, own: Mapping[str, Any], tools: list[dict[str, Any]]) -> dict[str, Any]:
    """One server of the profile with each of its tools: chosen or not, and what it is called."""
    patterns = own.get("tools", ["*"])
    plain = [pattern for pattern in patterns if isinstance(pattern, str)]
    chosen = Globs(tuple(plain))
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
    return {**spec, "servers": servers}


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
        given = {tool: (values.get(f"{field}.{name}.{tool}") or [""])[0].replace("\r\n", "\n").strip() for tool in seen}
        both = {**kept, **{tool: text for tool, text in sorted(given.items()) if text}}
        if both:
            found[field] = both
    return found


def _patterns(before: list[Any], name: str, values: Mapping[str, list[str]], tools: list[dict[str, Any]]) -> list[Any]:
    """The tools' patterns: as they were while they choose the same tools, else the chosen names outright."""
    if f"all.{name}" in values:
        return ["*"]
    chosen = values.get(f"tool.{name}", [])
    plain = Globs(tuple(pattern for pattern in before if isinstance(pattern, str)))
    if {tool["name"] for tool in tools if plain.allows(tool["name"])} == set(chosen):
        return before
    return chosen
