"""Costs worked out anew from the usage that is kept, after a price was corrected; what was said before stays readable."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from msgspec import json
from sqlalchemy import and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from hub.core.entry import Entry
from hub.ledger.filters import Filters, conditions
from hub.ledger.pricing import cost_micro_usd, tier_in, version_of
from hub.ledger.rollups import mark
from hub.ledger.rows import ENTRY, to_entry
from hub.ledger.sums import HOUR
from hub.resources.model_catalog import Price
from hub.store.transactions import reading, writing

PriceOf = Callable[[str, str], Price | None]
"""The price of a call to a public model that a target answered, or None."""

OWN = "caller's own"  # the price version of calls on the caller's own credential
_AT_ONCE = 500
_MOST_CHANGES = 10


@dataclass(frozen=True, slots=True)
class Repriced:
    """What a recomputation looked at and changed; costs in micro-dollars. `newly` were unpriced before."""

    checked: int = 0
    changed: int = 0
    newly: int = 0
    before: int = 0
    after: int = 0


class Repricing:
    """Goes over entries in order of time and prices them anew."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, filters: Filters, price_of: PriceOf, *, dry_run: bool) -> Repriced:
        """Recompute the entries that match. A cost that is known never becomes unknown.

        Raises Unavailable when the database cannot be reached; what was done until then stays, and a second run
        goes over the rest.
        """
        report, after = Repriced(), (-(1 << 62), "")
        while True:
            entries = await self._some(filters, after)
            if not entries:
                return report
            changes = [change for entry in entries if (change := _change(entry, price_of)) is not None]
            if changes and not dry_run:
                await self._write(changes)
            report = _added(report, len(entries), changes)
            after = (entries[-1].at, entries[-1].id)

    async def _some(self, filters: Filters, after: tuple[int, str]) -> list[Entry]:
        at, entry = after
        statement = (
            select(ENTRY)
            .where(*conditions(filters, dialect=self._engine.dialect.name), ENTRY.c.call == "model")
            .where(ENTRY.c.price_version != OWN, ENTRY.c.target != "")
            .where(or_(ENTRY.c.at > at, and_(ENTRY.c.at == at, ENTRY.c.id > entry)))
            .order_by(ENTRY.c.at, ENTRY.c.id)
            .limit(_AT_ONCE)
        )
        async with reading(self._engine) as connection:
            return [to_entry(dict(row)) for row in (await connection.execute(statement)).mappings()]

    async def _write(self, changes: list[tuple[Entry, int, str]]) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        async with writing(self._engine) as connection:
            for entry, cost, version in changes:
                row = {"cost_micro_usd": cost, "price_version": version, "repriced": _trail(entry, now)}
                await connection.execute(update(ENTRY).where(ENTRY.c.id == entry.id).values(**row))
            for hour in sorted({entry.at - entry.at % HOUR for entry, _, _ in changes}):
                await mark(connection, "hour", hour)


def _change(entry: Entry, price_of: PriceOf) -> tuple[Entry, int, str] | None:
    """The entry, its new cost and price version; None when it stays as it is."""
    price, tier = price_of(entry.model, entry.target), tier_in(entry.price_version)
    cost = cost_micro_usd(entry.usage, price and price.at(tier))
    if price is None or cost is None or cost == entry.cost_micro_usd:
        return None
    return entry, cost, version_of(price, tier)


def _trail(entry: Entry, now: str) -> str:
    """The costs that the entry had, oldest first, the last one added."""
    trail: list[dict[str, Any]] = json.decode(entry.repriced) if entry.repriced else []
    told = {"cost_micro_usd": entry.cost_micro_usd, "price_version": entry.price_version, "until": now}
    return json.encode([*trail, told][-_MOST_CHANGES:]).decode()


def _added(report: Repriced, checked: int, changes: list[tuple[Entry, int, str]]) -> Repriced:
    return replace(
        report,
        checked=report.checked + checked,
        changed=report.changed + len(changes),
        newly=report.newly + sum(entry.cost_micro_usd is None for entry, _, _ in changes),
        before=report.before + sum(entry.cost_micro_usd or 0 for entry, _, _ in changes),
        after=report.after + sum(cost for _, cost, _ in changes),
    )
