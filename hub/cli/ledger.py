"""What happened: logs, usage, audit."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from cyclopts import App, Parameter

from hub.cli.calls import Calls
from hub.cli.client import Connection
from hub.cli.output import say, show_diff, show_json, table
from hub.cli.reconcile import reconcile
from hub.core.refusal import Refusal

app = App(name="audit", help="Who changed what, and is the record whole?")
usage_app = App(name="usage", help="What calls cost, who used nothing, and costs worked out anew.")


def _line(entry: dict[str, Any]) -> tuple[object, ...]:
    usage = entry["usage"]
    tokens_in = usage["input"] + usage["cache_read"] + usage["cache_write_5m"] + usage["cache_write_1h"]
    what = entry.get("model") or f"{entry.get('profile', '')} {entry.get('tool', '')}".strip()
    return (
        entry["at"][:19].replace("T", " "),
        entry["call"],
        what,
        entry.get("target", ""),
        entry["principal"],
        entry["outcome"] if not entry.get("code") else f"{entry['outcome']}: {entry['code']}",
        tokens_in or "",
        usage["output"] + usage["reasoning"] or "",
        entry["cost_usd"] or ("unknown" if tokens_in else ""),
        f"{entry.get('duration_ms', 0):.0f}",
    )


_HEADINGS = ("at (UTC)", "call", "what", "answered by", "who", "outcome", "in", "out", "USD", "ms")


def _show(entries: list[dict[str, Any]], connection: Connection) -> None:
    if connection.json:
        for entry in entries:
            show_json(entry)
    elif entries:
        table(_HEADINGS, (_line(entry) for entry in entries), right=("in", "out", "USD", "ms"))


def logs(
    *,
    limit: Annotated[int, Parameter(help="How many.")] = 50,
    follow: Annotated[bool, Parameter(help="Keep printing new ones as they end.", negative="")] = False,
    calls: Calls = Calls(),
    order_by: Annotated[str, Parameter(help="at, duration_ms, input or output.")] = "at",
    out: Annotated[
        Path | None, Parameter(help="Write a file instead: its name ends in .csv, .jsonl or .parquet.")
    ] = None,
    connection: Connection = Connection(),
) -> None:
    """Show calls, newest last. With --json, one entry per line."""
    filters = calls.query
    with connection.api() as api:
        if out is not None:
            form = out.suffix.removeprefix(".")
            size = api.download("/api/v1/logs/export", out, {**filters, "format": form, "limit": limit})
            say(f"{out}: {size} bytes")
            return
        entries = list(api.pages("/api/v1/logs", limit, {**filters, "order_by": order_by}))[::-1]
        _show(entries, connection)
        if follow:
            for entry in api.events("/api/v1/logs/tail", filters):
                _show([entry], connection)


_TIMES = {
    f"{label}{percent}": f"{name}_{percent}_ms"
    for label, name in (("ms ", "duration"), ("first ", "ttft"))
    for percent in ("p50", "p95", "p99")
}


def _milliseconds(number: float | None) -> str:
    return "unknown" if number is None else f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


_MOST_GROUPS = 100_000


@usage_app.default
def usage(
    *,
    by: Annotated[
        str,
        Parameter(
            help="Up to three of user, key, team, application, model, target, provider, route, profile, server, tool, "
            "session, call, day, hour, tag:NAME."
        ),
    ] = "model",
    calls: Calls = Calls(),
    out: Annotated[Path | None, Parameter(help="Write a file instead, as CSV.")] = None,
    connection: Connection = Connection(),
) -> None:
    """Show calls, tokens, cost, and how long calls took (p50, p95, p99; `first` is the first token of streams), in groups."""
    query = {"group_by": by, **calls.query}
    with connection.api() as api:
        if out is not None:
            say(f"{out}: {api.download('/api/v1/usage', out, {**query, 'format': 'csv'})} bytes")
            return
        items = list(api.pages("/api/v1/usage", _MOST_GROUPS, query))
    if connection.json:
        show_json(items)
        return
    numbers = ("calls", "errors", "in", "cached", "out", "tok/s", "cache", "USD", "unpriced", *_TIMES)
    table(
        (*by.split(","), *numbers),
        (
            (
                *(item["group"].get(name.strip(), "") for name in by.split(",")),
                item["calls"], item["errors"], item["input"], item["cache_read"], item["output"] + item["reasoning"],
                item["tokens_per_second"] or "", "" if item["cache_read_ratio"] is None else f"{item['cache_read_ratio']:.0%}",
                item["cost_usd"], item["unpriced"] or "", *(_milliseconds(item[name]) for name in _TIMES.values()),
            )
            for item in items
        ),
        right=numbers,
    )  # fmt: skip
    untimed = sum(item["untimed"] for item in items)
    if untimed:
        say(f"How long {untimed} calls took is not known: they were summed before times were kept.")


@usage_app.command
def idle(
    *,
    since: Annotated[str | None, Parameter(help="ISO 8601; left out, 30 days ago.")] = None,
    connection: Connection = Connection(),
) -> None:
    """Show users and keys that made no call."""
    with connection.api() as api:
        found = api.call("GET", "/api/v1/usage/idle", query={"since": since})
    if connection.json:
        show_json(found)
        return
    rows = [(kind[:-1], item["name"], item["last_used"] or "never") for kind in found for item in found[kind]]
    table(("kind", "name", "last used"), rows)


@usage_app.command
def changes(*, connection: Connection = Connection()) -> None:
    """Show what each key spent in the last day beside a usual one, how much failed, and how much caches gave; odd ones first."""
    with connection.api() as api:
        items = list(api.pages("/api/v1/usage/changes", _MOST_GROUPS))
    if connection.json:
        show_json(items)
        return
    numbers = ("calls", "USD", "usual", "failed", "usual failed", "from cache", "usual cache")
    table(
        ("key", "model", *numbers, "stands out"),
        (
            (
                item["key"], item["model"], item["calls"], item["cost_usd"], item["usual_cost_usd"] or "",
                _percent(item["error_ratio"]), _percent(item["usual_error_ratio"]), _percent(item["cache_read_ratio"]),
                _percent(item["usual_cache_read_ratio"]), ", ".join(item["alerts"]).replace("_", " "),
            )
            for item in items
        ),
        right=numbers,
    )  # fmt: skip


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


@usage_app.command
def targets(
    *,
    calls: Calls = Calls(),
    connection: Connection = Connection(),
) -> None:
    """Compare the targets of --model or --route: shares, failures (with the range that holds the true share), times, cost."""
    with connection.api() as api:
        items = api.call("GET", "/api/v1/usage/targets", query=calls.query)["items"]
    if connection.json:
        show_json(items)
        return
    times = {
        f"{label}{percent}": f"{name}_{percent}_ms"
        for label, name in (("ms ", "took"), ("first ", "ttft"))
        for percent in ("p50", "p95", "p99")
    }
    numbers = (
        "weight",
        "began",
        "share",
        "calls",
        "tries",
        "failed",
        "between",
        *times,
        "USD",
        "USD a call",
        "unpriced",
    )
    table(
        ("target", *numbers),
        (
            (
                item["target"] or "(nobody answered)", "" if item["weight"] is None else item["weight"], item["began"],
                _percent(item["began_share"]), item["calls"], item["tries"], item["failed"],
                "-".join(map(_percent, item["failed_between"] or ())), *(_milliseconds(item[name]) for name in times.values()),
                item["cost_usd"] or "", item["cost_per_call_usd"] or "", item["unpriced"] or "",
            )
            for item in items
        ),
        right=numbers,
    )  # fmt: skip


@usage_app.command
def recompute(
    *,
    since: Annotated[str | None, Parameter(help="ISO 8601.")] = None,
    until: Annotated[str | None, Parameter(help="ISO 8601.")] = None,
    model: str | None = None,
    target: Annotated[str | None, Parameter(help="provider/model.")] = None,
    dry_run: Annotated[bool, Parameter(help="Only say what would change.", negative="")] = False,
    connection: Connection = Connection(),
) -> None:
    """Work out costs anew after a price was corrected; entries keep what was said before."""
    given = {"since": since, "until": until, "model": model, "target": target}
    body = {name: value for name, value in given.items() if value} | {"dry_run": dry_run}
    with connection.api() as api:
        report = api.call("POST", "/api/v1/usage/recompute", body)
    if connection.json:
        show_json(report)
        return
    verb = "would change" if dry_run else "changed"
    say(
        f"{report['checked']} calls looked at, {report['changed']} {verb}, {report['newly_priced']} had no price before."
    )
    say(f"USD {report['before_usd']} -> {report['after_usd']}")


usage_app.command(reconcile)


def session(name: str, /, *, connection: Connection = Connection()) -> None:
    """Show one agent run turn by turn: its model and tool calls, what they cost and how long they took."""
    with connection.api() as api:
        run = api.call("GET", f"/api/v1/sessions/{quote(name, safe='')}")
    if connection.json:
        show_json(run)
        return
    say(
        f"{run['session']}: {run['models']} model calls, {run['tools']} tool calls, USD {run['cost_usd']}, "
        f"{run['duration_ms'] / 1000:.1f} s"
    )
    rows = [
        (turn["number"] if place == 0 else "", f"{call['offset_ms'] / 1000:.2f}", *_line(call)[1:4], *_line(call)[5:])
        for turn in run["turns"]
        for place, call in enumerate(turn["calls"])
    ]
    headings = ("turn", "at s", "call", "what", "answered by", "outcome", "in", "out", "USD", "ms")
    table(headings, rows, right=("turn", "at s", "in", "out", "USD", "ms"))


def diet(
    profile: str,
    /,
    *,
    days: Annotated[int, Parameter(help="How far to look back.")] = 30,
    connection: Connection = Connection(),
) -> None:
    """Show which tools of a profile nobody calls, what carrying them costs, and a slimmer profile as a diff."""
    with connection.api() as api:
        report = api.call("GET", f"/api/v1/profiles/{quote(profile, safe='')}/diet", query={"days": days})
    if connection.json:
        show_json(report)
        return
    table(
        ("tool", "tokens", "calls", "verdict"),
        ((tool["name"], tool["tokens"], tool["calls"], tool["verdict"]) for tool in report["tools"]),
        right=("tokens", "calls"),
    )
    cost = report["cost_usd"]
    told = "" if cost["fresh"] is None else f", USD {cost['cached']} to {cost['fresh']} over {report['turns']} turns"
    say(f"{report['unused_tokens_per_turn']} of {report['tokens_per_turn']} tokens a turn are for idle tools{told}.")
    if report["diff"]:
        say(f"A slimmer profile (hub diet {profile} --json gives its spec):")
        show_diff(report["diff"])


@app.default
def audit(
    *,
    limit: int = 50,
    kind: str | None = None,
    name: str | None = None,
    actor: str | None = None,
    action: str | None = None,
    since: Annotated[str | None, Parameter(help="ISO 8601.")] = None,
    until: Annotated[str | None, Parameter(help="ISO 8601.")] = None,
    connection: Connection = Connection(),
) -> None:
    """Show the audit trail, newest first."""
    filters = {"kind": kind, "name": name, "actor": actor, "action": action, "since": since, "until": until}
    with connection.api() as api:
        items = list(api.pages("/api/v1/audit", limit, filters))
    if connection.json:
        show_json(items)
        return
    for item in items:
        what = f"{item['kind']}/{item['name']}" if item["kind"] else item["detail"]
        say(f"{item['at'][:19]}  {item['actor']}  {item['action']}  {what}")
        show_diff(item["diff"])


@app.command
def export(out: Path, /, *, connection: Connection = Connection()) -> None:
    """Write the whole trail to a file as JSON lines, oldest first."""
    with connection.api() as api:
        say(f"{out}: {api.download('/api/v1/audit/export', out)} bytes")


@app.command
def verify(*, connection: Connection = Connection()) -> None:
    """Check the chain of hashes over the whole audit trail."""
    with connection.api() as api:
        report = api.call("GET", "/api/v1/audit/verify")
    if connection.json:
        show_json(report)
    if not report["ok"]:
        raise Refusal("audit_broken", f"The audit trail is not whole: {report['fault']}")
    if not connection.json:
        say(f"{report['rows']} rows, the chain is whole. Head: {report['head']}")
