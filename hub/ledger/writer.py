"""From the spool to the database: one task that drains segments in batches, and keeps trying when it cannot."""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from sqlalchemy.ext.asyncio import AsyncEngine

from hub.core.entry import Entry
from hub.core.logs import get_logger
from hub.ledger.reading import read_batch
from hub.ledger.recovery import Recovery
from hub.ledger.segment import Segment
from hub.ledger.sink import OnWritten, Sink
from hub.ledger.spool import Spool

log = get_logger(__name__)

BATCH = 1024  # entries in one transaction: each writes the same pages of the same indexes
INTERVAL_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 5.0
GRACE_SECONDS = 5.0


class Writer:
    """Drains `spool` into the table `entry` of `engine`, every `interval` seconds. An async context manager.

    The position in a segment is kept in memory only: after a crash whole segments are read again, and the primary
    key makes sure that each entry exists once. While the database is away nothing is read, so memory stays flat and
    the entries wait on disk. `on_written` is told of each batch that the database holds.
    """

    def __init__(
        self,
        spool: Spool,
        engine: AsyncEngine,
        *,
        on_written: Sequence[OnWritten] = (),
        interval: float = INTERVAL_SECONDS,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self._spool = spool
        self._sink = Sink(engine, spool.folder / "rejected.jsonl", on_written)
        self._recovery = Recovery((), self._sink)
        self._interval = interval
        self._grace = grace
        self._lock = asyncio.Lock()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.trouble = ""  # why the last drain failed, or ""

    async def __aenter__(self) -> Self:
        """Start the task; it replays what earlier runs left first. The spool is already open."""
        self._recovery = Recovery(self._spool.left, self._sink)
        self._task = asyncio.create_task(self._run(), name="ledger writer")  # noqa: TID251 - ended in __aexit__
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drain a last time, for at most the grace seconds; what is left waits for the next start."""
        self._stop.set()
        if self._task is not None:
            _, late = await asyncio.wait((self._task,), timeout=self._grace)
            if late:
                self._task.cancel()
                await asyncio.wait((self._task,))
        if self._spool.waiting_bytes:
            log.warning("entries wait in the spool for the next start", bytes=self._spool.waiting_bytes)

    @property
    def recovered(self) -> bool:
        """Whether everything that earlier runs left is in the database."""
        return self._recovery.done

    async def drain(self) -> None:
        """Bring everything that was appended until now into the database.

        Raises SQLAlchemyError, OSError or TimeoutError when it cannot; nothing is lost then.
        """
        async with self._lock:
            if not self._recovery.done:
                await self._recovery.run()
            for segment in self._spool.segments():
                await self._drain(segment, segment.size)

    async def _drain(self, segment: Segment, size: int) -> None:
        kept = segment.take()
        if kept is not None:
            await self._hand_on(segment, kept, size)
            return
        while segment.drained < size:
            batch = await asyncio.to_thread(read_batch, segment.path, segment.drained, size)
            await self._sink.write(batch.closed)
            await self._sink.keep(batch.unreadable)
            segment.drained = batch.end
        if segment.drained == segment.size:
            segment.kept = []  # nothing is behind it

    async def _hand_on(self, segment: Segment, kept: Sequence[tuple[Entry, int]], size: int) -> None:
        """Entries that were kept, which are all that the segment has in its first `size` bytes."""
        try:
            for start in range(0, len(kept), BATCH):
                batch = kept[start : start + BATCH]
                await self._sink.write([entry for entry, _ in batch])
                segment.drained = batch[-1][1]
        except BaseException:
            segment.kept = None  # what the database did not take waits on the disk
            raise
        segment.drained = size

    async def _tidy(self) -> None:
        async with self._lock:
            self._spool.seal_due()
            await self._spool.release()

    async def _run(self) -> None:
        pause = self._interval
        while True:
            stopping = self._stop.is_set()
            try:
                await self.drain()
                if stopping:
                    return
                await self._tidy()
            except Exception as error:  # noqa: BLE001 - whatever it is, the entries wait in the spool and are tried again
                self._complain(error)
                pause = min(max(pause, 0.25) * 2, LONGEST_PAUSE_SECONDS)
            else:
                self._well()
                pause = self._interval
            await self._wait(pause * random.uniform(0.75, 1.0))  # noqa: S311 - jitter

    async def _wait(self, seconds: float) -> None:
        if self._stop.is_set():
            await asyncio.sleep(min(seconds, 0.1))
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()

    def _complain(self, error: Exception) -> None:
        trouble = type(error).__name__
        if trouble != self.trouble:
            log.warning("entries wait in the spool: the database does not take them", error=trouble)
        self.trouble = trouble

    def _well(self) -> None:
        if self.trouble:
            log.info("the database takes entries again")
        self.trouble = ""
