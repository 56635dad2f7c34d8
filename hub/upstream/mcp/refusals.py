"""What an HTTP error of a server means: an answer after all, a lost session, the wrong era, or no more than an error."""

from typing import Protocol

from hub.core.refusal import UpstreamFailed
from hub.upstream.exchange import Response, read_whole
from hub.upstream.mcp.calls import Calls, Pending
from hub.upstream.mcp.link import Undelivered, rejection
from hub.upstream.mcp.values import Era
from hub.upstream.mcp.wire import (
    HEADER_MISMATCH,
    INVALID_REQUEST,
    MISSING_CAPABILITY,
    UNSUPPORTED_VERSION,
    NotRpc,
    RpcError,
    parse,
    parse_error,
)

_MOST = 1 << 20
_OPENING = ("initialize", "server/discover")
_MODERN_ONLY = (HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION)
_NOT_UNDERSTOOD = (400, 404, 405, 406, 415)


class Session(Protocol):
    """What is asked of the link."""

    calls: Calls
    session: str

    def lose(self, failure: UpstreamFailed) -> None:
        """It takes no more requests."""
        ...


async def refused(link: Session, response: Response, pending: Pending) -> None:
    """Settle `pending` with the JSON-RPC error in the response, or raise what its status means.

    Raises Undelivered (after losing the link) when the server did not begin the request and a new connection
    may fare better; Rejected when it was there and said no; UpstreamFailed otherwise.
    """
    status = response.status
    if status < 400:
        raise UpstreamFailed("upstream_error", f"it redirects elsewhere (HTTP status {status}); make that its url")
    body = await read_whole(response, _MOST)
    error = _error_in(body)
    if status == 401 or (status == 403 and error is None):
        failure = UpstreamFailed(
            "upstream_error", f"it refuses the hub's credential (HTTP status {status}); check its auth"
        )
        link.lose(failure)  # the next connection resolves the secret anew
        raise failure
    lost = _lost(link, pending, status, error, body)
    if lost:
        link.lose(UpstreamFailed("upstream_error", lost))
        raise Undelivered("upstream_error", lost)
    if error is not None:
        link.calls.take(body, pending)
    if not pending.answer.done():
        raise rejection(status, _seconds(response))


def _lost(link: Session, pending: Pending, status: int, error: RpcError | None, body: bytes) -> str:
    """Why the request belongs on a new connection; "" when it does not."""
    if pending.method in _OPENING or status not in _NOT_UNDERSTOOD:
        return ""
    if pending.era is Era.MODERN:
        foreign = error is None or error.code in (INVALID_REQUEST, UNSUPPORTED_VERSION) or -32010 < error.code <= -32000
        return "it no longer speaks the protocol that it spoke" if foreign else ""
    if error is not None and error.code in _MODERN_ONLY:
        return "it no longer speaks the protocol that it spoke"
    if link.session and (status == 404 or b"session" in body.lower() or b"not initialized" in body.lower()):
        return "its session is gone"
    return ""


def _error_in(body: bytes) -> RpcError | None:
    """The JSON-RPC error in a body, if there is one."""
    try:
        messages = parse(body)
    except NotRpc:
        return None
    found = bytes(messages[0].error) if len(messages) == 1 else b""
    return parse_error(found) if found[:1] == b"{" else None


def _seconds(response: Response) -> int | None:
    value = response.headers.get("retry-after", "")
    return min(int(value), 3600) if value.isdigit() and len(value) < 9 else None
