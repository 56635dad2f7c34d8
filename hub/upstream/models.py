"""Plan in, answer out: the targets of a model call are tried in order until one of them answers."""

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic

from msgspec.structs import replace

from hub.core.calls import PLAIN, Dialect, ModelCall, Reply
from hub.core.health import Failure, HealthLog
from hub.core.plan import Deployment, Plan
from hub.core.raw_usage import usage_in
from hub.core.refusal import Refusal, Reported, UpstreamFailed
from hub.core.shelf import Shelf
from hub.core.stored import made
from hub.core.wire import Lane
from hub.upstream.answers import Answers, Wish
from hub.upstream.answers_everywhere import Everywhere
from hub.upstream.attempts import (
    Attempt,
    Record,
    Senders,
    check_query,
    check_status,
    check_stream,
    is_stream,
    patience_of,
)
from hub.upstream.copies import Copies
from hub.upstream.course import Course, RetryBudget
from hub.upstream.credentials import ProviderSecrets
from hub.upstream.delivery import Delivery
from hub.upstream.exchange import Endpoint, Response, read_whole
from hub.upstream.headers import reply_headers, retry_after, room_of
from hub.upstream.hedging import Race
from hub.upstream.streaming import opened
from hub.upstream.verdicts import Failed, class_of, class_of_report, row_of


class _Answered(Failed):
    """A provider's error: `delivery` passes it on as it is when nothing follows; else the response is closed."""

    def __init__(self, kind: Failure, refusal: Refusal, delivery: Delivery, response: Response) -> None:
        status = response.status if response.status >= 400 else 0
        super().__init__(kind, refusal, status=status, wait=retry_after(response.headers))
        self.delivery = delivery
        self._response = response

    def let_go(self) -> None:
        """See `Failed`."""
        self._response.close()


class ModelUpstream:
    """Carries out plans. `lanes` chooses how a call is carried, `locals_` are the providers inside the process.

    `health` is told how every try ended. `copies` are those for shadow targets, `everywhere` the answers that replicas
    share on the `shelf`; open them beside the hub.
    """

    def __init__(
        self,
        transport: Endpoint,
        secrets: ProviderSecrets,
        lanes: Callable[[ModelCall, Deployment], Lane],
        locals_: Mapping[str, Endpoint],
        health: HealthLog,
        shelf: Shelf | None = None,
    ) -> None:
        self._senders = Senders(transport, secrets, locals_)
        self._lanes = lanes
        self._health = health
        self._budget = RetryBudget()
        self.everywhere = Everywhere(shelf)
        self._answers = Answers(everywhere=self.everywhere)
        self.copies = Copies()

    async def deliver(self, plan: Plan, call: ModelCall, record: Record, wish: Wish) -> Delivery:
        """An answer that was kept, where the wish allows that, or what `send` gives.

        Raises Refusal as `send` does, and Conflict about an idempotency key.
        """
        if wish.nothing:
            return await self.send(plan, call, record)
        return await self._answers.deliver(wish, call, lambda: self.send(plan, call, record))

    async def send(self, plan: Plan, call: ModelCall, record: Record) -> Delivery:
        """Try the targets in order until one answers; whoever gets the delivery closes it.

        What may follow a failure is a row of `verdicts.TABLE`, and only while nothing was sent to the caller.
        When nothing follows, the provider's own error reply is the answer. Raises UpstreamFailed when there is
        none, Malformed on a query string that cannot be passed on.
        """
        check_query(call)
        now = monotonic()
        ends, patience = now + plan.attempts[0].timeouts.total, now + patience_of(call)
        self._budget.earn()
        course = Course(plan, call.origin.session, self._health, self._budget)
        while True:
            attempt = Attempt(course.next(), course.tries, record, self._health)
            try:
                attempt, came = await self._outcome(attempt, plan, course, call, record, ends)
            except BaseException:
                attempt.abandoned()
                raise
            if isinstance(came, Failed):
                attempt.failed(came)
                if course.failed(attempt.deployment, came, min(ends, patience) - monotonic()):
                    came.let_go()
                    await asyncio.sleep(course.wait)
                    continue
                if not isinstance(came, _Answered):
                    raise course.nobody()
                came = _reported(came, record)
            if plan.kept:
                self._health.keep(plan.kept, attempt.deployment.target)
            if call.dialect is Dialect.OPENAI_RESPONSES and (len(plan.attempts) > 1 or plan.dropped):
                self._keep_response(came, attempt.deployment.target)
            record.answered(attempt.deployment.target, attempt.deployment.provider)
            record.status = came.reply.status
            return replace(came, own=attempt.deployment.own) if attempt.deployment.own else came

    async def _outcome(
        self, attempt: Attempt, plan: Plan, course: Course, call: ModelCall, record: Record, ends: float
    ) -> tuple[Attempt, Delivery | Failed]:
        """What became of a try, or, where the plan hedges, of that one or the one beside it."""
        if plan.retry.hedge is None:
            try:
                return attempt, await self._try(attempt, call, record, ends - monotonic())
            except Failed as failed:
                return attempt, failed

        def beside() -> Attempt | None:
            deployment = course.beside()
            return None if deployment is None else Attempt(deployment, course.tries, record, self._health)

        def lost(one: Attempt, failed: Failed) -> bool:
            if not row_of(failed.kind, failed.status, plan.retry).elsewhere:
                return False
            one.failed(failed)
            failed.let_go()
            course.lost(one.deployment, failed)
            return True

        race = Race(lambda one, draft: self._try(one, call, draft, ends - monotonic()), record, beside, lost)
        return await race.run(attempt, plan.retry.hedge)

    def _keep_response(self, delivery: Delivery, target: str) -> None:
        """Remember where a response is kept, for the calls that go on with it."""
        stream = delivery.stream
        name = made(delivery.reply.body, stream=False) if stream is None else made(stream.head, stream=True)
        if name:
            self._health.keep(name, target)

    async def _try(self, attempt: Attempt, call: ModelCall, record: Record, seconds: float) -> Delivery:
        """One try. Raises Failed when there is no answer, or an error."""
        try:
            return await self._tried(attempt, call, record, seconds)
        except Reported as error:
            kind = class_of(error.told, error.message.encode())
            raise Failed(kind, error, status=error.told) from None
        except UpstreamFailed as failure:
            kind = class_of_report(failure) if attempt.status else Failure.DOWN
            raise Failed(kind, failure, reached=attempt.status > 0) from None

    async def _tried(self, attempt: Attempt, call: ModelCall, record: Record, seconds: float) -> Delivery:
        if seconds <= 0:
            raise UpstreamFailed("upstream_timeout", "No time is left for another try.", status=504)
        lane = self._lanes(call, attempt.deployment)
        record.lane = lane.name
        response = await self._senders.send(attempt, call, lane, seconds)
        attempt.status, attempt.room = response.status, room_of(response.headers)
        try:
            check_status(response.status)
            if response.status >= 400:
                raise await _error(response, lane, attempt)
            if not call.stream or (call.dialect in PLAIN and not is_stream(response)):
                return await _whole(response, lane, attempt, record)
            check_stream(response)
        except BaseException:
            response.close()
            raise
        return await _streamed(response, lane, attempt, record)


