"""Admitting a call: every limit, budget and guardrail of its scopes, all or nothing."""

import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Self, TypeVar

from hub.core.calls import ModelCall, ToolCall
from hub.core.entry import Finding
from hub.core.principal import Principal
from hub.core.usage import Usage
from hub.policy.budgets import BudgetState, BudgetStatus, Gap
from hub.policy.guardrails import Guardrail, text_of
from hub.policy.limits import LimitState, LimitStatus, tightest
from hub.resources.snapshot import Snapshot

Scope = tuple[str, str]
T = TypeVar("T", LimitState, BudgetState, Guardrail)


def scopes_of(principal: Principal, call: ModelCall | ToolCall, server: str, tool: str) -> tuple[Scope, ...]:
    """Every scope that a call falls under. A tool is named `server/tool`, by the upstream's own name."""
    scopes: list[Scope] = [("org", ""), ("team", principal.team), ("user", principal.user), ("key", principal.key)]
    if isinstance(call, ModelCall):
        scopes.append(("model", call.model))
    else:
        scopes += [("profile", call.profile), ("server", server), ("tool", f"{server}/{tool}")]
    return tuple(scopes)


class Decision:
    """An admitted call. Entering took its share of every limit and budget; leaving gives back what it did not use."""

    __slots__ = ("_budgets", "_cost", "_limits", "_now", "_settled", "_taken", "_tokens", "_usage", "findings")

    def __init__(
        self,
        limits: tuple[LimitState, ...],
        budgets: tuple[BudgetState, ...],
        findings: tuple[Finding, ...],
        *,
        tokens: int,
        cost_micro_usd: int | None,
        now: Callable[[], float],
    ) -> None:
        self._limits = limits
        self._budgets = budgets
        self._tokens = tokens
        self._cost = cost_micro_usd or 0
        self._now = now
        self._taken: tuple[int, ...] = ()
        self._usage: int | None = None
        self._settled: tuple[int | None] | None = None
        self.findings = findings

    def take(self, tool_calls: int) -> None:
        """Count the call everywhere. Nothing is awaited between the checks and this, so no other call slips between."""
        self._taken = tuple(limit.take(self._tokens, tool_calls) for limit in self._limits)
        for budget in self._budgets:
            budget.reserved += self._cost

    def settle(self, usage: Usage, cost_micro_usd: int | None) -> None:
        """Say what the call really used. Without it, the call is taken to have used and cost nothing."""
        self._usage = usage.prompt + usage.completion
        self._settled = (cost_micro_usd,)

    @property
    def headers(self) -> dict[str, str]:
        """`x-ratelimit-*` of the tightest limit, and `x-hub-budget-remaining-usd` of the tightest budget."""
        headers = dict(tightest(self._limits, self._now()))
        if self._budgets:
            remaining = min(budget.remaining for budget in self._budgets)
            headers["x-hub-budget-remaining-usd"] = f"{remaining / 1e6:.6f}"
        return headers

    async def __aenter__(self) -> Self:
        """Everything was taken when the policy admitted the call."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give back the reservation and book what was settled."""
        difference = (self._usage or 0) - self._tokens
        for limit, second in zip(self._limits, self._taken, strict=True):
            limit.give_back(second, difference)
        now = self._now()
        for budget in self._budgets:
            budget.advance(now)
            budget.reserved -= self._cost
            if self._settled is not None:
                cost = self._settled[0]
                budget.spent += cost or 0
                budget.unpriced += cost is None


