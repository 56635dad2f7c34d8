"""Meters shared by several replicas, in Redis: one script for all that has come up meanwhile, in one round trip.

One task owns the connection, so a caller that is cancelled never leaves an answer behind for another. The time is
Redis's own. What Redis forgets, it is told again from what the replicas know. A replica that dies gives back what it
held when its leases end.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, inf
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec import json
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from hub.core.logs import get_logger
from hub.core.meters import Ask, Claim, Kind, Level, Meters, Taken
from hub.core.refusal import Unavailable

log = get_logger(__name__)
DEADLINE = 0.05  # seconds that a decision waits at most
RESTS = 1.0  # seconds for which a Redis that failed is not asked
LEASE = 3600.0  # seconds after which a call that never ended gives back what it held
_LATE = 3  # round trips in a row that were too late, or as many deadlines of one, after which Redis counts as away
_PARTS = 5  # of a deadline
_MOST_WAITING = 20_000
_MOST_KNOWN = 200_000
_TOGETHER = 128  # jobs of one script, which Redis runs without doing anything else
_KINDS = {Kind.RATE: 0, Kind.SLOTS: 1, Kind.PURSE: 2}
_UNLIMITED = -1


class WhenDown(StrEnum):
    """What a replica does while Redis does not answer."""

    CLOSED = "closed"  # refuse, 503
    LOCAL = "local"  # count by itself, against its share of every limit


_Answer = tuple[int, Any]  # the second, and levels by ask or the refusal


@dataclass(slots=True)
class _Job:
    """One job of the script on its way. Only claims have an `answer` that is waited for; the others are kept while Redis is away.

    `about` is the lease of a claim in seconds, or the second in which what is settled was taken; `numbers` are the limits
    of asks, or what was used.
    """

    operation: str
    id: str
    about: float
    asks: tuple[Ask, ...]
    numbers: tuple[int, ...]
    answer: "asyncio.Future[_Answer] | None" = None


class RedisMeters:
    """See `hub.core.meters.Meters`. An async context manager.

    `fallback` counts while Redis is away, where `when_down` is local; it then holds `1/replicas` of every limit.
    """

    def __init__(
        self,
        url: str,
        fallback: Meters,
        *,
        when_down: WhenDown = WhenDown.CLOSED,
        replicas: int = 1,
        prefix: str = "hub:",
        deadline: float = DEADLINE,
        now: Callable[[], float] | None = None,
    ) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=4,
            timeout=1,
            socket_connect_timeout=0.2,
            socket_timeout=1,
            retry=Retry(NoBackoff(), 0),
            decode_responses=True,
        )
        self._pool = pool
        self._redis = Redis(connection_pool=pool)
        self._script = self._redis.register_script(
            (Path(__file__).parent / "redis_meters.lua").read_text(encoding="utf-8")
        )
        self._fallback = fallback
        self._when_down = when_down
        self._replicas = replicas
        self._prefix = prefix
        self._now = now
        self._deadline = deadline
        self._late = 0
        self._trip = self._late_trip = 0
        self._trip_began = inf
        self._clock = now or time.monotonic
        self._known: dict[str, Level] = {}
        self._rests: dict[str, float] = {}  # when a rate is all there again, by this process's clock
        self._waiting: list[_Job] = []
        self._stirred = asyncio.Event()
        self._down_until = 0.0
        self._local: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self.trouble = ""

    async def __aenter__(self) -> Self:
        """Begin, with an open connection if Redis is there already."""
        with contextlib.suppress(RedisError, OSError):
            await self._redis.ping()
        self._task = asyncio.ensure_future(self._run())  # noqa: TID251 - kept here, ended in __aexit__
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what is left, then close."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self._send(self._drained())
        await self._redis.aclose()
        await self._pool.aclose()

    # -- the port --------------------------------------------------------------------------------------------------

    async def take(self, claim: Claim) -> Taken:
        """Count a claim, or refuse it. Raises Unavailable `overloaded` when Redis is away and the policy is closed."""
        if time.monotonic() < self._down_until:
            return await self._without(claim)
        limits = tuple([_UNLIMITED if ask.limit is None else ask.limit for ask in claim.asks])
        answer: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._put(_Job("take", claim.id, LEASE, claim.asks, limits, answer))
        try:
            second, told = await self._patiently(answer)
        except (TimeoutError, RedisError, OSError) as error:
            if self._is_away(error):
                self._fell(error)
            answer.add_done_callback(lambda done: self._undo(claim, done))
            return await self._without(claim)
        except asyncio.CancelledError:
            answer.add_done_callback(lambda done: self._undo(claim, done))
            raise
        if "refused" in told:
            ask = claim.asks[told["refused"]]
            level = self._heard(ask, told["used"], told["reserved"], told["rest"])
            return Taken(refused=told["refused"], level=level, wait=int(told["wait"]))
        return Taken(second=second)

    async def _patiently(self, answer: "asyncio.Future[_Answer]") -> _Answer:
        """The answer, which may take as long as the deadline. Raises TimeoutError.

        It passes in parts, so that a part of it that this process did not listen in is no more than one: a burst of
        calls here is no fault of Redis's.
        """
        for _ in range(_PARTS):
            try:
                async with asyncio.timeout(self._deadline / _PARTS):
                    return await asyncio.shield(answer)
            except TimeoutError:
                if answer.done():
                    return answer.result()
        raise TimeoutError

    def _is_away(self, error: Exception) -> bool:
        """Whether an answer that did not come says that Redis is away: some in a row, each of another round trip."""
        if not isinstance(error, TimeoutError):
            return True
        if self._trip != self._late_trip:
            self._late_trip = self._trip
            self._late += 1
        return self._late >= _LATE or self._trip_began < time.monotonic() - _LATE * self._deadline

    async def look(self, meters: Iterable[tuple[str, Kind]]) -> None:
        """Ask how these stand, so that `level` tells it. Where Redis does not answer, that is as it last told."""
        asks = tuple(Ask(meter, kind, None, 0) for meter, kind in meters)
        if not asks or time.monotonic() < self._down_until:
            return
        answer: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._put(_Job("look", "", 0, asks, (0,) * len(asks), answer))
        with contextlib.suppress(TimeoutError, RedisError, OSError):
            await self._patiently(answer)

    async def _without(self, claim: Claim) -> Taken:
        """Decide without Redis."""
        if self._when_down is WhenDown.CLOSED:
            raise Unavailable(
                "overloaded", "Limits and budgets cannot be checked right now: Redis does not answer.", retry_after=2
            )
        share = tuple(
            Ask(ask.meter, ask.kind, self._share(ask), ask.amount) if ask.limit is not None else ask
            for ask in claim.asks
        )
        taken = await self._fallback.take(Claim(claim.id, share))
        if taken.refused is None:
            self._local.add(claim.id)
        return taken

    def _share(self, ask: Ask) -> int:
        """This replica's part of what is left of a budget, or of a limit."""
        limit = ask.limit or 0
        if ask.kind is not Kind.PURSE:
            return max(1, limit // self._replicas)
        level = self._known.get(ask.meter, Level(self._spent(ask)))
        return max(0, limit - level.used - level.reserved) // self._replicas

    def settle(self, claim: Claim, taken: Taken, used: tuple[int, ...]) -> None:
        """A call is over. What was spent reaches Redis as soon as it answers."""
        if claim.id in self._local:
            self._local.discard(claim.id)
            self._fallback.settle(claim, taken, used)
            spent = tuple(
                amount if ask.kind is Kind.PURSE else ask.amount for ask, amount in zip(claim.asks, used, strict=True)
            )
            self._put(_Job("settle", claim.id, 0, claim.asks, spent))
            return
        self._put(_Job("settle", claim.id, taken.second, claim.asks, used))

    def credit(self, meter: str, amount: int) -> None:
        """What the ledger holds of a purse. The first replica that tells counts."""
        level = self._known.get(meter, Level())
        self._keep(meter, Level(max(level.used, amount), level.reserved))
        ask = Ask(meter, Kind.PURSE, None, amount)
        self._put(_Job("credit", "", 0, (ask,), (0,)))
        self._fallback.credit(meter, 0)

    def level(self, meter: str, kind: Kind) -> Level:
        """How a meter stood when Redis last told; a rate that nobody has asked for since then rests meanwhile."""
        level = self._known.get(meter, Level())
        if kind is not Kind.RATE or not level.used:
            return level
        left = self._rests.get(meter, 0.0) - self._clock()
        return Level(level.used, rest=max(1, ceil(left))) if left > 0 else Level()

    # -- the round trips -------------------------------------------------------------------------------------------

    def forget(self, meter: str) -> None:
        """See `hub.core.meters.Meters`. Redis forgets by itself."""
        self._known.pop(meter, None)
        self._rests.pop(meter, None)
        self._fallback.forget(meter)

    def _spent(self, ask: Ask) -> int:
        return self._known[ask.meter].used if ask.meter in self._known else ask.known

    def _put(self, job: _Job) -> None:
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append(job)
            self._stirred.set()
        elif job.answer is not None:
            job.answer.set_exception(TimeoutError())

    def _drained(self) -> list[_Job]:
        jobs, self._waiting = self._waiting, []
        self._stirred.clear()
        return jobs

    async def _run(self) -> None:
        while True:
            await self._stirred.wait()
            jobs = self._drained()
            try:
                await self._send(jobs)
            except (RedisError, OSError, TimeoutError) as error:
                self._fell(error)
                kept = [job for job in jobs if job.answer is None]
                for job in jobs:
                    if job.answer is not None and not job.answer.done():
                        job.answer.set_exception(error)
                        job.answer.exception()  # it was heard here, should its caller be gone
                self._waiting = [*kept, *self._waiting][:_MOST_WAITING]
                await asyncio.sleep(RESTS)
                if self._waiting:
                    self._stirred.set()

    async def _send(self, jobs: list[_Job]) -> None:
        now = "" if self._now is None else repr(self._now())
        for start in range(0, len(jobs), _TOGETHER):
            some = jobs[start : start + _TOGETHER]
            keys, told = self._worded(some)
            self._trip += 1
            self._trip_began = time.monotonic()
            answered = json.decode(await self._script(keys=keys, args=[now, json.encode(told)]))
            self._late, self._trip_began = 0, inf
            if self.trouble:
                log.warning("redis answers again")
                self.trouble = ""
            for job, answer in zip(some, answered["answers"], strict=True):
                self._told(job, answered["second"], answer)

    def _worded(self, jobs: Sequence[_Job]) -> tuple[list[str], list[list[Any]]]:
        """Keys and jobs as the script reads them: asks name their meters by place, counted from 1."""
        places: dict[str, int] = {}
        told: list[list[Any]] = []
        for job in jobs:
            asks = [
                (places.setdefault(ask.meter, len(places) + 3), _KINDS[ask.kind], ask.amount, number, self._spent(ask))
                for ask, number in zip(job.asks, job.numbers, strict=True)
            ]
            if job.operation == "credit":
                told.append([job.operation, asks[0][0], asks[0][2]])
            else:
                told.append([job.operation, job.id, job.about, asks])
        head = f"{self._prefix}{{2}}"
        return [f"{head}leases", f"{head}held", *(f"{head}{meter}" for meter in places)], told

    def _told(self, job: _Job, second: int, told: Any) -> None:
        if isinstance(told, list):
            for ask, level in zip(job.asks, told, strict=True):
                if level:  # else Redis knows nothing of it
                    self._heard(ask, *level)
        if job.answer is not None and not job.answer.done():
            job.answer.set_result((second, told))

    def _heard(self, ask: Ask, used: float, reserved: float, rest: float) -> Level:
        """What Redis just told of a meter; `rest` in seconds."""
        level = Level(int(used), int(reserved), max(1, ceil(rest)) if rest > 0 else 0)
        self._keep(ask.meter, level)
        if ask.kind is Kind.RATE:
            self._rests[ask.meter] = self._clock() + rest
        return level

    def _keep(self, meter: str, level: Level) -> None:
        if len(self._known) >= _MOST_KNOWN and meter not in self._known:
            oldest = next(iter(self._known))
            del self._known[oldest]
            self._rests.pop(oldest, None)
        self._known[meter] = level

    def _undo(self, claim: Claim, done: "asyncio.Future[_Answer]") -> None:
        """What was granted to a caller who did not wait for it is given back."""
        if done.cancelled() or done.exception() is not None or "refused" in done.result()[1]:
            return
        used = tuple(0 if ask.kind is not Kind.SLOTS else 1 for ask in claim.asks)
        self._put(_Job("settle", claim.id, done.result()[0], claim.asks, used))

    def _fell(self, error: Exception) -> None:
        self._down_until = time.monotonic() + RESTS
        if not self.trouble:
            self.trouble = "Redis does not answer"
            log.warning("redis does not answer", error=type(error).__name__, policy=str(self._when_down))
