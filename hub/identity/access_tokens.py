"""Access tokens of programs that a user has signed in: sealed claims, so that reading one asks no database.

    hubat_<sealed claims>

A token is good for an hour at most, for calls of models and tools and what belongs to them, and no longer than its
grant: `ended` tells which grants are over.
"""

from collections.abc import Callable, Container

import msgspec
from msgspec import Struct

from hub.core.seals import Broken, Seals

PREFIX = "hubat_"
ACCESS_SECONDS = 3600
# What a program may do in its user's name. The management of the hub is not part of it.
PLACES = (
    "/v1/",
    "/v1beta/",
    "/mcp/",
    "/managed/",
    "/api/oauth/",
    "/catalog/",
    "/marketplace/",
    "/registry/",
    "/llms.txt",
)
_ACCESS, _REFRESH = b"oauth access", b"oauth refresh"
_REFRESH_PREFIX = "hubrt_"
_REFRESH_SECONDS = 30 * 86_400.0
_LONGEST = 4096


class Claims(Struct, frozen=True):
    """What a token says: whose it is, the grant it belongs to, and the only path that it is good for, or ""."""

    user: str
    grant: str
    path: str = ""

    def reach(self, path: str) -> bool:
        """Whether the token is good at `path`."""
        if self.path:
            return path == self.path or path.startswith(f"{self.path}/")
        return path.startswith(PLACES)


class Refresh(Struct, frozen=True):
    """What a refresh token says: its grant, and the number of this refresh."""

    grant: str
    turn: int


class AccessTokens:
    """Makes and reads tokens. `ended` is asked on every reading."""

    def __init__(self, seals: Seals, ended: Callable[[], Container[str]]) -> None:
        self._seals = seals
        self._ended = ended

    def make(self, claims: Claims) -> str:
        """An access token for an hour."""
        return PREFIX + self._seals.seal(_ACCESS, msgspec.json.encode(claims).decode(), ACCESS_SECONDS)

    def read(self, token: str) -> Claims | None:
        """What a token says; None when it is not good."""
        if len(token) > _LONGEST:
            return None
        try:
            text = self._seals.open(_ACCESS, token.removeprefix(PREFIX))
            claims = msgspec.json.decode(text, type=Claims)
        except (Broken, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        return None if claims.grant in self._ended() else claims

    def make_refresh(self, refresh: Refresh) -> str:
        """A refresh token for 30 days."""
        return _REFRESH_PREFIX + self._seals.seal(_REFRESH, msgspec.json.encode(refresh).decode(), _REFRESH_SECONDS)

    def read_refresh(self, token: str) -> Refresh | None:
        """What a refresh token says; None when it is none of ours, or over."""
        if len(token) > _LONGEST or not token.startswith(_REFRESH_PREFIX):
            return None
        try:
            return msgspec.json.decode(self._seals.open(_REFRESH, token.removeprefix(_REFRESH_PREFIX)), type=Refresh)
        except (Broken, msgspec.MsgspecError, UnicodeDecodeError):
            return None
