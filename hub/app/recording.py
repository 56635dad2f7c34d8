"""The ledger and all that lives off it, put together: what is kept, summed, sent elsewhere and deleted."""

import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from hub.core.capture import Capture
from hub.core.entry import Entry, Outcome
from hub.core.metrics import Metrics
from hub.core.plan import Timeouts
from hub.ledger import (
    Deliveries,
    Durability,
    Exports,
    Fares,
    Keeping,
    Ledger,
    Messages,
    OnWritten,
    Payloads,
    Queries,
    Repricing,
    Retention,
    Rollups,
    Sessions,
    Spool,
    Tail,
    Writer,
)
from hub.resources import Snapshot
from hub.settings import Settings
from hub.store import AuditFeed, DataFolder, Secrets, Vault
from hub.upstream import Exchange, Transport, read_whole

_BOUNDARIES = {"full": Capture.FULL, "metadata": Capture.METADATA, "off": Capture.NONE}
_CLOCKS = Timeouts(connect=5.0, first_byte=10.0, idle=10.0, total=20.0)
_MOST_ANSWER = 1 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where the ledger lives: its database, its folder, and the vault that encrypts bodies.

    `left` are spools of workers that there are not any more.
    """

    engine: AsyncEngine
    folder: DataFolder
    left: tuple[Path, ...]
    vault: Vault
    secrets: Secrets
    snapshots: Callable[[], Snapshot]


@dataclass(frozen=True, slots=True)
class Recording:
    """The open ledger and its readers."""

    ledger: Ledger
    queries: Queries
    fares: Fares
    sessions: Sessions
    payloads: Payloads
    tail: Tail
    repricing: Repricing
    feed: AuditFeed
    deliveries: Deliveries


class _Poster:
    """Posts through the transport, whose guard decides which addresses may be reached."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def __call__(self, url: str, headers: tuple[tuple[str, str], ...], body: bytes, private: bool) -> int:
        """See `hub.ledger.deliveries.Post`."""
        response = await self._transport.request(Exchange("POST", url, headers, body, _CLOCKS, private))
        try:
            await read_whole(response, _MOST_ANSWER)
            return response.status
        finally:
            response.close()


async def open_recording(
    stack: AsyncExitStack, place: Place, settings: Settings, metrics: Metrics, transport: Transport
) -> Recording:
    """Open the ledger; what an earlier run left is in the database when this returns.

    Raises OSError when the folder cannot be used, or what the database raises.
    """
    engine = place.engine
    payloads = await stack.enter_async_context(Payloads(engine, place.vault))
    files = Exports(place.folder.exports, place.snapshots)
    feed = AuditFeed(engine)
    messages = Messages(place.secrets.resolve, payloads.read)
    deliveries = await stack.enter_async_context(Deliveries(_Poster(transport), messages, feed, place.snapshots, files))
    tail = Tail(engine)
    rollups = await stack.enter_async_context(Rollups(engine))
    await stack.enter_async_context(
        Retention(engine, rollups, bodies_days=settings.keep_bodies_days, entries_days=settings.keep_entries_days)
    )
    spool = Spool(place.folder.spool, also=place.left, durability=Durability(settings.durability))
    writer = Writer(spool, engine, on_written=(_observer(metrics), files, deliveries, tail))
    keeping = Keeping(
        boundary=_BOUNDARIES[settings.data_boundary],
        usual=Capture(settings.capture),
        keeper=payloads,
        most_bytes=settings.capture_bytes,
        traces=lambda: deliveries.traces,
    )
    ledger = await stack.enter_async_context(Ledger(spool, writer, keeping=keeping))
    await ledger.flush()
    for name, text, read in (
        ("hub_bodies_dropped", "Bodies that were not kept: too many waited.", lambda: payloads.dropped),
        ("hub_exports_dropped", "Entries that a destination did not take.", lambda: deliveries.dropped),
        (
            "hub_ledger_waiting_bytes",
            "Entries on disk that the database does not hold yet.",
            lambda: spool.waiting_bytes,
        ),
        ("hub_ledger_in_flight", "Calls that were opened in the ledger and not closed.", lambda: spool.in_flight),
    ):
        metrics.gauge(name, text, read)
    queries = Queries(engine)
    return Recording(
        ledger=ledger,
        queries=queries,
        fares=Fares(engine, queries),
        sessions=Sessions(engine),
        payloads=payloads,
        tail=tail,
        repricing=Repricing(engine),
        feed=feed,
        deliveries=deliveries,
    )


def _observer(metrics: Metrics) -> OnWritten:
    """Counts the calls of this process, and those that an earlier one could not end. What that one ended it counted."""
    began = time.time_ns() // 1000

    async def observe(entries: Sequence[Entry]) -> None:
        metrics.observe(*[each for each in entries if each.at >= began or each.outcome == Outcome.INTERRUPTED])

    return observe