class Policy:
    """The state of all limits and budgets of this process. One event loop uses it, so checks need no lock."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._limits: dict[str, LimitState] = {}
        self._budgets: dict[str, BudgetState] = {}
        self._limits_by_scope: Mapping[Scope, tuple[LimitState, ...]] = {}
        self._budgets_by_scope: Mapping[Scope, tuple[BudgetState, ...]] = {}
        self._guardrails_by_scope: Mapping[Scope, tuple[Guardrail, ...]] = {}

    def reconfigure(self, snapshot: Snapshot) -> None:
        """Follow a new snapshot. What is counted survives as long as a rule keeps its scope (and period)."""
        limits: dict[str, LimitState] = {}
        for name, spec in snapshot.limits.items():
            old = self._limits.get(name)
            if old is not None and old.spec.scope == spec.scope:
                old.spec = spec
                limits[name] = old
            else:
                limits[name] = LimitState(name, spec)
        budgets: dict[str, BudgetState] = {}
        for name, spec in snapshot.budgets.items():
            old_budget = self._budgets.get(name)
            if old_budget is not None and _same_money(old_budget, spec.model_dump()):
                old_budget.spec = spec
                old_budget.limit = round(spec.usd * 1_000_000)
                budgets[name] = old_budget
            else:
                budgets[name] = BudgetState(name, spec, self._now())
        self._limits, self._budgets = limits, budgets
        self._limits_by_scope = _by_scope(limits.values())
        self._budgets_by_scope = _by_scope(budgets.values())
        self._guardrails_by_scope = _by_scope(Guardrail(name, spec) for name, spec in snapshot.guardrails.items())

    def gaps(self) -> list[Gap]:
        """What the ledger has to add before the budgets are right: spending before this process counted."""
        return [gap for budget in self._budgets.values() if (gap := budget.gap()) is not None]

    def credit(self, gap: Gap, micro_usd: int) -> None:
        """Add what the ledger holds for a gap."""
        if gap.budget in self._budgets:
            self._budgets[gap.budget].credit(gap, micro_usd)

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
        """Admit a call that may use `tokens` and cost `cost_micro_usd` (None when its price is not known).

        The reservation is made here, in one step with the checks; enter the decision at once, so that
        leaving it gives back what was not used. Raises Throttled (`rate_limited`, `too_many_parallel`,
        `budget_exhausted`) or Malformed `guardrail_blocked`.
        """
        scopes = scopes_of(principal, call, server, tool)
        limits = _applying(self._limits_by_scope, scopes)
        budgets = _applying(self._budgets_by_scope, scopes)
        now = self._now()
        tool_calls = 1 if isinstance(call, ToolCall) else 0
        findings = self._inspect(scopes, call)
        for limit in limits:
            limit.check(now, tokens, tool_calls)
        for budget in budgets:
            budget.check(now, cost_micro_usd or 0)
        decision = Decision(limits, budgets, findings, tokens=tokens, cost_micro_usd=cost_micro_usd, now=self._now)
        decision.take(tool_calls)
        return decision

    def _inspect(self, scopes: tuple[Scope, ...], call: ModelCall | ToolCall) -> tuple[Finding, ...]:
        point, body = ("input", call.body) if isinstance(call, ModelCall) else ("tool_call", call.arguments)
        rules = [rule for rule in _applying(self._guardrails_by_scope, scopes) if point in rule.spec.on]
        if not rules:
            return ()
        text = text_of(body)
        found = [rule for rule in rules if rule.finds(text)]
        for rule in found:
            if rule.spec.action == "block":
                raise rule.refuse()
        return tuple(Finding(rule.name, point=point, action="flag") for rule in found)

    def limit_status(self, name: str) -> LimitStatus | None:
        """What of a limit is used now."""
        state = self._limits.get(name)
        return state.status(self._now()) if state else None

    def budget_status(self, name: str) -> BudgetStatus | None:
        """What of a budget is used now."""
        state = self._budgets.get(name)
        return state.status(self._now()) if state else None


def _same_money(old: BudgetState, new: Mapping[str, object]) -> bool:
    before = old.spec.model_dump()
    return all(before[name] == new[name] for name in ("scope", "period", "timezone"))


def _by_scope(states: Iterable[T]) -> Mapping[Scope, tuple[T, ...]]:
    index: dict[Scope, tuple[T, ...]] = {}
    for state in states:
        index[state.spec.scope.parts] = (*index.get(state.spec.scope.parts, ()), state)
    return index


def _applying(index: Mapping[Scope, tuple[T, ...]], scopes: tuple[Scope, ...]) -> tuple[T, ...]:
    if not index:
        return ()
    return tuple(state for scope in scopes for state in index.get(scope, ()))
