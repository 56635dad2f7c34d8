"""An entry as a row of the table `entry` and rows of `attempt`, and back."""

from operator import attrgetter
from typing import Any

from msgspec import json

from hub.core.entry import AttemptRecord, Entry, Finding
from hub.core.usage import Usage
from hub.store import ledger_tables as tables

_TEXT = (
    "id", "call", "principal", "key", "user", "team", "request_id", "session", "door", "agent", "application", "dialect",
    "lane", "model", "target", "provider", "profile", "server", "tool", "outcome", "code", "error", "price_version", "plan",
    "raw_usage", "cache", "trace", "parent", "capture", "repriced", "route", "digest",
)  # fmt: skip
_NUMBERS = (
    "status", "ttft_ms", "duration_ms", "request_bytes", "response_bytes", "stream", "at", "cost_micro_usd",
    "saved_micro_usd", "own_micro_usd", "sampled",
)  # fmt: skip
_ATTEMPT = ("target", "outcome", "failure", "status", "duration_ms", "error", "cost_micro_usd")
BUCKETS = (
    "input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning", "audio_in", "audio_out", "image",
    "tool_calls", "image_in", "searches",
)  # fmt: skip

ENTRY, ATTEMPT, TAG = tables.ENTRY, tables.ATTEMPT, tables.TAG
PAYLOAD, ROLLUP, STALE = tables.PAYLOAD, tables.ROLLUP, tables.STALE

SOUGHT: dict[str, str | int | None] = {
    index.info["sought"]: index.info["but"] for index in ENTRY.indexes if "sought" in index.info
}
"""The columns by which an index finds entries in order of time, each with the value that it leaves out (None: none)."""

_attempts = json.Decoder(tuple[AttemptRecord, ...])
_names = json.Decoder(tuple[str, ...])
_findings = json.Decoder(tuple[Finding | str, ...])  # the first version kept names only
_tags = json.Decoder(dict[str, str])
_encode = json.Encoder(order="deterministic").encode


ENTRY_COLUMNS = (*_TEXT, *_NUMBERS, *BUCKETS, "estimated", "tags", "attempts", "dropped", "findings", "written")
ATTEMPT_COLUMNS = ("entry", "number", "at", *_ATTEMPT)
TAG_COLUMNS = ("at", "entry", "name", "value")
_of_entry = attrgetter(*_TEXT, *_NUMBERS)
_of_usage = attrgetter(*BUCKETS, "estimated")
_of_attempt = attrgetter(*_ATTEMPT)


def to_row(entry: Entry, written: int) -> tuple[Any, ...]:
    """The row of an entry that is `written` now, in the order of ENTRY_COLUMNS. Lists and tags are JSON text."""
    return (
        *_of_entry(entry),
        *_of_usage(entry.usage),
        _encode(entry.tags).decode() if entry.tags else "{}",
        _encode(entry.attempts).decode(),
        _encode(entry.dropped).decode() if entry.dropped else "[]",
        _encode(entry.findings).decode() if entry.findings else "[]",
        written,
    )


def to_attempts(entry: Entry) -> list[tuple[Any, ...]]:
    """The rows of an entry's attempts, numbered from 1, in the order of ATTEMPT_COLUMNS."""
    return [
        (entry.id, number, entry.at + int(attempt.began_ms * 1000), *_of_attempt(attempt))
        for number, attempt in enumerate(entry.attempts, 1)
    ]


def to_tags(entry: Entry) -> list[tuple[Any, ...]]:
    """The rows of an entry's tags, in the order of TAG_COLUMNS."""
    return [(entry.at, entry.id, name, value) for name, value in entry.tags.items()]


def to_entry(row: dict[str, Any]) -> Entry:
    """The entry of a row."""
    return Entry(
        **{name: row[name] for name in (*_TEXT, *_NUMBERS)},
        usage=Usage(estimated=row["estimated"], **{name: row[name] for name in BUCKETS}),
        tags=_tags.decode(row["tags"]),
        attempts=_attempts.decode(row["attempts"]),
        dropped=_names.decode(row["dropped"]),
        findings=tuple(Finding(f) if isinstance(f, str) else f for f in _findings.decode(row["findings"])),
    )
