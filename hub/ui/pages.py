"""The pages: sign-in, the Console's home, the Admin Dashboard's overview."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from hub import __version__
from hub.core.principal import Principal
from hub.core.refusal import Forbidden
from hub.identity import Permission, teams_with
from hub.resources import Snapshot

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the pages get what they show: the same places that the API reads.

    `visitor` finds the principal of a request; `profiles` and `models` list what a principal may use;
    `calls` are their latest ledger entries; `instance` and `changes` are for operators.
    """

    visitor: Callable[[Request], Awaitable[Principal]]
    snapshot: Callable[[], Snapshot]
    address: Callable[[Request], str]
    profiles: Callable[[Principal], list[dict[str, Any]]]
    models: Callable[[Principal], list[dict[str, Any]]]
    calls: Callable[[Principal], Awaitable[list[dict[str, Any]]]]
    spend: Callable[[Principal], Awaitable[dict[str, Any]]]
    instance: Callable[[], Awaitable[dict[str, Any]]]
    changes: Callable[[], Awaitable[list[dict[str, Any]]]]


def ago(text: str) -> str:
    """How long ago an ISO 8601 time was, in words."""
    seconds = int((datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now" if seconds < 10 else f"{seconds} s ago"


def money(micro_usd: int | None) -> str:
    """Micro-dollars as USD, with as many places as say something; unknown is said to be so."""
    if micro_usd is None:
        return "unknown"
    return f"${micro_usd / 1e6:,.2f}" if micro_usd >= 1_000_000 or micro_usd == 0 else f"${micro_usd / 1e6:.6f}"


class Pages:
    """All pages, as routes to be mounted at the root."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._templates = Environment(
            loader=PackageLoader("hub.ui"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(ago=ago, money=money)

    def _render(self, template: str, request: Request, principal: Principal | None = None, **context: Any) -> Response:
        page = self._templates.get_template(template).render(
            version=__version__,
            path=request.url.path,
            principal=principal,
            operator=principal is not None and teams_with(principal, Permission.PLATFORM_READ) is None,
            **context,
        )
        return HTMLResponse(page, headers={"cache-control": "no-store"})

    async def login(self, request: Request) -> Response:
        """The sign-in page. With `?token=` it offers to use a one-time link."""
        return self._render("login.html", request, token=request.query_params.get("token", "")[:256])

    async def _console(self, request: Request) -> Response:
        principal = await self._sources.visitor(request)
        if principal.kind == "anonymous":
            return RedirectResponse("/login", status_code=303)
        return self._render(
            "console.html",
            request,
            principal,
            address=self._sources.address(request),
            profiles=self._sources.profiles(principal),
            models=self._sources.models(principal),
            calls=await self._sources.calls(principal),
            spend=await self._sources.spend(principal),
            announcements=self._current(),
        )

    def _current(self) -> list[tuple[str, Any]]:
        now = datetime.now(UTC)
        return [
            (name, spec)
            for name, spec in self._sources.snapshot().announcements.items()
            if (spec.starts_at is None or spec.starts_at <= now) and (spec.ends_at is None or now < spec.ends_at)
        ]

    async def _admin(self, request: Request) -> Response:
        principal = await self._sources.visitor(request)
        if principal.kind == "anonymous":
            return RedirectResponse("/login", status_code=303)
        if teams_with(principal, Permission.PLATFORM_READ) is not None:
            raise Forbidden(
                "forbidden", "The Admin Dashboard is for administrators and auditors. Yours is the Console."
            )
        return self._render(
            "admin.html",
            request,
            principal,
            instance=await self._sources.instance(),
            calls=await self._sources.calls(principal),
            spend=await self._sources.spend(principal),
            changes=await self._sources.changes(),
        )

    async def _root(self, request: Request) -> Response:
        return RedirectResponse("/console", status_code=303)

    def routes(self) -> list[BaseRoute]:
        """The routes, sign-in aside (its GET is `login`)."""
        return [
            Route("/", self._root),
            Route("/console", self._console),
            Route("/admin", self._admin),
            Mount("/static", StaticFiles(directory=_HERE / "static")),
        ]
