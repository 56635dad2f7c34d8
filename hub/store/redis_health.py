"""What replicas tell each other of targets that fail, through Redis: no call waits for it, and none fails without it."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Self

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from hub.core.background import Background
from hub.core.health import Change
from hub.core.logs import get_logger

log = get_logger(__name__)
_MOST_WAITING = 1000  # changes; what is older is old news
_LONGEST = 4096  # bytes of one message
_AGAIN = 1.0  # seconds after which a Redis that failed is tried again
_CONNECT = 0.5


class _Told(Struct, frozen=True):
    """A change, and the replica that tells it."""

    by: str
    change: Change


_DECODER = msgspec.json.Decoder(_Told)


class RedisHealth(Background):
    """Sends what `tell` is given to all other replicas, and gives what they tell to `learn`. An async context manager.

    Replicas of one hub have the same `key`. By it their channel is named: a Redis has one set of them for all databases.
    """

    def __init__(self, url: str, key: bytes, learn: Callable[[Change], None]) -> None:
        super().__init__()
        self._url = url
        self._learn = learn
        self._channel = f"hub:health:{sha256(key).hexdigest()}"
        self._me = os.urandom(8).hex()
        self._waiting: asyncio.Queue[Change] = asyncio.Queue(_MOST_WAITING)
        self.listening = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Begin to listen and to send. Redis need not be there."""
        for work in (self._send, self._listen):
            self.start(self._forever(work), "shared health")
        return self

    def tell(self, change: Change) -> None:
        """Let the others know, soon. What cannot be sent is dropped: they find out for themselves, and news grows old."""
        if self.listening.is_set():
            with contextlib.suppress(asyncio.QueueFull):
                self._waiting.put_nowait(change)

    async def _forever(self, work: Callable[[Redis], Any]) -> None:
        away = False
        while True:
            redis = Redis.from_url(self._url, socket_connect_timeout=_CONNECT, retry=Retry(NoBackoff(), 0))
            try:
                async with redis:
                    await work(redis)
            except (RedisError, OSError, TimeoutError) as error:
                if not away:
                    log.warning("circuits are not shared: Redis does not answer", error=type(error).__name__)
                away = True
            self.listening.clear()
            await asyncio.sleep(_AGAIN)

    async def _send(self, redis: Redis) -> None:
        while True:
            change = await self._waiting.get()
            await redis.publish(self._channel, msgspec.json.encode(_Told(self._me, change)))

    async def _listen(self, redis: Redis) -> None:
        async with redis.pubsub() as channel:
            await channel.subscribe(self._channel)
            async for message in channel.listen():
                if message["type"] == "subscribe":
                    self.listening.set()
                else:
                    self._heard(message["data"])

    def _heard(self, data: Any) -> None:
        """One message. Whatever else stands on the channel is nobody's word."""
        if not isinstance(data, bytes) or len(data) > _LONGEST:
            return
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            told = _DECODER.decode(data)
            if told.by != self._me:
                self._learn(told.change)
