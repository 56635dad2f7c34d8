"""One call on its way in and out: what it takes of every limit and budget, and what the rules say of its words."""

import asyncio
from collections.abc import AsyncIterator, Callable
from math import inf
from time import monotonic
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from hub.core.calls import Dialect, ModelCall, ToolCall
from hub.core.entry import Finding
from hub.core.meters import PURSE, SLOTS, Ask, Claim, Meters, Taken
from hub.core.principal import Principal
from hub.core.refusal import Refusal
from hub.core.usage import Usage
from hub.policy.budgets import BudgetRule, warning
from hub.policy.counters import pays
from hub.policy.forms import screened_answer, screened_request
from hub.policy.guardrails import Elsewhere, Rule, Screening
from hub.policy.limits import LimitRule, tightest
from hub.policy.queues import Queue
from hub.policy.shares import EachLimit
from hub.policy.streams import StreamScreen

Scope = tuple[str, str]
_ORG = ("org", "")


def scopes_of(principal: Principal, call: ModelCall | ToolCall, server: str, tool: str) -> tuple[Scope, ...]:
    """Every scope that a call falls under. A tool is named `server/tool`, by the upstream's own name."""
    if isinstance(call, ModelCall):
        return model_scopes(principal, call.model)
    return *_whose(principal), ("profile", call.profile), ("server", server), ("tool", f"{server}/{tool}")


def model_scopes(principal: Principal, model: str) -> tuple[Scope, ...]:
    """Every scope that a call of a model falls under."""
    return *_whose(principal), ("model", model)


def _whose(principal: Principal) -> tuple[Scope, ...]:
    return _ORG, ("team", principal.team), ("user", principal.user), ("key", principal.key)


class Applying(NamedTuple):
    """The rules that hold for the scopes of a call."""

    limits: tuple[LimitRule, ...]
    budgets: tuple[BudgetRule, ...]
    guardrails: tuple[Rule, ...]
    queues: tuple[Queue, ...] = ()  # of those limits at which calls wait for their turn
    each: tuple[EachLimit, ...] = ()  # limits that hold for each of many by itself


class Rules(Protocol):
    """What a decision asks of the policy that made it."""

    now: Callable[[], float]
    meters: Meters

    def applying(self, scopes: tuple[Scope, ...]) -> Applying:
        """The rules of these scopes."""
        ...

    def opened(self, decision: "Decision") -> None:
        """A call is in flight."""
        ...

    def closed(self, decision: "Decision") -> None:
        """A call is over."""
        ...

    def alert(self, rule: BudgetRule) -> None:
        """Tell whoever listens about a threshold that was just reached."""
        ...


