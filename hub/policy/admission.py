"""Admitting a call: emergency stops, every limit, budget and guardrail of its scopes, all or nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from types import TracebackType
from typing import Self, TypeVar

from hub.core.calls import ModelCall, ToolCall
from hub.core.entry import Finding
from hub.core.inspection import Judges
from hub.core.meters import Ask, Claim, Kind, Meters, Taken
from hub.core.principal import Principal
from hub.core.refusal import Refusal
from hub.core.usage import Usage
from hub.policy.budgets import Alert, BudgetRule, BudgetStatus, Gap
from hub.policy.guardrails import Elsewhere, Guardrails, Screening, masked
from hub.policy.limits import LimitRule, LimitStatus, tightest
from hub.policy.meters import LocalMeters
from hub.policy.standing import lost_standing, stopped
from hub.policy.streams import StreamScreen
from hub.resources.snapshot import Snapshot, Stop

Scope = tuple[str, str]
T = TypeVar("T", LimitRule, BudgetRule)
OnAlert = Callable[[Alert, BudgetRule], None]
JUDGE = "guardrail"  # the kind of principal that asks a model on behalf of a rule


def scopes_of(principal: Principal, call: ModelCall | ToolCall, server: str, tool: str) -> tuple[Scope, ...]:
    """Every scope that a call falls under. A tool is named `server/tool`, by the upstream's own name."""
    scopes: list[Scope] = [("org", ""), ("team", principal.team), ("user", principal.user), ("key", principal.key)]
    if isinstance(call, ModelCall):
        scopes.append(("model", call.model))
    else:
        scopes += [("profile", call.profile), ("server", server), ("tool", f"{server}/{tool}")]
    return tuple(scopes)


