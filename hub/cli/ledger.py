"""What happened: logs, usage, audit."""

import time
from typing import Annotated, Any

from cyclopts import App, Parameter

from hub.cli.client import Connection
from hub.cli.output import say, show_diff, show_json, table
from hub.core.refusal import Refusal

app = App(name="audit", help="Who changed what, and is the record whole?")


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
    follow: Annotated[bool, Parameter(help="Keep printing new ones.", negative="")] = False,
    model: str | None = None,
    profile: str | None = None,
    tool: str | None = None,
    of_key: Annotated[str | None, Parameter(help="Only calls of this key.")] = None,
    outcome: str | None = None,
    request_id: str | None = None,
    session: str | None = None,
    since: Annotated[str | None, Parameter(help="ISO 8601.")] = None,
    connection: Connection = Connection(),
) -> None:
    """Show calls, newest last. With --json, one entry per line."""
    filters = {
        "model": model, "profile": profile, "tool": tool, "key": of_key, "outcome": outcome, "request_id": request_id,
        "session": session, "since": since,
    }  # fmt: skip
    with connection.api() as api:
        entries = list(api.pages("/api/v1/logs", limit, filters))[::-1]
        _show(entries, connection)
        while follow:
            time.sleep(1)
            seen = {entry["id"] for entry in entries}
            latest = list(api.pages("/api/v1/logs", 200, filters))[::-1]
            newer = [entry for entry in latest if entry["id"] not in seen]
            _show(newer, connection)
            entries = (entries + newer)[-1000:]


def usage(
    *,
    by: Annotated[
        str,
        Parameter(
            help="Up to three of user, key, team, model, target, provider, profile, server, tool, day, hour, call."
        ),
    ] = "model",
    since: Annotated[str | None, Parameter(help="ISO 8601.")] = None,
    until: Annotated[str | None, Parameter(help="ISO 8601.")] = None,
    connection: Connection = Connection(),
) -> None:
    """Show calls, tokens and cost in groups."""
    with connection.api() as api:
        items = api.call("GET", "/api/v1/usage", query={"group_by": by, "since": since, "until": until})["items"]
    if connection.json:
        show_json(items)
        return
    table(
        (*by.split(","), "calls", "errors", "in", "cached", "out", "USD", "unpriced"),
        (
            (
                *(item["group"].get(name, "") for name in by.split(",")),
                item["calls"], item["errors"], item["input"], item["cache_read"], item["output"] + item["reasoning"],
                item["cost_usd"], item["unpriced"] or "",
            )
            for item in items
        ),
        right=("calls", "errors", "in", "cached", "out", "USD", "unpriced"),
    )  # fmt: skip


@app.default
def audit(*, limit: int = 50, connection: Connection = Connection()) -> None:
    """Show the audit trail, newest first."""
    with connection.api() as api:
        items = list(api.pages("/api/v1/audit", limit))
    if connection.json:
        show_json(items)
        return
    for item in items:
        what = f"{item['kind']}/{item['name']}" if item["kind"] else ""
        say(f"{item['at'][:19]}  {item['actor']}  {item['action']}  {what}")
        show_diff(item["diff"])


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
