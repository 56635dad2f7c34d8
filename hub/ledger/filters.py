"""Which entries a query is about, and where a page of them continues."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, fields

from sqlalchemy import ColumnElement, and_, or_

from hub.core.entry import Entry
from hub.core.refusal import Malformed
from hub.ledger.rows import ENTRY

MAX_LIMIT = 1000
MAX_VALUE = 512

_EXACT = (
    "user", "key", "team", "model", "target", "provider", "profile", "server", "tool", "outcome", "request_id",
    "session", "call",
)  # fmt: skip
_columns = ENTRY.c


@dataclass(frozen=True, slots=True)
class Filters:
    """What must hold for an entry; what is left out does not matter.

    `since` (inclusive) and `until` (exclusive) are seconds since the epoch, durations milliseconds. `call` is
    `model` or `tool`. `teams` limits the query to what its reader may see; an empty tuple shows nothing.
    """

    since: float | None = None
    until: float | None = None
    user: str | None = None
    key: str | None = None
    team: str | None = None
    model: str | None = None
    target: str | None = None
    provider: str | None = None
    profile: str | None = None
    server: str | None = None
    tool: str | None = None
    outcome: str | None = None
    status: int | None = None
    request_id: str | None = None
    session: str | None = None
    call: str | None = None
    min_duration_ms: float | None = None
    max_duration_ms: float | None = None
    teams: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse what no entry can hold. Raises Malformed `malformed`."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str) and (len(value) > MAX_VALUE or "\x00" in value):
                raise Malformed("malformed", f"The filter '{field.name}' takes up to {MAX_VALUE} characters of text.")
        for name in ("status", "min_duration_ms", "max_duration_ms"):
            number = getattr(self, name)
            if number is not None and not 0 <= number < 1e12:
                raise Malformed("malformed", f"The filter '{name}' takes a number from 0.")


def micros(seconds: float) -> int:
    """Seconds since the epoch as the ledger counts them. Raises Malformed when no time lies there."""
    if not -1e11 < seconds < 1e11:
        raise Malformed("malformed", "A time lies between the years -1199 and 5138.")
    return round(seconds * 1_000_000)


def conditions(filters: Filters) -> Iterator[ColumnElement[bool]]:
    """The filters as SQL conditions. Raises Malformed for a time out of range."""
    if filters.since is not None:
        yield _columns.at >= micros(filters.since)
    if filters.until is not None:
        yield _columns.at < micros(filters.until)
    for name in _EXACT:
        value = getattr(filters, name)
        if value is not None:
            yield _columns[name] == value
    if filters.status is not None:
        yield _columns.status == filters.status
    if filters.min_duration_ms is not None:
        yield _columns.duration_ms >= filters.min_duration_ms
    if filters.max_duration_ms is not None:
        yield _columns.duration_ms <= filters.max_duration_ms
    if filters.teams is not None:
        yield _columns.team.in_(filters.teams)


def check_limit(limit: int) -> None:
    """Raise Malformed unless `limit` is between 1 and 1000."""
    if not 1 <= limit <= MAX_LIMIT:
        raise Malformed("malformed", f"'limit' is a number from 1 to {MAX_LIMIT}.")


def cursor_after(entry: Entry) -> str:
    """The cursor that continues after `entry`. Opaque; it holds a position and no filter."""
    return urlsafe_b64encode(f"{entry.at}.{entry.id}".encode()).decode().rstrip("=")


def continues(cursor: str) -> ColumnElement[bool]:
    """The condition that a cursor stands for, in the order newest first. Raises Malformed `malformed`."""
    try:
        if len(cursor) > MAX_VALUE:
            raise ValueError("too long")
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        at, _, entry = text.partition(".")
        instant = int(at)
        if not -(1 << 62) < instant < 1 << 62 or "\x00" in entry:
            raise ValueError("out of range")
    except (ValueError, binascii.Error) as error:
        raise Malformed("malformed", "The cursor is not one that this hub gave; start again without it.") from error
    earlier = or_(_columns.at < instant, _columns.id < entry)
    return and_(_columns.at <= instant, earlier)
