"""The spool: where every call is written down before an upstream is asked, and again when it ends.

An append-only folder of segments with one writer, this process. A call's `open` frame holds the entry that stands
if the hub dies; its `close` frame the one that is true. A segment is deleted when the database holds its closes,
after the opens of calls that still run were carried forward, so no call is ever without its frame.
Memory: one frame for each call in flight.
"""

import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from hub.core.entry import Entry
from hub.core.logs import get_logger
from hub.core.refusal import Unavailable
from hub.ledger.frames import CLOSE, OPEN, frame
from hub.ledger.group_sync import GroupSync
from hub.ledger.segment import Segment, left_behind, number_of

log = get_logger(__name__)

SEGMENT_BYTES = 4 << 20
SEGMENT_SECONDS = 60.0
SYNC_SECONDS = 1.0


class Durability(StrEnum):
    """What survives a loss of power: all but the last second, or everything (each call waits for an fsync)."""

    RELAXED = "relaxed"
    STRICT = "strict"


@dataclass(slots=True)
class _Opened:
    """The open frame of a call that runs, and the segment that holds it; None while it is not written."""

    segment: Segment | None
    line: bytes


class _Pending(NamedTuple):
    """A frame that waits to be written."""

    call: str
    line: bytes
    opens: bool
    entry: Entry | None = None


