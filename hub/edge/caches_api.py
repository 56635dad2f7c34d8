"""Where prompts are read from the providers' caches less than they were: a silent way to pay several times as much."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from hub.edge.records import Records, filters_of
from hub.edge.routes import Answer, Ask, Query, Route, listed
from hub.identity import Permission
from hub.ledger import Totals

_DAY = 86_400
USUAL_DAYS = 7  # before the last one
LEAST_TOKENS = 50_000  # of prompts in the last day: below that a ratio says little
LEAST_RATIO = 0.2  # of what is usual: below that there is little to lose
FALLEN = 0.5  # of what is usual
_MOST_GROUPS = 10_000


class CachesApi:
    """The route that compares the last day with the week before it."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def _caches(self, ask: Ask) -> Answer:
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
            "/api/v1/usage/caches",
            Permission.SELF,
            "How much of each key's prompts was read from caches in the last day, and in the week before; what fell comes first",
            self._caches,
            "logs",
            reply="Page",
            query=tuple(Query(name, f"only this {name}") for name in ("key", "model", "team", "user")),
        )


def compared(lately: Sequence[Totals], before: Sequence[Totals]) -> list[dict[str, Any]]:
    """Each key and model that was called lately: its share of prompts from caches, what was usual, and whether it fell."""
    usual = {tuple(row.group.values()): _ratio(row) for row in before}
    items = [_compared(row, usual.get(tuple(row.group.values()))) for row in lately if row.usage.prompt]
    return sorted(items, key=lambda item: (not item["fell"], -item["prompt_tokens"]))


def _compared(row: Totals, usual: float | None) -> dict[str, Any]:
    ratio, prompt = _ratio(row) or 0.0, row.usage.prompt
    fell = usual is not None and usual >= LEAST_RATIO and prompt >= LEAST_TOKENS and ratio < usual * FALLEN
    known = None if usual is None else round(usual, 4)
    return {
        **row.group, "prompt_tokens": prompt, "cache_read_ratio": round(ratio, 4), "usual_cache_read_ratio": known,
        "fell": fell,
    }  # fmt: skip


def _ratio(row: Totals) -> float | None:
    return row.usage.cache_read / row.usage.prompt if row.usage.prompt else None
