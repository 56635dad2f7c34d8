"""Secrets of the vault: set, list, remove, encrypt anew."""

import getpass
import sys

from cyclopts import App

from hub.cli.client import Connection
from hub.cli.output import say, show_json

app = App(name="secret", help="Write secrets to the hub's vault. They are never read back.")


@app.command(name="set")
def set_(name: str, *, connection: Connection = Connection()) -> None:
    """Write a secret. It is read from standard input, so that it stands in no history and no process table."""
    value = getpass.getpass(f"Secret '{name}': ") if sys.stdin.isatty() else sys.stdin.read().rstrip("\n")
    with connection.api() as api:
        answer = api.call("PUT", f"/api/v1/secrets/{name}", {"value": value})
    if connection.json:
        show_json(answer)
    else:
        say(f"Written. Refer to it as {answer['reference']}")


@app.command(name="list")
def list_(*, connection: Connection = Connection()) -> None:
    """List the names in the vault."""
    with connection.api() as api:
        items = api.call("GET", "/api/v1/secrets")["items"]
    if connection.json:
        show_json(items)
        return
    for item in items:
        say(item["name"])


@app.command
def remove(name: str, *, connection: Connection = Connection()) -> None:
    """Forget a secret. Refused while a resource names it."""
    with connection.api() as api:
        answer = api.call("DELETE", f"/api/v1/secrets/{name}")
    if connection.json:
        show_json(answer)
    else:
        say(f"Forgotten: vault:{name}")


@app.command
def rotate(*, connection: Connection = Connection()) -> None:
    """Encrypt every secret of the vault anew, under a new key. What clients keep of the hub goes on working."""
    with connection.api() as api:
        answer = api.call("POST", "/api/v1/secrets/rotate")
    if connection.json:
        show_json(answer)
    else:
        say(f"The vault has a new key; {answer['rewrapped']} secrets were encrypted anew.")
