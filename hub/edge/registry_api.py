"""`/registry/v0.1`: the profiles as an MCP registry, for VS Code's gallery and for allow-lists.

A gallery sends no key, so the address may hold a catalogue token: `/registry/{token}/v0.1`. Without one, only
profiles that are open to everybody are listed.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.core.principal import Principal
from hub.edge.catalog_api import Sources
from hub.install import registry
from hub.install.listing import Listing

# Pages of other sites may read it: VS Code in a browser is one. With a star, a browser lets them see only what is
# answered without a cookie.
_OPEN = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, OPTIONS",
    "access-control-allow-headers": "authorization, content-type, x-requested-with",
    "access-control-max-age": "86400",
    "cross-origin-resource-policy": "cross-origin",
    "cache-control": "private, no-cache",
}
PREFIXES = ("/registry/v0.1", "/registry/v0", "/registry/{token}/v0.1", "/registry/{token}/v0")
Answer = Callable[[list[Listing], Request], Mapping[str, Any]]
TokenHolder = Callable[[str], Principal]


class RegistryApi:
    """The routes, to be mounted at the root. `holder` finds who a token in the address belongs to."""

    def __init__(self, sources: Sources, holder: TokenHolder) -> None:
        self._sources = sources
        self._holder = holder

    async def _listings(self, request: Request) -> list[Listing]:
        token = request.path_params.get("token")
        principal = self._holder(token) if token else await self._sources.visitor(request)
        return await self._sources.listings.all(principal, self._sources.address(request))

    def _route(self, path: str, answer: Answer) -> Route:
        async def endpoint(request: Request) -> Response:
            if request.method == "OPTIONS":
                return Response(status_code=204, headers=_OPEN)
            body = orjson.dumps(answer(await self._listings(request), request))
            return Response(body, media_type="application/json", headers=_OPEN)

        handler: Callable[[Request], Awaitable[Response]] = endpoint
        return Route(path, handler, methods=["GET", "OPTIONS"])

    def routes(self) -> list[Route]:
        """The routes under each prefix."""
        found: list[Route] = []
        for prefix in PREFIXES:
            named = f"{prefix}/servers/{{name:path}}/versions"
            found += [
                self._route(f"{prefix}/servers", lambda all_, r: registry.page(all_, r.query_params)),
                self._route(f"{named}/{{version}}", _version),
                self._route(named, _versions),
            ]
        return found


def _version(listings: list[Listing], request: Request) -> Mapping[str, Any]:
    return registry.one(listings, request.path_params["name"], request.path_params["version"])


def _versions(listings: list[Listing], request: Request) -> Mapping[str, Any]:
    only = registry.one(listings, request.path_params["name"], "latest")
    return {"servers": [only], "metadata": {"count": 1}}
