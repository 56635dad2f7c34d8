"""`/catalog/{profile}.{json,md,mcpb}`, `/llms.txt` and `/install/{profile}/{client}`: what a caller may use, as text."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.core.principal import Principal
from hub.core.refusal import NotFound
from hub.install import catalogs, client
from hub.install.bundle import config, facts_of
from hub.install.listing import Listing, to_json
from hub.install.mcpb import bundle

_KINDS: Mapping[str, tuple[str, Callable[[Listing], bytes]]] = {
    "json": ("application/json", lambda listing: orjson.dumps(to_json(listing))),
    "md": ("text/markdown; charset=utf-8", lambda listing: catalogs.page(listing).encode()),
    "mcpb": ("application/octet-stream", bundle),
}
# Written where the reader's own key belongs, in files that take no variable.
PLACE_OF_KEY = "YOUR_HUB_KEY"


class Listings(Protocol):
    """Where listings come from."""

    async def one(self, profile: str, principal: Principal, address: str) -> Listing:
        """One profile. Raises NotFound or Unauthenticated."""
        ...

    async def all(self, principal: Principal, address: str) -> list[Listing]:
        """Every profile that the caller may use."""
        ...

    def all_are_open(self) -> bool:
        """Whether every profile may be used without a key."""
        ...


@dataclass(frozen=True, slots=True)
class Sources:
    """What catalogues are made from: listings, who asks, and the hub's own address."""

    listings: Listings
    visitor: Callable[[Request], Awaitable[Principal]]
    address: Callable[[Request], str]


def tagged(request: Request, body: bytes, kind: str, version: str) -> Response:
    """An answer that its reader may keep and ask about: 304 when they have it already."""
    headers = {"etag": f'"{version}"', "cache-control": "private, no-cache", "vary": "authorization, cookie, x-hub-key"}
    if request.headers.get("if-none-match") == headers["etag"]:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=kind, headers=headers)


class CatalogApi:
    """The routes, to be mounted at the root."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    async def _listing(self, request: Request, profile: str) -> Listing:
        principal = await self._sources.visitor(request)
        return await self._sources.listings.one(profile, principal, self._sources.address(request))

    async def _catalog(self, request: Request) -> Response:
        profile, dot, kind = request.path_params["file"].rpartition(".")
        if not dot or kind not in _KINDS:
            raise NotFound("not_found", "A catalogue is at /catalog/PROFILE.json, .md or .mcpb.")
        listing = await self._listing(request, profile)
        media_type, made = _KINDS[kind]
        return tagged(request, made(listing), media_type, listing.version)

    async def _llms(self, request: Request) -> Response:
        address = self._sources.address(request)
        listings = await self._sources.listings.all(await self._sources.visitor(request), address)
        body = catalogs.llms(listings, address)
        return Response(body, media_type="text/plain; charset=utf-8", headers={"cache-control": "private, no-cache"})

    async def _config(self, request: Request) -> Response:
        """The bare configuration of one client; without a key, since an address lands in histories."""
        listing = await self._listing(request, request.path_params["profile"])
        chosen = client(request.path_params["client"])
        facts = facts_of(listing, key=PLACE_OF_KEY if listing.needs_key else "")
        made = config(chosen, facts) or config(chosen, facts, "user")
        assert made is not None
        path, text = made
        headers = {"cache-control": "no-store", "x-hub-file": path}
        return Response(text, media_type="text/plain; charset=utf-8", headers=headers)

    def routes(self) -> list[Route]:
        """The routes."""
        return [
            Route("/catalog/{file}", self._catalog, methods=["GET"]),
            Route("/llms.txt", self._llms, methods=["GET"]),
            Route("/install/{profile}/{client}", self._config, methods=["GET"]),
        ]
