"""Which entries a query is about, and where a page of them continues."""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ColumnElement, and_, cast, func, literal_column, or_

from hub.core.refusal import Malformed
from hub.ledger.rows import ENTRY, SOUGHT

MAX_LIMIT = 1000
MAX_VALUE = 512

_EXACT = (
    "user", "key", "team", "application", "model", "target", "provider", "route", "profile", "server", "tool", "outcome",
    "code", "request_id", "session", "trace", "lane", "call", "status",
)  # fmt: skip
_TAG = re.compile(r"([A-Za-z0-9_.-]{1,64})=(.{0,256})")


class Sort(StrEnum):
    """What pages of entries can be ordered by."""

    AT = "at"
    DURATION = "duration_ms"
    INPUT = "input"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a page: by what, and whether the least comes first."""

    by: Sort = Sort.AT
    ascending: bool = False


@dataclass(frozen=True, slots=True)
class Filters:
    """What must hold for an entry; what is left out does not matter.

    `since` (inclusive) and `until` (exclusive) are seconds since the epoch, durations milliseconds. `call` is
    `model` or `tool`, `tag` is `NAME=VALUE`. `teams` limits the query to what its reader may see; an empty tuple shows nothing.
    """

    since: float | None = None
    until: float | None = None
    user: str | None = None
    key: str | None = None
    team: str | None = None
    model: str | None = None
    target: str | None = None
    provider: str | None = None
    route: str | None = None
    profile: str | None = None
    server: str | None = None
    tool: str | None = None
    outcome: str | None = None
    status: int | None = None
    request_id: str | None = None
    session: str | None = None
    call: str | None = None
    application: str | None = None
    code: str | None = None
    trace: str | None = None
    lane: str | None = None
    tag: str | None = None
    min_duration_ms: float | None = None
    max_duration_ms: float | None = None
    teams: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse what no entry can hold. Raises Malformed `malformed`."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, str) and (len(value) > MAX_VALUE or "\x00" in value):
                raise Malformed("malformed", f"The filter '{field.name}' takes up to {MAX_VALUE} characters of text.")
        if self.tag is not None and not _TAG.fullmatch(self.tag):
            raise Malformed("malformed", "The filter 'tag' takes NAME=VALUE.")
        for name in ("status", "min_duration_ms", "max_duration_ms"):
            number = getattr(self, name)
            if number is not None and not 0 <= number < 1e12:
                raise Malformed("malformed", f"The filter '{name}' takes a number from 0.")


def micros(seconds: float) -> int:
    """Seconds since the epoch as the ledger counts them. Raises Malformed when no time lies there."""
    if not -1e11 < seconds < 1e11:
        raise Malformed("malformed", "A time lies between the years -1199 and 5138.")
    return round(seconds * 1_000_000)


def tag_value(table: Any, name: str, dialect: str) -> ColumnElement[Any]:
    """The value of a tag in a row of `table`, or "" where it has none. `name` is letters, digits, `_`, `.` and `-`."""
    if dialect == "postgresql":
        return func.coalesce(func.json_extract_path_text(cast(table.c.tags, JSON), name), "")
    return func.coalesce(func.json_extract(table.c.tags, f'$."{name}"'), "")


def equals(name: str, value: str | int, table: Any = ENTRY) -> Iterator[ColumnElement[bool]]:
    """That a column holds a value; on entries in the words by which databases know that its index may be used."""
    yield table.c[name] == value
    but = SOUGHT.get(name)
    if table is ENTRY and but is not None and but != value:
        yield table.c[name] != literal_column(repr(but))


def within(filters: Filters, at: ColumnElement[int]) -> Iterator[ColumnElement[bool]]:
    """The times between which calls began. Raises Malformed for a time out of range."""
    if filters.since is not None:
        yield at >= micros(filters.since)
    if filters.until is not None:
        yield at < micros(filters.until)


def lasting(filters: Filters, duration: ColumnElement[float]) -> Iterator[ColumnElement[bool]]:
    """The bounds of how long calls took."""
    if filters.min_duration_ms is not None:
        yield duration >= filters.min_duration_ms
    if filters.max_duration_ms is not None:
        yield duration <= filters.max_duration_ms


def conditions(filters: Filters, table: Any = ENTRY, dialect: str = "sqlite") -> Iterator[ColumnElement[bool]]:
    """The filters as SQL conditions on entries, or on what is summed of them. Raises Malformed for a time out of range."""
    if filters.since is not None or filters.until is not None:
        yield from within(filters, table.c.at)
    for name in _EXACT:
        value = getattr(filters, name)
        if value is not None:
            yield from equals(name, value, table)
    if filters.tag is not None:
        name, _, value = filters.tag.partition("=")
        yield tag_value(table, name, dialect) == value
    if filters.min_duration_ms is not None or filters.max_duration_ms is not None:
        yield from lasting(filters, table.c.duration_ms)
    if filters.teams is not None:
        yield table.c.team.in_(filters.teams)


def check_limit(limit: int) -> None:
    """Raise Malformed unless `limit` is between 1 and 1000."""
    if not 1 <= limit <= MAX_LIMIT:
        raise Malformed("malformed", f"'limit' is a number from 1 to {MAX_LIMIT}.")


def cursor_at(value: float, entry: str) -> str:
    """The cursor that continues after the entry with that id, which holds `value` in what pages are ordered by.

    Opaque; it holds a position, and neither filters nor the order.
    """
    return urlsafe_b64encode(f"{value!r}.{entry}".encode()).decode().rstrip("=")


def continues(cursor: str, order: Order, column: ColumnElement[Any], entry: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition that a cursor stands for, where `column` holds what is ordered by and `entry` the ids of entries.

    Raises Malformed `malformed`.
    """
    try:
        if len(cursor) > MAX_VALUE:
            raise ValueError("too long")
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        told, _, last = text.rpartition(".")
        value = float(told) if order.by is Sort.DURATION else int(told)
        if not -(1 << 62) < value < 1 << 62 or "\x00" in last:
            raise ValueError("out of range")
    except (ValueError, binascii.Error) as error:
        raise Malformed("malformed", "The cursor is not one that this hub gave; start again without it.") from error
    if order.ascending:
        return and_(column >= value, or_(column > value, entry > last))
    return and_(column <= value, or_(column < value, entry < last))