class Decision:
    """A call on its way in: entering takes its share of every limit and budget and screens what it says.

    Leaving gives back what it did not use. `body` is what goes on to the upstream.
    """

    __slots__ = (
        "_ask_of",
        "_claim",
        "_cost",
        "_ended",
        "_limits",
        "_policy",
        "_said",
        "_screening",
        "_settled",
        "_taken",
        "_task",
        "_tokens",
        "_usage",
        "body",
        "call",
        "principal",
        "scopes",
        "server",
        "tool",
    )  # fmt: skip

    def __init__(
        self, policy: "Policy", principal: Principal, call: ModelCall | ToolCall, server: str, tool: str
    ) -> None:
        self._policy = policy
        self.principal = principal
        self.call = call
        self.server = server
        self.tool = tool
        self.scopes = scopes_of(principal, call, server, tool)
        self.body = call.body if isinstance(call, ModelCall) else call.arguments
        self._limits: tuple[LimitRule, ...] = ()
        self._ask_of: tuple[LimitRule | BudgetRule, ...] = ()
        self._claim = Claim(call.id, ())
        self._screening: Screening | None = None
        self._taken: Taken | None = None
        self._task: asyncio.Task[object] | None = None
        self._ended: Refusal | None = None
        self._tokens = self._cost = 0
        self._said: dict[str, str] = {}
        self._usage: int | None = None
        self._settled: tuple[int | None] | None = None

    def wants(self, tokens: int, cost_micro_usd: int | None) -> None:
        """What the call may use and cost at most."""
        policy, now = self._policy, self._policy.now()
        self._tokens, self._cost = tokens, cost_micro_usd or 0
        tool_calls = 1 if isinstance(self.call, ToolCall) else 0
        model = self.call.model if isinstance(self.call, ModelCall) else ""
        self._limits = policy.limits_of(self.scopes)
        rows: list[tuple[LimitRule | BudgetRule, Ask]] = [
            (limit, ask) for limit in self._limits for ask in limit.asks(tokens, tool_calls)
        ]
        rows += [
            (budget, budget.ask(now, self._cost, model, policy.meters)) for budget in policy.budgets_of(self.scopes)
        ]
        self._ask_of = tuple(rule for rule, _ in rows)
        self._claim = Claim(self.call.id, tuple(ask for _, ask in rows))

    def screens(self, screening: Screening) -> None:
        """The rules that what it says falls under."""
        self._screening = screening

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
        taken = await self._policy.meters.take(self._claim) if self._claim.asks else Taken()
        if taken.refused is not None:
            raise self._refusal(taken, taken.refused)
        self._taken = taken
        self._task = asyncio.current_task()
        self._policy.opened(self)
        if self._screening is not None:
            try:
                await self._screen_in(self._screening)
            except BaseException as error:
                self.give_back(error)
                raise

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
            self.body = await screening.screen("input", self.body, model=self.call.model)
        else:
            self.body = await screening.screen("tool_call", self.body, tool=f"{self.server}/{self.tool}")

    # -- on the way out --------------------------------------------------------------------------------------------

    async def screened(self, body: bytes) -> bytes:
        """An answer as the caller may have it. Raises Malformed `guardrail_blocked`."""
        if self._screening is None:
            return body
        return await self._screening.screen("output" if isinstance(self.call, ModelCall) else "tool_result", body)

    def screened_stream(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """A streamed answer as the caller may have it. Iterating it raises Malformed `guardrail_blocked`."""
        if self._screening is None:
            return chunks
        screen = StreamScreen(self._screening)
        return screen.through(chunks) if screen.is_needed else chunks

    @property
    def is_screened(self) -> bool:
        """Whether rules look at what the call says."""
        return self._screening is not None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the rules found until now."""
        return tuple(self._screening.findings) if self._screening is not None else ()

    @property
    def headers(self) -> dict[str, str]:
        """`x-ratelimit-*` of the tightest limit, and `x-hub-budget-remaining-usd` of the tightest budget."""
        policy = self._policy
        headers = dict(tightest(self._limits, policy.meters))
        budgets = [rule for rule in self._ask_of if isinstance(rule, BudgetRule) and rule.spec.mode != "shadow"]
        if budgets:
            remaining = min(budget.remaining(policy.meters, policy.now()) for budget in budgets)
            headers["x-hub-budget-remaining-usd"] = f"{remaining / 1e6:.6f}"
        return headers | self._said

    def say(self, header: str, value: str) -> None:
        """Add a header to what the caller is told."""
        self._said[header] = value

    def settle(self, usage: Usage, cost_micro_usd: int | None, tokens: int | None = None) -> None:
        """Say what the call really used. Without it, the call is taken to have used and cost nothing."""
        self._usage = usage.prompt + usage.completion if tokens is None else tokens
        self._settled = (cost_micro_usd,)

    @property
    def ended(self) -> Refusal | None:
        """Why the call was ended from outside, if it was."""
        return self._ended

    def end(self, refusal: Refusal) -> None:
        """End the call from outside, wherever it is: it was stopped, or its key was revoked."""
        if self._ended is None and self._task is not None:
            self._ended = refusal
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
        if self._claim.asks:
            self._policy.meters.settle(self._claim, taken, tuple(self._used()))
            self._tell()
        if self._ended is not None and isinstance(error, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            raise self._ended from None

    def _used(self) -> Iterable[int]:
        cost = (self._settled[0] or 0) if self._settled is not None else 0
        for rule, ask in zip(self._ask_of, self._claim.asks, strict=True):
            if ask.kind is Kind.PURSE:
                yield cost
            elif isinstance(rule, LimitRule) and ask.meter.endswith(":tokens"):
                yield self._usage or 0
            else:
                yield ask.amount

    def _tell(self) -> None:
        unpriced = self._settled is not None and self._settled[0] is None
        for rule in self._ask_of:
            if isinstance(rule, BudgetRule):
                rule.unpriced += unpriced
                self._policy.alert(rule)


class Policy:
    """The rules of a snapshot at work. One event loop uses it; what is counted is in `meters`."""

    def __init__(
        self,
        now: Callable[[], float] = time.time,
        meters: Meters | None = None,
        judges: Judges | None = None,
        on_alert: OnAlert | None = None,
    ) -> None:
        self.now = now
        self.meters: Meters = meters or LocalMeters(now)
        self._judges = judges
        self._on_alert = on_alert
        self._limits: dict[str, LimitRule] = {}
        self._budgets: dict[str, BudgetRule] = {}
        self._limits_by_scope: Mapping[Scope, tuple[LimitRule, ...]] = {}
        self._budgets_by_scope: Mapping[Scope, tuple[BudgetRule, ...]] = {}
        self._guardrails = Guardrails({}, judges)
        self._stops: Mapping[Scope, Stop] = {}
        self._open: set[Decision] = set()

    def reconfigure(self, snapshot: Snapshot) -> None:
        """Follow a new snapshot. What is counted survives as long as a rule keeps its scope (and period).

        Calls in flight that would not be admitted any more, because they are stopped or their key is gone, end.
        """
        now = self.now()
        budgets: dict[str, BudgetRule] = {}
        for name, spec in snapshot.budgets.items():
            old = self._budgets.get(name)
            budgets[name] = old if old is not None and old.adopt(spec) else BudgetRule(name, spec, now)
        self._budgets = budgets
        self._limits = {name: LimitRule(name, spec) for name, spec in snapshot.limits.items()}
        self._limits_by_scope = _by_scope(self._limits.values())
        self._budgets_by_scope = _by_scope(budgets.values())
        if dict(snapshot.guardrails) != self._guardrails.specs:
            self._guardrails = Guardrails(snapshot.guardrails, self._judges)
        self._stops = snapshot.stops
        if self._open:
            self._end_those_without_standing(snapshot)

    def _end_those_without_standing(self, snapshot: Snapshot) -> None:
        keys = {grant.key: grant.principal for grant in snapshot.keys.values()}
        for decision in tuple(self._open):
            tool = f"{decision.server}/{decision.tool}" if decision.server else ""
            refusal = stopped(snapshot.stops, decision.scopes) or lost_standing(
                snapshot, keys, decision.principal, decision.call, tool
            )
            if refusal is not None:
                decision.end(refusal)

    def gaps(self) -> list[Gap]:
        """What the ledger has to add before the budgets are right: spending before this process counted."""
        return [gap for budget in self._budgets.values() for gap in budget.gaps()]

    def credit(self, gap: Gap, micro_usd: int) -> None:
        """Add what the ledger holds for a gap."""
        if gap.budget in self._budgets:
            self._budgets[gap.budget].credit(gap, micro_usd, self.meters)

    def admit(
        self,
        principal: Principal,
        call: ModelCall | ToolCall,
        *,
        tokens: int = 0,
        cost_micro_usd: int | None = None,
        server: str = "",
        tool: str = "",
    ) -> Decision:
        """The decision about a call that may use `tokens` and cost `cost_micro_usd` (None: its price is not known).

        Enter it: that takes what it needs, all or nothing, and raises what stands against it. Raises Forbidden for
        what is stopped.
        """
        decision = Decision(self, principal, call, server, tool)
        if self._stops:
            refusal = stopped(self._stops, decision.scopes)
            if refusal is not None:
                raise refusal
        decision.wants(tokens, cost_micro_usd)
        rules = self._guardrails.applying(decision.scopes)
        if rules and principal.kind != JUDGE:
            decision.screens(Screening(self._guardrails, rules, _about(decision)))
        return decision

    # -- for decisions ---------------------------------------------------------------------------------------------

    def limits_of(self, scopes: tuple[Scope, ...]) -> tuple[LimitRule, ...]:
        """The limits of these scopes."""
        return _applying(self._limits_by_scope, scopes)

    def budgets_of(self, scopes: tuple[Scope, ...]) -> tuple[BudgetRule, ...]:
        """The budgets of these scopes."""
        return _applying(self._budgets_by_scope, scopes)

    def opened(self, decision: Decision) -> None:
        """A call is in flight."""
        self._open.add(decision)

    def closed(self, decision: Decision) -> None:
        """A call is over."""
        self._open.discard(decision)

    def alert(self, rule: BudgetRule) -> None:
        """Tell whoever listens about a threshold that was just reached."""
        if self._on_alert is None:
            return
        alert = rule.alert(self.meters, self.now())
        if alert is not None:
            self._on_alert(alert, rule)

    # -- for people ------------------------------------------------------------------------------------------------

    def limit_status(self, name: str) -> LimitStatus | None:
        """What of a limit is used now."""
        rule = self._limits.get(name)
        return rule.status(self.meters) if rule else None

    def budget_status(self, name: str) -> BudgetStatus | None:
        """What of a budget is used now."""
        rule = self._budgets.get(name)
        return rule.status(self.meters, self.now()) if rule else None


def _about(decision: Decision) -> tuple[tuple[str, str], ...]:
    principal, call = decision.principal, decision.call
    model = call.model if isinstance(call, ModelCall) else ""
    profile = call.profile if isinstance(call, ToolCall) else ""
    whose = {"call": call.id, "principal": principal.id, "team": principal.team, "model": model, "profile": profile}
    return masked({**whose, "server": decision.server, "tool": decision.tool})


def _by_scope(rules: Iterable[T]) -> Mapping[Scope, tuple[T, ...]]:
    index: dict[Scope, tuple[T, ...]] = {}
    for rule in rules:
        index[rule.spec.scope.parts] = (*index.get(rule.spec.scope.parts, ()), rule)
    return index


def _applying(index: Mapping[Scope, tuple[T, ...]], scopes: tuple[Scope, ...]) -> tuple[T, ...]:
    if not index:
        return ()
    return tuple(rule for scope in scopes for rule in index.get(scope, ()))
