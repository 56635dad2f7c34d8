"""`/marketplace/{kind}.git`: plugin marketplaces over git's smart protocol, for reading only; and one's index by URL."""

import zlib
from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.core.refusal import Forbidden, Malformed, NotFound, TooLarge, Unauthenticated
from hub.edge.catalog_api import Sources
from hub.install.git_objects import Repository
from hub.install.git_protocol import advertisement, answer
from hub.install.listing import Listing
from hub.install.marketplace import index_by_url, marketplace

_MOST_BYTES = 1 << 20
_ADVERTISED = "application/x-git-upload-pack-advertisement"
_REQUESTED = "application/x-git-upload-pack-request"
_RESULT = "application/x-git-upload-pack-result"
_FRESH = {"cache-control": "no-cache, no-store, must-revalidate", "pragma": "no-cache"}
_CHALLENGE = {"www-authenticate": 'Basic realm="hub", charset="UTF-8"'}


def _version(request: Request) -> int:
    """The protocol's version that a client speaks: 2 where it says so, else the one before."""
    return 2 if "version=2" in request.headers.get("git-protocol", "").split(":") else 0


async def _body(request: Request) -> bytes:
    """The request's body, unpacked when git has packed it. Raises TooLarge or Malformed."""
    raw = await request.body()
    if request.headers.get("content-encoding", "") not in ("gzip", "x-gzip"):
        return raw
    unpacker = zlib.decompressobj(wbits=31)
    try:
        body = unpacker.decompress(raw, _MOST_BYTES)
    except zlib.error:
        raise Malformed("malformed", "The body is not gzip.") from None
    if not unpacker.eof and not unpacker.unconsumed_tail:
        raise Malformed("malformed", "The body is not whole.")
    if unpacker.unconsumed_tail:
        raise TooLarge("body_too_large", f"A negotiation has at most {_MOST_BYTES} bytes.")
    return body


class MarketplaceApi:
    """The routes, to be mounted at the root."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    async def _listings(self, request: Request) -> Sequence[Listing]:
        """The profiles that the caller may see.

        Raises Unauthenticated with a Basic challenge when there is something that is not open to everybody.
        """
        try:
            principal = await self._sources.visitor(request)
        except Unauthenticated as refusal:
            raise Unauthenticated(refusal.code, refusal.message, headers=_CHALLENGE) from None
        address = self._sources.address(request)
        listings = await self._sources.listings.all(principal, address)
        # Git shows its credentials only when it is asked, so whoever could have some is asked.
        if principal.kind == "anonymous" and not (listings and self._sources.listings.all_are_open()):
            message = "Give git a catalogue token or a key as password; the install page shows the address with it."
            raise Unauthenticated("missing_key", message, headers=_CHALLENGE)
        return listings

    async def _repository(self, request: Request) -> Repository:
        return marketplace(request.path_params["kind"], await self._listings(request))

    async def _index(self, request: Request) -> Response:
        body = index_by_url(request.path_params["kind"], await self._listings(request))
        return Response(body, media_type="application/json", headers=_FRESH)

    async def _refs(self, request: Request) -> Response:
        service = request.query_params.get("service", "")
        if service == "git-receive-pack":
            raise Forbidden("forbidden", "This repository is made by the hub; nobody pushes to it.")
        if service != "git-upload-pack":
            raise NotFound("not_found", "This repository speaks git's smart protocol only: use git 2.0 or newer.")
        body = advertisement(await self._repository(request), version=_version(request))
        return Response(body, media_type=_ADVERTISED, headers=_FRESH)

    async def _upload(self, request: Request) -> Response:
        if request.headers.get("content-type", "") != _REQUESTED:
            raise Malformed("malformed", "This address is for git.")
        repository = await self._repository(request)
        body = answer(repository, await _body(request), version=_version(request))
        return Response(body, media_type=_RESULT, headers=_FRESH)

    def routes(self) -> list[Route]:
        """The routes, with and without the `.git` that clients like to add."""
        found: list[Route] = []
        rows: tuple[tuple[str, Callable[[Request], Awaitable[Response]], str], ...] = (
            ("info/refs", self._refs, "GET"),
            ("git-upload-pack", self._upload, "POST"),
        )
        for rest, endpoint, method in rows:
            found.append(Route(f"/marketplace/{{kind:str}}.git/{rest}", endpoint, methods=[method]))
        return [*found, Route("/marketplace/{kind:str}/marketplace.json", self._index, methods=["GET"])]
