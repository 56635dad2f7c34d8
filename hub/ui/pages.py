"""All pages, put together: what both apps are made of, as routes."""

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from hub.ui.admin import AdminPages
from hub.ui.approvals import ApprovalPages
from hub.ui.assets import Assets
from hub.ui.composer import ComposerPages
from hub.ui.connections import ConnectionPages
from hub.ui.console import ConsolePages
from hub.ui.governance import GovernancePages
from hub.ui.install import InstallPages, Listings
from hub.ui.ledger import LedgerPages
from hub.ui.oauth_clients import OAuthClientPages
from hub.ui.playground import PlaygroundPages
from hub.ui.resources import ResourcePages
from hub.ui.site import Site
from hub.ui.sources import Sources
from hub.ui.tooltry import ToolPages
from hub.ui.traces import TracePages
from hub.ui.wizard import WizardPages

_STATIC = Path(__file__).parent / "static"


class Pages:
    """All pages, as routes to be mounted at the root."""

    def __init__(self, sources: Sources, listings: Listings) -> None:
        self._sources = sources
        self._listings = listings
        self._assets = Assets(_STATIC)
        self._site = Site(sources, self._assets)

    async def login(self, request: Request) -> Response:
        """The sign-in page. With `?token=` it offers to use a one-time link."""
        await self._site.prepared()
        given = request.query_params
        return self._site.bare(
            request, "login.html", token=given.get("token", "")[:256], next=given.get("next", "")[:8192]
        )

    def consent(self, request: Request, **shown: Any) -> Response:
        """Whether a program may be signed in."""
        return self._site.bare(request, "consent.html", **shown)

    def device(self, request: Request, **shown: Any) -> Response:
        """Whether a program may be signed in that shows a code."""
        return self._site.bare(request, "device.html", **shown)

    def routes(self) -> list[BaseRoute]:
        """The routes, sign-in aside (its GET is `login`)."""
        site = self._site
        return [
            *ConsolePages(site).routes(),
            *ConnectionPages(site).routes(),
            *TracePages(site).routes(),
            *PlaygroundPages(site).routes(),
            *ToolPages(site).routes(),
            *LedgerPages(site, "/console").routes(),
            *ResourcePages(site, "/console").routes(("keys", "routes")),
            *AdminPages(site).routes(),
            *OAuthClientPages(site).routes(),
            *WizardPages(site).routes(),
            *GovernancePages(site).routes(),
            *ComposerPages(site, "/admin").routes(),
            *ComposerPages(site, "/console").routes(),
            *ApprovalPages(site).routes(),
            *LedgerPages(site, "/admin").routes(),
            *ResourcePages(site, "/admin").routes(),
            *InstallPages(site, self._sources, self._listings).routes(),
            *self._assets.routes(),
        ]
