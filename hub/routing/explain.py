"""What a call would do, told without making it: the plan itself, as plain data."""

from typing import Any

import msgspec

from hub.core.plan import Plan, Target
from hub.core.refusal import Refusal
from hub.resources.model_catalog import PICO_PER_USD_PER_MILLION, PICO_PER_USD_PER_THOUSAND, Price
from hub.resources.snapshot import Snapshot
from hub.routing.order import expected_pico
from hub.routing.sift import ENDPOINTS

_PICO_PER_USD = 10**12
_encode = msgspec.json.Encoder().encode


def explain(
    snapshot: Snapshot, plan: Plan, output: int, *, turn: Refusal | None = None, refusal: Refusal | None = None
) -> dict[str, Any]:
    """A plan as JSON data: the rules that were asked, the targets in order, those left out and why, what it may cost.

    `share` is how much of its priority's traffic a target leads, by weight. `output` is the number of tokens
    that the answer is taken to have. `turn` is why the call goes to the plan's model instead of its own (told as
    `instead`), `refusal` why it is not made at all (told as `refused`).
    """
    return {
        "model": plan.model,
        "instead": turn and {"code": turn.code, "message": turn.message},
        "refused": refusal and {"code": refusal.code, "message": refusal.message, "status": refusal.status},
        "generation": snapshot.generation,
        "route": plan.route or None,
        "rules": [
            {"rule": seen.rule, "holds": not seen.because, "because": seen.because or None} for seen in plan.rules
        ],
        "strategy": plan.strategy,
        "sticky": plan.sticky or None,
        "tokens": {"prompt": plan.tokens, "output": output},
        "attempts": [_attempt(snapshot, plan, target, output) for target in plan.targets],
        "dropped": [{"target": drop.target, "reason": drop.reason} for drop in plan.dropped],
        "tries": plan.retry.tries,
        "shadow": plan.shadow.deployment.target if plan.shadow else None,
    }


def plan_record(plan: Plan, ceiling_micro_usd: int | None) -> str:
    """What the ledger keeps of a plan, as JSON text in the words of `explain`, without what the entry says anyway."""
    told: dict[str, Any] = {"attempts": [deployment.target for deployment in plan.attempts]}
    if plan.route:
        told["route"] = plan.route
    if plan.rules:
        told["rules"] = [{"rule": seen.rule, "holds": not seen.because, "because": seen.because} for seen in plan.rules]
    if plan.dropped:
        told["dropped"] = [{"target": drop.target, "reason": drop.reason} for drop in plan.dropped]
    if plan.sticky:
        told["sticky"] = plan.sticky
    for deployment in plan.attempts:
        if deployment.own:
            told["credential"] = deployment.own
            break
    told |= {"strategy": plan.strategy, "tokens": plan.tokens, "may_cost_micro_usd": ceiling_micro_usd}
    return _encode(told).decode()


def _attempt(snapshot: Snapshot, plan: Plan, target: Target, output: int) -> dict[str, Any]:
    deployment = target.deployment
    rivals = sum(other.weight for other in plan.targets if other.priority == target.priority)
    price = snapshot.price(plan.model, deployment.target)
    cost = expected_pico(price, plan.tokens, output)
    return {
        "target": deployment.target,
        "kind": deployment.kind,
        "priority": target.priority,
        "weight": target.weight,
        "share": round(target.weight / rivals, 4),
        "region": deployment.region or None,
        "credential": deployment.own or "hub",
        "context_window": deployment.context_window,
        "endpoints": [ENDPOINTS[spoken] for spoken in deployment.paths if spoken in ENDPOINTS],
        "price": price_view(price),
        "may_cost_usd": None if cost is None else f"{cost / _PICO_PER_USD:.6f}",
    }


def price_view(price: Price | None) -> dict[str, str] | None:
    """The rates of a price in USD per million tokens, as decimal strings; None when it is not known.

    `searches` is in USD per thousand web searches.
    """
    if price is None:
        return None
    rates = {name: getattr(price.rates, name) for name in price.rates.__struct_fields__}
    known = {name: _usd(rate) for name, rate in rates.items() if rate is not None}
    if price.search is not None:
        known["searches"] = _usd(price.search * PICO_PER_USD_PER_MILLION // PICO_PER_USD_PER_THOUSAND)
    return known


def _usd(pico: int) -> str:
    whole, part = divmod(pico, PICO_PER_USD_PER_MILLION)
    return f"{whole}.{part:06d}".rstrip("0").rstrip(".")
