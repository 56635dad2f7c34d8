"""Answers that are given again by every replica: who sends for an idempotency key, and what came of it, on a shelf."""

import asyncio
import contextlib
import os

import msgspec

from hub.core.background import Background
from hub.core.logs import get_logger
from hub.core.shelf import Shelf, ShelfAway
from hub.upstream.answers_kept import Kept

log = get_logger(__name__)

_LEASE = 20.0  # seconds for which a claim holds unless it is renewed; a replica that died lets go by itself
_RENEW = 5.0
_LOOK = 0.1  # between two looks at what another replica does
_MARK = b"~"


class Another(Exception):
    """The key came with another request before."""


_kept = msgspec.msgpack.Decoder(Kept)


class Everywhere(Background):
    """Claims and answers on a shelf. An async context manager, which ends what it does beside calls.

    While the shelf is away, each replica answers for itself: a claim is then held by nobody.
    """

    def __init__(self, shelf: Shelf | None) -> None:
        super().__init__()
        self._shelf = shelf

    # -- one call for a key ----------------------------------------------------------------------------------------

    async def claim(self, place: str, digest: bytes) -> "Kept | Held | None":
        """The right to send for a key, or what came of it. None where replicas share nothing. Raises Another."""
        shelf = self._shelf
        if shelf is None:
            return None
        mark = _MARK + digest + os.urandom(8)
        while True:
            try:
                found = await shelf.claim(place, mark, _LEASE)
            except ShelfAway as away:
                log.warning("answers_not_shared", reason=str(away))
                return None
            if found is None:
                held = Held(place, mark)
                self.start(self._renewed(held, shelf))
                return held
            if found[:1] != _MARK:
                kept = _kept.decode(found)
                if kept.digest != digest:
                    raise Another
                return kept
            if found[1 : 1 + len(digest)] != digest:
                raise Another
            await asyncio.sleep(_LOOK)  # it is being sent

    async def _renewed(self, held: "Held", shelf: Shelf) -> None:
        """Hold a claim for as long as its call runs."""
        while not held.over.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RENEW):
                    await held.over.wait()
                    return
            with contextlib.suppress(ShelfAway):
                if not await shelf.change(held.place, held.mark, held.mark, _LEASE):
                    return

    def settle(self, held: "Held", kept: Kept | None, seconds: float) -> None:
        """The call is over: keep its answer, or let somebody else send."""
        held.over.set()
        if self._shelf is not None:
            data = None if kept is None else msgspec.msgpack.encode(kept)
            self.start(self._changed(self._shelf, held, data, seconds))

    async def _changed(self, shelf: Shelf, held: "Held", data: bytes | None, seconds: float) -> None:
        try:
            await shelf.change(held.place, held.mark, data, seconds)
        except ShelfAway as away:
            log.warning("answer_not_shared", reason=str(away))

    # -- a team's cache --------------------------------------------------------------------------------------------

    async def find(self, place: str) -> Kept | None:
        """An answer that some replica has kept."""
        if self._shelf is None:
            return None
        try:
            found = await self._shelf.find(place)
        except ShelfAway as away:
            log.warning("answers_not_shared", reason=str(away))
            return None
        return None if found is None or found[:1] == _MARK else _kept.decode(found)

    def put(self, place: str, kept: Kept, seconds: float) -> None:
        """Keep an answer for all replicas."""
        if self._shelf is not None:
            self.start(self._put(self._shelf, place, msgspec.msgpack.encode(kept), seconds))

    async def _put(self, shelf: Shelf, place: str, data: bytes, seconds: float) -> None:
        try:
            await shelf.put(place, data, seconds)
        except ShelfAway as away:
            log.warning("answer_not_shared", reason=str(away))


class Held:
    """A claim on a key, until its call is over."""

    def __init__(self, place: str, mark: bytes) -> None:
        self.place = place
        self.mark = mark
        self.over = asyncio.Event()
