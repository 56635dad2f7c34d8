"""What the ledger's and the audit trail's routes share: what they work on, their filters, and their rows as JSON."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import Request

from hub.core.entry import CALLS, LANES, Entry, Outcome
from hub.core.principal import Principal
from hub.core.refusal import Malformed
from hub.edge.routes import RANGE, Ask, Query
from hub.identity import Permission, teams_with
from hub.ledger import Fares, Filters, Order, Payloads, Percentiles, Queries, Repricing, Sessions, Sort, Tail, Totals
from hub.store import AuditFeed, AuditRow, Resources

TEXTS = (
    "user", "key", "team", "application", "model", "target", "provider", "route", "profile", "server", "tool", "outcome",
    "code", "request_id", "session", "trace", "lane", "call",
)  # fmt: skip
_CHOICES: Mapping[str, tuple[str, ...]] = {"outcome": tuple(Outcome), "call": CALLS, "lane": LANES}
FILTERS = (
    *RANGE,
    *(Query(name, f"only this {name}", _CHOICES.get(name, ())) for name in TEXTS),
    Query("tag", "only this tag, NAME=VALUE"),
    Query("status", "only this HTTP status"),
    Query("min_duration_ms", "at least"),
    Query("max_duration_ms", "at most"),
)


@dataclass(frozen=True, slots=True)
class Records:
    """What the routes read. `visitor` finds out anew who a request is from, `diet` reports on a profile's tools.

    `draining` says that the hub is about to stop.
    """

    queries: Queries
    fares: Fares
    sessions: Sessions
    payloads: Payloads
    tail: Tail
    repricing: Repricing
    feed: AuditFeed
    resources: Resources
    visitor: Callable[[Request], Awaitable[Principal]]
    diet: Callable[[str, int], Awaitable[dict[str, Any]]]
    draining: Callable[[], bool]


def instant(ask: Ask, name: str) -> datetime | None:
    """A point in time from the query. Without an offset it is UTC. Raises Malformed."""
    text = ask.query(name)
    return instant_of(text, name) if text else None


def instant_of(text: str, name: str) -> datetime:
    """A point in time. Without an offset it is UTC. Raises Malformed."""
    try:
        found = datetime.fromisoformat(text[:64])
    except ValueError:
        raise Malformed(
            "malformed", f"{name} is a date and time in ISO 8601, for example 2026-11-01T00:00:00Z."
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _number(ask: Ask, name: str) -> float | None:
    text = ask.query(name)
    if not text:
        return None
    try:
        return float(text[:32])
    except ValueError:
        raise Malformed("malformed", f"{name} is a number.") from None


def filters_of(ask: Ask) -> Filters:
    """The filters of a query, narrowed to what the caller may see.

    Someone with `ledger.read` sees the calls of those teams (with a platform role: all calls); everybody else
    sees their own.
    """
    fields: dict[str, Any] = {name: ask.query(name) for name in (*TEXTS, "tag") if ask.query(name)}
    status = _number(ask, "status")
    fields.update(
        since=_seconds(instant(ask, "since")),
        until=_seconds(instant(ask, "until")),
        status=None if status is None else int(status),
        min_duration_ms=_number(ask, "min_duration_ms"),
        max_duration_ms=_number(ask, "max_duration_ms"),
    )
    return Filters(**{**fields, **own_calls(ask.principal)})


ORDER = (Query("order_by", "what (at)", tuple(Sort)), Query("order", "which end first (desc)", ("desc", "asc")))


def order_of(ask: Ask) -> Order:
    """The order of a page."""
    return Order(Sort(ask.query("order_by") or Sort.AT), ask.query("order") == "asc")


def own_calls(principal: Principal) -> dict[str, Any]:
    """The filters that hold whatever else is asked for: the principal's teams, or only their own calls."""
    teams = teams_with(principal, Permission.LEDGER_READ)
    if teams is None:
        return {}
    if teams:
        return {"teams": tuple(sorted(teams))}
    return {"user": principal.user} if principal.user else {"key": principal.key}


