"""Who is asking in a browser or through the API: a key, or a browser's sign-in."""

from msgspec.structs import replace
from starlette.requests import Request

from hub.core.principal import ANONYMOUS, Principal
from hub.core.refusal import Forbidden
from hub.edge.credentials import presented
from hub.identity import Identity
from hub.resources import Snapshot
from hub.store import SignIns

COOKIE = "hub_sign_in"
SECURE_COOKIE = "__Host-hub_sign_in"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def cookie_name(request: Request) -> str:
    """The sign-in cookie's name: with the `__Host-` guarantee wherever the page came over TLS."""
    return SECURE_COOKIE if request.url.scheme == "https" else COOKIE


def check_same_site(request: Request) -> None:
    """Refuse a changing request that a browser sends on behalf of another site.

    A browser says where a request comes from in `Sec-Fetch-Site`, an older one in `Origin`; programs send
    neither. Raises Forbidden `origin_not_allowed`.
    """
    if request.method in _SAFE:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site in ("same-origin", "none"):
            return
    else:
        origin = request.headers.get("origin")
        if origin is None or origin.partition("://")[2] == request.headers.get("host"):
            return
    raise Forbidden("origin_not_allowed", "This request came from another site. Open the hub's own page and try there.")


class Visitors:
    """Finds the principal of a request: the key's, else the browser's, else ANONYMOUS."""

    def __init__(self, identity: Identity, sign_ins: SignIns) -> None:
        self._identity = identity
        self._sign_ins = sign_ins

    async def principal(self, request: Request, snapshot: Snapshot) -> Principal:
        """Who is asking. Raises Unauthenticated for a credential that is not good, Forbidden for a forged request."""
        given = presented(request.scope)
        if given.secret:
            return self._identity.resolve(snapshot, given).principal
        token = request.cookies.get(cookie_name(request), "")
        if not token:
            return ANONYMOUS
        check_same_site(request)
        user = await self._sign_ins.user_of(token)
        if user is None or user not in snapshot.users:
            return ANONYMOUS
        return self._identity.resolve(snapshot, replace(given, user=user)).principal
