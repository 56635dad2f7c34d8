"""One row per route of the management API: what it is, and what it asks of its caller."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from starlette.requests import Request

from hub.core.principal import Principal
from hub.core.refusal import Malformed
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


class Query(NamedTuple):
    """A parameter of a query. Where there are `choices`, it takes no other value; an empty one is as good as none."""

    name: str
    about: str
    choices: tuple[str, ...] = ()


RANGE = (Query("since", "ISO 8601, inclusive"), Query("until", "ISO 8601, exclusive"))
SWITCH = ("0", "1")
MOST_LISTED = 1000
_PAGE = (
    Query("limit", f"how many, 1 to {MOST_LISTED}"),
    Query("cursor", "where the last page ended: the `next` of its answer"),
)
_VERSIONED = "/api/v1/"  # what else there is, any tool may fetch in its own way
_LISTS = frozenset({"Page", "CallPage", "History"})


@dataclass(frozen=True, slots=True)
class Route:
    """A route. `permission` is what the caller needs somewhere; what they see of it depends on where they hold it.

    `also` is an alternative permission. `body` names the schema of the request body, `reply` that of the
    answer; `query` is what it takes in its query, besides what every list takes.
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
    query: tuple[Query, ...] = ()

    @property
    def queries(self) -> tuple[Query, ...]:
        """All that it takes in its query."""
        return (*self.query, *_PAGE) if self.reply in _LISTS else self.query

    def check_query(self, request: Request) -> None:
        """Raises Malformed for a parameter that the route does not take, or a value that is none of its choices.

        What a caller misspelt would change nothing else, and they would take the answer for what they asked.
        """
        if not self.path.startswith(_VERSIONED):
            return
        known = {one.name: one.choices for one in self.queries}
        for name, value in request.query_params.multi_items():
            if name not in known:
                told = f"Known: {', '.join(known)}." if known else "It takes none."
                raise Malformed("malformed", f"{self.method} {self.path} has no parameter '{name[:64]}'. {told}")
            if value and known[name] and value not in known[name]:
                raise Malformed("malformed", f"{name} is one of: {', '.join(known[name])}.")


def limit_of(ask: Ask, default: int = 100, most: int = MOST_LISTED) -> int:
    """The `limit` of a list. Raises Malformed when it is not a number from 1 to `most`."""
    text = ask.query("limit") or str(default)
    if not text.isdecimal() or not text.isascii() or not 1 <= int(text[:9]) <= most:
        raise Malformed("malformed", f"limit is a number from 1 to {most}.")
    return int(text)


def start_of(ask: Ask) -> int:
    """Where a page begins in a list whose cursors are places in it. Raises Malformed."""
    text = ask.query("cursor") or "0"
    if not text.isdecimal() or not text.isascii() or len(text) > 9:
        raise Malformed("malformed", "The cursor is not one that this hub gave; start again without it.")
    return int(text)


def listed(ask: Ask, items: Sequence[Any]) -> Answer:
    """A list that is at hand as a whole: all of it, or the page that was asked for. Raises Malformed."""
    start = start_of(ask)
    end = start + limit_of(ask) if ask.query("limit") else len(items)
    return Answer({"items": items[start:end], "next": str(end) if end < len(items) else None})
