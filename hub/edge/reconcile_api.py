"""What a provider charged beside what the ledger says: an invoice, day by day and model by model, over HTTP."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from hub.core.refusal import Malformed, NotFound
from hub.edge.records import Records, usd
from hub.edge.resources_api import mapping_of
from hub.edge.routes import Answer, Ask, Route
from hub.identity import Permission
from hub.ledger import Filters, Totals
from hub.resources import Snapshot

MOST_ROWS = 10_000
MOST_DAYS = 400
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOST_USD = 10**9
_MOST_NAME = 200
Place = tuple[str, str]  # the day, and the model by the catalogue's name for it


@dataclass(slots=True)
class _Line:
    """One day and model: micro-dollars as charged (None: not charged) and as counted, and what is not sure of that."""

    theirs: int | None = None
    ours: int = 0
    calls: int = 0
    unpriced: int = 0
    estimated: int = 0


class ReconcileApi:
    """The route that compares."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def _reconcile(self, ask: Ask) -> Answer:
        body = mapping_of(ask.body)
        provider, rows = body.get("provider"), body.get("rows")
        if body.keys() - {"provider", "rows"} or not isinstance(provider, str) or not isinstance(rows, list):
            raise Malformed(
                "malformed",
                'Send {"provider": NAME, "rows": [{"day": "2026-11-01", "model": ..., "cost_usd": "1.23"}]}.',
            )
        if provider not in ask.snapshot.providers:
            raise NotFound("not_found", f"There is no provider '{provider[:64]}'.")
        lines = _charged(ask.snapshot, provider, rows)
        days = sorted({day for day, _ in lines})
        since, until = _midnight(days[0]), _midnight(days[-1]) + timedelta(days=1)
        if until - since > timedelta(days=MOST_DAYS):
            raise Malformed("malformed", f"The rows lie more than {MOST_DAYS} days apart. Send less at a time.")
        filters = Filters(since=since.timestamp(), until=until.timestamp(), provider=provider, call="model")
        found = await self._records.queries.usage(filters, group_by=("day", "target"), limit=MOST_ROWS)
        for row in found:
            _count(lines, ask.snapshot, row)
        items = [_view(day, model, line) for (day, model), line in sorted(lines.items())]
        ours, theirs = sum(line.ours for line in lines.values()), sum(line.theirs or 0 for line in lines.values())
        return Answer(
            {
                "provider": provider,
                "since": days[0],
                "until": days[-1],
                "charged_usd": usd(theirs),
                "counted_usd": usd(ours),
                "difference_usd": usd(theirs - ours),
                "items": items,
            }
        )

    def routes(self) -> Iterator[Route]:
        """The row."""
        yield Route(
            "POST",
            "/api/v1/usage/reconcile",
            Permission.PLATFORM_READ,
            "Compare what a provider charged with what was counted, by day and model",
            self._reconcile,
            "logs",
            body="Reconcile",
        )


def _charged(snapshot: Snapshot, provider: str, rows: list[Any]) -> dict[Place, _Line]:
    """The lines of an invoice, added up. Raises Malformed."""
    if not 0 < len(rows) <= MOST_ROWS:
        raise Malformed("malformed", f"Send 1 to {MOST_ROWS} rows; add up those of one day and model.")
    lines: dict[Place, _Line] = {}
    for number, row in enumerate(rows):
        told: Mapping[str, Any] = row if isinstance(row, dict) else {}
        day, model, cost = told.get("day"), told.get("model", ""), told.get("cost_usd")
        if not isinstance(day, str) or not isinstance(model, str) or len(model) > _MOST_NAME or not _DAY.fullmatch(day):
            raise Malformed(
                "malformed", f"Row {number}: day is YYYY-MM-DD and model a text of up to {_MOST_NAME} characters."
            )
        _midnight(day)
        line = lines.setdefault((day, _named(snapshot, provider, model)), _Line())
        line.theirs = (line.theirs or 0) + _micro(cost, number)
    return lines


def _micro(cost: object, number: int) -> int:
    try:
        amount = Decimal(cost) if isinstance(cost, str) else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or abs(amount) > _MOST_USD:
        raise Malformed("malformed", f'Row {number}: cost_usd is a decimal number in quotes, such as "1.23".')
    return round(amount * 1_000_000)


def _midnight(day: str) -> datetime:
    try:
        found = date.fromisoformat(day)
    except ValueError:
        raise Malformed("malformed", f"There is no day {day}.") from None
    return datetime(found.year, found.month, found.day, tzinfo=UTC)


def _named(snapshot: Snapshot, provider: str, model: str) -> str:
    """A model by the catalogue's own name: invoices name the dated form."""
    known = snapshot.catalogue_model(f"{provider}/{model}")
    return known.id.partition("/")[2] if known is not None else model


def _count(lines: dict[Place, _Line], snapshot: Snapshot, row: Totals) -> None:
    """Add what the ledger knows of one day and target. Invoices without models are compared by day alone."""
    day = datetime.fromtimestamp(float(row.group["day"]), UTC).date().isoformat()
    provider, _, model = str(row.group["target"]).partition("/")
    place = (day, "") if (day, "") in lines else (day, _named(snapshot, provider, model))
    line = lines.setdefault(place, _Line())
    line.ours += row.cost_micro_usd
    line.calls += row.calls
    line.unpriced += row.unpriced
    line.estimated += row.estimated


def _view(day: str, model: str, line: _Line) -> dict[str, Any]:
    return {
        "day": day,
        "model": model or None,
        "charged_usd": None if line.theirs is None else usd(line.theirs),
        "counted_usd": usd(line.ours),
        "difference_usd": usd((line.theirs or 0) - line.ours),
        "calls": line.calls,
        "unpriced": line.unpriced,
        "estimated": line.estimated,
    }
