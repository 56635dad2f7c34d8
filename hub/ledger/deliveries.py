"""Copies of the ledger and of the audit trail to other systems over HTTP: traces to collectors, events to webhooks.

Nothing here holds up a call or the ledger: what waits is bounded, what does not fit is dropped and counted, and a
destination that fails is tried again with growing pauses. The audit trail waits in its own table and is never dropped.
"""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from hub.core.entry import Entry
from hub.core.logs import get_logger
from hub.core.refusal import Refusal
from hub.ledger.exports import Exports
from hub.ledger.messages import Messages
from hub.resources.notices import ExportSpec
from hub.resources.snapshot import Snapshot
from hub.store.records import AuditRow

log = get_logger(__name__)

MOST_WAITING = 10_000
BATCH = 200
INTERVAL_SECONDS = 1.0
LONGEST_PAUSE = 60.0
_TRIES = 5
_GONE_FOR_GOOD = frozenset({400, 401, 403, 404, 405, 413, 415, 422})

Post = Callable[[str, tuple[tuple[str, str], ...], bytes, bool], Awaitable[int]]
"""POST a body to a URL with headers; the last says whether private addresses are allowed. Gives the status."""


class Trail(Protocol):
    """The audit trail as exports read it. `hub.store.AuditFeed` is one."""

    async def after(self, export: str, limit: int) -> Sequence[AuditRow]:
        """The rows that this export has not had, oldest first."""
        ...

    async def had(self, export: str, row: int) -> None:
        """The export has everything up to this row."""
        ...


@dataclass(frozen=True, slots=True)
class Health:
    """How a destination fares: `testing` until it was asked, then `connected` or `error`; times in seconds."""

    status: str = "testing"
    checked_at: float | None = None
    error: str = ""
    sent: int = 0
    dropped: int = 0
    waiting: int = 0


class _Destination:
    """One export: what waits for it, and how it fares."""

    def __init__(self, name: str, spec: ExportSpec) -> None:
        self.name = name
        self.spec = spec
        self.waiting: deque[Entry] = deque()
        self.status = "testing"
        self.error = ""
        self.checked_at: float | None = None
        self.sent = 0
        self.dropped = 0
        self.tries = 0
        self.rests_until = 0.0

    def put(self, entries: Sequence[Entry]) -> None:
        """Take entries; the oldest make room."""
        self.waiting.extend(entries)
        while len(self.waiting) > MOST_WAITING:
            self.waiting.popleft()
            self.dropped += 1

    def health(self) -> Health:
        """How it fares now."""
        return Health(self.status, self.checked_at, self.error, self.sent, self.dropped, len(self.waiting))


