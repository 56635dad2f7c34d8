"""The record of one call: a small mutable builder that the call owns, and that becomes exactly one entry."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from msgspec import json
from msgspec.structs import replace

from hub.core.entry import AttemptRecord, Entry, Finding, Outcome
from hub.core.refusal import Refusal, UpstreamFailed
from hub.core.telemetry import span_of, traceparent
from hub.core.usage import Usage
from hub.ledger.bodies import NO_BODIES, Bodies
from hub.ledger.opening import (
    MAX_ERROR,
    MAX_ITEMS,
    MAX_PLAN,
    MAX_RAW_USAGE,
    NOTHING,
    bounded,
    bounded_cost,
    clip,
    clipped,
)
from hub.ledger.places import Place

CLIENT_GONE = 499

_OK, _ERROR = Outcome.OK.value, Outcome.ERROR.value
_encode = json.Encoder().encode


class Record:
    """What becomes known of a call while it runs.

    `reserve` writes the opening entry to the spool, before any upstream is asked; leaving writes what is true then.
    The exception that leaves through it decides the outcome, unless it was said before:

    - none: `ok`, or `error` when `status` is 400 or more;
    - a Refusal: `error` when an upstream failed or was asked, else `refused`;
    - a cancellation: `cancelled`, status 499;
    - any other: `error` with code `internal` and only the exception's type, since its text may hold secrets.

    Stages may set `status`, `lane`, `server`, `tool`, `response_bytes`, `dropped`, `findings`, `plan` (the explain
    record, as JSON text), `cache`, `saved_micro_usd`, `own_micro_usd` and `route` freely. `bodies` takes what may be
    kept of the payload.
    """

    # What a call does not say stays as it is here.
    status = response_bytes = 0
    lane = target = provider = server = plan = route = cache = ""
    dropped: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    saved_micro_usd: int | None = None
    own_micro_usd: int | None = None
    _outcome = _code = _error = _price_version = _raw_usage = ""
    _usage = NOTHING
    _cost: int | None = None
    _ttft_ms: float | None = None

    def __init__(self, spool: Place, opening: Entry, clock: Callable[[], float], bodies: Bodies = NO_BODIES) -> None:
        self._spool = spool
        self._opening = opening
        self._clock = clock
        self._began = clock()
        self._attempts: list[AttemptRecord] = []
        self.tool = opening.tool
        self.bodies = bodies

    @property
    def id(self) -> str:
        """The entry's id, which is the call's."""
        return self._opening.id

    @property
    def elapsed_ms(self) -> float:
        """How long the call runs, in milliseconds."""
        return (self._clock() - self._began) * 1000

    @property
    def usage(self) -> Usage:
        """What was settled so far."""
        return self._usage

    @property
    def cost_micro_usd(self) -> int | None:
        """What it cost so far, in micro-dollars; None while that is not known."""
        return self._cost

    def traceparent(self, attempt: int = 0) -> str:
        """The header that hands this call's trace on to an upstream, from the span of that try; "" where none is recorded."""
        opened = self._opening
        if not opened.sampled:
            return ""
        return traceparent(opened.trace, span_of(opened.id, attempt), sampled=True)

    # -- what the stages tell --------------------------------------------------------------------------------------

    async def reserve(self, usage: Usage, cost_micro_usd: int | None, price_version: str = "") -> None:
        """Write down what the call may use and cost, which stands if the hub dies. Before the upstream is asked.

        What is `estimated` is the hub's own reckoning and within bounds; anything else is brought within them.
        Returns when that is durable. Raises Unavailable `overloaded` when the spool cannot take it.
        """
        self._opening = replace(
            self._opening,
            usage=usage if usage.estimated else replace(bounded(usage), estimated=True),
            cost_micro_usd=bounded_cost(cost_micro_usd),
            price_version=price_version,
        )
        self._spool.open(self._opening.id, _encode(self._opening))
        await self._spool.confirm()

    def attempt(self, attempt: AttemptRecord) -> None:
        """An upstream was asked, and this became of it."""
        if len(self._attempts) < MAX_ITEMS:
            began = attempt.began_ms or self.elapsed_ms - attempt.duration_ms
            target, failure = clipped(attempt.target, attempt.failure)
            error = clip(attempt.error, MAX_ERROR) if attempt.error else ""
            self._attempts.append(
                replace(attempt, target=target, error=error, failure=failure[:64], began_ms=began if began > 0 else 0.0)
            )

    def answered(self, target: str, provider: str = "") -> None:
        """Who answered: `provider/model`, or a server."""
        self.target = target
        self.provider = provider

    def first_byte(self) -> None:
        """The first byte of the answer is here; later calls change nothing."""
        if self._ttft_ms is None:
            self._ttft_ms = self.elapsed_ms

    def settle(self, usage: Usage, cost_micro_usd: int | None, price_version: str = "") -> None:
        """What the call used and cost, rounded once for the whole call; None for a price that is not known."""
        self._usage = bounded(usage)
        self._cost = bounded_cost(cost_micro_usd)
        self._price_version = price_version

    def told(self, raw_usage: bytes) -> None:
        """The usage as the provider told it: a JSON object, kept as it came so that a cost can be worked out anew."""
        if len(raw_usage) <= MAX_RAW_USAGE:
            self._raw_usage = clip(raw_usage.decode("utf-8", "replace"), MAX_RAW_USAGE)

    def refused(self, refusal: Refusal) -> None:
        """The call ends with this refusal, which is being told to the caller."""
        asked = self._attempts or isinstance(refusal, UpstreamFailed)
        self._end(Outcome.ERROR if asked else Outcome.REFUSED, refusal.status, refusal.code, refusal.message)

    def failed(self, code: str, message: str = "", status: int = 0) -> None:
        """The upstream's answer is an error, or the answer broke off."""
        self._end(Outcome.ERROR, status or self.status, code, message)

    def whole(self) -> None:
        """The caller has the whole answer."""
        self._end(Outcome.OK, self.status, "", "")

    def cancelled(self) -> None:
        """The caller went away."""
        self._end(Outcome.CANCELLED, CLIENT_GONE, "cancelled", "")

    def _end(self, outcome: Outcome, status: int, code: str, error: str) -> None:
        if not self._outcome:  # what ended the call is what came first
            self._outcome, self.status, self._code, self._error = outcome.value, status, code, error

    # -- opening and closing ---------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Begin. Raises Unavailable `overloaded` when the spool takes no new calls.

        The opening is written by `reserve`, before any upstream is asked: what is refused before that costs nobody.
        """
        self.begin()
        return self

    def begin(self) -> None:
        """Begin. Raises Unavailable `overloaded` when the spool takes no new calls."""
        self._spool.check()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the entry. A disk that does not take it is the spool's business, not the caller's.

        Nobody waits until it is on the disk: a power cut before that leaves what the opening says, as an estimate.
        """
        self.close(error)

    def close(self, error: BaseException | None) -> None:
        """Write the entry of a call that ends with `error`; see `__aexit__`."""
        if isinstance(error, Refusal):
            self.refused(error)
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            self.cancelled()
        elif error is not None:
            self._end(Outcome.ERROR, 500, "internal", type(error).__name__)
        entry = self._entry()
        self._spool.close(entry.id, _encode(entry), entry)
        self.bodies.close(entry)

    def _entry(self) -> Entry:
        status = self.status or 200
        target, tool, cache = clipped(self.target, self.tool, self.cache)
        return replace(
            self._opening,
            outcome=self._outcome or (_OK if status < 400 else _ERROR),
            status=status,
            lane=self.lane,
            target=target,
            provider=self.provider,
            route=self.route,
            server=self.server,
            tool=tool,
            code=self._code,
            error=clip(self._error, MAX_ERROR) if self._error else "",
            usage=self._usage,
            cost_micro_usd=self._cost,
            price_version=self._price_version,
            ttft_ms=self._ttft_ms,
            duration_ms=self.elapsed_ms,
            response_bytes=self.response_bytes,
            attempts=tuple(self._attempts),
            dropped=tuple([clip(name) for name in self.dropped[:MAX_ITEMS]]) if self.dropped else (),
            findings=self.findings[:MAX_ITEMS],
            plan=clip(self.plan, MAX_PLAN) if self.plan else "",
            raw_usage=self._raw_usage,
            cache=cache[:64],
            saved_micro_usd=bounded_cost(self.saved_micro_usd),
            own_micro_usd=bounded_cost(self.own_micro_usd),
        )
