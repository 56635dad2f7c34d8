"""What earlier runs left in the spool: their entries written, and their unfinished calls settled by an estimate."""

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from hub.core.entry import Entry
from hub.core.logs import get_logger
from hub.ledger.reading import decode, read_batch
from hub.ledger.sink import Sink

log = get_logger(__name__)

_SETTLE = 256


class Recovery:
    """Replays the segments `left` by earlier runs, once; can be run again after an error and goes on from there.

    An open without a close becomes the entry that it holds: outcome `interrupted`, estimated usage. Nothing is
    deleted before everything is in the database. Memory: one entry for each call that was in flight.
    """

    def __init__(self, left: Sequence[Path], sink: Sink) -> None:
        self._left = tuple(left)
        self._to_read = deque(left)
        self._offset = 0
        self._open: dict[str, Entry] = {}
        self._sink = sink

    @property
    def done(self) -> bool:
        """Whether nothing is left of earlier runs."""
        return not self._left

    async def run(self) -> None:
        """Write everything. Raises SQLAlchemyError or OSError when the database or the spool cannot be reached."""
        while self._to_read:
            await self._read(self._to_read[0])
            self._to_read.popleft()
            self._offset = 0
        if self._open:
            log.warning("the hub stopped during calls; they are settled by estimate", calls=len(self._open))
        while self._open:
            some = list(islice(self._open.values(), _SETTLE))
            await self._sink.write(some)
            for entry in some:
                del self._open[entry.id]
        for path in self._left:
            path.unlink(missing_ok=True)
        self._left = ()

    async def _read(self, path: Path) -> None:
        size = await asyncio.to_thread(_size, path)
        while self._offset < size:
            batch = await asyncio.to_thread(read_batch, path, self._offset, size)
            await self._sink.write(batch.closed)
            await self._sink.keep(batch.unreadable)
            for payload in batch.opened:
                entry = decode(payload)
                if entry is not None:
                    self._open[entry.id] = entry
            for entry in batch.closed:
                self._open.pop(entry.id, None)
            self._offset = batch.end


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
