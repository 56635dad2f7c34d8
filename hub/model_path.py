"""A model call, straight through: who, recorded, where to, admitted, sent, settled."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial

from msgspec.structs import replace

from hub.core.calls import METERED, ModelCall, ModelRequest, Reply
from hub.core.ids import new_id
from hub.core.plan import Deployment, Dropped, Plan, Retry, Shadow
from hub.core.principal import Principal
from hub.core.refusal import Malformed, Refusal
from hub.core.unwinding import Unwinding
from hub.core.usage import Usage
from hub.dialect import estimate_tokens, peek, wished
from hub.identity import Identity
from hub.ledger import Ledger, Record
from hub.ledger.pricing import ceiling_micro_usd, cost_micro_usd, version_of
from hub.policy import Decision, Elsewhere, Policy
from hub.resources import KeyGrant, Snapshot
from hub.resources.model_catalog import Price
from hub.routing import Conditions, Plans, RuleHits, plan_record
from hub.upstream import Delivery, ModelUpstream, Unmetered, wish_of

# What a call without a cap of its own is taken to produce at most, when it is reserved for.
USUAL_OUTPUT = 4096
TOO_DEAR = "a budget has less left than it may cost"
MOST_TURNS = 3  # models that a call may be sent on to by budgets and rules, and one more


class ModelPath:
    """The stages of a model call, in their order."""

    def __init__(
        self,
        *,
        identity: Identity,
        policy: Policy,
        ledger: Ledger,
        upstream: ModelUpstream,
        snapshots: Callable[[], Snapshot],
        conditions: Conditions,
        hits: RuleHits,
    ) -> None:
        self._identity = identity
        self._policy = policy
        self._ledger = ledger
        self._upstream = upstream
        self._snapshots = snapshots
        self._conditions = conditions
        self._plans = Plans(conditions)
        self._hits = hits

    async def run(self, request: ModelRequest) -> Reply:
        """Carry a call through. The reply owns what was opened for it; leaving it settles, then writes the entry.

        Raises Refusal. From the moment that the caller is known, the call has an entry whatever becomes of it.
        """
        snapshot = self._snapshots()
        return await self._carry(snapshot, self._identity.resolve(snapshot, request.credentials), request)

    async def carry(self, grant: KeyGrant, request: ModelRequest) -> Reply:
        """Carry a call of the hub's own, in the name of `grant`: the same stages after who it is."""
        return await self._carry(self._snapshots(), grant, request)

    async def _carry(self, snapshot: Snapshot, grant: KeyGrant, request: ModelRequest) -> Reply:
        call, fault = _call_of(request, snapshot, strict=grant.strict)
        record = self._ledger.record(grant.principal, call)
        record.begin()
        held = Unwinding(record.close)
        try:
            if fault is not None:
                raise fault
            call, chosen, decision = await self._admitted(held, snapshot, grant, call, record)
            if chosen.rules:
                self._hits.count(chosen)
            if chosen.shadow is not None:
                self._copy(snapshot, call, chosen, chosen.shadow)
            wish = wish_of(snapshot, grant.principal, call)
            delivery = await self._upstream.deliver(chosen, call, record, wish)
            bill = Bill(snapshot, call, delivery, record, decision)
            held.push(bill.close)
            return await bill.presented(held)
        except BaseException as error:
            held.unwind(error)
            raise

    async def _admitted(
        self, held: Unwinding, snapshot: Snapshot, grant: KeyGrant, call: ModelCall, record: Record
    ) -> tuple[ModelCall, Plan, Decision]:
        """The call as it may go on, where to, and what was decided. A budget or a rule may send it to another model."""
        turn: Elsewhere | None = None
        for _ in range(MOST_TURNS):
            chosen = self._planned(snapshot, grant, call, turn)
            try:
                chosen, decision = await self._taken(held, snapshot, grant, call, record, chosen)
            except Elsewhere as elsewhere:
                turn = elsewhere
                call = replace(call, model=elsewhere.model, sent=True)
                continue
            if turn is not None and turn.action == "downgrade":
                decision.say("x-hub-budget-action", "downgrade")
            return _screened(call, decision), chosen, decision
        assert turn is not None
        raise turn.cause

    async def _taken(
        self, held: Unwinding, snapshot: Snapshot, grant: KeyGrant, call: ModelCall, record: Record, chosen: Plan
    ) -> tuple[Plan, Decision]:
        """The plan, or as much of it as its budgets can pay, and what was decided. Raises what stands against that."""
        first: Refusal | None = None
        for less in ever_cheaper(snapshot, call, chosen):
            tokens, ceiling = expected(snapshot, call, less)
            decision = self._policy.admit(grant.principal, call, tokens=tokens, cost_micro_usd=ceiling)
            if decision.is_screened:
                held.push(partial(_tell, record, decision))
            try:
                await decision.take()
            except Refusal as refusal:
                if refusal.code != "budget_exhausted":
                    raise
                first = first or refusal
                continue
            held.push(decision.give_back)
            record.plan = plan_record(less, ceiling)
            record.route = less.route
            await record.reserve(Usage(input=tokens, estimated=True), ceiling)
            return less, decision
        assert first is not None
        raise first

    def _planned(self, snapshot: Snapshot, grant: KeyGrant, call: ModelCall, turn: Elsewhere | None) -> Plan:
        """The plan for a call. Where it was sent elsewhere and cannot go there, what sent it stands."""
        try:
            return self._plans.of(snapshot, grant, call)
        except Refusal:
            if turn is None:
                raise
            raise turn.cause from None

    def _copy(self, snapshot: Snapshot, call: ModelCall, chosen: Plan, shadow: Shadow) -> None:
        """Send a copy to the plan's shadow target, if this call falls to it and that may cost it."""
        if self._conditions.pick() >= shadow.share:
            return
        price = snapshot.told_price(shadow.deployment.target)
        most = snapshot.fare(call.model, shadow.deployment.target).most_output
        ceiling = ceiling_micro_usd(chosen.tokens, _most_output(call, most), price)
        copies = self._upstream.copies
        if price is None or ceiling is None:
            return
        if copies.reserve(shadow.deployment.target, ceiling, shadow.micro_usd_per_day):
            copies.start(self._copied(call, chosen, shadow.deployment, price, ceiling))

    async def _copied(self, call: ModelCall, chosen: Plan, deployment: Deployment, price: Price, ceiling: int) -> None:
        """One copy, read to its end. Its entry belongs to the route, so that it counts against nobody's budget."""
        target = deployment.target
        origin = replace(call.origin, door="shadow")
        copy = replace(call, id=new_id(), origin=origin, receipt=False, credential=None)
        route = Principal(f"route:{chosen.route}", "shadow")
        cost = 0
        try:
            async with self._ledger.record(route, copy) as record:
                await record.reserve(Usage(input=chosen.tokens), ceiling)
                alone = Plan(call.model, (deployment,), retry=Retry(tries=1))
                delivery = await self._upstream.send(alone, copy, record)
                try:
                    async for _ in delivery.reply.chunks or _no_chunks():
                        pass
                finally:
                    delivery.close()
                    cost = cost_micro_usd(delivery.usage, price) or 0
                    record.settle(delivery.usage, cost, price.as_of)
        finally:
            self._upstream.copies.settle(target, cost - ceiling)


