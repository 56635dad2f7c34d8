"""One request that waits for its answer, and the clocks that run meanwhile."""

import asyncio
import contextlib
import math
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from msgspec import Raw, Struct

from hub.core.refusal import UpstreamFailed
from hub.upstream.clock import Deadline
from hub.upstream.mcp.values import CallerContext, Era, RpcReply
from hub.upstream.mcp.wire import Message


class Limits(Struct, frozen=True):
    """Seconds that a request may take: in all, until the first sign of life, and between any two."""

    total: float
    first: float = math.inf
    idle: float = math.inf


class Pending(Deadline):
    """One request and the future of its answer. `token` is the caller's own progress token, if they gave one.

    It is a context manager too, within which its clocks run: `with pending.timed(limits)` raises TimeoutError when one
    of them runs out. While the caller is asked something, no clock runs: people answer when they can.
    """

    __slots__ = (
        "_asking",
        "_ends",
        "_idle",
        "_lively",
        "answer",
        "began",
        "caller",
        "era",
        "method",
        "number",
        "token",
    )

    def __init__(self, number: int, method: str, caller: CallerContext) -> None:
        super().__init__()
        self.number = number
        self.method = method
        self.caller = caller
        self.era = Era.LEGACY
        self.token: Raw | None = None
        self.answer: asyncio.Future[RpcReply] = self._loop.create_future()
        self.began = 0.0
        self._ends = self._idle = math.inf
        self._lively = False
        self._asking = 0

    # -- its clocks ------------------------------------------------------------------------------------------------

    def timed(self, limits: Limits) -> Self:
        """The clock to wait under: `with pending.timed(limits)`."""
        self.began = now = self._loop.time()
        self._ends = now + limits.total
        self._idle = limits.idle
        self._due = min(self._ends, now + limits.first)
        return self

    def __enter__(self) -> Self:
        """Start the clocks."""
        self._watch()
        self._set()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop them. Raises TimeoutError in place of the cancellation that came from a clock."""
        task, self._task = self._task, None
        self._stop()
        if self._was_late(task) and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def stir(self) -> None:
        """The server gave a sign of life."""
        if self._task is None or self._asking or self._rang:
            return
        self._lively = True
        self._move(min(self._ends, self._loop.time() + self._idle))

    def late(self, limits: Limits) -> str:
        """Which of its clocks has run out, for people."""
        if self._lively and self._loop.time() < self._ends:
            return f"it gave no sign of life for {limits.idle:.3g} s while it worked on {self.method}"
        seconds = limits.total if self._lively else min(limits.total, limits.first)
        return f"it did not answer {self.method} within {seconds:.3g} s"

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """While the caller is asked something."""
        begun = self._loop.time()
        self._asking += 1
        self._due = math.inf
        try:
            yield
        finally:
            self._asking -= 1
            if not self._asking:
                self._ends += self._loop.time() - begun
                if not self.answer.done():
                    self.stir()

    # -- its answer ------------------------------------------------------------------------------------------------

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
