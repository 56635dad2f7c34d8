"""Trying a tool: a form made from its schema, its answer beside it."""

import json
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.core.refusal import NotFound, Refusal
from hub.ui.forms import fields, read
from hub.ui.resources import form_of, values_of
from hub.ui.shapes import schema_shapes
from hub.ui.site import Site
from hub.ui.sources import Visit

_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


class ToolPages:
    """`/console/profiles/{profile}/tools/{tool}`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """The route."""
        path = "/console/profiles/{profile}/tools/{tool}"
        return [Route(path, self._site.page(self._tool), methods=["GET", "POST"])]

    async def _tool(self, visit: Visit) -> Response:
        profile, tool = await _find(visit)
        shapes = schema_shapes(tool["input_schema"])
        arguments: dict[str, Any] = {}
        typed, note, answer = "", "", None
        if visit.request.method == "POST":
            values = values_of(await form_of(visit.request))
            typed = (values.get("json") or [""])[0].strip()
            arguments, note = _arguments(typed) if typed else (read(shapes, values, {}, "arguments"), "")
            if not note:
                answer, note = await _called(visit, profile["name"], tool["name"], arguments)
        return self._site.show(
            visit,
            "tool.html",
            profile=profile,
            tool=tool,
            fields=fields(shapes, arguments, prefix="arguments"),
            typed=typed,
            note=note,
            answer=answer,
            arguments=arguments,
            images=_IMAGES,
        )


async def _find(visit: Visit) -> tuple[dict[str, Any], dict[str, Any]]:
    params = visit.request.path_params
    for profile in (await visit.get("/me/profiles"))["items"]:
        for tool in profile["tools"]:
            if (profile["name"], tool["name"]) == (params["profile"], params["tool"]):
                return profile, tool
    raise NotFound("tool_not_found", "There is no such tool in a profile that you may use.")


def _arguments(text: str) -> tuple[dict[str, Any], str]:
    try:
        found = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        return {}, f"The arguments are not JSON: {error}"
    return (found, "") if isinstance(found, dict) else ({}, "The arguments are a JSON object.")


async def _called(visit: Visit, profile: str, tool: str, arguments: dict[str, Any]) -> tuple[Any, str]:
    try:
        return await visit.send("POST", f"/playground/tools/{profile}", {"tool": tool, "arguments": arguments}), ""
    except Refusal as refusal:
        return None, refusal.message
