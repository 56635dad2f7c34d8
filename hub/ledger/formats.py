"""Entries as files for other programs: CSV, JSON lines and Parquet."""

import asyncio
import csv
import importlib
import io
import tempfile
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any, BinaryIO

import msgspec
from msgspec import json

from hub.core.entry import Entry
from hub.core.refusal import Malformed, Refusal
from hub.ledger.rows import BUCKETS

Pieces = AsyncIterator[Sequence[Entry]]

MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
_TEXTS = (
    "id", "at", "call", "outcome", "code", "principal", "key", "user", "team", "application", "session", "request_id",
    "trace", "door", "agent", "dialect", "lane", "model", "target", "provider", "route", "profile", "server", "tool",
    "cache", "price_version", "error",
)  # fmt: skip
_WHOLE = ("status", "cost_micro_usd", "saved_micro_usd", "own_micro_usd", "request_bytes", "response_bytes")
_REAL = ("ttft_ms", "duration_ms", "tokens_per_second")
COLUMNS = (*_TEXTS, *_WHOLE, *_REAL, *BUCKETS, "estimated", "stream", "attempts", "tags", "findings")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_CHUNK = 64 << 10
_encode = json.Encoder().encode


def flat(entry: Entry) -> dict[str, Any]:
    """An entry as one flat row: times as ISO 8601, nested values as JSON text, the number of attempts."""
    row: dict[str, Any] = {name: getattr(entry, name) for name in (*_TEXTS, *_WHOLE, *_REAL)}
    row["at"] = datetime.fromtimestamp(entry.at / 1e6, UTC).isoformat()
    row.update((name, getattr(entry.usage, name)) for name in BUCKETS)
    row.update(estimated=entry.usage.estimated, stream=entry.stream, attempts=len(entry.attempts))
    row.update(tags=_encode(entry.tags).decode(), findings=_encode(entry.findings).decode())
    return row


def cell(value: Any) -> Any:
    """A value as a spreadsheet may see it: text that it would run as a formula is made plain text."""
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value


def csv_lines(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, heading: bool) -> bytes:
    """Rows as CSV (RFC 4180)."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    if heading:
        writer.writerow(columns)
    writer.writerows([cell(row[name]) for name in columns] for row in rows)
    return out.getvalue().encode()


async def written(pieces: Pieces, form: str) -> AsyncIterator[bytes]:
    """The file, piece by piece. Raises Malformed for a format that does not exist, Refusal `extra_missing`."""
    if form == "csv":
        yield csv_lines([], COLUMNS, heading=True)
        async for entries in pieces:
            yield csv_lines([flat(entry) for entry in entries], COLUMNS, heading=False)
    elif form == "jsonl":
        async for entries in pieces:
            yield msgspec.json.Encoder().encode_lines(entries)
    elif form == "parquet":
        async for piece in _parquet(pieces):
            yield piece
    else:
        raise Malformed("malformed", f"An export is one of: {', '.join(MEDIA)}.")


def check_format(form: str) -> None:
    """Raise what `written` would raise, before anything is sent."""
    if form not in MEDIA:
        raise Malformed("malformed", f"An export is one of: {', '.join(MEDIA)}.")
    if form == "parquet":
        _arrow("pyarrow")


def _arrow(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise Refusal(
            "extra_missing",
            "Parquet needs an extra: pip install 'agent-tool-hub[parquet]'. CSV and JSON lines need none.",
            status=501,
        ) from None


def _schema(arrow: Any) -> Any:
    kinds = {
        **dict.fromkeys((*_WHOLE, *BUCKETS, "attempts"), arrow.int64()),
        **dict.fromkeys(_REAL, arrow.float64()),
        "estimated": arrow.bool_(),
        "stream": arrow.bool_(),
        "at": arrow.timestamp("us", tz="UTC"),
    }
    return arrow.schema([(name, kinds.get(name, arrow.string())) for name in COLUMNS])


async def _parquet(pieces: Pieces) -> AsyncIterator[bytes]:
    """A Parquet file: written beside, since its index stands at its end."""
    arrow, parquet = _arrow("pyarrow"), _arrow("pyarrow.parquet")
    schema = _schema(arrow)
    with tempfile.TemporaryFile() as file:
        writer = parquet.ParquetWriter(file, schema)
        async for entries in pieces:
            rows = [{**flat(entry), "at": datetime.fromtimestamp(entry.at / 1e6, UTC)} for entry in entries]
            table = arrow.Table.from_pylist(rows, schema=schema)
            await asyncio.to_thread(writer.write_table, table)
        writer.close()
        file.seek(0)
        while chunk := await asyncio.to_thread(_read, file):
            yield chunk


def _read(file: BinaryIO) -> bytes:
    return file.read(_CHUNK)
