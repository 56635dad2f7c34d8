"""The requests that are being answered right now: ended when their caller leaves, or when the hub does."""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from hub.core.refusal import Unavailable
from hub.edge.cycle import CYCLE, Cycle

Receive = Callable[[], Any]
Scope = Mapping[str, Any]


class InFlight:
    """All exchanges of one process. `draining` is set once the hub has begun to stop."""

    def __init__(self) -> None:
        self.draining = asyncio.Event()
        self._exchanges: set[Exchange] = set()

    def __len__(self) -> int:
        """How many requests are being answered."""
        return len(self._exchanges)

    def __bool__(self) -> bool:
        """Always true: an empty one is not a missing one."""
        return True

    def watch(self, scope: Scope, receive: Receive) -> "Exchange":
        """The exchange of the running task, whose request body is already read: `with in_flight.watch(...)`."""
        return Exchange(self, scope.get("extensions", {}).get(CYCLE) or Messages(receive))

    def end(self) -> None:
        """End every exchange that is still open: the time to drain is over."""
        for exchange in tuple(self._exchanges):
            exchange.end()

    def enter(self, exchange: "Exchange") -> None:
        """An exchange has begun."""
        self._exchanges.add(exchange)

    def leave(self, exchange: "Exchange") -> None:
        """An exchange is over."""
        self._exchanges.discard(exchange)


def going_down() -> Unavailable:
    """What a caller is told whose answer the hub cannot finish."""
    return Unavailable("overloaded", "The hub is restarting and could not finish this. Send it again.", retry_after=5)


class Messages:
    """How an exchange answers on a server that takes messages only. See `hub.edge.cycle.Cycle`, which does more."""

    __slots__ = ("_receive",)
    task: asyncio.Task[None] | None = None

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    def departure(self, callback: Callable[[], None]) -> Callable[[], object]:
        """A task waits for the message that says that the client has left."""

        async def watch() -> None:
            while (await self._receive())["type"] != "http.disconnect":
                pass
            callback()

        return asyncio.get_running_loop().create_task(watch()).cancel

    def answer(self, status: int, lines: bytes, body: bytes) -> bool:
        """Not without messages."""
        del status, lines, body
        return False

    def begin(self, status: int, lines: bytes) -> bool:
        """Not without messages."""
        del status, lines
        return False

    def piece(self, data: bytes) -> bool:
        """Not without messages."""
        del data
        return False


class Exchange:
    """One request and its answer, carried by the task that enters it.

    While it is entered, the task is cancelled once when the caller disconnects (`left`) or when the hub ends it
    (`ended`), whichever comes first. `finish` says that the answer is complete: from then on nothing interrupts
    the unwinding. A cancellation by the caller's leaving ends at this context manager. `wire` writes the answer, where
    that goes without messages.
    """

    __slots__ = ("_in_flight", "_stop", "_task", "ended", "lasts", "left", "wire")

    def __init__(self, in_flight: InFlight, wire: Cycle | Messages) -> None:
        self.wire = wire
        self._in_flight = in_flight
        self._stop: Callable[[], object] | None = None
        self._task: asyncio.Task[Any] | None = None
        self.lasts: Callable[[], bool] | None = None  # whether it goes on for a client that will come back
        self.left = False
        self.ended = False

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._task = self.wire.task or asyncio.current_task()
        self._in_flight.enter(self)
        self._stop = self.wire.departure(self._leave)
        return self

    def _leave(self) -> None:
        if self.lasts is not None and self.lasts():
            return
        self.left = True
        if self._task is not None and not self.ended:
            self._task.cancel()

    def end(self) -> None:
        """The hub does not finish this one."""
        if self._task is not None and not self.left and not self.ended:
            self.ended = True
            self._task.cancel()

    def finish(self) -> None:
        """The answer is complete; nothing is watched any more."""
        self._in_flight.leave(self)
        self._task = None
        stop, self._stop = self._stop, None
        if stop is not None:
            stop()

    def was_ended(self) -> bool:
        """Whether the cancellation that was just caught came from the hub; then it is taken back."""
        if not self.ended:
            return False
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        return True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Stop watching. The caller's leaving is the end of the matter."""
        self.finish()
        if kind is None or not issubclass(kind, asyncio.CancelledError) or not self.left:
            return False
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        return True
