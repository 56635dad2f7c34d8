"""What replicas share for a while, in Redis: encrypted, under names that tell nothing."""

import asyncio
import hashlib
import os
from collections.abc import Awaitable
from types import TracebackType
from typing import Self, TypeVar, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from hub.core.shelf import ShelfAway

T = TypeVar("T")
DEADLINE = 0.5  # seconds that one question to Redis may take
_NONCE = 12
_TRIES = 3
# Exchanges a value for another, or for nothing, if it is still the one that was seen.
_CHANGE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[3] == '0' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
"""


class RedisShelf:
    """See `hub.core.shelf.Shelf`. An async context manager. `key` (32 bytes) encrypts what is kept."""

    def __init__(self, url: str, key: bytes, *, prefix: str = "hub:shelf:") -> None:
        self._pool = BlockingConnectionPool.from_url(
            url, max_connections=16, timeout=DEADLINE, socket_connect_timeout=0.2, socket_timeout=DEADLINE,
            retry=Retry(NoBackoff(), 0),
        )  # fmt: skip
        self._redis = Redis(connection_pool=self._pool)
        self._change = self._redis.register_script(_CHANGE)
        self._cipher = AESGCM(key)
        self._prefix = prefix

    async def __aenter__(self) -> Self:
        """Nothing is opened before it is needed."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._redis.aclose()
        await self._pool.aclose()

    async def find(self, place: str) -> bytes | None:
        """See `hub.core.shelf.Shelf`."""
        name = self._name(place)
        return self._opened(name, await self._read(name))

    async def put(self, place: str, data: bytes, seconds: float) -> None:
        """See `hub.core.shelf.Shelf`."""
        name = self._name(place)
        await self._asked(self._redis.set(name, self._sealed(name, data), px=int(seconds * 1000)))

    async def claim(self, place: str, mark: bytes, seconds: float) -> bytes | None:
        """See `hub.core.shelf.Shelf`."""
        name = self._name(place)
        for _ in range(_TRIES):
            if await self._asked(self._redis.set(name, b"?" + mark, px=int(seconds * 1000), nx=True)):
                return None
            found = self._opened(name, await self._read(name))
            if found is not None:  # else it has just gone
                return found
        raise ShelfAway("what stands there cannot be read")

    async def change(self, place: str, mark: bytes, data: bytes | None, seconds: float) -> bool:
        """See `hub.core.shelf.Shelf`."""
        name = self._name(place)
        new = b"" if data is None else b"?" + mark if data == mark else self._sealed(name, data)
        lasting = 0 if data is None else max(1, int(seconds * 1000))
        done = await self._asked(cast("Awaitable[int]", self._change(keys=[name], args=[b"?" + mark, new, lasting])))
        return done == 1

    async def _read(self, name: str) -> bytes | None:
        return await self._asked(cast("Awaitable[bytes | None]", self._redis.get(name)))

    async def _asked(self, answer: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(2 * DEADLINE):
                return await answer
        except (RedisError, OSError, TimeoutError) as error:
            raise ShelfAway(type(error).__name__) from error

    def _name(self, place: str) -> str:
        return self._prefix + hashlib.sha256(place.encode("utf-8", "surrogatepass")).hexdigest()

    def _sealed(self, name: str, data: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return b"!" + nonce + self._cipher.encrypt(nonce, data, name.encode())

    def _opened(self, name: str, found: bytes | None) -> bytes | None:
        """The data, or a mark; None for what cannot be read, such as what another key has sealed."""
        if not found:
            return None
        if found[:1] == b"?":
            return found[1:]
        try:
            return self._cipher.decrypt(found[1 : 1 + _NONCE], found[1 + _NONCE :], name.encode())
        except (InvalidTag, ValueError):
            return None
