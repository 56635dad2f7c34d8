"""Keys: create, list, revoke, rotate."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from cyclopts import App, Parameter

from hub.cli.client import Connection
from hub.cli.output import say, show_json, table

app = App(name="key", help="Make, list, rotate and revoke virtual keys.")


@app.command
def create(
    name: str,
    *,
    team: Annotated[str | None, Parameter(help="The team it belongs to.")] = None,
    user: Annotated[str | None, Parameter(help="The person it acts as.")] = None,
    models: Annotated[list[str] | None, Parameter(help="Models it may call (globs).", negative="")] = None,
    profiles: Annotated[list[str] | None, Parameter(help="Profiles it may use (globs).", negative="")] = None,
    networks: Annotated[
        list[str] | None, Parameter(help="Networks it may be used from, like 10.0.0.0/8.", negative="")
    ] = None,
    endpoints: Annotated[list[str] | None, Parameter(help="Paths it may be used at (globs).", negative="")] = None,
    days: Annotated[int | None, Parameter(help="How many days it is good for.")] = None,
    connection: Connection = Connection(),
) -> None:
    """Make a key and show it, once."""
    given: dict[str, Any] = {"team": team, "user": user, "models": models, "profiles": profiles}
    given |= {"networks": networks, "endpoints": endpoints}
    spec = {field: value for field, value in given.items() if value is not None}
    if days is not None:
        spec["expires_at"] = (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")
    with connection.api() as api:
        made = api.call("POST", "/api/v1/keys", {"name": name, "spec": spec})
    if connection.json:
        show_json(made)
    else:
        say(f"Key '{name}', shown once:\n{made['secret']}")


@app.command(name="list")
def list_(*, connection: Connection = Connection()) -> None:
    """List keys: whose they are, their last four characters, when they were last used."""
    with connection.api() as api:
        items = list(api.pages("/api/v1/keys", 10_000))
    if connection.json:
        show_json(items)
        return
    table(
        ("name", "team", "user", "ends in", "last used", "expires"),
        (
            (
                item["name"],
                item["spec"].get("team"),
                item["spec"].get("user"),
                ", ".join(secret["last_four"] for secret in item["status"].get("secrets", ())),
                (item["status"].get("last_used") or "never")[:19],
                (item["spec"].get("expires_at") or "")[:19],
            )
            for item in items
        ),
    )


@app.command
def rotate(
    name: str,
    *,
    overlap: Annotated[int, Parameter(help="Seconds for which the old secret still works.")] = 0,
    connection: Connection = Connection(),
) -> None:
    """Give a key a new secret and show it, once."""
    with connection.api() as api:
        made = api.call("POST", api.resource("keys", name, "/rotate"), {"overlap_seconds": overlap})
    if connection.json:
        show_json(made)
    else:
        say(f"Key '{name}', new secret, shown once:\n{made['secret']}")


@app.command
def revoke(name: str, *, connection: Connection = Connection()) -> None:
    """End every secret of a key at once."""
    with connection.api() as api:
        answer = api.call("POST", api.resource("keys", name, "/revoke"), {})
    if connection.json:
        show_json(answer)
    else:
        say(f"Key '{name}' is revoked.")
