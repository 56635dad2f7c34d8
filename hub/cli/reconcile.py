"""A provider's invoice or usage export beside the ledger."""

import csv
import re
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from hub.cli.client import Connection
from hub.cli.output import say, show_json, table
from hub.core.refusal import Malformed

# What providers call these columns in the files that their consoles give.
_DAYS = ("day", "date", "usage_date_utc", "usage_date", "start_time_iso", "start_time", "timestamp", "usage start date")
_MODELS = ("model", "model_version", "line_item", "snapshot_id", "sku description")
_COSTS = ("cost_usd", "cost", "amount_value", "amount", "cost (usd)", "subtotal ($)", "cost ($)")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_SMALL = Decimal("0.01")


def reconcile(
    file: Annotated[
        Path, Parameter(help="CSV, as the provider's console gives it: one line per day and model, or finer.")
    ],
    *,
    provider: Annotated[str, Parameter(help="The provider, as it is named here.")],
    day: Annotated[str, Parameter(help="The column of the day, where it is not found by its name.")] = "",
    model: Annotated[str, Parameter(help="The column of the model.")] = "",
    cost: Annotated[str, Parameter(help="The column of the cost in USD.")] = "",
    connection: Connection = Connection(),
) -> int:
    """Compare what a provider charged with what the hub counted. Exit status 0: they agree to a cent; 1: they do not."""
    rows = _rows(file, day, model, cost)
    with connection.api() as api:
        report = api.call("POST", "/api/v1/usage/reconcile", {"provider": provider, "rows": rows})
    differ = [item for item in report["items"] if abs(Decimal(item["difference_usd"])) >= _SMALL]
    if connection.json:
        show_json(report)
        return 1 if differ else 0
    table(
        ("day", "model", "charged USD", "counted USD", "difference", "calls", "unpriced", "estimated"),
        (
            (
                item["day"], item["model"] or "(all)", item["charged_usd"] or "", item["counted_usd"], item["difference_usd"],
                item["calls"], item["unpriced"] or "", item["estimated"] or "",
            )
            for item in differ
        ),
        right=("charged USD", "counted USD", "difference", "calls", "unpriced", "estimated"),
    )  # fmt: skip
    say(
        f"{report['since']} to {report['until']}: charged {report['charged_usd']}, counted {report['counted_usd']}, "
        f"difference {report['difference_usd']} USD; {len(differ)} of {len(report['items'])} lines differ by a cent or more."
    )
    return 1 if differ else 0


def _rows(file: Path, *named: str) -> list[dict[str, Any]]:
    """The file, added up by day and model. Raises Malformed."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            columns = {name.strip().lower(): name for name in reader.fieldnames or ()}
            day, model, cost = (_column(columns, *each) for each in zip(named, (_DAYS, _MODELS, _COSTS), strict=True))
            if not day or not cost:
                raise Malformed(
                    "malformed",
                    f"{file} has no column of {'days' if not day else 'costs'} by a usual name. Name it with "
                    f"{'--day' if not day else '--cost'}; there are: {', '.join(columns)[:300]}.",
                )
            sums: dict[tuple[str, str], Decimal] = {}
            for number, line in enumerate(reader, 2):
                found = _DAY.match(str(line[day] or ""))
                if found is None:
                    raise Malformed(
                        "malformed", f"{file}, line {number}: '{str(line[day])[:40]}' does not begin with YYYY-MM-DD."
                    )
                # OpenAI's lines are "gpt-5-mini, input".
                place = (found[0], str(line[model] or "").partition(", ")[0].strip() if model else "")
                sums[place] = sums.get(place, Decimal(0)) + _amount(str(line[cost] or "0"), file, number)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Malformed("malformed", f"{file} cannot be read as CSV: {error}") from None
    return [{"day": day, "model": model, "cost_usd": f"{sum_:f}"} for (day, model), sum_ in sums.items()]


def _column(columns: dict[str, str], named: str, usual: tuple[str, ...]) -> str:
    if named:
        if named.lower() not in columns:
            raise Malformed("malformed", f"There is no column '{named}'; there are: {', '.join(columns)[:300]}.")
        return columns[named.lower()]
    return next((columns[name] for name in usual if name in columns), "")


def _amount(text: str, file: Path, number: int) -> Decimal:
    try:
        amount = Decimal(text.replace("$", "").replace(",", "").strip() or "0")
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise Malformed("malformed", f"{file}, line {number}: '{text[:40]}' is no amount.")
    return amount
