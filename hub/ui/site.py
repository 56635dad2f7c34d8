"""Rendering: one template per page, its blocks alone for htmx, refusals as pages, compressed and never stored."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from hub import __version__
from hub.core.rarely import Part, load
from hub.core.refusal import Conflict, Forbidden, Refusal
from hub.ui.assets import Assets, accepts_gzip
from hub.ui.conditions import KINDS as CONDITIONS
from hub.ui.navigation import current, menu
from hub.ui.sources import Sources, Visit

Endpoint = Callable[[Visit], Awaitable[Response]]
Handler = Callable[[Request], Awaitable[Response]]
_WORTH_ZIPPING = 1400  # less fits one packet anyway


class Site:
    """What every page is rendered with."""

    def __init__(self, sources: Sources, assets: Assets) -> None:
        self._sources = sources
        self._assets = assets

    @cached_property
    def _templates(self) -> Any:
        """Made for the first page: a hub that nobody looks at needs none of the 7 MB and the tenth of a second."""
        known = {"static": self._assets.url, "version": __version__, "with_query": with_query, "CONDITIONS": CONDITIONS}
        return load(Part.TEMPLATES).templates(known)

    async def prepared(self) -> None:
        """Have the templates made beside the event loop, if nobody has asked for a page yet: calls go on meanwhile."""
        if "_templates" not in vars(self):
            await asyncio.to_thread(getattr, self, "_templates")

    def page(self, endpoint: Endpoint) -> Handler:
        """A page for whoever is signed in; others are sent to the sign-in page. Refusals become pages."""

        async def handle(request: Request) -> Response:
            await self.prepared()
            principal = await self._sources.visitor(request)
            if principal.kind == "anonymous":
                return self._away(request, "/login")
            visit = Visit(request, principal, self._sources)
            try:
                if app_of(request) == "admin" and not visit.operator:
                    refusal = Forbidden(
                        "forbidden", "The Admin Dashboard is for administrators and auditors. Yours is the Console."
                    )
                    await self._sources.denied(request, principal, refusal, "ui")
                    raise refusal
                return await endpoint(visit)
            except Refusal as refusal:
                return self._refused(visit, refusal)

        return handle

    def _away(self, request: Request, path: str) -> Response:
        if is_partial(request):
            return Response(status_code=204, headers={"hx-redirect": path, "cache-control": "no-store"})
        return RedirectResponse(path, status_code=303, headers={"cache-control": "no-store"})

    def _refused(self, visit: Visit, refusal: Refusal) -> Response:
        if is_partial(visit.request):
            response = self._answer(
                visit.request,
                self._templates.get_template("error.html"),
                "notice",
                {"refusal": refusal},
                refusal.status,
            )
            response.headers["hx-retarget"] = "#flash"
            response.headers["hx-reswap"] = "innerHTML"
            response.headers["hx-push-url"] = "false"
            return response
        try:
            title = HTTPStatus(refusal.status).phrase
        except ValueError:
            title = "Error"
        request_id = visit.request.scope.get("state", {}).get("request_id", "")
        return self.show(
            visit, "error.html", status=refusal.status, refusal=refusal, title=title, request_id=request_id
        )

    def show(self, visit: Visit, template: str, *, status: int = 200, block: str = "", **context: Any) -> Response:
        """A page; for htmx only the block that it asks for: the one named like its target, or `block`."""
        request = visit.request
        app = app_of(request)
        groups = menu(visit, app)
        path = request.scope["path"]
        known = {
            "visit": visit,
            "app": app,
            "menu": groups,
            "here": current(groups, path),
            "path": path,
            **context,
        }
        found = self._templates.get_template(template)
        wanted = block or (target_of(request) if is_partial(request) else "")
        return self._answer(request, found, wanted if wanted in found.blocks else "", known, status)

    def bare(self, request: Request, template: str, **context: Any) -> Response:
        """A page for nobody in particular, such as sign-in."""
        known = {"visit": None, "app": "", "menu": [], "here": "", "path": request.scope["path"]}
        return self._answer(request, self._templates.get_template(template), "", {**known, **context}, 200)

    def _answer(self, request: Request, template: Any, block: str, context: Mapping[str, Any], status: int) -> Response:
        blocks = template.blocks
        text = "".join(blocks[block](template.new_context(dict(context)))) if block else template.render(context)
        body = text.encode()
        headers = {"cache-control": "no-store", "vary": "accept-encoding, hx-request"}
        if len(body) >= _WORTH_ZIPPING and accepts_gzip(request) and "secret" not in context:
            body = gzip.compress(body, 5, mtime=0)
            headers["content-encoding"] = "gzip"
        return Response(body, status, headers, media_type="text/html")

    def go(self, visit: Visit, path: str, said: str = "") -> Response:
        """Send the browser on, with a word of what was done."""
        target = with_query(path, {"done": said}) if said else path
        return self._away(visit.request, target)


def app_of(request: Request) -> str:
    """`admin` or `console`."""
    return "admin" if request.scope["path"].startswith("/admin") else "console"


def status_of(refusal: Refusal) -> int:
    """The status of a page that shows a form again and says why: somebody else was first, or what was sent is wrong."""
    return 409 if isinstance(refusal, Conflict) else 422


def is_partial(request: Request) -> bool:
    """Whether htmx asks, for a part of the page."""
    return request.headers.get("hx-request") == "true"


def target_of(request: Request) -> str:
    """The id of the element that htmx will fill: it sends `tag#id`."""
    return unquote(request.headers.get("hx-target", "").partition("#")[2])[:64].replace("-", "_")


def with_query(path: str, changes: Mapping[str, Any], given: Mapping[str, Any] | None = None) -> str:
    """A link: `given` parameters with `changes`; None and "" take one away."""
    merged = {**(given or {}), **changes}
    left = {name: value for name, value in merged.items() if value not in (None, "")}
    base = path.partition("?")[0] if given is not None else path
    if not left:
        return base
    return f"{base}{'&' if '?' in base else '?'}{urlencode(left)}"
