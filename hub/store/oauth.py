"""Programs that users sign in through the browser: what is under way, and what was granted. Only hashes are kept."""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from hub.core.ids import new_id
from hub.core.refusal import Unavailable
from hub.store.program_tables import OAuthGrantRow, OAuthWaitingRow
from hub.store.tables import storable
from hub.store.transactions import reading, writing

_WAITING: Any = OAuthWaitingRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
_GRANTS: Any = OAuthGrantRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it
CODE_SECONDS = 60
DEVICE_SECONDS = 600
DEVICE_INTERVAL = 2
GRANT_SECONDS = 30 * 86_400
_MOST_WAITING = 10_000
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels, so that no word comes out, and nothing that looks like a digit


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a program asks for: `client` is its id, `title` its name; `resource` the only address that it may call, or ""."""

    client: str
    title: str
    resource: str = ""
    redirect: str = ""
    challenge: str = ""


@dataclass(frozen=True, slots=True)
class Approved:
    """What a user has approved."""

    user: str
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Grant:
    """A program that is signed in, as its user may know it. Times are seconds since the epoch."""

    id: str
    title: str
    resource: str
    created_at: float
    seen_at: float


class Poll(StrEnum):
    """What a device that is not approved hears (RFC 8628)."""

    PENDING = "authorization_pending"
    SLOW = "slow_down"
    DENIED = "access_denied"
    EXPIRED = "expired_token"


def _digest(code: str) -> bytes:
    return hashlib.sha256(code[:256].encode("utf-8", "surrogatepass")).digest()


def _living(now: float) -> Any:
    """The grants that are there and have not ended."""
    return (_GRANTS.c.ended_at == 0) & (_GRANTS.c.expires_at > now)


def _wanted(row: Any) -> Wanted:
    return Wanted(row.client, row.title, row.resource, row.redirect, row.challenge)


class OAuthStore:
    """Which grants have ended of late, and which live, is known in memory; `refresh` learns what other replicas did."""

    def __init__(self, engine: AsyncEngine, now: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._now = now
        self._ended: set[str] = set()
        self._alive: dict[str, float] = {}  # until when

    def has_ended(self, grant: str) -> bool:
        """Whether a grant has ended of late."""
        return grant in self._ended

    def is_alive(self, grant: str) -> bool:
        """Whether a grant is there and has not ended."""
        return self._alive.get(grant, 0.0) > self._now()

    # -- what is under way -----------------------------------------------------------------------------------------

    async def code(self, user: str, wanted: Wanted) -> str:
        """A code that stands for what `user` has just approved, good once and for a minute. Raises Unavailable."""
        code = secrets.token_urlsafe(32)
        await self._wait(code, wanted, user, "", CODE_SECONDS)
        return code

    async def device(self, wanted: Wanted) -> tuple[str, str]:
        """The code of a device that waits, and the one that its user types. Raises Unavailable."""
        code, letters = secrets.token_urlsafe(32), "".join(secrets.choice(_LETTERS) for _ in range(8))
        user_code = f"{letters[:4]}-{letters[4:]}"
        await self._wait(code, wanted, "", user_code, DEVICE_SECONDS)
        return code, user_code

    async def _wait(self, code: str, wanted: Wanted, user: str, user_code: str, seconds: float) -> None:
        now = self._now()
        async with writing(self._engine) as connection:
            await connection.execute(delete(_WAITING).where(_WAITING.c.expires_at <= now))
            waiting = (await connection.execute(select(func.count()).select_from(_WAITING))).scalar_one()
            if waiting >= _MOST_WAITING:
                raise Unavailable(
                    "overloaded", "Too many sign-ins are under way. Try again in a minute.", retry_after=60
                )
            row = {"digest": _digest(code), "user_code": user_code, "user": user, "client": storable(wanted.client)}
            about = {"title": storable(wanted.title)[:100], "redirect": storable(wanted.redirect)}
            terms = {"challenge": wanted.challenge, "resource": storable(wanted.resource)}
            clocks = {"denied": False, "polled_at": 0.0, "expires_at": now + seconds}
            await connection.execute(insert(_WAITING), {**row, **about, **terms, **clocks})

    async def redeem(self, code: str) -> Approved | None:
        """What a code stands for; the code is used up."""
        async with writing(self._engine) as connection:
            mine = (_WAITING.c.digest == _digest(code)) & (_WAITING.c.user_code == "")
            row = (await connection.execute(delete(_WAITING).where(mine).returning(_WAITING))).first()
        if row is None or row.expires_at <= self._now():
            return None
        return Approved(row.user, _wanted(row))

    async def asked(self, user_code: str) -> Wanted | None:
        """What the device asks for that shows this code, while nobody has decided about it."""
        async with reading(self._engine) as connection:
            row = (await connection.execute(select(_WAITING).where(self._undecided(user_code)))).first()
        return None if row is None else _wanted(row)

    async def decide(self, user_code: str, user: str, *, allow: bool) -> bool:
        """Approve or deny what a device asks for; whether there was such a one."""
        change = {"user": user} if allow else {"denied": True}
        async with writing(self._engine) as connection:
            done = await connection.execute(update(_WAITING).where(self._undecided(user_code)).values(**change))
        return bool(done.rowcount)

    def _undecided(self, user_code: str) -> Any:
        asked = (_WAITING.c.user_code == user_code[:16]) & (_WAITING.c.user_code != "")
        return asked & (_WAITING.c.user == "") & ~_WAITING.c.denied & (_WAITING.c.expires_at > self._now())

    async def poll(self, device_code: str) -> Approved | Poll:
        """What became of a device; once it is approved, its code is used up."""
        now, mine = self._now(), (_WAITING.c.digest == _digest(device_code)) & (_WAITING.c.user_code != "")
        async with writing(self._engine) as connection:
            row = (await connection.execute(select(_WAITING).where(mine))).first()
            if row is None or row.expires_at <= now:
                return Poll.EXPIRED
            if row.denied:
                return Poll.DENIED
            if not row.user:
                await connection.execute(update(_WAITING).where(mine).values(polled_at=now))
                return Poll.SLOW if now - row.polled_at < DEVICE_INTERVAL - 0.5 else Poll.PENDING
            taken = await connection.execute(delete(_WAITING).where(mine))
            return Approved(row.user, _wanted(row)) if taken.rowcount else Poll.EXPIRED

    # -- what was granted ------------------------------------------------------------------------------------------

    async def grant(self, approved: Approved) -> str:
        """The id of a new grant."""
        now, wanted, made = self._now(), approved.wanted, new_id()
        row = {"id": made, "user": approved.user, "client": wanted.client, "title": wanted.title}
        terms = {"resource": wanted.resource, "turn": 0, "created_at": now, "seen_at": now, "ended_at": 0.0}
        async with writing(self._engine) as connection:
            await connection.execute(delete(_GRANTS).where(_GRANTS.c.expires_at <= now))
            await connection.execute(insert(_GRANTS), {**row, **terms, "expires_at": now + GRANT_SECONDS})
        self._alive[made] = now + GRANT_SECONDS
        return made

    async def turned(self, grant: str, turn: int) -> Approved | None:
        """Use refresh number `turn` of a grant. One that was used before ends the grant: it has been stolen."""
        now = self._now()
        mine = (_GRANTS.c.id == grant) & _living(now)
        async with writing(self._engine) as connection:
            values = {"turn": turn + 1, "seen_at": now, "expires_at": now + GRANT_SECONDS}
            done = await connection.execute(update(_GRANTS).where(mine & (_GRANTS.c.turn == turn)).values(**values))
            row = (await connection.execute(select(_GRANTS).where(mine))).first()
        if row is None:
            return None
        if not done.rowcount:
            await self.end(grant)
            return None
        self._alive[grant] = now + GRANT_SECONDS
        return Approved(row.user, Wanted(row.client, row.title, row.resource))

    async def of(self, user: str) -> list[Grant]:
        """The programs that a user has signed in, the latest first."""
        alive = (_GRANTS.c.user == user) & _living(self._now())
        async with reading(self._engine) as connection:
            found = await connection.execute(
                select(_GRANTS).where(alive).order_by(_GRANTS.c.created_at.desc()).limit(200)
            )
            rows = found.all()
        return [Grant(row.id, row.title, row.resource, row.created_at, row.seen_at) for row in rows]

    async def end(self, grant: str, user: str = "") -> bool:
        """Sign a program out (where a user is named, only one of theirs); whether there was such a one."""
        mine = (_GRANTS.c.id == grant) & (_GRANTS.c.ended_at == 0)
        if user:
            mine &= _GRANTS.c.user == user
        async with writing(self._engine) as connection:
            done = await connection.execute(update(_GRANTS).where(mine).values(ended_at=self._now()))
        if done.rowcount:
            self._over((grant,))
        return bool(done.rowcount)

    def _over(self, grants: Iterable[str]) -> None:
        for grant in grants:
            self._ended.add(grant)
            self._alive.pop(grant, None)

    async def end_all(self, user: str) -> None:
        """Sign every program of a user out."""
        mine = (_GRANTS.c.user == user) & (_GRANTS.c.ended_at == 0)
        async with writing(self._engine) as connection:
            ended = await connection.execute(
                update(_GRANTS).where(mine).values(ended_at=self._now()).returning(_GRANTS.c.id)
            )
            self._over(list(ended.scalars()))

    async def refresh(self, seconds: float) -> None:
        """Learn which grants live, and which have ended within the last `seconds`: their tokens may still be about."""
        now = self._now()
        living = select(_GRANTS.c.id, _GRANTS.c.expires_at).where(_living(now))
        async with reading(self._engine) as connection:
            found = await connection.execute(select(_GRANTS.c.id).where(_GRANTS.c.ended_at > now - seconds))
            alive = await connection.execute(living)
            self._ended = set(found.scalars())
            self._alive = {row.id: row.expires_at for row in alive}
