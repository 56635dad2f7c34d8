"""Principal and call in, decision or refusal out: limits, budgets and guardrails, reserved before and settled after."""

from hub.policy.admission import Decision, Policy
from hub.policy.budgets import BudgetStatus, Gap
from hub.policy.limits import LimitStatus

__all__ = ["BudgetStatus", "Decision", "Gap", "LimitStatus", "Policy"]
