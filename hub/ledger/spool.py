"""The spool: where every call is written down before an upstream is asked, and again when it ends.

An append-only folder of segments with one writer, this process. A call's `open` frame holds the entry that stands
if the hub dies; its `close` frame the one that is true. A segment is deleted when the database holds its closes,
after the opens of calls that still run were carried forward, so no call is ever without its frame.
Memory: one frame for each call in flight.
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from hub.core.refusal import Unavailable
from hub.ledger.frames import CLOSE, OPEN, frame
from hub.ledger.group_sync import GroupSync
from hub.ledger.segment import Segment, left_behind, number_of

log = structlog.get_logger(__name__)

SEGMENT_BYTES = 4 << 20
SEGMENT_SECONDS = 60.0
SYNC_SECONDS = 1.0


class Durability(StrEnum):
    """What survives a loss of power: all but the last second, or everything (each call waits for an fsync)."""

    RELAXED = "relaxed"
    STRICT = "strict"


async def _at_once() -> None:
    """Nothing to wait for."""


class Spool:
    """Append-only segments in `folder` (made with mode 0700). An async context manager; one per folder.

    Segments are sealed at `segment_bytes`, or `segment_seconds` after they were begun.
    """

    def __init__(
        self,
        folder: Path,
        *,
        durability: Durability = Durability.RELAXED,
        segment_bytes: int = SEGMENT_BYTES,
        segment_seconds: float = SEGMENT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self.left: tuple[Path, ...] = ()  # segments of earlier runs, oldest first
        self._segment_bytes = segment_bytes
        self._segment_seconds = segment_seconds
        self._clock = clock
        self._segments: deque[Segment] = deque()
        self._live: dict[str, tuple[Segment, bytes]] = {}
        self._owed: deque[tuple[str, bytes]] = deque()  # closes that the disk did not take yet
        self._deleted: list[Segment] = []
        self._trouble = ""
        self._sync_failed = False
        self._new_file = False  # made, and its name not yet synced
        self._next = 1
        self._folder_fd = -1
        self._stack = AsyncExitStack()
        self._group = GroupSync(self._sync, SYNC_SECONDS)
        self._thread = ThreadPoolExecutor(1, "hub-spool")
        self.confirm: Callable[[], Awaitable[None]] = self._group.wait if durability is Durability.STRICT else _at_once
        """Wait until what was appended is as durable as this spool promises. Raises Unavailable `overloaded`."""

    async def __aenter__(self) -> Self:
        """Make the folder, note what earlier runs left, begin a segment. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self.left = tuple(left_behind(self.folder))
        self._next = max((number_of(path) for path in self.left), default=0) + 1
        self._folder_fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        self._stack.callback(os.close, self._folder_fd)
        self._stack.callback(self._thread.shutdown)
        self._stack.callback(self._shut)
        self._begin()
        await self._stack.enter_async_context(self._group)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Sync and close the files; delete those that nobody needs again."""
        await self._stack.__aexit__(kind, error, trace)

    def _shut(self) -> None:
        held = [segment for segment, _ in self._live.values()]
        needed = False
        for segment in (*self._deleted, *self._segments):
            needed = needed or segment.drained < segment.size or segment in held
            if not needed:
                segment.path.unlink(missing_ok=True)
            segment.close()

    # -- appending -------------------------------------------------------------------------------------------------

    def open(self, call: str, payload: bytes) -> None:
        """Write down that a call begins; again for the same call replaces it. Raises Unavailable `overloaded`."""
        line = frame(OPEN, payload)
        try:
            self._pay()
            if self._sync_failed:
                raise OSError("the last fsync failed")
            self._write(line)
        except OSError as error:
            self._complain(error)
            raise Unavailable(
                "overloaded",
                "The hub cannot write its ledger, so it takes no new calls until it can. "
                "Its administrator should look at the disk of the data folder ('hub doctor').",
                retry_after=5,
            ) from error
        self._live[call] = (self._segments[-1], line)

    def close(self, call: str, payload: bytes) -> None:
        """Write down how a call ended. Never fails: what the disk does not take is kept and written when it does.

        Meanwhile no call is opened, so what is kept is bounded by the calls in flight.
        """
        self._owed.append((call, frame(CLOSE, payload)))
        try:
            self._pay()
        except OSError as error:
            self._complain(error)

    def _pay(self) -> None:
        while self._owed:
            call, line = self._owed[0]
            self._write(line)
            self._owed.popleft()
            self._live.pop(call, None)

    def _write(self, line: bytes) -> None:
        segment = self._segments[-1]
        if segment.size >= self._segment_bytes or segment.broken:
            segment = self._begin()
        segment.append(line)
        if self._trouble and not self._sync_failed:
            self._recovered()

    def _begin(self) -> Segment:
        segment = Segment.create(self.folder, self._next, self._clock())
        self._next += 1
        self._new_file = True
        if self._segments:
            self._segments[-1].sealed = True
        self._segments.append(segment)
        return segment

    def _complain(self, error: OSError) -> None:
        trouble = error.strerror or str(error)
        if trouble != self._trouble:
            self._trouble = trouble
            log.error("spool does not take entries", error=trouble, in_flight=len(self._live), owed=len(self._owed))

    def _recovered(self) -> None:
        log.info("spool takes entries again", after=self._trouble)
        self._trouble = ""

    # -- what is going on ------------------------------------------------------------------------------------------

    @property
    def trouble(self) -> str:
        """Why the spool refuses new calls, or "" when it takes them."""
        return self._trouble

    @property
    def in_flight(self) -> int:
        """Calls that were opened and not closed."""
        return len(self._live)

    @property
    def waiting_bytes(self) -> int:
        """Bytes of this run that the database does not hold yet."""
        return sum(segment.size - segment.drained for segment in self._segments)

    # -- syncing ---------------------------------------------------------------------------------------------------

    async def _sync(self) -> None:
        """One pass of the group commit: also the second try of what failed. Raises OSError."""
        if self._sync_failed and self._segments[-1].broken:
            self._begin()
        if self._owed:
            self._pay()
        dirty = [one for one in self._segments if one.synced < one.size or self._sync_failed]
        if dirty:
            await self._fsync(dirty)
        for segment in (*self._segments, *self._deleted):
            if segment.sealed and (segment.synced == segment.size or segment in self._deleted):
                segment.close()
        self._deleted.clear()

    async def _fsync(self, dirty: list[Segment]) -> None:
        sizes = [segment.size for segment in dirty]
        fds = [segment.fd for segment in dirty if segment.fd >= 0]
        if self._new_file:
            fds.append(self._folder_fd)
        self._new_file = False
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, _fsync_all, fds)
        except OSError as error:
            # The kernel may have dropped what it could not write, so go on in a file that it has not failed.
            self._sync_failed = self._new_file = True
            dirty[-1].broken = dirty[-1].size > 0
            self._complain(error)
            raise
        for segment, size in zip(dirty, sizes, strict=True):
            segment.synced = size
        if self._sync_failed:
            self._sync_failed = False
            self._recovered()

    # -- draining --------------------------------------------------------------------------------------------------

    def segments(self) -> tuple[Segment, ...]:
        """The segments of this run, oldest first. The last one is still written; the one who drains sets `drained`."""
        return tuple(self._segments)

    def seal_due(self) -> None:
        """Begin a new segment when the current one has grown old. Raises OSError."""
        current = self._segments[-1]
        if current.size and self._clock() - current.born >= self._segment_seconds:
            self._begin()

    async def release(self) -> None:
        """Delete drained segments, oldest first, after carrying the opens of running calls forward. Raises OSError."""
        while len(self._segments) > 1 and self._segments[0].drained == self._segments[0].size:
            oldest = self._segments[0]
            running = [call for call, (segment, _) in self._live.items() if segment is oldest]
            for call in running:
                line = self._live[call][1]
                self._write(line)
                self._live[call] = (self._segments[-1], line)
            if running:
                await self._group.wait()
            oldest.path.unlink(missing_ok=True)
            self._deleted.append(self._segments.popleft())  # closed by the next sync, which may hold it now


def _fsync_all(fds: list[int]) -> None:
    for fd in fds:
        os.fsync(fd)
