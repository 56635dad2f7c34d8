"""What is kept of a call's bodies: nothing, or as much as its capture mode says, within a bound, apart from the entry."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from hub.core.capture import Capture
from hub.core.entry import Entry

MOST_BYTES = 256 << 10  # of each of the two bodies


@dataclass(frozen=True, slots=True)
class Payload:
    """The bodies of one call as they came, cut at a bound, before anything is taken out or encrypted.

    `request_bytes` and `reply_bytes` are the whole sizes.
    """

    entry: str
    at: int
    mode: Capture
    request: bytes
    reply: bytes
    request_bytes: int
    reply_bytes: int

    @property
    def size(self) -> int:
        """The bytes it holds in memory."""
        return len(self.request) + len(self.reply)


class Keeper(Protocol):
    """Takes payloads; never waits and never fails."""

    def put(self, payload: Payload) -> None:
        """Take it, or drop it and count that."""
        ...


class Bodies:
    """Keeps nothing. What a record has, unless its capture mode says more."""

    __slots__ = ()

    def replied(self, body: bytes) -> None:
        """The answer, whole."""

    def following(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The chunks of a streamed answer, seen on their way."""
        return chunks

    def close(self, entry: Entry) -> None:
        """The call is over."""


NO_BODIES = Bodies()


class KeptBodies(Bodies):
    """Keeps both bodies of one call, up to `most` bytes of each, and hands them to `keeper` at its end."""

    __slots__ = ("_keeper", "_mode", "_most", "_reply", "_reply_bytes", "_request")

    def __init__(self, mode: Capture, request: bytes, keeper: Keeper, most: int = MOST_BYTES) -> None:
        self._mode = mode
        self._request = request
        self._keeper = keeper
        self._most = most
        self._reply: list[bytes] = []
        self._reply_bytes = 0

    def replied(self, body: bytes) -> None:
        """See `Bodies`."""
        self._take(body)

    def following(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """See `Bodies`."""
        return self._followed(chunks)

    async def _followed(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            self._take(chunk)
            yield chunk

    def _take(self, chunk: bytes) -> None:
        room = self._most - self._reply_bytes
        if room > 0 and self._mode is not Capture.METADATA:
            self._reply.append(chunk[:room])
        self._reply_bytes += len(chunk)

    def close(self, entry: Entry) -> None:
        """See `Bodies`."""
        most = self._most if self._mode is not Capture.METADATA else len(self._request)
        self._keeper.put(
            Payload(
                entry=entry.id,
                at=entry.at,
                mode=self._mode,
                request=self._request[:most],
                reply=b"".join(self._reply),
                request_bytes=len(self._request),
                reply_bytes=self._reply_bytes,
            )
        )
