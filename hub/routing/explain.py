"""What a call would do, told without making it."""

import random
from collections.abc import Callable
from typing import Any

from hub.core.calls import Dialect
from hub.core.principal import Principal
from hub.resources.model_catalog import PICO_PER_USD_PER_MILLION, Price
from hub.resources.snapshot import Snapshot, Target
from hub.routing.order import ordered
from hub.routing.plan import ENDPOINTS, allowed_model, sift


def explain(
    snapshot: Snapshot,
    principal: Principal,
    model: str,
    *,
    dialect: Dialect | None = None,
    session: str = "",
    pick: Callable[[], float] = random.random,
) -> dict[str, Any]:
    """Which targets a call of `model` would try and why not the others, as plain JSON data.

    `share` is how much of its priority's traffic a target leads. Raises NotFound or Forbidden as a call would.
    """
    virtual = allowed_model(snapshot, principal, model)
    kept, dropped = sift(virtual.targets, dialect)
    return {
        "model": model,
        "generation": snapshot.generation,
        "sticky": bool(session),
        "attempts": [_attempt(snapshot, model, target, kept) for target in ordered(kept, session, pick)],
        "dropped": [{"target": drop.target, "reason": drop.reason} for drop in dropped],
    }


def _attempt(snapshot: Snapshot, model: str, target: Target, kept: list[Target]) -> dict[str, Any]:
    rivals = sum(other.weight for other in kept if other.priority == target.priority)
    return {
        "target": target.deployment.target,
        "kind": target.deployment.kind,
        "priority": target.priority,
        "weight": target.weight,
        "share": round(target.weight / rivals, 4),
        "endpoints": [ENDPOINTS[spoken] for spoken in target.deployment.paths if spoken in ENDPOINTS],
        "price": price_view(snapshot.price(model, target.deployment.target)),
    }


def price_view(price: Price | None) -> dict[str, str] | None:
    """The rates of a price in USD per million tokens, as decimal strings; None when it is not known."""
    if price is None:
        return None
    rates = {name: getattr(price.rates, name) for name in price.rates.__struct_fields__}
    return {name: _usd(rate) for name, rate in rates.items() if rate is not None}


def _usd(pico: int) -> str:
    whole, part = divmod(pico, PICO_PER_USD_PER_MILLION)
    return f"{whole}.{part:06d}".rstrip("0").rstrip(".")
