"""Browsers: one-time links, and the sign-ins they turn into. Only hashes are kept."""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hub.core.background import Background
from hub.core.ids import new_id
from hub.core.logs import get_logger
from hub.core.refusal import Unavailable
from hub.store.tables import SignInLinkRow, SignInRow, storable
from hub.store.transactions import reading, writing

log = get_logger(__name__)

_LINKS: Any = SignInLinkRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_SIGN_INS: Any = SignInRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
LINK_SECONDS = 24 * 3600
IDLE_SECONDS = 30 * 60
LONGEST_SECONDS = 12 * 3600
_MAX_TOKEN = 256
_SEEN_EVERY = 60


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a browser is and what it says it is."""

    address: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class SignIn:
    """A browser that just signed in: whose it is, and the token for its cookie."""

    user: str
    token: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A browser that is signed in, as its user may know it. Times are seconds since the epoch."""

    id: str
    created_at: float
    seen_at: float
    expires_at: float
    address: str
    agent: str


UNKNOWN = Browser()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


class SignIns(Background):
    """Makes and redeems links, and finds the user of a sign-in. An async context manager.

    Every method raises Unavailable when the database is away.
    """

    def __init__(self, engine: AsyncEngine, now: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._engine = engine
        self._now = now
        self._seen: dict[bytes, float] = {}  # of sign-ins whose row does not say so yet
        self._noting: set[bytes] = set()

    async def make_link(self, user: str, seconds: int = LINK_SECONDS) -> tuple[str, float]:
        """The token of a new one-time link for `user`, and when it ends (seconds since the epoch)."""
        token, ends = secrets.token_urlsafe(32), self._now() + seconds
        async with writing(self._engine) as connection:
            await connection.execute(delete(_LINKS).where(_LINKS.c.expires_at <= self._now()))
            await connection.execute(insert(_LINKS), {"digest": _digest(token), "user": user, "expires_at": ends})
        return token, ends

    async def redeem(self, token: str, browser: Browser = UNKNOWN) -> SignIn | None:
        """Use a link up and sign its user in; None when it is unknown, used or over."""
        if len(token) > _MAX_TOKEN:
            return None
        now = self._now()
        async with writing(self._engine) as connection:
            taken = await connection.execute(delete(_LINKS).where(_LINKS.c.digest == _digest(token)).returning(_LINKS))
            row = taken.first()
            if row is None or row.expires_at <= now:
                return None
            return await self._open(connection, str(row.user), browser)

    async def open(self, user: str, browser: Browser = UNKNOWN) -> SignIn:
        """Sign a user in, who has shown otherwise who they are."""
        async with writing(self._engine) as connection:
            return await self._open(connection, user, browser)

    async def _open(self, connection: AsyncConnection, user: str, browser: Browser) -> SignIn:
        now, fresh = self._now(), secrets.token_urlsafe(32)
        await connection.execute(delete(_SIGN_INS).where(_SIGN_INS.c.expires_at <= now))
        row = {"digest": _digest(fresh), "id": new_id(), "user": user, "created_at": now, "seen_at": now}
        where = {"address": storable(browser.address)[:64], "agent": storable(browser.agent)[:200]}
        await connection.execute(insert(_SIGN_INS), {**row, **where, "expires_at": now + LONGEST_SECONDS})
        return SignIn(user, fresh)

    async def of(self, user: str) -> list[Listed]:
        """The browsers in which a user is signed in, the latest first."""
        now = self._now()
        alive = (_SIGN_INS.c.expires_at > now) & (_SIGN_INS.c.seen_at + IDLE_SECONDS > now)
        statement = select(_SIGN_INS).where((_SIGN_INS.c.user == user) & alive).order_by(_SIGN_INS.c.created_at.desc())
        async with reading(self._engine) as connection:
            rows = (await connection.execute(statement.limit(200))).all()
        return [Listed(r.id, r.created_at, r.seen_at, r.expires_at, r.address, r.agent) for r in rows]

    async def end_one(self, user: str, identifier: str) -> bool:
        """Sign one browser of a user out; whether there was such a one."""
        here = (_SIGN_INS.c.user == user) & (_SIGN_INS.c.id == identifier) & (_SIGN_INS.c.id != "")
        async with writing(self._engine) as connection:
            return bool((await connection.execute(delete(_SIGN_INS).where(here))).rowcount)

    async def user_of(self, token: str) -> str | None:
        """Whose sign-in this is; None when it is unknown, idle for too long, or over."""
        if not token or len(token) > _MAX_TOKEN:
            return None
        now, digest = self._now(), _digest(token)
        noted = self._seen.get(digest, 0.0)  # before the row is read, which may be before it says so, and this no more
        async with reading(self._engine) as connection:
            row = (await connection.execute(select(_SIGN_INS).where(_SIGN_INS.c.digest == digest))).first()
        if row is None or row.expires_at <= now or max(row.seen_at, noted) + IDLE_SECONDS <= now:
            return None
        if row.seen_at + _SEEN_EVERY <= now:
            self._seen[digest] = now
            if digest not in self._noting:
                self._noting.add(digest)
                self.start(self._note(digest), "sign-in seen")
        return str(row.user)

    async def _note(self, digest: bytes) -> None:
        """Write down that a browser was here. Nobody waits for it: a page must not stand still while others write."""
        try:
            while (seen := self._seen.get(digest)) is not None:
                async with writing(self._engine) as connection:
                    await connection.execute(update(_SIGN_INS).where(_SIGN_INS.c.digest == digest).values(seen_at=seen))
                if self._seen[digest] == seen:
                    del self._seen[digest]
        except Unavailable as away:
            log.info("that a browser was here is written at its next visit", reason=away.message)
        finally:
            self._noting.discard(digest)

    async def end(self, token: str) -> None:
        """Sign a browser out."""
        async with writing(self._engine) as connection:
            await connection.execute(delete(_SIGN_INS).where(_SIGN_INS.c.digest == _digest(token[:_MAX_TOKEN])))

    async def end_all(self, user: str) -> None:
        """Sign every browser of a user out."""
        async with writing(self._engine) as connection:
            await connection.execute(delete(_SIGN_INS).where(_SIGN_INS.c.user == user))
