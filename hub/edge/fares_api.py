"""How the targets of a model or a route fare beside each other: what a split is judged by, over HTTP."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hub.core.plan import Target
from hub.core.principal import Principal
from hub.core.refusal import Malformed
from hub.edge.records import FILTERS, Records, filters_of, percentiles_view, usage_view, usd
from hub.edge.routes import Answer, Ask, Route, listed
from hub.identity import Permission, teams_with
from hub.ledger import Fare
from hub.resources import Snapshot

_OF_CALLS = (
    "errors", "cancelled", "cost_micro_usd", "cost_usd", "unpriced", "cache_read_ratio", "duration_p50_ms", "duration_p95_ms",
    "duration_p99_ms", "ttft_p50_ms", "ttft_p95_ms", "ttft_p99_ms",
)  # fmt: skip


class FaresApi:
    """The route that compares targets."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def _targets(self, ask: Ask) -> Answer:
        model, route = ask.query("model"), ask.query("route")
        if not model and not route:
            raise Malformed("malformed", "Name a model or a route: ?model=NAME or ?route=NAME.")
        filters = filters_of(ask)
        if model:
            filters = replace(filters, model=ask.snapshot.canonical(model))
        found = await self._records.fares.of(filters)
        chosen = _chosen(ask.snapshot, ask.principal, model, route)
        asked = {fare.target for fare in found}
        idle = [Fare(name, 0, 0, 0, 0, {}, None, None) for name in chosen if name not in asked]
        began, answered = sum(fare.began for fare in found), sum(_calls(fare) for fare in found)
        items = [fare_view(fare, chosen.get(fare.target), began, answered) for fare in (*found, *idle)]
        return listed(ask, items)

    def routes(self) -> Iterator[Route]:
        """The row."""
        yield Route(
            "GET",
            "/api/v1/usage/targets",
            Permission.SELF,
            "How the targets of a model or a route fare: shares, failures, times, cost",
            self._targets,
            "logs",
            reply="Page",
            query=FILTERS,
        )


def _chosen(snapshot: Snapshot, principal: Principal, model: str, route: str) -> Mapping[str, Target]:
    """The targets that a model or a route gives calls that no rule takes elsewhere, as far as the caller may know them."""
    virtual = snapshot.models.get(snapshot.canonical(model)) if principal.may_use_model(model) else None
    name = route or (virtual.route if virtual is not None else "")
    if route and teams_with(principal, Permission.PLATFORM_READ) is not None:
        return {}
    targets = snapshot.routes[name].targets if name in snapshot.routes else ()
    if not targets and virtual is not None:
        targets = virtual.targets
    return {target.deployment.target: target for target in targets if target.weight}


def _calls(fare: Fare) -> int:
    return fare.totals.calls if fare.totals is not None else 0


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def fare_view(fare: Fare, target: Target | None, began: int, answered: int) -> dict[str, Any]:
    """One target as JSON. `began` and `answered` are the sums over all targets; "" is for calls that nobody answered.

    `failed_between` is the range that holds the true `failed_share` with 95 %: of two targets whose ranges do not
    meet, one fails more often.
    """
    share, calls = fare.failed_share, _calls(fare)
    view: dict[str, Any] = {
        "target": fare.target,
        "priority": target.priority if target is not None else None,
        "weight": target.weight if target is not None else None,
        "began": fare.began,
        "began_share": _share(fare.began, began),
        "calls": calls,
        "calls_share": _share(calls, answered),
        "tries": fare.tries,
        "copies": fare.copies,
        "failed": fare.failed,
        "failures": dict(fare.failures),
        "failed_share": None if share is None else round(share[0], 4),
        "failed_between": None if share is None else [round(share[1], 4), round(share[2], 4)],
        **percentiles_view("took", fare.took),
    }
    if fare.totals is None:
        return {**view, **dict.fromkeys((*_OF_CALLS, "tokens_in", "tokens_out", "cost_per_call_usd"))}
    usage, priced = usage_view(fare.totals), calls - fare.totals.unpriced
    return {
        **view,
        **{name: usage[name] for name in _OF_CALLS},
        "tokens_in": fare.totals.usage.prompt,
        "tokens_out": fare.totals.usage.completion,
        "cost_per_call_usd": usd(round(fare.totals.cost_micro_usd / priced)) if priced else None,
    }
