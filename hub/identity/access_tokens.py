"""Access tokens of programs that a user has signed in: sealed claims, so that reading one asks no database.

    hubat_<sealed claims>         for an hour
    hubat_s.<sealed claims>       for as long as the grant is known to live: what is pushed into a client's settings

A token is good for calls of models and tools and what belongs to them, and no longer than its grant: `grants` tells which
have ended, and which live.
"""

from typing import Protocol

import msgspec
from msgspec import Struct

from hub.core.seals import Broken, Seals

PREFIX = "hubat_"
_STANDING = f"{PREFIX}s."
ACCESS_SECONDS = 3600
# What a program may do in its user's name. The management of the hub is not part of it.
PLACES = (
    "/v1/",
    "/v1beta/",
    "/model/",
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


class Grants(Protocol):
    """What is known of grants, in memory."""

    def has_ended(self, grant: str) -> bool:
        """Whether a grant has ended within the last hour."""
        ...

    def is_alive(self, grant: str) -> bool:
        """Whether a grant is there and has not ended."""
        ...


class AccessTokens:
    """Makes and reads tokens. `grants` is asked on every reading."""

    def __init__(self, seals: Seals, grants: Grants) -> None:
        self._seals = seals
        self._grants = grants

    def make(self, claims: Claims) -> str:
        """An access token for an hour."""
        return PREFIX + self._seals.seal(_ACCESS, msgspec.json.encode(claims).decode(), ACCESS_SECONDS)

    def make_standing(self, claims: Claims) -> str:
        """A token that is always the same one, and good as long as its grant lives."""
        return _STANDING + self._seals.name(_ACCESS, msgspec.json.encode(claims).decode())

    def read(self, token: str) -> Claims | None:
        """What a token says; None when it is not good."""
        if len(token) > _LONGEST:
            return None
        stands = token.startswith(_STANDING)
        try:
            if stands:
                text = self._seals.named(_ACCESS, token.removeprefix(_STANDING))
            else:
                text = self._seals.open(_ACCESS, token.removeprefix(PREFIX))
            claims = msgspec.json.decode(text, type=Claims)
        except (Broken, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        good = self._grants.is_alive(claims.grant) if stands else not self._grants.has_ended(claims.grant)
        return claims if good else None

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