def sees(principal: Principal, entry: Entry) -> bool:
    """Whether a principal may see an entry."""
    return all(
        entry.team in value if name == "teams" else getattr(entry, name) == value
        for name, value in own_calls(principal).items()
    )


def usd(micro: int | None) -> str | None:
    """Micro-dollars as dollars; None stays None."""
    return None if micro is None else f"{micro / 1e6:.6f}"


def iso(micros: int) -> str:
    """Microseconds since the epoch as ISO 8601."""
    return datetime.fromtimestamp(micros / 1e6, UTC).isoformat()


def _parsed(text: str) -> Any:
    """JSON that the hub keeps as text; as it is when it cannot be read, None when there is none."""
    try:
        return msgspec.json.decode(text) if text else None
    except msgspec.DecodeError:
        return text


def entry_view(entry: Entry) -> dict[str, Any]:
    """An entry as JSON: all its fields, with the time as text and the cost in USD beside the exact integer."""
    view = msgspec.to_builtins(entry)
    view["at"] = iso(entry.at)
    view["cost_usd"] = usd(entry.cost_micro_usd)
    view.setdefault("cost_micro_usd", None)
    view["tokens_per_second"] = entry.tokens_per_second
    view["usage"] = {name: getattr(entry.usage, name) for name in entry.usage.__struct_fields__}
    for name in ("plan", "raw_usage", "repriced"):
        if name in view:
            view[name] = _parsed(view[name])
    return view


def usage_view(row: Totals) -> dict[str, Any]:
    """One row of usage as JSON; days and hours as ISO 8601."""
    group = {
        name: datetime.fromtimestamp(value, UTC).isoformat() if isinstance(value, int) else value
        for name, value in row.group.items()
    }
    tokens = {name: getattr(row.usage, name) for name in row.usage.__struct_fields__ if name != "estimated"}
    prompt = row.usage.prompt
    return {
        "group": group,
        "calls": row.calls,
        "errors": row.errors,
        "refused": row.refused,
        "cancelled": row.cancelled,
        **tokens,
        "cost_micro_usd": row.cost_micro_usd,
        "cost_usd": usd(row.cost_micro_usd),
        "saved_usd": usd(row.saved_micro_usd),
        "own_micro_usd": row.own_micro_usd,
        "own_usd": usd(row.own_micro_usd),
        "unpriced": row.unpriced,
        "estimated": row.estimated,
        "cache_read_ratio": round(row.usage.cache_read / prompt, 4) if prompt else None,
        "mean_duration_ms": round(row.duration_ms / row.calls, 3) if row.calls else None,
        "tokens_per_second": _pace(row),
        **percentiles_view("duration", row.duration),
        **percentiles_view("ttft", row.first_byte),
        "untimed": row.untimed,
    }


def _pace(row: Totals) -> float | None:
    """Tokens of answers by the time of all calls together, their waiting included."""
    tokens = row.usage.completion
    return round(tokens * 1000 / row.duration_ms, 2) if tokens and row.duration_ms else None


def percentiles_view(name: str, found: Percentiles | None) -> dict[str, float | None]:
    """Percentiles as JSON, in milliseconds; null where nothing was timed."""
    return {
        f"{name}_{percent}_ms": None if found is None else round(getattr(found, percent), 3)
        for percent in ("p50", "p95", "p99")
    }


def audit_view(row: AuditRow) -> dict[str, Any]:
    """One audit row as JSON."""
    return {
        "id": row.id,
        "at": row.at.isoformat(),
        "actor": row.actor,
        "source": row.source,
        "address": row.address,
        "action": row.action,
        "kind": row.kind,
        "name": row.name,
        "version": row.version,
        "diff": row.diff,
        "detail": row.detail,
        "hash": row.hash,
    }
