"""What changed lately without anybody saying so: prompt caches read less, spending and failures that rose."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from hub.edge.records import Records, filters_of, usd
from hub.edge.routes import Answer, Ask, Query, Route, listed
from hub.identity import Permission
from hub.ledger import Totals

_DAY = 86_400
USUAL_DAYS = 7  # before the last one
TIMES = 3  # of what is usual: more than that stands out
# A prompt that is no longer read from a cache costs several times as much.
LEAST_TOKENS = 50_000  # of prompts in the last day: below that a ratio says little
LEAST_RATIO = 0.2  # of what is usual: below that there is little to lose
FALLEN = 0.5  # of what is usual
LEAST_MICRO_USD = 1_000_000
LEAST_CALLS = 20
LEAST_ERRORS = 0.2  # of the calls
_MOST_GROUPS = 10_000


class ChangesApi:
    """The route that compares the last day with the week before it."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def _changes(self, ask: Ask) -> Answer:
        filters, at = replace(filters_of(ask), call="model"), time.time()
        usage, by = self._records.queries.usage, ("key", "model")
        lately = await usage(replace(filters, since=at - _DAY), group_by=by, limit=_MOST_GROUPS)
        since = at - (USUAL_DAYS + 1) * _DAY
        before = await usage(replace(filters, since=since, until=at - _DAY), group_by=by, limit=_MOST_GROUPS)
        return listed(ask, compared(lately, before))

    def routes(self) -> Iterator[Route]:
        """The row."""
        yield Route(
            "GET",
            "/api/v1/usage/changes",
            Permission.SELF,
            "Each key and model in the last day beside the week before: spending, failures, prompts from caches; odd ones first",
            self._changes,
            "logs",
            reply="Page",
            query=tuple(Query(name, f"only this {name}") for name in ("key", "model", "team", "user")),
        )


def compared(lately: Sequence[Totals], before: Sequence[Totals]) -> list[dict[str, Any]]:
    """Each key and model that was called lately, beside what was usual; `alerts` names what stands out."""
    usual = {tuple(row.group.values()): row for row in before}
    items = [_compared(row, usual.get(tuple(row.group.values()))) for row in lately]
    return sorted(items, key=lambda item: (not item["alerts"], -float(item["cost_usd"]), -item["calls"]))


def _compared(row: Totals, usual: Totals | None) -> dict[str, Any]:
    day = None if usual is None else usual.cost_micro_usd // USUAL_DAYS
    return {
        **row.group,
        "calls": row.calls,
        "cost_usd": usd(row.cost_micro_usd),
        "usual_cost_usd": None if day is None else usd(day),
        "error_ratio": _round(_failing(row)),
        "usual_error_ratio": _round(_failing(usual)),
        "prompt_tokens": row.usage.prompt,
        "cache_read_ratio": _round(_cached(row)),
        "usual_cache_read_ratio": _round(_cached(usual)),
        "alerts": [] if usual is None else list(_alerts(row, usual)),
    }


def _alerts(row: Totals, usual: Totals) -> Iterator[str]:
    cached, cached_before = _cached(row) or 0.0, _cached(usual) or 0.0
    if row.usage.prompt >= LEAST_TOKENS and cached_before >= LEAST_RATIO and cached < cached_before * FALLEN:
        yield "cache_reads_fell"
    if row.cost_micro_usd >= LEAST_MICRO_USD and row.cost_micro_usd * USUAL_DAYS > usual.cost_micro_usd * TIMES:
        yield "cost_rose"
    failing = _failing(row) or 0.0
    if row.calls >= LEAST_CALLS and failing >= LEAST_ERRORS and failing > (_failing(usual) or 0.0) * TIMES:
        yield "errors_rose"


def _cached(row: Totals | None) -> float | None:
    return row.usage.cache_read / row.usage.prompt if row is not None and row.usage.prompt else None


def _failing(row: Totals | None) -> float | None:
    return row.errors / row.calls if row is not None and row.calls else None


def _round(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 4)