async def _no_chunks() -> AsyncIterator[bytes]:
    return
    yield b""


def _tell(record: Record, decision: Decision, error: BaseException | None) -> None:
    del error
    record.findings = (*record.findings, *decision.findings)


def _screened(call: ModelCall, decision: Decision) -> ModelCall:
    """The call with what the rules made of its body."""
    if decision.body is call.body:
        return call
    return replace(call, body=decision.body, places=peek(call.dialect, decision.body).places)


def _call_of(request: ModelRequest, snapshot: Snapshot, *, strict: bool) -> tuple[ModelCall, Malformed | None]:
    """The call, with what its body says; or, where that cannot be read, one that says nothing, and the fault."""
    fault: Malformed | None = None
    seen = None
    try:
        seen = peek(request.dialect, request.body)
    except Malformed as malformed:
        fault = malformed
    asked = request.model or (seen.model if seen else "")
    call = ModelCall(
        id=new_id(),
        dialect=request.dialect,
        model=snapshot.canonical(asked),
        asked=asked,
        stream=request.stream or (seen.stream if seen else False),
        body=request.body,
        origin=request.origin,
        headers=request.headers,
        query=request.query,
        max_output=seen.max_output if seen else None,
        answers=seen.answers if seen else 1,
        wants_usage=seen.wants_usage if seen else False,
        route=request.route,
        receipt=request.receipt,
        strict=strict,
        credential=request.credentials.upstream,
        arrival=request.credentials.arrival,
        places=seen.places if seen else {},
    )
    return call, fault