class Deliveries:
    """Sends to every enabled export with an endpoint. Told by the ledger's writer; owns the task that sends.

    `clock` is monotonic, in seconds; `now` is the time of day in seconds since the epoch.
    """

    def __init__(
        self,
        post: Post,
        messages: Messages,
        trail: Trail,
        snapshots: Callable[[], Snapshot],
        files: Exports,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._post = post
        self._messages = messages
        self._trail = trail
        self._snapshots = snapshots
        self._files = files
        self._clock = clock
        self._now = now
        self._sampled: tuple[Snapshot | None, float] = (None, 0.0)  # the share, and of which snapshot it is
        self._known: dict[str, _Destination] = {}
        self._stop = asyncio.Event()
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def traces(self) -> float:
        """The share of calls (0 to 1) that begin a trace: the greatest that any export of traces asks for."""
        snapshot = self._snapshots()
        if snapshot is not self._sampled[0]:
            shares = [spec.sample for spec in snapshot.exports.values() if spec.format == "otlp"]
            self._sampled = (snapshot, max(shares, default=0.0))
        return self._sampled[1]

    def health(self, export: str) -> Health | None:
        """How an export's destination fares; None when it has none."""
        spec = self._snapshots().exports.get(export)
        if spec is None or (spec.endpoint is None and "audit" not in spec.of):
            return None
        known = self._known.get(export)
        return known.health() if known is not None else Health()

    @property
    def dropped(self) -> int:
        """Entries that no destination took."""
        return sum(destination.dropped for destination in self._known.values())

    async def __call__(self, entries: Sequence[Entry]) -> None:
        """Entries were written: they wait for their destinations."""
        for destination in self._destinations():
            if "calls" in destination.spec.of and destination.spec.endpoint is not None:
                wanted = [entry for entry in entries if self._messages.wants(destination.spec, entry)]
                destination.put(wanted)

    def _destinations(self) -> list[_Destination]:
        specs: Mapping[str, ExportSpec] = {
            name: spec
            for name, spec in self._snapshots().exports.items()
            if spec.endpoint is not None or "audit" in spec.of
        }
        for name in self._known.keys() - specs.keys():
            del self._known[name]
        for name, spec in specs.items():
            known = self._known.get(name)
            if known is None or known.spec != spec:
                fresh = self._known[name] = _Destination(name, spec)
                if known is not None:
                    fresh.waiting = known.waiting
        return list(self._known.values())

    async def __aenter__(self) -> Self:
        """Start the task."""
        self._task = asyncio.create_task(self._run(), name="ledger deliveries")  # noqa: TID251 - ended in __aexit__
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what waits, once, for at most a few seconds."""
        self._stop.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3):
                await self.flush()

    async def flush(self) -> None:
        """Send what waits to every destination that does not rest."""
        async with self._lock:
            due = [one for one in self._destinations() if one.rests_until <= self._clock()]
            await asyncio.gather(*(self._deliver(destination) for destination in due))

    async def _deliver(self, destination: _Destination) -> None:
        """Everything that waits for one destination, until it fails."""
        try:
            while destination.waiting:
                batch = [destination.waiting[number] for number in range(min(BATCH, len(destination.waiting)))]
                if not await self._sent(destination, await self._messages.calls(destination.spec, batch)):
                    self._give_up(destination, len(batch))
                    return
                destination.sent += len(batch)
                for _ in batch:
                    destination.waiting.popleft()
            if "audit" in destination.spec.of:
                await self._audit(destination)
        except Exception as error:  # noqa: BLE001 - one destination's trouble is not another's
            self._failed(destination, error.message if isinstance(error, Refusal) else type(error).__name__)

    async def _audit(self, destination: _Destination) -> None:
        while rows := await self._trail.after(destination.name, BATCH):
            if destination.spec.endpoint is None:
                await self._files.append([destination.name], self._messages.audit_lines(rows))
                self._well(destination)
            elif not await self._sent(destination, self._messages.audit(rows)):
                return
            await self._trail.had(destination.name, rows[-1].id)
            destination.sent += len(rows)

    async def _sent(self, destination: _Destination, body: bytes) -> bool:
        """Whether the destination took it."""
        spec = destination.spec
        headers = await self._messages.headers(spec, body)
        try:
            status = await self._post(spec.endpoint or "", headers, body, spec.allow_private)
        except Refusal as refusal:
            self._failed(destination, refusal.message)
            return False
        if 200 <= status < 300:
            self._well(destination)
            return True
        if status in _GONE_FOR_GOOD:
            destination.tries = _TRIES  # the same again would be refused again
        self._failed(destination, f"It answered with status {status}.")
        return False

    def _well(self, destination: _Destination) -> None:
        destination.status, destination.error, destination.tries = "connected", "", 0
        destination.checked_at = self._now()

    def _failed(self, destination: _Destination, error: str) -> None:
        if destination.error != error:
            log.warning("an export does not reach its destination", export=destination.name, error=error)
        destination.status, destination.error, destination.checked_at = "error", error, self._now()
        destination.tries += 1
        pause = min(2.0 ** min(destination.tries, 10), LONGEST_PAUSE)
        destination.rests_until = self._clock() + pause * random.uniform(0.75, 1.0)  # noqa: S311 - jitter

    def _give_up(self, destination: _Destination, size: int) -> None:
        """Drop a batch that was refused too often, so that newer ones have their turn."""
        if destination.tries < _TRIES:
            return
        destination.tries = 0
        for _ in range(min(size, len(destination.waiting))):
            destination.waiting.popleft()
            destination.dropped += 1

    async def _run(self) -> None:
        while not self._stop.is_set():
            await self.flush()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_SECONDS):
                    await self._stop.wait()
