"""Plan in, answer out: the targets of a model call are tried in order until one of them answers."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from hub.core.calls import Dialect, ModelCall, Reply
from hub.core.plan import Plan
from hub.core.refusal import Refusal, UpstreamFailed
from hub.core.usage import Usage
from hub.core.wire import Wire
from hub.upstream.attempts import (
    MOST_ATTEMPTS,
    Attempt,
    Record,
    Senders,
    check_query,
    check_status,
    check_stream,
    may_fail_over,
    nobody_answered,
)
from hub.upstream.credentials import ProviderSecrets
from hub.upstream.exchange import Endpoint, Response, read_whole
from hub.upstream.headers import reply_headers
from hub.upstream.streaming import ModelStream, opened

_NOTHING = Usage()


@dataclass(frozen=True, slots=True)
class Delivery:
    """An answer on its way. `usage` tells what was used until now; `close` lets go of the upstream, at any time."""

    reply: Reply
    target: str
    counted: Usage = _NOTHING
    stream: ModelStream | None = None

    @property
    def usage(self) -> Usage:
        """What was used: final when the answer was read to its end, else what was delivered until now."""
        return self.stream.usage if self.stream is not None else self.counted

    def close(self) -> None:
        """Let go of the upstream and write down how a stream ended."""
        if self.stream is not None:
            self.stream.close()


class ModelUpstream:
    """Carries out plans. `wires` are the dialects, `locals_` the providers inside the process by name."""

    def __init__(
        self,
        transport: Endpoint,
        secrets: ProviderSecrets,
        wires: Mapping[Dialect, Wire],
        locals_: Mapping[str, Endpoint],
    ) -> None:
        self._senders = Senders(transport, secrets, locals_)
        self._wires = wires

    async def send(self, plan: Plan, call: ModelCall, record: Record) -> Delivery:
        """Try the targets in order, at most three, until one answers; whoever gets the delivery closes it.

        Another target is tried only while nothing was sent to the caller: when one cannot be reached, is late,
        breaks off before its first event, or answers 429 or 5xx. The last target's error reply is an answer and
        is passed on as it is. Raises UpstreamFailed when there is no answer at all, Malformed on a query string
        that cannot be passed on.
        """
        check_query(call)
        loop = asyncio.get_running_loop()
        ends = loop.time() + plan.attempts[0].timeouts.total
        targets = plan.attempts[:MOST_ATTEMPTS]
        tried: list[tuple[str, Refusal]] = []
        for number, deployment in enumerate(targets, 1):
            attempt = Attempt(deployment, number, record)
            try:
                delivery = await self._try(attempt, call, record, ends - loop.time(), last=number == len(targets))
            except Refusal as failure:
                attempt.ended(failure.code, failure.message)
                tried.append((deployment.target, failure))
            except asyncio.CancelledError:
                attempt.ended("cancelled")
                raise
            else:
                record.answered(deployment.target, deployment.provider)
                record.lane = "passthrough"
                record.status = delivery.reply.status
                return delivery
        raise nobody_answered(tried)

    async def _try(self, attempt: Attempt, call: ModelCall, record: Record, seconds: float, *, last: bool) -> Delivery:
        """One try. Raises Refusal when there is no answer, or one that another target may better."""
        if seconds <= 0:
            raise UpstreamFailed("upstream_timeout", "No time is left for another try.", status=504)
        wire = self._wires[call.dialect]
        response = await self._senders.send(attempt.deployment, call, wire, seconds)
        attempt.status = response.status
        try:
            check_status(response.status)
            if response.status >= 400:
                return await _error(response, attempt, record, last=last)
            if not call.stream:
                return await _whole(response, call, wire, attempt, record)
            check_stream(response)
        except BaseException:
            response.close()
            raise
        return await _streamed(response, call, wire, attempt, record, last=last)


async def _error(response: Response, attempt: Attempt, record: Record, *, last: bool) -> Delivery:
    """The provider's error, as it is; or a failure, when another target may do better."""
    if may_fail_over(response.status) and not last:
        raise UpstreamFailed("upstream_error", f"It answered with status {response.status}.")
    record.first_byte()
    body = await read_whole(response)
    response.close()
    record.response_bytes = len(body)
    record.failed("upstream_error", f"The provider answered with status {response.status}.", response.status)
    attempt.ended("error")
    return Delivery(Reply(response.status, _headers(response, attempt), body), attempt.deployment.target)


async def _whole(response: Response, call: ModelCall, wire: Wire, attempt: Attempt, record: Record) -> Delivery:
    record.first_byte()
    body = await read_whole(response)
    response.close()
    usage = wire.usage(body) or wire.estimate(call, len(body))
    record.response_bytes = len(body)
    attempt.ended("ok")
    return Delivery(Reply(response.status, _headers(response, attempt), body), attempt.deployment.target, usage)


async def _streamed(
    response: Response, call: ModelCall, wire: Wire, attempt: Attempt, record: Record, *, last: bool
) -> Delivery:
    stream = await opened(response, call, wire, attempt, record)
    if stream.reported is not None and not last:
        response.close()
        raise stream.reported
    headers = {
        **_headers(response, attempt),
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
    }
    reply = Reply(response.status, headers, chunks=stream)
    return Delivery(reply, attempt.deployment.target, stream=stream)


def _headers(response: Response, attempt: Attempt) -> dict[str, str]:
    hub = {"x-hub-model": attempt.deployment.target, "x-hub-attempts": str(attempt.number)}
    return {**reply_headers(response), **hub}
