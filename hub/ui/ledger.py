"""What happened: logs with their filters in the URL, one call, the turns of a session, usage with charts."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hub.core.entry import CALLS, Outcome
from hub.core.refusal import Refusal
from hub.ui.site import Site
from hub.ui.sources import Visit, together, whole

FILTERS = (
    ("call", "Kind", ("", *CALLS)),
    ("outcome", "Outcome", ("", *Outcome)),
    ("model", "Model", ()),
    ("tool", "Tool", ()),
    ("key", "Key", ()),
    ("profile", "Profile", ()),
    ("user", "User", ()),
    ("team", "Team", ()),
    ("session", "Session", ()),
    ("request_id", "Request id", ()),
    ("application", "Application", ()),
    ("provider", "Provider", ()),
    ("server", "Server", ()),
    ("tag", "Tag, NAME=VALUE", ()),
    ("code", "Code", ()),
    ("status", "Status", ()),
    ("min_duration_ms", "Took at least, ms", ()),
    ("max_duration_ms", "Took at most, ms", ()),
)
IDLE_MS = 60_000  # a session in which nothing ran for so long goes on with a new turn
_SEEN = 0.4  # percent: what a bar is wide at least
_MOST_USED = 4  # filters that stand in sight; the others are folded
_ORDERS = ("duration_ms", "input", "output")
RANGES = {
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
}
GROUPS = ("model", "provider", "key", "user", "team", "profile", "server", "tool", "call")
_COLUMNS = (
    "calls",
    "errors",
    "refused",
    "input",
    "cache_read",
    "output",
    "cost_micro_usd",
    "own_micro_usd",
    "unpriced",
    "searches",
    "untimed",
)


def since_of(visit: Visit, default: str) -> tuple[str, str]:
    """The chosen range and the instant at which it begins (ISO 8601); `all` begins nowhere."""
    chosen = visit.query("range", default)
    if chosen not in RANGES:
        return "all", ""
    return chosen, (datetime.now(UTC) - RANGES[chosen]).isoformat(timespec="seconds")


class LedgerPages:
    """The pages below one app's path. What they show is what the visitor may see."""

    def __init__(self, site: Site, base: str) -> None:
        self._site = site
        self._base = base

    def routes(self) -> list[BaseRoute]:
        """The routes."""
        page = self._site.page
        return [
            Route(f"{self._base}/logs", page(self._logs), methods=["GET"]),
            Route(f"{self._base}/logs/{{id}}", page(self._entry), methods=["GET", "POST"]),
            Route(f"{self._base}/sessions", page(self._sessions), methods=["GET"]),
            Route(f"{self._base}/sessions/{{id}}", page(self._session), methods=["GET"]),
            Route(f"{self._base}/usage", page(self._usage), methods=["GET"]),
        ]

    async def _logs(self, visit: Visit) -> Response:
        chosen = {name: visit.query(name) for name, _, _ in FILTERS if visit.query(name)}
        span, since = since_of(visit, "all")
        order = visit.query("order_by") if visit.query("order_by") in _ORDERS else ""
        page = await visit.calls(limit=50, cursor=visit.query("cursor"), since=since, order_by=order, **chosen)
        return self._site.show(
            visit,
            "logs.html",
            base=f"{self._base}/logs",
            filters=FILTERS,
            most_used=_MOST_USED,
            chosen=chosen,
            ranges=(*RANGES, "all"),
            span=span,
            entries=page["items"],
            next=page["next"],
            cut=page["cut"],
            total=page["total_count"],
            total_exact=page["total_exact"],
            live=visit.query("live") == "1",
            since=since,
            order=order,
            sessions=f"{self._base}/sessions",
        )

    async def _entry(self, visit: Visit) -> Response:
        entry = whole(await visit.get(f"/logs/{visit.request.path_params['id']}"))
        kept, note = None, ""
        if visit.request.method == "POST":  # a look at bodies is audited, so it is no mere link
            try:
                kept = await visit.get(f"/logs/{entry['id']}/payload")
            except Refusal as refusal:
                note = refusal.message
        return self._site.show(
            visit, "entry.html", base=self._base, entry=entry, kept=kept, note=note, plan=plan_of(entry)
        )

    async def _sessions(self, visit: Visit) -> Response:
        span, since = since_of(visit, "7d")
        found = await visit.get("/sessions", since=since, limit=200, cursor=visit.query("cursor"))
        return self._site.show(
            visit,
            "sessions.html",
            base=self._base,
            sessions=found["items"],
            more=found["next"],
            span=span,
            ranges=(*RANGES, "all"),
        )

    async def _session(self, visit: Visit) -> Response:
        session = visit.request.path_params["id"]
        run = await visit.get(f"/sessions/{session}")
        calls = [whole(call) for turn in run["turns"] for call in turn["calls"]]
        return self._site.show(
            visit,
            "session.html",
            base=self._base,
            session=session,
            calls=calls,
            turns=turns_of(calls),
            more=run["truncated"],
        )

    async def _usage(self, visit: Visit) -> Response:
        by = visit.query("by", "model") if visit.query("by", "model") in GROUPS else "model"
        span, since = since_of(visit, "30d")
        step = "hour" if span in ("1h", "24h") else "day"
        found = await together(
            **{
                name: visit.get("/usage", group_by=group, since=since)
                for name, group in (("rows", by), ("kinds", "call"), ("series", step))
            }
        )
        idle = await visit.get("/usage/idle") if visit.can("ledger.read") and visit.query("idle") else None
        return self._site.show(
            visit,
            "usage.html",
            base=f"{self._base}/usage",
            by=by,
            groups=GROUPS,
            ranges=(*RANGES, "all"),
            span=span,
            rows=found["rows"]["items"],
            more=found["rows"]["next"],
            series=found["series"]["items"],
            step=step,
            total=total_of(found["kinds"]["items"]),
            idle=idle,
            since=since,
        )


def plan_of(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The plan that routing kept with an entry; {} where there is none."""
    found = entry["plan"]
    return found if isinstance(found, dict) else {}


def total_of(rows: list[dict[str, Any]]) -> dict[str, int]:
    """The sums of the counted columns."""
    return {name: sum(int(row[name]) for row in rows) for name in _COLUMNS}


def turns_of(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Calls of a session, oldest first, as turns: one that begins when nothing has run for a while opens the next.

    Each call says where it lies in its turn, in percent of it (0.4 at least, so that it can be seen).
    """
    found: list[dict[str, Any]] = []
    ended = 0.0
    for call in calls:
        start = datetime.fromisoformat(call["at"]).timestamp() * 1000
        if not found or start - ended > IDLE_MS:
            found.append({"at": call["at"], "begins": start, "idle_ms": start - ended, "calls": []})
        found[-1]["calls"].append({**call, "offset_ms": start - found[-1]["begins"]})
        ended = max(ended, start + call["duration_ms"])
        found[-1]["took_ms"] = ended - found[-1]["begins"]
    for turn in found:
        turn["calls"] = [{**call, **_place(call, max(turn["took_ms"], 1.0))} for call in turn["calls"]]
    return found


def _place(call: Mapping[str, Any], whole: float) -> Mapping[str, float]:
    left = min(round(100 * call["offset_ms"] / whole, 2), 100 - _SEEN)
    return {"left": left, "width": round(min(max(100 * call["duration_ms"] / whole, _SEEN), 100 - left), 2)}
