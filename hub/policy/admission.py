"""Admitting a call: emergency stops, every limit, budget and guardrail of its scopes, all or nothing."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from hub.core.calls import ModelCall, ToolCall
from hub.core.inspection import Judges
from hub.core.meters import Meters
from hub.core.principal import Principal
from hub.policy.budgets import Alert, BudgetRule, BudgetStatus, Gap
from hub.policy.decision import Applying, Decision, Scope, model_scopes
from hub.policy.guardrails import Guardrails, Screening, masked
from hub.policy.limits import LimitRule, LimitStatus
from hub.policy.meters import LocalMeters
from hub.policy.shares import EachLimit
from hub.policy.standing import lost_standing, stopped
from hub.resources.snapshot import Snapshot, Stop

T = TypeVar("T", LimitRule, BudgetRule, EachLimit)
OnAlert = Callable[[Alert, BudgetRule], None]
_MOST_KNOWN = 4096
JUDGE = "guardrail"  # the kind of principal that asks a model on behalf of a rule


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
        self._each: dict[str, EachLimit] = {}
        self._budgets: dict[str, BudgetRule] = {}
        self._limits_by_scope: Mapping[Scope, tuple[LimitRule, ...]] = {}
        self._each_by_scope: Mapping[Scope, tuple[EachLimit, ...]] = {}
        self._budgets_by_scope: Mapping[Scope, tuple[BudgetRule, ...]] = {}
        self._guardrails = Guardrails({}, judges)
        self._stops: Mapping[Scope, Stop] = {}
        self._open: set[Decision] = set()
        self._known: dict[tuple[Scope, ...], Applying] = {}  # what was worked out under this snapshot

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
        queues = {name: rule.queue for name, rule in self._limits.items()}
        whole = {name: spec for name, spec in snapshot.limits.items() if spec.each is None}
        self._limits = {name: LimitRule(name, spec, queues.get(name)) for name, spec in whole.items()}
        self._each = {
            name: EachLimit(name, spec, self._each.get(name))
            for name, spec in snapshot.limits.items()
            if spec.each is not None
        }
        self._limits_by_scope = _by_scope(self._limits.values())
        self._each_by_scope = _by_scope(self._each.values())
        self._budgets_by_scope = _by_scope(budgets.values())
        named = {
            ("profile", name): tuple(spec.guardrails) for name, spec in snapshot.profiles.items() if spec.guardrails
        }
        if (dict(snapshot.guardrails), named) != (self._guardrails.specs, self._guardrails.named):
            self._guardrails = Guardrails(snapshot.guardrails, self._judges, named)
        self._stops = snapshot.stops
        self._known.clear()
        if self._open:
            self._end_those_without_standing(snapshot)

    def _end_those_without_standing(self, snapshot: Snapshot) -> None:
        now = self.now()
        keys = {
            (grant.key, grant.principal.via): grant.principal
            for grant in snapshot.keys.values()
            if grant.ends_at is None or grant.ends_at > now
        }
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
        """Add what the ledger holds for a gap; once all of a budget's are filled, its thresholds are looked at."""
        budget = self._budgets.get(gap.budget)
        if budget is not None:
            budget.credit(gap, micro_usd, self.meters)
            if not budget.gaps():
                self.alert(budget)

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
        what is stopped, NotFound for a guardrail that the caller names and may not use.
        """
        decision = Decision(self, principal, call, server, tool)
        if self._stops:
            refusal = stopped(self._stops, decision.scopes)
            if refusal is not None:
                raise refusal
        decision.wants(tokens, cost_micro_usd)
        rules = decision.guardrails
        if call.origin.guardrails:
            rules = self._guardrails.stricter(rules, call.origin.guardrails, decision.scopes)
        if rules and principal.kind != JUDGE:
            decision.screens(Screening(self._guardrails, rules, _about(decision)))
        return decision

    def budget_used(self, principal: Principal, model: str) -> float:
        """How many percent are used of the fullest budget that a caller's calls of a model fall under; 0 without one."""
        now, budgets = self.now(), self.applying(model_scopes(principal, model)).budgets
        return max((100 * rule.used(self.meters, now) for rule in budgets if rule.spec.mode != "shadow"), default=0.0)

    # -- for decisions ---------------------------------------------------------------------------------------------

    def applying(self, scopes: tuple[Scope, ...]) -> Applying:
        """The rules of these scopes."""
        known = self._known.get(scopes)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            limits = _applying(self._limits_by_scope, scopes)
            known = self._known[scopes] = Applying(
                limits,
                _applying(self._budgets_by_scope, scopes),
                self._guardrails.applying(scopes),
                tuple(rule.queue for rule in limits if rule.spec.queue is not None),
                _applying(self._each_by_scope, scopes),
            )
        return known

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

    async def look(self, names: Iterable[str]) -> None:
        """Find out how budgets and limits of these names stand where other replicas count too, for their status."""
        rules = (rules.get(name) for name in names for rules in (self._budgets, self._limits))
        await self.meters.look(meter for rule in rules if rule is not None for meter in rule.meters)

    def limit_status(self, name: str) -> LimitStatus | None:
        """What of a limit is used now."""
        rule = self._limits.get(name) or self._each.get(name)
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
