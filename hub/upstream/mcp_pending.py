"""One request that waits for its answer, and the clocks that run meanwhile."""

import asyncio
import contextlib
import math
from collections.abc import Iterator

from msgspec import Raw, Struct

from hub.core.refusal import UpstreamFailed
from hub.upstream.mcp_values import CallerContext, Era, RpcReply
from hub.upstream.mcp_wire import Message


class Limits(Struct, frozen=True):
    """Seconds that a request may take: in all, until the first sign of life, and between any two."""

    total: float
    first: float = math.inf
    idle: float = math.inf


class Pending:
    """One request and the future of its answer. `token` is the caller's own progress token, if they gave one.

    While the caller is asked something, no clock runs: people answer when they can.
    """

    __slots__ = ("_asking", "_clock", "_ends", "_idle", "_loop", "answer", "caller", "era", "method", "number", "token")

    def __init__(self, number: int, method: str, caller: CallerContext) -> None:
        self._loop = asyncio.get_running_loop()
        self.number = number
        self.method = method
        self.caller = caller
        self.era = Era.LEGACY
        self.token: Raw | None = None
        self.answer: asyncio.Future[RpcReply] = self._loop.create_future()
        self._clock: asyncio.Timeout | None = None
        self._ends = math.inf
        self._idle = math.inf
        self._asking = 0

    def timed(self, limits: Limits) -> asyncio.Timeout:
        """The clock to wait under: `async with pending.timed(limits)`."""
        now = self._loop.time()
        self._ends = now + limits.total
        self._idle = limits.idle
        self._clock = asyncio.timeout_at(min(self._ends, now + limits.first))
        return self._clock

    def stir(self) -> None:
        """The server gave a sign of life."""
        if self._clock is not None and not self._asking and not self._clock.expired():
            self._clock.reschedule(min(self._ends, self._loop.time() + self._idle))

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """While the caller is asked something."""
        begun = self._loop.time()
        self._asking += 1
        if self._clock is not None and not self._clock.expired():
            self._clock.reschedule(None)
        try:
            yield
        finally:
            self._asking -= 1
            if not self._asking:
                self._ends += self._loop.time() - begun
                if not self.answer.done():
                    self.stir()

    def settle(self, message: Message) -> None:
        """Hand the answer over, unless nobody waits any more."""
        if self.answer.done():
            return
        result, error = bytes(message.result), bytes(message.error)
        if error and error != b"null":
            self.answer.set_result(RpcReply(error=error, era=self.era))
        elif result[:1] == b"{":
            self.answer.set_result(RpcReply(result=result, era=self.era))
        else:
            self.fail(
                UpstreamFailed("upstream_protocol", "its answer has neither a result that is an object nor an error")
            )

    def fail(self, refusal: UpstreamFailed) -> None:
        """There will be no answer."""
        if not self.answer.done():
            self.answer.set_exception(refusal)
