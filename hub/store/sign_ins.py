"""Browsers: one-time links, and the sign-ins they turn into. Only hashes are kept."""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from hub.store.tables import SignInLinkRow, SignInRow

_LINKS: Any = SignInLinkRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_SIGN_INS: Any = SignInRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
LINK_SECONDS = 24 * 3600
IDLE_SECONDS = 12 * 3600
LONGEST_SECONDS = 7 * 24 * 3600
_MAX_TOKEN = 256
_SEEN_EVERY = 60


@dataclass(frozen=True, slots=True)
class SignIn:
    """A browser that just signed in: whose it is, and the token for its cookie."""

    user: str
    token: str


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class SignIns:
    """Makes and redeems links, and finds the user of a sign-in."""

    def __init__(self, engine: AsyncEngine, now: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._now = now

    async def make_link(self, user: str, seconds: int = LINK_SECONDS) -> tuple[str, float]:
        """The token of a new one-time link for `user`, and when it ends (seconds since the epoch)."""
        token, ends = secrets.token_urlsafe(32), self._now() + seconds
        async with self._engine.begin() as connection:
            await connection.execute(delete(_LINKS).where(_LINKS.c.expires_at <= self._now()))
            await connection.execute(insert(_LINKS), {"digest": _digest(token), "user": user, "expires_at": ends})
        return token, ends

    async def redeem(self, token: str) -> SignIn | None:
        """Use a link up and sign its user in; None when it is unknown, used or over."""
        if len(token) > _MAX_TOKEN:
            return None
        now = self._now()
        async with self._engine.begin() as connection:
            taken = await connection.execute(delete(_LINKS).where(_LINKS.c.digest == _digest(token)).returning(_LINKS))
            row = taken.first()
            if row is None or row.expires_at <= now:
                return None
            fresh = secrets.token_urlsafe(32)
            await connection.execute(delete(_SIGN_INS).where(_SIGN_INS.c.expires_at <= now))
            await connection.execute(
                insert(_SIGN_INS),
                {
                    "digest": _digest(fresh),
                    "user": row.user,
                    "created_at": now,
                    "seen_at": now,
                    "expires_at": now + LONGEST_SECONDS,
                },
            )
        return SignIn(row.user, fresh)

    async def user_of(self, token: str) -> str | None:
        """Whose sign-in this is; None when it is unknown, idle for too long, or over."""
        if not token or len(token) > _MAX_TOKEN:
            return None
        now = self._now()
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(_SIGN_INS).where(_SIGN_INS.c.digest == _digest(token)))).first()
        if row is None or row.expires_at <= now or row.seen_at + IDLE_SECONDS <= now:
            return None
        if row.seen_at + _SEEN_EVERY <= now:
            async with self._engine.begin() as connection:
                await connection.execute(update(_SIGN_INS).where(_SIGN_INS.c.digest == row.digest).values(seen_at=now))
        return str(row.user)

    async def end(self, token: str) -> None:
        """Sign a browser out."""
        async with self._engine.begin() as connection:
            await connection.execute(delete(_SIGN_INS).where(_SIGN_INS.c.digest == _digest(token[:_MAX_TOKEN])))

    async def end_all(self, user: str) -> None:
        """Sign every browser of a user out."""
        async with self._engine.begin() as connection:
            await connection.execute(delete(_SIGN_INS).where(_SIGN_INS.c.user == user))
