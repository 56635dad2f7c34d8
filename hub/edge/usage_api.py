"""What it cost, over HTTP: usage in groups, who used nothing, agent runs, a profile's tools, and costs anew."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

from hub.core.entry import Entry
from hub.core.refusal import Malformed, NotFound
from hub.edge.records import (
    FILTERS,
    Records,
    entry_view,
    filters_of,
    instant,
    instant_of,
    iso,
    own_calls,
    usage_view,
    usd,
)
from hub.edge.resources_api import mapping_of
from hub.edge.routes import MOST_LISTED, Answer, Ask, Query, Route, limit_of, start_of
from hub.identity import Permission, teams_with
from hub.ledger import Dimension, Filters, Run, Totals, csv_lines, parse_dimensions

_GROUPS = f"{', '.join(Dimension)}, tag:NAME"
MOST_IN_FILE = 100_000  # groups of usage
_IDLE_DAYS = 30
_DIET_DAYS = 30
_RECOMPUTE = ("since", "until", "model", "target", "dry_run")


class UsageApi:
    """The routes over sums and runs."""

    def __init__(self, records: Records) -> None:
        self._r = records

    async def _usage(self, ask: Ask) -> Answer:
        groups = parse_dimensions(ask.query("group_by", "model"))
        whole, start = ask.query("format") == "csv", start_of(ask)
        most = MOST_IN_FILE if whole else MOST_LISTED
        limit = limit_of(ask, default=most, most=most)
        timed = ask.query("times", "1") != "0"
        rows = await self._r.queries.usage(filters_of(ask), group_by=groups, limit=limit + 1, start=start, timed=timed)
        rest = str(start + limit) if len(rows) > limit else None
        if not whole:
            return Answer({"items": [usage_view(row) for row in rows[:limit]], "next": rest})
        if rest is not None:
            raise Malformed(
                "malformed", f"These are more than {limit} groups, the most of one file. Ask for a shorter time."
            )
        named = (("content-disposition", 'attachment; filename="usage.csv"'),)
        return Answer(_csv(rows, groups), headers=named, media="text/csv; charset=utf-8")

    async def _idle(self, ask: Ask) -> Answer:
        since = instant(ask, "since")
        start = since.timestamp() if since is not None else time.time() - _IDLE_DAYS * 86_400
        teams = teams_with(ask.principal, Permission.LEDGER_READ)
        snapshot = ask.snapshot
        keys = {grant.key for grant in snapshot.keys.values() if teams is None or grant.principal.team in teams}
        users = {name for name, spec in snapshot.users.items() if teams is None or not teams.isdisjoint(spec.teams)}
        return Answer(
            {"users": await self._unused("user", users, start), "keys": await self._unused("key", keys, start)}
        )

    async def _unused(self, kind: str, names: set[str], start: float) -> list[dict[str, Any]]:
        used = await self._r.queries.last_used(sorted(names), kind)
        return [
            {"name": name, "last_used": iso(int(used[name] * 1e6)) if name in used else None}
            for name in sorted(names)
            if used.get(name, 0.0) < start
        ]

    async def _sessions(self, ask: Ask) -> Answer:
        limit, start = limit_of(ask, default=50), start_of(ask)
        lines = await self._r.sessions.latest(filters_of(ask), limit + 1, start)
        items = [
            {
                "session": line.session,
                "first": iso(line.first),
                "last": iso(line.last),
                "calls": line.calls,
                "models": line.models,
                "tools": line.tools,
                "errors": line.errors,
                "cost_usd": usd(line.cost_micro_usd),
                "unpriced": line.unpriced,
            }
            for line in lines[:limit]
        ]
        return Answer({"items": items, "next": str(start + limit) if len(lines) > limit else None})

    async def _session(self, ask: Ask) -> Answer:
        run = await self._r.sessions.run(ask.path("id"), Filters(**own_calls(ask.principal)))
        if run is None:
            raise NotFound("not_found", "There is no such session that you may see.")
        return Answer(run_view(run))

    async def _diet(self, ask: Ask) -> Answer:
        text = ask.query("days", str(_DIET_DAYS))
        if not text.isdecimal() or not 1 <= int(text[:9]) <= 366:
            raise Malformed("malformed", "days is a number from 1 to 366.")
        return Answer(await self._r.diet(ask.path("name"), int(text)))

    async def _recompute(self, ask: Ask) -> Answer:
        """Costs anew. The audit row comes first: what cannot be audited is not done."""
        body = mapping_of(ask.body or {}, *_RECOMPUTE)
        fields: dict[str, Any] = {name: str(body[name]) for name in ("model", "target") if body.get(name)}
        for name in ("since", "until"):
            if body.get(name):
                fields[name] = instant_of(str(body[name]), name).timestamp()
        dry_run = body.get("dry_run", False) is True
        if not dry_run:
            told = ", ".join(f"{name}={body[name]}" for name in sorted(body) if name != "dry_run")
            await self._r.resources.note(ask.actor, "recompute-costs", detail=told[:500] or "everything")
        report = await self._r.repricing.run(Filters(**fields), ask.snapshot.price, dry_run=dry_run)
        return Answer(
            {
                "dry_run": dry_run,
                "checked": report.checked,
                "changed": report.changed,
                "newly_priced": report.newly,
                "before_usd": usd(report.before),
                "after_usd": usd(report.after),
            }
        )

    def routes(self) -> Iterator[Route]:
        """The rows."""
        yield Route(
            "GET",
            "/api/v1/usage",
            Permission.SELF,
            "Calls, tokens and cost in groups",
            self._usage,
            "logs",
            reply="Page",
            query=(
                Query("group_by", f"up to three of {_GROUPS}"),
                Query("format", "of the answer (json)", ("json", "csv")),
                Query("times", "`0`: how long calls took is left null, which is quicker for many groups", ("1", "0")),
                *FILTERS,
            ),
        )
        yield Route(
            "GET",
            "/api/v1/usage/idle",
            Permission.LEDGER_READ,
            "Users and keys that made no call",
            self._idle,
            "logs",
            query=(Query("since", f"ISO 8601; left out, {_IDLE_DAYS} days ago"),),
        )
        yield Route(
            "POST",
            "/api/v1/usage/recompute",
            Permission.SPENDING_WRITE,
            "Work out costs anew after a price was corrected",
            self._recompute,
            "logs",
            body="Recompute",
        )
        yield Route(
            "GET", "/api/v1/sessions", Permission.SELF, "Agent runs, last active first", self._sessions, "logs",
            reply="Page", query=FILTERS,
        )  # fmt: skip
        yield Route(
            "GET", "/api/v1/sessions/{id:path}", Permission.SELF, "One agent run, turn by turn", self._session, "logs"
        )
        yield Route(
            "GET",
            "/api/v1/profiles/{name}/diet",
            Permission.LEDGER_READ,
            "Tools of a profile that nobody calls, what they cost, and a slimmer profile",
            self._diet,
            "logs",
            query=(Query("days", f"1 to 366 ({_DIET_DAYS})"),),
        )


def _csv(rows: Sequence[Totals], groups: Sequence[str]) -> bytes:
    views = [usage_view(row) for row in rows]
    flat = [{**view.pop("group"), **view} for view in views]
    columns = (*groups, *(name for name in (flat[0] if flat else {}) if name not in groups))
    return csv_lines(flat, columns, heading=True)


def run_view(run: Run) -> dict[str, Any]:
    """An agent run as JSON: its totals, and each turn with its calls, their offsets, cost and latency."""
    first = run.entries[0].at
    last = max(entry.at + int(entry.duration_ms * 1000) for entry in run.entries)
    return {
        "session": run.session,
        "first": iso(first),
        "last": iso(last),
        "duration_ms": (last - first) / 1000,
        "truncated": run.truncated,
        **_sums(run.entries),
        "turns": [
            {
                "number": number,
                "offset_ms": (turn.entries[0].at - first) / 1000,
                **_sums(turn.entries),
                "calls": [_step(entry, first) for entry in turn.entries],
            }
            for number, turn in enumerate(run.turns, 1)
        ],
    }


def _step(entry: Entry, first: int) -> dict[str, Any]:
    return {**entry_view(entry), "offset_ms": (entry.at - first) / 1000}


def _sums(entries: Sequence[Entry]) -> dict[str, Any]:
    prompt = sum(entry.usage.prompt for entry in entries)
    read = sum(entry.usage.cache_read for entry in entries)
    return {
        "models": sum(entry.call == "model" for entry in entries),
        "tools": sum(entry.call == "tool" for entry in entries),
        "errors": sum(entry.outcome not in ("ok", "cancelled") for entry in entries),
        "prompt_tokens": prompt,
        "completion_tokens": sum(entry.usage.completion for entry in entries),
        "cache_read_ratio": round(read / prompt, 4) if prompt else None,
        "cost_usd": usd(sum(entry.cost_micro_usd or 0 for entry in entries)),
        "unpriced": sum(entry.cost_micro_usd is None and entry.usage.prompt > 0 for entry in entries),
        "working_ms": round(sum(entry.duration_ms for entry in entries), 3),
    }
