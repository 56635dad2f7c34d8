"""The ledger's face to the call: one record per authenticated call, and one entry for each record."""

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from hub.core.calls import ModelCall, ToolCall
from hub.core.principal import Principal
from hub.ledger.opening import opening
from hub.ledger.record import Record
from hub.ledger.spool import Spool
from hub.ledger.writer import Writer


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
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
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
        is not made.
        """
        return Record(self._spool, opening(principal, call, int(self._now() * 1_000_000)), self._clock)

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
