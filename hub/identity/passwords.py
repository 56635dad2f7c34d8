"""Passwords of local users: hashed with Argon2id, checked a few at a time, with the same answer for whoever does not exist."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from math import ceil
from typing import Protocol, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type

from hub.core.refusal import Fault, InvalidSpec, Throttled, Unavailable

T = TypeVar("T")
SHORTEST, LONGEST = 12, 256
_AT_ONCE = 4  # hashes computed at the same time: 19 MiB each
_MOST_WAITING = 64
_MINUTE = 60.0
_PER_ACCOUNT, _PER_ADDRESS = 5, 20
_MOST_KNOWN = 20_000


class Attempts:
    """Counts attempts in the last minute by a name. What is oldest is forgotten when there are very many names."""

    def __init__(self, most: int, now: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._now = now
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, name: str) -> int:
        """In how many whole seconds another attempt may be made; 0 for now."""
        times = self._times.get(name)
        while times and times[0] <= self._now() - _MINUTE:
            times.popleft()
        if not times or len(times) < self._most:
            return 0
        return max(1, ceil(times[0] + _MINUTE - self._now()))

    def count(self, name: str) -> None:
        """One attempt."""
        times = self._times.setdefault(name, deque())
        times.append(self._now())
        self._times.move_to_end(name)
        while len(self._times) > _MOST_KNOWN:
            self._times.popitem(last=False)

    def forgive(self, name: str) -> None:
        """The last attempt was a good one, and does not count."""
        times = self._times.get(name)
        if times:
            times.pop()
        if not times:
            self._times.pop(name, None)


class SharedAttempts(Protocol):
    """Counts attempts in the last minute for all replicas together. Methods raise Unavailable when nobody can tell."""

    async def take(self, most: Mapping[str, int]) -> int:
        """Count an attempt by each name that has fewer than `most`; else in how many seconds one may be made."""
        ...

    async def forgive(self, names: Collection[str]) -> None:
        """The last attempt by each name was a good one, and does not count."""
        ...


def _too_many(wait: int) -> Throttled:
    return Throttled(
        "rate_limited", f"There were too many attempts to sign in. Try again in {wait} s.", retry_after=wait
    )


def check_strength(password: object) -> str:
    """A password that may be set. Raises InvalidSpec: too short, too long, or nothing but one character."""
    if not isinstance(password, str) or not SHORTEST <= len(password) <= LONGEST or len(set(password)) < 4:
        message = f"a password has {SHORTEST} to {LONGEST} characters, and more than three different ones"
        raise InvalidSpec([Fault("password", message)])
    return password


class Passwords:
    """Hashes and checks. `find` gives the hash of a user's password, or None.

    Attempts are counted in this process, so that a flood stops here, and by `shared` for all replicas together.
    """

    def __init__(
        self,
        find: Callable[[str], Awaitable[str | None]],
        shared: SharedAttempts,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find = find
        self._shared = shared
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, type=Type.ID)
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._nobody = ""
        self._accounts = Attempts(_PER_ACCOUNT, now)
        self._addresses = Attempts(_PER_ADDRESS, now)

    async def hash(self, password: str) -> str:
        """The hash to keep."""
        return await self._in_turn(lambda: self._hasher.hash(password))

    async def check(self, user: str, password: str, address: str) -> bool:
        """Whether this is the user's password. For a user who has none, it takes as long and says no.

        Raises Throttled `rate_limited` after too many attempts on one account or from one address, whoever they are
        for, or Unavailable `overloaded`.
        """
        account = user[:256]
        wait = max(self._accounts.wait(account), self._addresses.wait(address))
        if wait:
            raise _too_many(wait)
        self._accounts.count(account)
        self._addresses.count(address)
        names = {f"account:{account}": _PER_ACCOUNT, f"address:{address}": _PER_ADDRESS}
        wait = await self._shared.take(names)
        if wait:
            self._forgive(account, address)
            raise _too_many(wait)
        if not self._nobody:
            self._nobody = await self.hash("nobody has this password")
        kept = await self._find(user)
        good = await self._in_turn(lambda: self._matches(kept or self._nobody, password[: LONGEST + 1])) and bool(kept)
        if good:
            self._forgive(account, address)
            await self._shared.forgive(names)
        return good

    def _forgive(self, account: str, address: str) -> None:
        self._accounts.forgive(account)
        self._addresses.forgive(address)

    def _matches(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_turn(self, work: Callable[[], T]) -> T:
        """Do the slow work in a thread, a few at a time, so that a flood takes neither memory nor the event loop."""
        if self._waiting >= _MOST_WAITING:
            raise Unavailable("overloaded", "Too many people sign in at once. Try again in a moment.", retry_after=1)
        self._waiting += 1
        try:
            async with self._gate:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1