def expected(snapshot: Snapshot, call: ModelCall, chosen: Plan) -> tuple[int, int | None]:
    """The tokens and the micro-dollars that a call may use at most, by its size and its output cap.

    The dearest of the targets that may be tried counts (the two dearest where two may be asked at once), so that no
    fallback breaks a budget. What goes out on the caller's own credential costs the hub's budgets nothing.
    """
    ceilings = _ceilings(snapshot, call, chosen)
    known = sorted([ceiling for ceiling in ceilings.values() if ceiling is not None])
    at_once = 1 if chosen.retry.hedge is None else 2
    most = sum(known[-at_once:]) if known or not ceilings else None
    return estimate_tokens(call.body) + (call.max_output or 0) * call.answers, most


def _ceilings(snapshot: Snapshot, call: ModelCall, chosen: Plan) -> dict[str, int | None]:
    """What a call may cost at each target that may be tried at the hub's expense; None where nobody knows."""
    prompt, tier = estimate_tokens(call.body), wished(call)
    ceilings: dict[str, int | None] = {}
    for deployment in chosen.attempts[: chosen.retry.tries]:
        target = deployment.target
        if deployment.own == "caller" or target in ceilings:
            continue
        price, most = snapshot.fare(call.model, target)
        ceilings[target] = ceiling_micro_usd(prompt, _most_output(call, most), price and price.at(tier))
    return ceilings


def ever_cheaper(snapshot: Snapshot, call: ModelCall, chosen: Plan) -> Iterator[Plan]:
    """The plan, then the plan without the dearest that is left, for as long as something is."""
    less: Plan | None = chosen
    while less is not None:
        yield less
        less = _cheaper(snapshot, call, less)


def _cheaper(snapshot: Snapshot, call: ModelCall, chosen: Plan) -> Plan | None:
    """The plan without its dearest targets, where others remain whose price is known."""
    ceilings = _ceilings(snapshot, call, chosen)
    known = {ceiling for ceiling in ceilings.values() if ceiling is not None}
    if len(known) < 2:
        return None
    dear = {target for target, ceiling in ceilings.items() if ceiling == max(known)}
    return replace(
        chosen,
        attempts=tuple(one for one in chosen.attempts if one.target not in dear),
        targets=tuple(one for one in chosen.targets if one.deployment.target not in dear),
        dropped=(*chosen.dropped, *(Dropped(target, TOO_DEAR) for target in sorted(dear))),
    )


def _most_output(call: ModelCall, known: int | None) -> int:
    """All that the model can produce, or the caller's cap: what is reserved is never less than what is spent."""
    most = known or call.max_output or USUAL_OUTPUT
    wanted, cap = call.max_output or most, most if most > USUAL_OUTPUT else USUAL_OUTPUT
    return (wanted if wanted < cap else cap) * call.answers