class Decision:
    """A call on its way in: entering takes its share of every limit and budget and screens what it says.

    Leaving gives back what it did not use. `body` is what goes on to the upstream.
    """

    __slots__ = (
        "_applying",
        "_ask_of",
        "_claim",
        "_policy",
        "_said",
        "_screen",
        "_screening",
        "_settled",
        "_taken",
        "_task",
        "_usage",
        "body",
        "call",
        "ended",
        "guardrails",
        "principal",
        "scopes",
        "server",
        "tool",
    )

    def __init__(self, policy: Rules, principal: Principal, call: ModelCall | ToolCall, server: str, tool: str) -> None:
        self._policy = policy
        self.principal = principal
        self.call = call
        self.server = server
        self.tool = tool
        self.scopes = scopes_of(principal, call, server, tool)
        self.body = call.body if isinstance(call, ModelCall) else call.arguments
        applying = policy.applying(self.scopes)
        if applying.each:
            own = [limit.of(call, policy.meters) for limit in applying.each]
            applying = applying._replace(limits=(*applying.limits, *own))
        self._applying = applying
        self.guardrails = self._applying.guardrails  # the rules about what is said that hold for the call
        self._ask_of: tuple[LimitRule | BudgetRule, ...] = ()
        self._claim = Claim(call.id, ())
        self._screening: Screening | None = None
        self._screen: StreamScreen | None = None
        self._taken: Taken | None = None
        self._task: asyncio.Task[object] | None = None
        self.ended: Refusal | None = None  # why the call was ended from outside
        self._said: dict[str, str] = {}
        self._usage: int | None = None
        self._settled: tuple[int | None] | None = None

    def wants(self, tokens: int, cost_micro_usd: int | None) -> None:
        """What the call may use and cost at most. Raises PriceUnknown where a budget takes no call without a price."""
        call, applying = self.call, self._applying
        model, tool_calls = (call.model, 0) if isinstance(call, ModelCall) else ("", 1)
        rules: list[LimitRule | BudgetRule] = []
        asks: list[Ask] = []
        for limit in applying.limits:
            wanted = limit.asks(tokens, tool_calls)
            asks += wanted
            rules += [limit] * len(wanted)
        if applying.budgets:
            meters, now = self._policy.meters, self._policy.now()
            for budget in applying.budgets:
                if cost_micro_usd is None and budget.spec.unpriced == "refuse":
                    raise budget.unpriced_refusal(model)
                asks.append(budget.ask(now, cost_micro_usd or 0, model, meters))
                rules.append(budget)
        self._ask_of = tuple(rules)
        self._claim = Claim(call.id, tuple(asks))

    def screens(self, screening: Screening) -> None:
        """The rules that what it says falls under."""
        self._screening = screening

    @property
    def is_screened(self) -> bool:
        """Whether rules look at what it says."""
        return self._screening is not None

    # -- in --------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Take, then screen; see `take`."""
        await self.take()
        return self

    async def take(self) -> None:
        """Take, then screen.

        Raises Throttled (`rate_limited`, `too_many_parallel`, `budget_exhausted`), Malformed `guardrail_blocked`,
        Elsewhere for a call that shall go to another model, or Unavailable when shared meters cannot be asked.
        """
        self._task = asyncio.current_task()
        if self._applying.queues:
            taken = await self._granted()
        else:
            taken = await self._policy.meters.take(self._claim) if self._claim.asks else Taken()
        if taken.refused is not None:
            raise self._refusal(taken, taken.refused)
        self._taken = taken
        self._policy.opened(self)
        if self._screening is not None:
            try:
                await self._screen_in(self._screening)
            except BaseException as error:
                self.give_back(error)
                raise

    async def _granted(self) -> Taken:
        """What the meters say, once it is this call's turn at every limit where calls wait."""
        taken, ends = None, inf
        for place, rule in enumerate(self._ask_of):  # nobody overtakes those who wait
            if isinstance(rule, LimitRule) and rule.queue and self._claim.asks[place].kind is SLOTS:
                taken = Taken(refused=place)
        taken = taken or await self._policy.meters.take(self._claim)
        while taken.refused is not None and self._claim.asks[taken.refused].kind is SLOTS:
            rule = self._ask_of[taken.refused]
            if not isinstance(rule, LimitRule) or rule.spec.queue is None:
                break
            ends = min(ends, monotonic() + rule.spec.queue.seconds)
            self._policy.opened(self)  # who waits can be ended, too
            try:
                taken = await self._waited(rule, rule.spec.queue.most, ends, taken.refused)
            except asyncio.CancelledError as error:
                self._raise_ended(error)
                raise
            finally:
                self._policy.closed(self)
        return taken

    async def _waited(self, rule: LimitRule, most: int, ends: float, place: int) -> Taken:
        """What the meters say when it is this call's turn. Raises Throttled when it waited in vain."""
        waiter = rule.queue.join(self.principal.priority, most)
        if waiter is None:
            raise self._refusal(Taken(refused=place), place)
        try:
            while not waiter.pushed_out and (left := ends - monotonic()) > 0:
                if rule.queue.is_first(waiter):
                    taken = await self._policy.meters.take(self._claim)
                    if taken.refused != place:
                        return taken
                await rule.queue.turn(waiter, left)
        finally:
            rule.queue.leave(waiter)
        raise self._refusal(Taken(refused=place), place)

    def afford(self) -> None:
        """Take nothing, and raise what a budget says against the call as its money stands: see `take`."""
        for place, ask in enumerate(self._claim.asks):
            if ask.kind is PURSE and ask.limit is not None:
                level = self._policy.meters.level(ask.meter, ask.kind)
                if not pays(level.used + level.reserved, ask.amount, ask.limit):
                    raise self._refusal(Taken(refused=place, level=level), place)

    def _refusal(self, taken: Taken, place: int) -> Refusal:
        rule, ask = self._ask_of[place], self._claim.asks[place]
        if isinstance(rule, LimitRule):
            return rule.refusal(ask, taken)
        refusal = rule.refusal(ask, taken.level, self._policy.now())
        if rule.spec.mode == "downgrade" and rule.spec.downgrade_to and isinstance(self.call, ModelCall):
            return Elsewhere(rule.spec.downgrade_to, refusal, action="downgrade")
        return refusal

    async def _screen_in(self, screening: Screening) -> None:
        if isinstance(self.call, ModelCall):
            self.body = await screened_request(screening, self.call)
        else:
            self.body = await screening.screen("tool_call", self.body, tool=f"{self.server}/{self.tool}")

    # -- on the way out --------------------------------------------------------------------------------------------

    async def screened(self, body: bytes) -> bytes:
        """An answer as the caller may have it. Raises Malformed `guardrail_blocked`."""
        if self._screening is None:
            return body
        if isinstance(self.call, ModelCall):
            return await screened_answer(self._screening, self.call.dialect, body)
        return await self._screening.screen("tool_result", body)

    def screened_stream(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """A streamed answer as the caller may have it. Iterating it raises Malformed `guardrail_blocked`."""
        if self._screening is None or (isinstance(self.call, ModelCall) and self.call.dialect is Dialect.OPENAI_SPEECH):
            return chunks
        screen = StreamScreen(self._screening)
        if not screen.is_needed:
            return chunks
        self._screen = screen
        return screen.through(chunks)

    @property
    def holds_back(self) -> bool:
        """Whether a part of a streamed answer waits to be judged."""
        return self._screen is not None and self._screen.holds_back

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the rules found until now."""
        return tuple(self._screening.findings) if self._screening is not None else ()

    @property
    def headers(self) -> dict[str, str]:
        """`x-ratelimit-*` of the tightest limit, and `x-hub-budget-remaining-usd` of the tightest budget."""
        policy = self._policy
        headers = tightest(self._applying.limits, policy.meters)
        remaining: int | None = None
        for budget in self._applying.budgets:
            if budget.spec.mode != "shadow":
                left = budget.remaining(policy.meters, policy.now())
                remaining = left if remaining is None else min(left, remaining)
        if remaining is not None:
            headers["x-hub-budget-remaining-usd"] = f"{remaining / 1e6:.6f}"
            if isinstance(self.call, ModelCall) and self.call.dialect is Dialect.ANTHROPIC_MESSAGES:
                headers |= warning(self._applying.budgets, policy.meters, policy.now())
        return headers | self._said if self._said else headers

    def say(self, header: str, value: str) -> None:
        """Add a header to what the caller is told."""
        self._said[header] = value

    def settle(self, usage: Usage, cost_micro_usd: int | None, tokens: int | None = None) -> None:
        """Say what the call really used. Without it, the call is taken to have used and cost nothing."""
        self._usage = usage.prompt + usage.completion if tokens is None else tokens
        self._settled = (cost_micro_usd,)

    def end(self, refusal: Refusal) -> None:
        """End the call from outside, wherever it is: it was stopped, or its key was revoked."""
        if self.ended is None and self._task is not None:
            self.ended = refusal
            self._task.cancel()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave; see `give_back`."""
        self.give_back(error)

    def give_back(self, error: BaseException | None) -> None:
        """Give back the reservation and book what was settled. A call that was ended from outside says why."""
        if self._taken is None:
            return
        taken, self._taken = self._taken, None
        self._policy.closed(self)
        if self._screen is not None:
            self._screen.left()
        if self._claim.asks:
            self._policy.meters.settle(self._claim, taken, self._used())
            for queue in self._applying.queues:
                queue.wake()
            if self._applying.budgets:
                self._tell()
        self._raise_ended(error)

    def _raise_ended(self, error: BaseException | None) -> None:
        """Raise why the call was ended from outside, where that is what `error` is about."""
        if self.ended is not None and isinstance(error, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            raise self.ended from None

    def _used(self) -> tuple[int, ...]:
        """What the call really used of each ask."""
        cost, tokens = (self._settled[0] or 0) if self._settled is not None else 0, self._usage or 0
        return tuple([tokens if ask.tokens else cost if ask.kind is PURSE else ask.amount for ask in self._claim.asks])

    def _tell(self) -> None:
        unpriced = self._settled is not None and self._settled[0] is None
        for budget in self._applying.budgets:
            budget.unpriced += unpriced
            self._policy.alert(budget)
