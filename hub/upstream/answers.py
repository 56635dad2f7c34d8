"""Answers that are given again: to the same request under one idempotency key, and from a team's cache.

It is memory of this process, bounded in bytes, and where replicas share a shelf of all of them. Never is it shared
between owners: a key belongs to the principal who sent it, a cached answer to the team that asked.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Self

from hub.core.calls import ModelCall
from hub.core.principal import Globs, Principal
from hub.core.refusal import Conflict, Malformed, Refusal
from hub.resources.snapshot import Snapshot
from hub.upstream.answers_everywhere import Another, Everywhere, Held
from hub.upstream.answers_kept import Kept
from hub.upstream.delivery import Delivery

MOST_BYTES = 64 << 20
MOST_ANSWER = 4 << 20
MOST_KEYS = 10_000
KEY_SECONDS = 24 * 3600.0
LONGEST_KEY = 255
ALONE = Everywhere(None)  # a process that shares nothing
_KEY = frozenset({b"idempotency-key"})
# What is about one exchange and not about the answer.
_NOT_AGAIN = frozenset({"x-hub-attempts", "x-upstream-request-id", "retry-after", "retry-after-ms"})


@dataclass(frozen=True, slots=True)
class Wish:
    """What may be given again. `owner` is the principal; `key` their idempotency key, or "".

    `shelf` is whose cached answers may be used (a team), "" for nobody's; they are kept `seconds` long.
    """

    owner: str
    key: str = ""
    shelf: str = ""
    seconds: float = 0.0

    @property
    def nothing(self) -> bool:
        """Whether the call is simply sent."""
        return not self.key and not self.shelf


NOTHING = Wish("")


@dataclass(slots=True)
class _Slot:
    """One idempotency key: the request that came with it, and its answer once there is one."""

    digest: bytes
    until: float
    outcome: "asyncio.Future[Kept | Refusal | None]"
    kept: Kept | None = None
    held: Held | None = None


class Answers:
    """Gives answers again, and keeps those that may be. `now` is monotonic. `everywhere` is what replicas share."""

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        most_bytes: int = MOST_BYTES,
        everywhere: Everywhere = ALONE,
    ) -> None:
        self._everywhere = everywhere
        self._now = now
        self._most_bytes = most_bytes
        self._bytes = 0
        self._shelves: OrderedDict[tuple[str, bytes], tuple[float, Kept]] = OrderedDict()
        self._slots: OrderedDict[tuple[str, str], _Slot] = OrderedDict()

    async def deliver(self, wish: Wish, call: ModelCall, send: Callable[[], Awaitable[Delivery]]) -> Delivery:
        """The answer to `call`: one that was kept, or what `send` gives, which is kept when the wish says so.

        Calls with the same key and body that come together wait for the first and get its answer. Raises
        Refusal as `send` does, Conflict (422) when the key came with another body before.
        """
        if wish.nothing:
            return await send()
        digest = digest_of(call)
        shelf = (wish.shelf, digest) if wish.shelf else None
        if shelf is not None:
            found = self._found(shelf) or await self._everywhere.find(_cached(shelf))
            if found is not None:
                return found.delivery("hit")
        slot = await self._claim(wish, digest) if wish.key else None
        if isinstance(slot, Kept):
            return slot.delivery("replay")
        try:
            delivery = await send()
        except Refusal as refusal:
            self._release(wish, slot, refusal)
            raise
        except BaseException:
            self._release(wish, slot, None)
            raise
        return self._watched(delivery, _Claim(self, wish, digest, shelf, slot))

    # -- one call for a key ----------------------------------------------------------------------------------------

    async def _claim(self, wish: Wish, digest: bytes) -> "_Slot | Kept":
        """The right to send for a key, or the answer that somebody got for it."""
        place = (wish.owner, wish.key)
        while True:
            slot = self._slots.get(place)
            if slot is not None and slot.kept is not None and slot.until <= self._now():
                self._bytes -= slot.kept.size
                slot = None
            if slot is None:
                made = _Slot(digest, self._now() + KEY_SECONDS, asyncio.get_running_loop().create_future())
                self._slots[place] = made
                self._slots.move_to_end(place)
                self._trim()
                return await self._claim_everywhere(wish, made)
            if slot.digest != digest:
                raise _another()
            outcome = slot.kept or await asyncio.shield(slot.outcome)
            if isinstance(outcome, Refusal):
                raise outcome
            if outcome is not None:
                return outcome

    async def _claim_everywhere(self, wish: Wish, slot: _Slot) -> "_Slot | Kept":
        """The right to send for a key among all replicas, or what another one got for it."""
        try:
            found = await self._everywhere.claim(f"key\0{wish.owner}\0{wish.key}", slot.digest)
        except BaseException as error:
            self._release(wish, slot, None)
            if isinstance(error, Another):
                raise _another() from None
            raise
        if isinstance(found, Kept):
            self._keep_in(slot, found)
            return found
        slot.held = found
        return slot

    def _release(self, wish: Wish, slot: _Slot | None, outcome: "Kept | Refusal | None") -> None:
        """Let those who wait go on; a later call with the key is sent anew."""
        if slot is None:
            return
        if self._slots.get((wish.owner, wish.key)) is slot:
            del self._slots[(wish.owner, wish.key)]
        if not slot.outcome.done():
            slot.outcome.set_result(outcome)
        if slot.held is not None:
            self._everywhere.settle(slot.held, None, 0)

    def _trim(self) -> None:
        while len(self._slots) > MOST_KEYS:
            place, slot = next(iter(self._slots.items()))
            del self._slots[place]
            self._bytes -= slot.kept.size if slot.kept is not None else 0

    # -- keeping ---------------------------------------------------------------------------------------------------

    def _watched(self, delivery: Delivery, claim: "_Claim") -> Delivery:
        """The delivery, whose answer is kept when it has gone out whole."""
        reply = delivery.reply
        if reply.chunks is None:
            claim.whole(delivery, reply.body, None)
            return delivery.marked("miss") if claim.shelf else delivery
        recording = _Recording(reply.chunks, delivery, claim)
        marked = delivery.marked("miss") if claim.shelf else delivery
        return marked.through(recording, recording.closed)

    def keep(self, claim: "_Claim", kept: Kept) -> None:
        """Keep a whole answer wherever its claim says."""
        good = 200 <= kept.status < 300
        if claim.shelf is not None and good and kept.size <= MOST_ANSWER:
            self._shelve(claim.shelf, kept, claim.wish.seconds)
            self._everywhere.put(_cached(claim.shelf), kept, claim.wish.seconds)
        slot = claim.slot
        if slot is None:
            return
        if kept.status >= 500 or kept.status in (408, 409, 429) or kept.size > MOST_ANSWER:
            self._release(claim.wish, slot, kept)
            return
        self._keep_in(slot, kept)
        if slot.held is not None:
            self._everywhere.settle(slot.held, kept, KEY_SECONDS)

    def _keep_in(self, slot: _Slot, kept: Kept) -> None:
        slot.kept = kept
        self._bytes += kept.size
        if not slot.outcome.done():
            slot.outcome.set_result(kept)
        self._fit()

    def forsake(self, claim: "_Claim") -> None:
        """The answer did not become whole."""
        self._release(claim.wish, claim.slot, None)

    def _shelve(self, shelf: tuple[str, bytes], kept: Kept, seconds: float) -> None:
        old = self._shelves.pop(shelf, None)
        self._bytes -= old[1].size if old is not None else 0
        self._shelves[shelf] = (self._now() + seconds, kept)
        self._bytes += kept.size
        self._fit()

    def _found(self, shelf: tuple[str, bytes]) -> Kept | None:
        until, found = self._shelves.get(shelf, (0.0, None))
        if found is None:
            return None
        if until <= self._now():
            del self._shelves[shelf]
            self._bytes -= found.size
            return None
        self._shelves.move_to_end(shelf)
        return found

    def _fit(self) -> None:
        """Forget the oldest until all of it fits: cached answers first."""
        while self._bytes > self._most_bytes and self._shelves:
            _, (_, old) = self._shelves.popitem(last=False)
            self._bytes -= old.size
        finished = [place for place, slot in self._slots.items() if slot.kept is not None]
        for place in finished:
            if self._bytes <= self._most_bytes:
                return
            self._bytes -= self._slots.pop(place).kept.size  # pyright: ignore[reportOptionalMemberAccess]


def _another() -> Conflict:
    return Conflict(
        "idempotency_conflict",
        "This idempotency-key came with another request before. Use a new key for a new request.",
        status=422,
    )


def _cached(shelf: tuple[str, bytes]) -> str:
    return f"cache\0{shelf[0]}\0{shelf[1].hex()}"


@dataclass(slots=True)
class _Claim:
    """The right to one answer, and where it is to be kept. Used up by the first of its methods."""

    answers: Answers
    wish: Wish
    digest: bytes
    shelf: tuple[str, bytes] | None
    slot: _Slot | None
    used: bool = field(default=False)

    def whole(self, delivery: Delivery, body: bytes, chunks: tuple[bytes, ...] | None) -> None:
        if self.used:
            return
        self.used = True
        reply = delivery.reply
        headers = {name: value for name, value in reply.headers.items() if name not in _NOT_AGAIN}
        kept = Kept(self.digest, reply.status, headers, body, chunks, delivery.target, delivery.usage)
        self.answers.keep(self, kept)

    def given_up(self) -> None:
        if not self.used:
            self.used = True
            self.answers.forsake(self)


class _Recording:
    """A stream that is remembered while it passes, as long as it is not too large."""

    def __init__(self, chunks: AsyncIterator[bytes], delivery: Delivery, claim: _Claim) -> None:
        self._chunks = chunks
        self._delivery = delivery
        self._claim = claim
        self._seen: list[bytes] = []
        self._size = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self.closed()
            raise
        self._size += len(chunk)
        if self._size <= MOST_ANSWER:
            self._seen.append(chunk)
        return chunk

    def closed(self) -> None:
        """The stream has ended, or was left: kept when it is whole."""
        if self._delivery.complete and self._size <= MOST_ANSWER:
            self._claim.whole(self._delivery, b"", tuple(self._seen))
        else:
            self._claim.given_up()


def digest_of(call: ModelCall) -> bytes:
    """What makes two requests the same: the dialect, the model, the body, and what else reaches the provider."""
    parts = [
        call.dialect.value,
        call.model,
        call.query,
        call.route,
        *(f"{name}:{value}" for name, value in call.headers),
    ]
    hashed = blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=20)
    hashed.update(b"\0")
    hashed.update(call.body)
    return hashed.digest()


def wish_of(snapshot: Snapshot, principal: Principal, call: ModelCall) -> Wish:
    """What the caller and their team want given again. Raises Malformed about the idempotency key.

    The cache is the team's to switch on; `cache-control: no-cache` or `no-store` leaves it out for one call, and a
    call on the caller's own credential never uses it.
    """
    key = idempotency_key(call)
    team = snapshot.teams.get(principal.team)
    cache = team.cache if team is not None else None
    if cache is None or call.credential is not None or not Globs(tuple(cache.models)).allows(call.model):
        return Wish(principal.id, key) if key else NOTHING
    said = call.arrival.header("cache-control").lower()
    if "no-cache" in said or "no-store" in said:
        return Wish(principal.id, key)
    return Wish(principal.id, key, principal.team, float(cache.seconds))


def idempotency_key(call: ModelCall) -> str:
    """The caller's idempotency key, or "". Raises Malformed when it is no such thing."""
    key = "" if call.arrival.lacks(_KEY) else call.arrival.header("idempotency-key")
    if key and (len(key) > LONGEST_KEY or not key.isascii() or not key.isprintable()):
        raise Malformed("malformed", f"An idempotency-key has at most {LONGEST_KEY} printable characters.")
    return key
