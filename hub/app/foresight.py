"""What would become of a call now, without making it: its plan, and what budgets say of that plan."""

from dataclasses import dataclass

from msgspec.structs import replace

from hub.core.calls import ModelCall
from hub.core.plan import Foreseen, Plan
from hub.core.refusal import Refusal
from hub.model_path import MOST_TURNS, ever_cheaper, expected
from hub.policy import Elsewhere, Policy
from hub.resources import KeyGrant, Snapshot
from hub.routing import Conditions, plan


@dataclass(frozen=True, slots=True)
class Foresight:
    """Goes the way of a call as far as plan and money, by the same steps, and takes nothing."""

    policy: Policy
    conditions: Conditions

    def of(self, snapshot: Snapshot, grant: KeyGrant, call: ModelCall) -> Foreseen:
        """What would become of a call. Raises Refusal where there is no plan for it."""
        turn: Elsewhere | None = None
        chosen = plan(snapshot, grant, call, self.conditions)
        for _ in range(MOST_TURNS):
            found = self._afforded(snapshot, grant, call, chosen)
            if isinstance(found, Plan):
                return Foreseen(found, turn and turn.cause)
            if not isinstance(found, Elsewhere):
                return Foreseen(chosen, turn and turn.cause, found)
            turn, call = found, replace(call, model=found.model)
            try:
                chosen = plan(snapshot, grant, call, self.conditions)
            except Refusal:
                break
        return Foreseen(chosen, refusal=turn and turn.cause)

    def _afforded(self, snapshot: Snapshot, grant: KeyGrant, call: ModelCall, chosen: Plan) -> Plan | Refusal:
        """As much of a plan as its budgets can pay, or what stands against all of it."""
        first: Refusal | None = None
        for less in ever_cheaper(snapshot, call, chosen):
            tokens, ceiling = expected(snapshot, call, less)
            try:
                self.policy.admit(grant.principal, call, tokens=tokens, cost_micro_usd=ceiling).afford()
            except Refusal as refusal:
                first = first or refusal
            else:
                return less
        assert first is not None
        return first
