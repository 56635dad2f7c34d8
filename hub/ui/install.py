"""The install page of a profile: a card for each client, and a key made on the spot."""

import re
import secrets
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from hub.core.principal import Principal
from hub.core.refusal import Conflict, Refusal, Unauthenticated
from hub.identity import Permission, catalogue_token, teams_with
from hub.install.cards import cards, general_warnings
from hub.install.listing import Listing
from hub.ui.site import Site
from hub.ui.sources import Sources, Visit

_FIRST = ("claude-code", "cursor", "vscode", "codex")


class Listings(Protocol):
    """Where the listing of a profile comes from."""

    async def one(self, profile: str, principal: Principal, address: str) -> Listing:
        """One profile. Raises NotFound or Unauthenticated."""
        ...


def platform_of(request: Request) -> str:
    """The reader's system, as far as their browser tells."""
    told = f"{request.headers.get('sec-ch-ua-platform', '')} {request.headers.get('user-agent', '')}".lower()
    if "windows" in told:
        return "windows"
    return "macos" if "mac" in told else "linux"


class InstallPages:
    """`/install/{profile}`."""

    def __init__(self, site: Site, sources: Sources, listings: Listings) -> None:
        self._site = site
        self._sources = sources
        self._listings = listings

    def routes(self) -> list[BaseRoute]:
        """The routes."""
        return [
            Route("/install/{profile}", self._open, methods=["GET"]),
            Route("/install/{profile}", self._site.page(self._make_key), methods=["POST"]),
        ]

    async def _open(self, request: Request) -> Response:
        """The page, also for whoever is not signed in, where the profile is open to everybody."""
        principal = await self._sources.visitor(request)
        if principal.kind != "anonymous":
            return await self._site.page(self._show)(request)
        try:
            listing = await self._listing(request, principal)
        except Unauthenticated:
            return RedirectResponse("/login", status_code=303, headers={"cache-control": "no-store"})
        return self._site.bare(request, "install.html", **_context(listing, platform_of(request)))

    async def _listing(self, request: Request, principal: Principal) -> Listing:
        address = self._sources.address(request)
        return await self._listings.one(request.path_params["profile"], principal, address)

    async def _show(self, visit: Visit) -> Response:
        listing = await self._listing(visit.request, visit.principal)
        return self._site.show(visit, "install.html", **_context(listing, platform_of(visit.request)))

    async def _make_key(self, visit: Visit) -> Response:
        """Make a key for this profile alone, and show the page with it once."""
        listing = await self._listing(visit.request, visit.principal)
        name, key = await _new_key(visit, listing)
        context: dict[str, Any] = {**_context(listing, platform_of(visit.request), key), "key_name": name}
        return self._site.show(visit, "install.html", secret=key, **context)


def _context(listing: Listing, platform: str, key: str = "") -> dict[str, Any]:
    made = cards(listing, platform, key, catalogue_token(key) if key else "")
    ordered = sorted(
        made, key=lambda card: (_FIRST.index(card.name) if card.name in _FIRST else len(_FIRST), card.title)
    )
    return {
        "listing": listing,
        "cards": ordered,
        "general": general_warnings(listing),
        "key": key,
        "key_name": "",
        "platform": platform,
    }


async def _new_key(visit: Visit, listing: Listing) -> tuple[str, str]:
    """A key with the least rights: this profile, no model; the visitor's own, unless they administer the hub."""
    principal = visit.principal
    spec: dict[str, Any] = {"title": f"Install page: {listing.profile}", "profiles": [listing.profile], "models": []}
    if teams_with(principal, Permission.KEYS_WRITE) is not None:
        spec |= {field: value for field in ("user", "team") if (value := getattr(principal, field))}
    who = re.sub(r"[^a-z0-9]+", "-", (principal.user or principal.key).lower()).strip("-")[:24]
    base = f"{who}-{listing.profile.replace('.', '-')}"[:50].rstrip("-")
    for name in (base, *(f"{base}-{secrets.token_hex(2)}" for _ in range(5))):
        try:
            made = await visit.send("POST", "/keys", {"name": name, "spec": spec})
        except Refusal as refusal:
            if refusal.status in (404, 409):  # the name is somebody's
                continue
            raise
        return name, str(made["secret"])
    raise Conflict("already_exists", "There are too many keys of that name. Revoke some on the Keys page.")
