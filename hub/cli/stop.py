"""Emergency stop: pause a key, a team or everything at once, and let it work again."""

from typing import Annotated, Any

from cyclopts import Parameter

from hub.cli.client import Connection
from hub.cli.output import say, show_json, table
from hub.core.refusal import Malformed

KINDS = ("key", "team", "user", "profile", "server", "model", "tool")
EVERYTHING = "everything"


def scope_of(kind: str, name: str | None) -> dict[str, Any]:
    """The scope that is meant. Raises Malformed."""
    if kind == EVERYTHING and name is None:
        return {"org": True}
    if kind not in KINDS or name is None:
        raise Malformed("malformed", f"Say what: one of {', '.join(KINDS)} with its name, or {EVERYTHING}.")
    return {kind: name}


def stop(
    kind: Annotated[str | None, Parameter(help="key, team, user, profile, server, model, tool, or everything.")] = None,
    name: str | None = None,
    *,
    reason: Annotated[str, Parameter(help="Why; callers are told.")] = "",
    connection: Connection = Connection(),
) -> None:
    """Stop something at once, open streams too. Without arguments, list what is stopped."""
    with connection.api() as api:
        if kind is None:
            answer = api.call("GET", "/api/v1/stops")
        else:
            answer = api.call("POST", "/api/v1/stop", {"scope": scope_of(kind, name), "reason": reason})
    if connection.json:
        show_json(answer)
    elif kind is None:
        rows = (
            (*next(iter(item["scope"].items())), item["at"][:19], item["by"], item["reason"])
            for item in answer["items"]
        )
        table(("what", "name", "since", "by", "reason"), rows)
    else:
        say(f"Stopped: {kind} {name or ''}".rstrip() + f". Let it work again: hub resume {kind} {name or ''}".rstrip())


def resume(kind: str, name: str | None = None, *, connection: Connection = Connection()) -> None:
    """Let something that was stopped work again."""
    with connection.api() as api:
        answer = api.call("POST", "/api/v1/resume", {"scope": scope_of(kind, name)})
    if connection.json:
        show_json(answer)
    else:
        say(f"Works again: {kind} {name or ''}".rstrip())
