"""What belongs to another replica: a call that waits there, a session that was opened there. It answers, and that comes back."""

from collections.abc import Callable

from msgspec import Struct

from hub.core.plan import Timeouts
from hub.core.refusal import UpstreamFailed
from hub.edge.guards import Scope
from hub.edge.mcp.request import Request
from hub.upstream import Endpoint, Exchange

PASSED_ON = b"x-hub-passed-on"
_A_DAY = 86_400.0  # the replica where the call waits has its own clocks
_CLOCKS = Timeouts(connect=5, first_byte=_A_DAY, idle=_A_DAY, total=_A_DAY)
# What belongs to one connection, or is written anew for the next one.
_LEFT_OUT = frozenset(
    {"host", "content-length", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect",
     "proxy-authorization", "accept-encoding", "x-forwarded-for", "x-request-id"}
)  # fmt: skip
_KEPT = (
    "content-type", "cache-control", "x-accel-buffering", "x-request-id", "retry-after", "www-authenticate",
    "mcp-session-id", "allow",
)  # fmt: skip


def _stays() -> bool:
    return False


class Replicas(Struct, frozen=True):
    """Passes requests on to other replicas; `own` is the address at which they reach this one, "" for none.

    `leaving` tells whether this one is about to stop: then nobody is kept waiting for what another one may say.
    """

    endpoint: Endpoint | None = None
    own: str = ""
    leaving: Callable[[], bool] = _stays

    def is_elsewhere(self, request: Request, home: str) -> bool:
        """Whether what waits at `home` is for another replica to go on with. What was passed on stays."""
        return bool(home and home != self.own and self.endpoint and PASSED_ON not in request.headers)

    async def passed_on(self, request: Request, scope: Scope, body: bytes, home: str) -> bool:
        """Have the replica at `home` answer; False when it cannot be reached, and nothing was sent yet."""
        if self.endpoint is None:
            return False
        query = scope.get("query_string", b"").decode("latin-1")
        url = home + scope["path"] + (f"?{query}" if query else "")
        told = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw]
        headers = [pair for pair in told if pair[0].lower() not in _LEFT_OUT]
        client = scope.get("client")
        headers += [(PASSED_ON.decode(), "1"), ("x-request-id", request.origin.request_id)]
        headers += [("x-forwarded-for", client[0])] if client else []
        try:
            exchange = Exchange(scope["method"], url, tuple(headers), body, _CLOCKS, private=True, resend=False)
            response = await self.endpoint.request(exchange)
        except UpstreamFailed:
            return False
        try:
            kept = [(name, response.headers[name]) for name in _KEPT if name in response.headers]
            await request.answer.passed(
                response.status, kept, response, self.leaving if scope["method"] == "GET" else _stays
            )
            request.exchange.finish()
        finally:
            response.close()
        return True
