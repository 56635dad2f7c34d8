"""Two targets asked for one answer: the second once the first is late, and whichever begins first answers."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from hub.core.entry import AttemptRecord
from hub.upstream.attempts import Attempt, Record
from hub.upstream.delivery import Delivery
from hub.upstream.verdicts import Failed

Try = Callable[[Attempt, Record], Coroutine[Any, Any, Delivery]]


class Draft:
    """What one of two tries tells the record: kept until it has won, and forgotten when it has not."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._raw_usage = b""
        self.status = 0
        self.lane = ""
        self.response_bytes = 0

    def won(self, outcome: Delivery | None) -> None:
        """The record gets what was told until now, and what `outcome` tells from now on."""
        record = self._record
        record.lane, record.response_bytes = self.lane, self.response_bytes
        record.told(self._raw_usage)
        if outcome is not None and outcome.stream is not None:
            outcome.stream.tell(record)

    def told(self, raw_usage: bytes) -> None:
        """See `Record`."""
        self._raw_usage = raw_usage

    def traceparent(self, attempt: int = 0) -> str:
        """See `Record`."""
        return self._record.traceparent(attempt)

    def attempt(self, attempt: AttemptRecord) -> None:
        """See `Record`."""
        self._record.attempt(attempt)

    def answered(self, target: str, provider: str = "") -> None:
        """See `Record`."""
        self._record.answered(target, provider)

    def first_byte(self) -> None:
        """See `Record`."""
        self._record.first_byte()

    def failed(self, code: str, message: str = "", status: int = 0) -> None:
        """See `Record`."""
        self._record.failed(code, message, status)

    def cancelled(self) -> None:
        """See `Record`."""
        self._record.cancelled()


@dataclass(frozen=True, slots=True)
class Race:
    """`send` makes a try. `beside` gives the second one, where it may be made; `lost` hears of one that failed.

    `lost` returns whether the other one may still answer for it.
    """

    send: Try
    record: Record
    beside: Callable[[], Attempt | None]
    lost: Callable[[Attempt, Failed], bool]

    async def run(self, first: Attempt, after: float) -> tuple[Attempt, Delivery | Failed]:
        """The try that came to something first, and what. The other one is given up, and its connection closed."""
        running: dict[asyncio.Task[Delivery], tuple[Attempt, Draft]] = {}
        try:
            self._start(first, running)
            await asyncio.wait(running, timeout=after)
            second = None if any(task.done() for task in running) else self.beside()
            if second is not None:
                self._start(second, running)
            while True:
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                task = next(task for task in running if task in done)
                attempt, draft = running.pop(task)
                error = task.exception()
                if isinstance(error, Failed) and running and self.lost(attempt, error):
                    continue
                outcome = error if isinstance(error, Failed) else task.result()
                draft.won(None if isinstance(outcome, Failed) else outcome)
                return attempt, outcome
        finally:
            await _give_up(running)

    def _start(self, attempt: Attempt, running: dict[asyncio.Task[Delivery], tuple[Attempt, Draft]]) -> None:
        draft = Draft(self.record)
        # Ended by `_give_up`, whatever happens.
        running[asyncio.get_running_loop().create_task(self.send(attempt, draft))] = (attempt, draft)


async def _give_up(running: dict[asyncio.Task[Delivery], tuple[Attempt, Draft]]) -> None:
    for task in running:
        task.cancel()
    ended = await asyncio.gather(*running, return_exceptions=True)
    for (attempt, _), outcome in zip(running.values(), ended, strict=True):
        if isinstance(outcome, Delivery) and outcome.stream is not None:
            outcome.stream.abandon()
        elif isinstance(outcome, Failed):
            outcome.let_go()
        attempt.abandoned()
