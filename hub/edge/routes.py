"""One row per route of the management API: what it is, and what it asks of its caller."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from hub.core.principal import Principal
from hub.edge.guards import App
from hub.identity import Permission
from hub.resources import Snapshot
from hub.store import Actor


@dataclass(frozen=True, slots=True)
class Ask:
    """One request to the management API, with its caller known and its JSON body read (None without one)."""

    request: Request
    principal: Principal
    actor: Actor
    snapshot: Snapshot
    body: Any = None

    def path(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def query(self, name: str, default: str = "") -> str:
        """A query parameter, the first one if it is given several times."""
        return self.request.query_params.get(name, default)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route answers: JSON data, its status and extra headers; or `app`, which writes an answer of its own.

    `data` may also be bytes, or pieces of them as they come; `media` says of which type.
    """

    data: Any
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    app: App | None = None
    media: str = "application/json"


Endpoint = Callable[[Ask], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """A route. `permission` is what the caller needs somewhere; what they see of it depends on where they hold it.

    `also` is an alternative permission. `body` names the schema of the request body, `reply` that of the
    answer; `query` are (name, description) pairs.
    """

    method: str
    path: str
    permission: Permission
    summary: str
    endpoint: Endpoint
    tag: str
    also: Permission | None = None
    body: str = ""
    reply: str = ""
    query: tuple[tuple[str, str], ...] = ()