async def _error(response: Response, lane: Lane, attempt: Attempt) -> Failed:
    """The provider's error, with what it means and the reply that passes it on."""
    body = await read_whole(response)
    response.close()
    status, own, target = response.status, attempt.deployment.own == "caller", attempt.deployment.target
    kind = class_of(status, body)
    if own and kind is Failure.KEY_DEAD:
        kind = Failure.CALLER  # it is their own credential that was refused
    if status == 401 and not own:  # passed on, it would tell the caller that their own key is wrong
        message = "The provider refuses the hub's credential. An administrator has to renew it."
        return Failed(kind, UpstreamFailed("upstream_error", message), status=status)
    failure = UpstreamFailed("upstream_error", f"The provider answered with status {status}.")
    told, headers = lane.error(status, body), _headers(response, lane, attempt)
    if told is not body:
        headers["content-type"] = "application/json"
    reply = Reply(status, headers, told)
    return _Answered(kind, failure, Delivery(reply, target), response)


def _reported(failed: _Answered, record: Record) -> Delivery:
    """The provider's error as the answer."""
    reply = failed.delivery.reply
    if reply.chunks is None:
        record.first_byte()
        record.response_bytes = len(reply.body)
        record.failed("upstream_error", failed.refusal.message, reply.status)
    return failed.delivery


async def _whole(response: Response, lane: Lane, attempt: Attempt, record: Record) -> Delivery:
    attempt.answered()
    body = await read_whole(response)
    response.close()
    whole = lane.whole(body)
    record.response_bytes = len(whole.body)
    record.told(usage_in(body))
    attempt.ok(whole.usage.completion)
    reply = Reply(response.status, _headers(response, lane, attempt), whole.body)
    return Delivery(reply, attempt.deployment.target, whole.usage, tier=whole.tier)


async def _streamed(response: Response, lane: Lane, attempt: Attempt, record: Record) -> Delivery:
    stream = await opened(response, lane, attempt, record)
    headers = {
        **_headers(response, lane, attempt),
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
    }
    reply = Reply(response.status, headers, chunks=stream)
    delivery = Delivery(reply, attempt.deployment.target, stream=stream)
    if stream.reported is not None:
        raise _Answered(class_of_report(stream.reported), stream.reported, delivery, response)
    return delivery


def _headers(response: Response, lane: Lane, attempt: Attempt) -> dict[str, str]:
    headers = reply_headers(response)
    headers |= {"x-hub-model": attempt.deployment.target, "x-hub-attempts": str(attempt.number)}
    if lane.name != "passthrough":
        headers["content-type"] = "application/json"
    if lane.dropped:
        headers["x-hub-dropped-fields"] = ", ".join(lane.dropped)
    return headers