class Bill:
    """What a delivery costs: told to the caller, to the budgets and to the ledger, once."""

    def __init__(
        self, snapshot: Snapshot, call: ModelCall, delivery: Delivery, record: Record, decision: Decision
    ) -> None:
        self._own = delivery.own == "caller"
        provider = snapshot.providers.get(delivery.target.partition("/")[0])
        self._missing = provider.spec.missing_usage if provider is not None else "estimate"
        price = snapshot.fare(call.model, delivery.target).price
        self._usual = price
        self._wished = wished(call)
        self._price = price and price.at(self._wished)
        self._call = call
        self._delivery = delivery
        self._record = record
        self._decision = decision
        self._settled = False

    def close(self, error: BaseException | None) -> None:
        """The call is over, whatever it ends with. Who leaves with all of the answer has not broken it off."""
        self.settle()
        left = isinstance(error, asyncio.CancelledError)
        if left and self._delivery.passed and not self._decision.holds_back:
            self._record.whole()

    def settle(self) -> None:
        """Let go of the upstream and book what was used until now."""
        if self._decision.ended is not None:
            self._record.refused(self._decision.ended)
        self._delivery.close()
        if self._settled:
            return
        self._settled = True
        if self._delivery.again:
            self._spare()
            return
        usage, usual = self._delivery.usage, self._usual
        # What was asked for is a wish: the provider says at which tier it answered.
        tier = self._delivery.answered_at or self._wished
        cost = cost_micro_usd(usage, usual and usual.at(tier))
        if self._missing == "unpriced" and usage.estimated and self._delivery.complete:
            cost = None
        if self._own:
            self._record.own_micro_usd = cost
            self._record.settle(usage, None, "caller's own")
            self._decision.settle(usage, 0)
            return
        self._record.settle(usage, cost, version_of(usual, tier) if usual else "")
        self._decision.settle(usage, cost)

    def _spare(self) -> None:
        """Book an answer that was given again: it used and cost nothing, and what it would have cost was saved."""
        delivery, record = self._delivery, self._record
        record.answered(delivery.target, delivery.target.partition("/")[0])
        record.status = delivery.reply.status
        record.cache = delivery.again
        record.saved_micro_usd = None if self._own else cost_micro_usd(delivery.spared, self._price)
        record.settle(Usage(), 0, "kept")
        self._decision.settle(Usage(), 0)

    async def presented(self, held: Unwinding) -> Reply:
        """The reply as the caller may have it, with what they may know of limits, budgets and cost. It owns `held`.

        Raises Malformed `guardrail_blocked`, UpstreamFailed for one that does not say what it used where it must.
        """
        reply = self._delivery.reply
        if reply.chunks is None:
            self.settle()
            self._check_usage(reply.status)
            cost = self._record.cost_micro_usd
            known = {} if cost is None else {"x-hub-cost-usd": f"{cost / 1e6:.6f}"}
            body = await self._decision.screened(reply.body) if reply.status < 400 else reply.body
            self._record.bodies.replied(body)
            return Reply(reply.status, {**reply.headers, **self._decision.headers, **known}, body, held=held)
        chunks = self._record.bodies.following(self._decision.screened_stream(reply.chunks))
        if self._call.receipt:
            chunks = self._receipted(chunks)
        return Reply(reply.status, {**reply.headers, **self._decision.headers}, chunks=chunks, held=held)

    def _check_usage(self, status: int) -> None:
        usage = self._delivery.spared if self._delivery.again else self._delivery.usage
        if self._missing == "refuse" and usage.estimated and status < 400 and self._call.dialect in METERED:
            raise Unmetered(self._delivery.target)

    async def _receipted(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            yield chunk
        self.settle()
        cost = self._record.cost_micro_usd
        remaining = self._decision.headers.get("x-hub-budget-remaining-usd")
        receipt = {"cost_usd": None if cost is None else f"{cost / 1e6:.6f}", "budget_remaining_usd": remaining}
        yield b": hub-receipt " + json.dumps(receipt).encode() + b"\n\n"
