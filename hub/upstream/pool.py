"""The connections to one origin: those in use, and those that wait to be used again."""

import asyncio

from hub.core.refusal import Unavailable
from hub.upstream.connection import Connection
from hub.upstream.origin import Origin

KEEP_ALIVE = 15.0  # seconds that a connection waits to be used again
_MOST = 4096


class Pool:
    """Connections to `origin`. With `private` its address need not be public; such ones serve nobody else."""

    def __init__(self, origin: Origin, private: bool, loop: asyncio.AbstractEventLoop) -> None:
        self.origin = origin
        self.private = private
        self._loop = loop
        self._all: set[Connection] = set()
        self._idle: list[Connection] = []

    def check_room(self) -> None:
        """Raise Unavailable `overloaded` when no more connections may be opened."""
        if len(self._all) >= _MOST:
            raise Unavailable("overloaded", f"{_MOST} calls to this upstream are open. Try again.", retry_after=1)

    def take(self) -> Connection | None:
        """A connection that was used last, if one is still good."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.is_open() and self._loop.time() - connection.idle_since < KEEP_ALIVE:
                return connection
            connection.close()
        return None

    def opened(self, connection: Connection) -> None:
        """A connection was made."""
        self._all.add(connection)

    def freed(self, connection: Connection) -> None:
        """Its answer is complete, and it can carry another request."""
        connection.idle_since = self._loop.time()
        self._idle.append(connection)

    def lost(self, connection: Connection) -> None:
        """It is closed."""
        self._all.discard(connection)

    def tidied(self) -> bool:
        """Close what has been idle for long; whether anything is left."""
        now = self._loop.time()
        kept: list[Connection] = []
        for connection in self._idle:
            if connection.is_open() and now - connection.idle_since < KEEP_ALIVE:
                kept.append(connection)
            else:
                connection.close()
        self._idle = kept
        return bool(self._all)

    def close(self) -> None:
        """Close all of them."""
        for connection in tuple(self._all):
            connection.abort()
