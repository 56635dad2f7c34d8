"""The ledger's face to the call: one record per authenticated call, and one entry for each record."""

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from hub.core.calls import ModelCall, ToolCall
from hub.core.capture import Capture, effective
from hub.core.principal import Principal
from hub.ledger.bodies import MOST_BYTES, NO_BODIES, Bodies, Keeper, KeptBodies
from hub.ledger.opening import opening
from hub.ledger.places import Nowhere
from hub.ledger.record import Record
from hub.ledger.spool import Spool
from hub.ledger.writer import Writer

_NOWHERE = Nowhere()
_WITHOUT_BODIES = (Capture.NONE, Capture.OFF)


def _no_traces() -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class Keeping:
    """What the ledger keeps beside entries.

    `boundary` is the most that is ever kept, whatever keys and teams say; `usual` what is kept where they say
    nothing; `traces` the share of calls (0 to 1) that begin a trace.
    """

    boundary: Capture = Capture.FULL
    usual: Capture = Capture.OFF
    keeper: Keeper | None = None
    most_bytes: int = MOST_BYTES
    traces: Callable[[], float] = _no_traces


class Ledger:
    """Opens the spool and starts the writer; drains and closes them at the end. An async context manager.

    Money: the cost of a call is rounded once, half up, to whole micro-dollars; sums add those integers, so that
    every total equals the sum of the entries under it, however they are grouped.
    `now` is in seconds since the epoch, `clock` in seconds and monotonic (for durations).
    """

    def __init__(
        self,
        spool: Spool,
        writer: Writer,
        *,
        keeping: Keeping = Keeping(),
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._keeping = keeping
        self._spool = spool
        self._writer = writer
        self._now = now
        self._clock = clock
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open. Raises OSError when the spool's folder cannot be used."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._spool)
            await stack.enter_async_context(self._writer)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left and close."""
        await self._stack.__aexit__(kind, error, trace)

    def record(self, principal: Principal, call: ModelCall | ToolCall) -> Record:
        """The record of `call`: `async with ledger.record(...) as record`.

        Entering raises Unavailable `overloaded` when the spool cannot be written: a call that would leave no trace
        is not made. Where the capture mode is `none`, there is a record and no entry.
        """
        keeping = self._keeping
        mode = effective(keeping.boundary, principal.capture or keeping.usual, call.origin.capture)
        opened = opening(principal, call, int(self._now() * 1_000_000), keeping.traces(), str(mode))
        place = _NOWHERE if mode is Capture.NONE else self._spool
        return Record(place, opened, self._clock, self._bodies(mode, call))

    def _bodies(self, mode: Capture, call: ModelCall | ToolCall) -> Bodies:
        keeper = self._keeping.keeper
        if mode in _WITHOUT_BODIES or keeper is None:
            return NO_BODIES
        request = call.body if isinstance(call, ModelCall) else call.arguments
        return KeptBodies(mode, request, keeper, self._keeping.most_bytes)

    async def flush(self) -> None:
        """Bring everything written until now into the database, so that a query sees it.

        Raises SQLAlchemyError, OSError or TimeoutError when the database does not take it; it is tried again anyway.
        """
        await self._writer.drain()

    @property
    def trouble(self) -> str:
        """Why the ledger is not well, or "": a disk that refuses (no new calls), or a database that is away."""
        return self._spool.trouble or self._writer.trouble

    @property
    def accepts(self) -> bool:
        """Whether new calls can be written down."""
        return not self._spool.trouble