class Spool:
    """Append-only segments in `folder` (made with mode 0700). An async context manager; one per folder.

    Segments are sealed at `segment_bytes`, or `segment_seconds` after they were begun. What is left in the folders `also`
    is this spool's to bring home.
    """

    def __init__(
        self,
        folder: Path,
        *,
        also: Sequence[Path] = (),
        durability: Durability = Durability.RELAXED,
        segment_bytes: int = SEGMENT_BYTES,
        segment_seconds: float = SEGMENT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self._also = also
        self.left: tuple[Path, ...] = ()  # segments of earlier runs, oldest first
        self._segment_bytes = segment_bytes
        self._segment_seconds = segment_seconds
        self._clock = clock
        self._segments: deque[Segment] = deque()
        self._live: dict[str, _Opened] = {}
        self._pending: list[_Pending] = []  # what the next write brings
        self._deleted: list[Segment] = []
        self._syncing: list[tuple[Segment, int]] = []
        self._trouble = ""
        self._sync_failed = False
        self._new_file = False  # made, and its name not yet synced
        self._next = 1
        self._folder_fd = -1
        self._stack = AsyncExitStack()
        self._group = GroupSync(self._prepare, self._settled, lambda: len(self._live), SYNC_SECONDS)
        self.confirm: Callable[[], Awaitable[None]] = (
            self._group.wait if durability is Durability.STRICT else self._written
        )
        """Wait until what was opened is as durable as this spool promises. Raises Unavailable `overloaded`."""

    async def __aenter__(self) -> Self:
        """Make the folder, note what earlier runs left, begin a segment. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        own = left_behind(self.folder)
        self.left = (*own, *(path for folder in self._also for path in left_behind(folder)))
        self._next = max((number_of(path) for path in own), default=0) + 1
        self._folder_fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        self._stack.callback(os.close, self._folder_fd)
        self._stack.callback(self._shut)
        self._begin()
        await self._stack.enter_async_context(self._group)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write, sync and close the files; delete those that nobody needs again."""
        await self._stack.__aexit__(kind, error, trace)

    def _shut(self) -> None:
        held = [opened.segment for opened in self._live.values()]
        needed = False
        for segment in (*self._deleted, *self._segments):
            needed = needed or segment.drained < segment.size or segment in held
            if not needed:
                segment.path.unlink(missing_ok=True)
            segment.close()

    # -- appending -------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise Unavailable `overloaded` while the disk does not take what it is given; tries it again before."""
        if self._trouble:
            try:
                self._flush()
                if self._sync_failed:
                    raise OSError("the last fsync failed")
            except OSError as error:
                raise _refused() from error

    def open(self, call: str, payload: bytes) -> None:
        """Write down that a call begins; again for the same call replaces it. `confirm` says that it is written."""
        line = frame(OPEN, payload)
        self._live[call] = _Opened(None, line)
        self._pending.append(_Pending(call, line, opens=True))

    def close(self, call: str, payload: bytes, entry: Entry | None = None) -> None:
        """Write down how a call ended. Never fails: what the disk does not take is kept and written when it does.

        Meanwhile no call is opened, so what is kept is bounded by the calls in flight. `entry` is what `payload` says, for
        who drains the spool soon.
        """
        self._live.pop(call, None)
        self._pending.append(_Pending(call, frame(CLOSE, payload), opens=False, entry=entry))
        try:
            self._flush()
        except OSError as error:
            self._complain(error)

    async def _written(self) -> None:
        """Hand what was opened to the operating system, where it outlives this process."""
        try:
            self._flush()
        except OSError as error:
            raise _refused() from error

    def _flush(self) -> None:
        """Write what is pending, in one piece. Raises OSError, after which only closes are still pending."""
        pending = self._pending
        if not pending:
            return
        try:
            segment = self._segments[-1]
            if segment.size >= self._segment_bytes or segment.broken:
                segment = self._begin()
            end = segment.size
            segment.append(pending[0].line if len(pending) == 1 else b"".join([each.line for each in pending]))
        except OSError as error:
            self._complain(error)
            self._pending = [each for each in pending if not each.opens]
            for each in pending:
                opened = self._live.get(each.call)
                if each.opens and opened is not None and opened.line is each.line and opened.segment is None:
                    del self._live[each.call]
            raise
        self._pending = []
        for each in pending:
            end += len(each.line)
            if not each.opens:
                segment.keep(each.entry, end)
            elif (opened := self._live.get(each.call)) is not None and opened.line is each.line:
                opened.segment = segment  # unless the call has ended meanwhile
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
            log.error("spool does not take entries", error=trouble, in_flight=len(self._live))

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

    def _prepare(self) -> list[int]:
        """Write what is pending and say what is to be synced: also the second try of what failed. Raises OSError."""
        if self._sync_failed and self._segments[-1].broken:
            self._begin()
        self._flush()
        dirty = [one for one in self._segments if one.synced < one.size or self._sync_failed]
        self._syncing = [(segment, segment.size) for segment in dirty]
        files = [segment.fd for segment in dirty if segment.fd >= 0]
        if self._new_file and files:
            files.append(self._folder_fd)
            self._new_file = False
        return files

    def _settled(self, error: OSError | None) -> None:
        """How the sync of what was prepared ended."""
        syncing, self._syncing = self._syncing, []
        if error is not None:
            # The kernel may have dropped what it could not write, so go on in a file that it has not failed.
            self._sync_failed = self._new_file = True
            last = syncing[-1][0]
            last.broken = last.size > 0
            self._complain(error)
            return
        for segment, size in syncing:
            segment.synced = size
        if self._sync_failed:
            self._sync_failed = False
            self._recovered()
        for segment in (*self._segments, *self._deleted):
            if segment.sealed and (segment.synced == segment.size or segment in self._deleted):
                segment.close()
        self._deleted.clear()

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
        self._flush()
        while len(self._segments) > 1 and self._segments[0].drained == self._segments[0].size:
            oldest = self._segments[0]
            running = [(call, opened.line) for call, opened in self._live.items() if opened.segment is oldest]
            self._pending += [_Pending(call, line, opens=True) for call, line in running]
            if running:
                await self._group.wait()
            oldest.path.unlink(missing_ok=True)
            self._deleted.append(self._segments.popleft())  # closed by the next sync, which may hold it now


def _refused() -> Unavailable:
    return Unavailable(
        "overloaded",
        "The hub cannot write its ledger, so it takes no new calls until it can. "
        "Its administrator should look at the disk of the data folder ('hub doctor').",
        retry_after=5,
    )
