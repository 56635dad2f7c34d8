"""For those who operate the hub: is it alive, is it ready, what does it count."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from hub.core.refusal import Forbidden
from hub.edge.credentials import presented
from hub.edge.denials import Denials
from hub.identity import Identity, Permission, require
from hub.resources import Snapshot

_NO_STORE = {"cache-control": "no-store"}


@dataclass(frozen=True, slots=True)
class OpsApi:
    """`/`, `/healthz`, `/readyz`, `/metrics` and Claude Code's `/api/hello`; none of them writes an entry.

    The health paths say one word, no version and no count, since anybody may ask. `/metrics` tells about
    traffic and money, so it asks for a key whose role holds `metrics.read` (admin, auditor), unless
    `metrics_open` (HUB_METRICS_OPEN) says that the network is the guard. A loopback client is not trusted by
    itself: behind a reverse proxy everybody is one.
    """

    metrics: Callable[[], Awaitable[str]]
    ready: Callable[[], bool]
    identity: Identity
    snapshots: Callable[[], Snapshot]
    address: Callable[[Request], str]
    denials: Denials
    metrics_open: bool = False

    async def _root(self, request: Request) -> Response:
        """The way to the Console for a browser; for a program, whether calls are served, and where."""
        if "text/html" in request.headers.get("accept", ""):
            return RedirectResponse("/console", 303)
        serving = self.ready()
        told = {
            "status": "serving" if serving else "not_serving",
            "message": "Calls are served." if serving else "The hub is ending, or its disk takes no more entries.",
            "data_plane": self.address(request),
        }
        return JSONResponse(told, 200 if serving else 503, headers=_NO_STORE)

    async def _healthz(self, request: Request) -> Response:
        return PlainTextResponse("ok\n", headers=_NO_STORE)

    async def _readyz(self, request: Request) -> Response:
        if self.ready():
            return PlainTextResponse("ready\n", headers=_NO_STORE)
        return PlainTextResponse("not ready\n", 503, headers=_NO_STORE)

    async def _metrics(self, request: Request) -> Response:
        if not self.metrics_open:
            grant = self.identity.resolve(self.snapshots(), presented(request.scope))
            try:
                require(grant.principal, Permission.METRICS_READ)
            except Forbidden as refusal:
                await self.denials.note(request, grant.principal, refusal)
                raise
        return Response(await self.metrics(), headers=_NO_STORE, media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _hello(self, request: Request) -> Response:
        return Response(status_code=200, headers=_NO_STORE)

    def routes(self) -> list[Route]:
        """The routes, to be mounted at the root, before those of `/api`."""
        return [
            Route("/", self._root, methods=["GET"]),
            Route("/healthz", self._healthz, methods=["GET"]),
            Route("/readyz", self._readyz, methods=["GET"]),
            Route("/metrics", self._metrics, methods=["GET"]),
            Route("/api/hello", self._hello, methods=["GET"]),
        ]
