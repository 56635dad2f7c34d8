"""Who reads a catalogue: a key, a browser's sign-in, or a catalogue token, also in the form that git sends."""

import base64
import binascii
from collections.abc import Callable

from starlette.requests import Request

from hub.core.calls import Credentials
from hub.core.principal import Principal
from hub.core.refusal import Unauthenticated
from hub.core.seals import Broken, Seals
from hub.edge.visitors import Visitors
from hub.identity import CatalogueTokens, Identity
from hub.resources import Snapshot

_OF_A_USER = "hubcat_u_"
_BOUND = b"catalogue of a user"
_TOKEN = "hubcat_"  # noqa: S105 - the beginning of every such token


class CatalogueVisitors:
    """Finds the principal of a request for a catalogue."""

    def __init__(self, visitors: Visitors, identity: Identity, snapshots: Callable[[], Snapshot], seals: Seals) -> None:
        self._visitors = visitors
        self._identity = identity
        self._snapshots = snapshots
        self._tokens = CatalogueTokens()
        self._seals = seals

    def token_of(self, user: str) -> str:
        """What reads catalogues in the name of a user who has signed in, for programs such as git; "" for nobody."""
        return f"{_OF_A_USER}{self._seals.name(_BOUND, user)}" if user else ""

    def holder(self, token: str) -> Principal:
        """Who a catalogue token belongs to. Raises Unauthenticated."""
        if token.startswith(_OF_A_USER):
            return self._user(token.removeprefix(_OF_A_USER))
        return self._tokens.resolve(self._snapshots(), token).principal

    def _user(self, sealed: str) -> Principal:
        try:
            user = self._seals.named(_BOUND, sealed)
        except Broken:
            raise Unauthenticated("invalid_key", "This catalogue token is none of this hub's.") from None
        return self._identity.resolve(self._snapshots(), Credentials(user=user)).principal

    async def principal(self, request: Request) -> Principal:
        """Who is asking; ANONYMOUS without a credential. Raises Unauthenticated for one that is not good."""
        snapshot = self._snapshots()
        scheme, _, rest = request.headers.get("authorization", "").partition(" ")
        secret = _password(rest.strip()) if scheme.lower() == "basic" else rest.strip()
        if secret.startswith(_TOKEN):
            return self.holder(secret)
        if scheme.lower() == "basic":
            return self._identity.resolve(snapshot, Credentials(secret)).principal
        return await self._visitors.principal(request, snapshot)


def _password(encoded: str) -> str:
    """The password in Basic credentials; the user name is anybody's. Raises Unauthenticated."""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        raise Unauthenticated("invalid_key", "The Basic credentials cannot be read.") from None
    user, _, password = text.partition(":")
    return password or user
