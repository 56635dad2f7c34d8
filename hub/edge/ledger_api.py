"""What happened, over HTTP: logs, usage, the audit trail, and what a call would do."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from hub.core.entry import Entry
from hub.core.principal import Principal
from hub.core.refusal import Malformed, NotFound
from hub.edge.resources_api import limit_of
from hub.edge.routes import Answer, Ask, Route
from hub.identity import Permission, teams_with
from hub.ledger import Dimension, Filters, Queries, Totals, parse_dimensions
from hub.store import AuditRow, Resources

_TEXTS = (
    "user", "key", "team", "model", "target", "provider", "profile", "server", "tool", "outcome", "request_id", "session", "call",
)  # fmt: skip
_GROUPS = ", ".join(Dimension)
_RANGE = (("since", "ISO 8601, inclusive"), ("until", "ISO 8601, exclusive"))
_LOG_QUERY = (
    *_RANGE,
    *((name, f"only this {name}") for name in _TEXTS),
    ("status", "only this HTTP status"),
    ("min_duration_ms", "at least"),
    ("max_duration_ms", "at most"),
    ("limit", "how many, 1 to 1000 (100)"),
    ("cursor", "where the last page ended"),
)
_AUDIT_QUERY = (*_RANGE, ("kind", ""), ("name", ""), ("actor", ""), ("action", ""), ("limit", ""), ("cursor", ""))


def instant(ask: Ask, name: str) -> datetime | None:
    """A point in time from the query. Without an offset it is UTC. Raises Malformed."""
    text = ask.query(name)
    if not text:
        return None
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
    """The filters of a log query, narrowed to what the caller may see.

    Someone with `ledger.read` sees the calls of those teams (with a platform role: all calls); everybody else
    sees their own.
    """
    fields: dict[str, Any] = {name: ask.query(name) for name in _TEXTS if ask.query(name)}
    status = _number(ask, "status")
    fields.update(
        since=_seconds(instant(ask, "since")),
        until=_seconds(instant(ask, "until")),
        status=None if status is None else int(status),
        min_duration_ms=_number(ask, "min_duration_ms"),
        max_duration_ms=_number(ask, "max_duration_ms"),
    )
    return Filters(**{**fields, **own_calls(ask.principal)})


def own_calls(principal: Principal) -> dict[str, Any]:
    """The filters that hold whatever else is asked for: the principal's teams, or only their own calls."""
    teams = teams_with(principal, Permission.LEDGER_READ)
    if teams is None:
        return {}
    if teams:
        return {"teams": tuple(sorted(teams))}
    return {"user": principal.user} if principal.user else {"key": principal.key}


def _sees(principal: Principal, entry: Entry) -> bool:
    return all(
        entry.team in value if name == "teams" else getattr(entry, name) == value
        for name, value in own_calls(principal).items()
    )


def entry_view(entry: Entry) -> dict[str, Any]:
    """An entry as JSON: all its fields, with the time as text and the cost in USD beside the exact integer."""
    view = msgspec.to_builtins(entry)
    view["at"] = datetime.fromtimestamp(entry.at / 1e6, UTC).isoformat()
    view["cost_usd"] = None if entry.cost_micro_usd is None else f"{entry.cost_micro_usd / 1e6:.6f}"
    view.setdefault("cost_micro_usd", None)
    view["usage"] = {name: getattr(entry.usage, name) for name in entry.usage.__struct_fields__}
    return view


def usage_view(row: Totals) -> dict[str, Any]:
    """One row of usage as JSON; days and hours as ISO 8601."""
    group = {
        name: datetime.fromtimestamp(value, UTC).isoformat() if isinstance(value, int) else value
        for name, value in row.group.items()
    }
    tokens = {name: getattr(row.usage, name) for name in row.usage.__struct_fields__ if name != "estimated"}
    return {
        "group": group,
        "calls": row.calls,
        "errors": row.errors,
        "refused": row.refused,
        "cancelled": row.cancelled,
        **tokens,
        "cost_micro_usd": row.cost_micro_usd,
        "cost_usd": f"{row.cost_micro_usd / 1e6:.6f}",
        "unpriced": row.unpriced,
        "estimated": row.estimated,
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


class LedgerApi:
    """The routes over the ledger and the audit trail."""

    def __init__(self, queries: Queries, resources: Resources) -> None:
        self._queries = queries
        self._resources = resources

    async def _logs(self, ask: Ask) -> Answer:
        page = await self._queries.logs(filters_of(ask), limit=limit_of(ask), cursor=ask.query("cursor") or None)
        return Answer({"items": [entry_view(entry) for entry in page.items], "next": page.next})

    async def _log(self, ask: Ask) -> Answer:
        entry = await self._queries.entry(ask.path("id"))
        if entry is None or not _sees(ask.principal, entry):
            raise NotFound("not_found", "There is no such entry that you may see.")
        return Answer(entry_view(entry))

    async def _usage(self, ask: Ask) -> Answer:
        groups = parse_dimensions(ask.query("group_by", "model"))
        rows = await self._queries.usage(filters_of(ask), group_by=groups)
        return Answer({"items": [usage_view(row) for row in rows], "next": None})

    async def _audit(self, ask: Ask) -> Answer:
        rows, cursor = await self._resources.audit(
            limit=limit_of(ask),
            cursor=ask.query("cursor") or None,
            kind=ask.query("kind") or None,
            name=ask.query("name") or None,
            actor=ask.query("actor") or None,
            action=ask.query("action") or None,
            since=instant(ask, "since"),
            until=instant(ask, "until"),
        )
        return Answer({"items": [audit_view(row) for row in rows], "next": cursor})

    async def _verify(self, ask: Ask) -> Answer:
        report = await self._resources.verify_audit()
        return Answer({"ok": report.ok, "rows": report.rows, "head": report.head, "fault": report.fault})

    def routes(self) -> Iterator[Route]:
        """The rows."""
        yield Route(
            "GET",
            "/api/v1/logs",
            Permission.SELF,
            "Calls, newest first",
            self._logs,
            "logs",
            reply="Page",
            query=_LOG_QUERY,
        )
        yield Route("GET", "/api/v1/logs/{id}", Permission.SELF, "One call", self._log, "logs", reply="Entry")
        yield Route(
            "GET",
            "/api/v1/usage",
            Permission.SELF,
            "Calls, tokens and cost in groups",
            self._usage,
            "logs",
            query=(("group_by", f"up to three of {_GROUPS}"), *_LOG_QUERY[:-2]),
        )
        yield Route(
            "GET",
            "/api/v1/audit",
            Permission.AUDIT_READ,
            "Who changed what",
            self._audit,
            "audit",
            reply="Page",
            query=_AUDIT_QUERY,
        )
        yield Route(
            "GET",
            "/api/v1/audit/verify",
            Permission.AUDIT_READ,
            "Is the chain of audit rows whole?",
            self._verify,
            "audit",
        )
