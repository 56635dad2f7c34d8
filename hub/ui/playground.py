"""The Playground's page: its settings come from the URL, so that a set-up can be shared as a link."""

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.ui.site import Site
from hub.ui.sources import Visit

MOST_MODELS = 4
PARAMETERS = (
    ("temperature", "Temperature", "0 to 2"),
    ("top_p", "Top p", "0 to 1"),
    ("max_tokens", "Most tokens", "of the answer"),
    ("reasoning_effort", "Reasoning effort", "low, medium, high"),
    ("seed", "Seed", "whole number"),
    ("stop", "Stop at", "a text"),
)


class PlaygroundPages:
    """The one page."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def routes(self) -> list[BaseRoute]:
        """The route."""
        return [Route("/console/playground", self._site.page(self._playground), methods=["GET"])]

    async def _playground(self, visit: Visit) -> Response:
        models = [model["id"] for model in await visit.conversing()]
        given = [name[:200] for name in visit.request.query_params.getlist("model") if name][:MOST_MODELS]
        profiles = (await visit.get("/me/profiles"))["items"]
        return self._site.show(
            visit,
            "playground.html",
            models=models,
            chosen=given or models[:1],
            most=MOST_MODELS,
            profiles=profiles,
            parameters=[(name, label, hint, visit.query(name)) for name, label, hint in PARAMETERS],
            text={name: visit.request.query_params.get(name, "")[:20_000] for name in ("system", "prompt", "extra")},
            profile=visit.query("profile"),
            approval=visit.query("approval", "ask"),
            address=visit.address,
        )
