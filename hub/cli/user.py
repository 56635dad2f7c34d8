"""People: list, create, one-time sign-in links."""

from typing import Annotated, Any

from cyclopts import App, Parameter

from hub.cli.client import Connection
from hub.cli.output import say, show_json, table

app = App(name="user", help="People who may sign in and own keys.")


@app.command(name="list")
def list_(*, connection: Connection = Connection()) -> None:
    """List users and their roles."""
    with connection.api() as api:
        items = list(api.pages("/api/v1/users", 10_000))
    if connection.json:
        show_json(items)
        return
    table(
        ("name", "email", "role", "teams"),
        (
            (
                item["name"],
                item["spec"].get("email"),
                item["spec"].get("role"),
                ", ".join(f"{team} ({role})" for team, role in item["spec"].get("teams", {}).items()),
            )
            for item in items
        ),
    )


@app.command
def create(
    name: str,
    *,
    email: str | None = None,
    role: Annotated[str | None, Parameter(help="admin or auditor, for the whole hub.")] = None,
    team: Annotated[
        list[str] | None, Parameter(help="TEAM=ROLE, where ROLE is owner, developer or viewer.", negative="")
    ] = None,
    connection: Connection = Connection(),
) -> None:
    """Make a user."""
    spec: dict[str, Any] = {}
    if email:
        spec["email"] = email
    if role:
        spec["role"] = role
    if team:
        spec["teams"] = {name: role for name, _, role in (pair.partition("=") for pair in team)}
    with connection.api() as api:
        made = api.call("POST", "/api/v1/users", {"name": name, "spec": spec})
    if connection.json:
        show_json(made)
    else:
        say(f"User '{name}' exists. Let them in: hub user link {name}")


@app.command
def password(
    name: str,
    *,
    remove: Annotated[bool, Parameter(help="Take the password away.", negative="")] = False,
    connection: Connection = Connection(),
) -> None:
    """Set a user's password, read from standard input or asked for; their browsers are signed out."""
    import sys
    from getpass import getpass

    path = f"/api/v1/users/{name}/password"
    with connection.api() as api:
        if remove:
            answer = api.call("DELETE", path)
        else:
            given = getpass("New password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
            answer = api.call("PUT", path, {"password": given})
    if connection.json:
        show_json(answer)
    else:
        say(f"Password of '{name}' {answer['password']}.")


@app.command(name="sign-ins")
def sign_ins(
    name: str,
    *,
    end: Annotated[str | None, Parameter(help="Sign the browser with this id out.")] = None,
    end_all: Annotated[bool, Parameter(help="Sign every browser out.", negative="")] = False,
    connection: Connection = Connection(),
) -> None:
    """List the browsers in which a user is signed in, or sign them out."""
    path = f"/api/v1/users/{name}/sign-ins"
    with connection.api() as api:
        if end_all:
            answer = api.call("DELETE", path)
        elif end:
            answer = api.call("DELETE", f"{path}/{end}")
        else:
            answer = api.call("GET", path)
    if connection.json:
        show_json(answer)
    elif "items" in answer:
        table(
            ("id", "since", "seen", "address", "browser"),
            (
                (item["id"], item["created_at"][:19], item["seen_at"][:19], item["address"], item["agent"][:60])
                for item in answer["items"]
            ),
        )
    else:
        say(f"Signed out: {answer['ended']}")


@app.command
def link(name: str, *, connection: Connection = Connection()) -> None:
    """Make a one-time sign-in link for a user."""
    with connection.api() as api:
        made = api.call("POST", api.resource("users", name, "/sign-in-link"), {})
    if connection.json:
        show_json(made)
    else:
        say(f"{made['url']}\nIt works once, until {made['expires_at'][:19]} UTC.")
