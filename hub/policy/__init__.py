"""Principal and call in, decision or refusal out: limits, budgets and guardrails, reserved before and settled after."""

from hub.policy.admission import JUDGE, OnAlert, Policy
from hub.policy.budgets import Alert, BudgetRule, BudgetStatus, Gap
from hub.policy.decision import Decision
from hub.policy.guardrails import Elsewhere
from hub.policy.limits import LimitStatus
from hub.policy.meters import LocalMeters
from hub.policy.standing import stopped
from hub.policy.tool_prices import ToolPrice
from hub.policy.trial import Report, Sample, tried

__all__ = [
    "JUDGE",
    "Alert",
    "BudgetRule",
    "BudgetStatus",
    "Decision",
    "Elsewhere",
    "Gap",
    "LimitStatus",
    "LocalMeters",
    "OnAlert",
    "Policy",
    "Report",
    "Sample",
    "ToolPrice",
    "stopped",
    "tried",
]
