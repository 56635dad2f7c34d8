"""What is sent to an export's destination: bodies and headers, by its format."""

import hashlib
import hmac
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import orjson
from msgspec import json

from hub.core.capture import Capture
from hub.core.entry import Entry
from hub.core.rarely import Part, load
from hub.core.telemetry import chosen
from hub.ledger.payloads import Kept
from hub.resources.notices import ExportSpec
from hub.store.records import AuditRow

Resolve = Callable[[str], Awaitable[str]]
_SHOWN = (Capture.REDACTED, Capture.FULL)


class Content(NamedTuple):
    """What was said, where an export is told to show it and it was kept."""

    request: str
    reply: str


def signature(secret: str, at: int, body: bytes) -> str:
    """`t=SECONDS,v1=HEX`: HMAC-SHA256 over `SECONDS.BODY`, so that a receiver can refuse forged and old messages."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def audit_line(row: AuditRow) -> dict[str, Any]:
    """An audit row as JSON, with all that its hash is over."""
    return {
        "id": row.id,
        "at": row.at.isoformat(),
        "actor": row.actor,
        "source": row.source,
        "address": row.address,
        "action": row.action,
        "kind": row.kind,
        "name": row.name,
        "version": row.version,
        "diff": row.diff,
        "detail": row.detail,
        "hash": row.hash,
    }


class Messages:
    """Makes messages. `resolve` gives the secret of a reference, `kept` what is kept of a call's bodies."""

    def __init__(
        self,
        resolve: Resolve,
        kept: Callable[[str], Awaitable[Kept | None]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._resolve = resolve
        self._kept = kept
        self._now = now

    def wants(self, spec: ExportSpec, entry: Entry) -> bool:
        """Whether an export takes this entry: a trace is taken whole or not at all."""
        if spec.owner is not None and spec.owner.parts not in (("user", entry.user), ("team", entry.team)):
            return False
        if spec.format != "otlp":
            return True
        return entry.sampled and (bool(entry.parent) or chosen(entry.trace, spec.sample))

    async def calls(self, spec: ExportSpec, entries: Sequence[Entry]) -> bytes:
        """The body that tells of calls."""
        if spec.format == "webhook":
            return b'{"type":"calls","items":' + json.encode(entries) + b"}"
        otlp = load(Part.SPANS)
        spans = [span for entry in entries for span in otlp.spans_of(entry, await self._content(spec, entry))]
        request = otlp.request_of(spans, spec.service_name)
        return otlp.as_json(request) if spec.protocol == "http/json" else request.SerializeToString()

    def audit(self, rows: Sequence[AuditRow]) -> bytes:
        """The body that tells of audit rows."""
        return orjson.dumps({"type": "audit", "items": [audit_line(row) for row in rows]})

    def audit_lines(self, rows: Sequence[AuditRow]) -> bytes:
        """The same as JSON lines."""
        return b"".join(orjson.dumps(audit_line(row)) + b"\n" for row in rows)

    async def _content(self, spec: ExportSpec, entry: Entry) -> Content | None:
        if not spec.content or entry.capture not in _SHOWN:
            return None
        kept = await self._kept(entry.id)
        return Content(kept.request or "", kept.reply or "") if kept is not None else None

    async def headers(self, spec: ExportSpec, body: bytes) -> tuple[tuple[str, str], ...]:
        """The headers, the destination's credential among them. Raises Refusal when it cannot be had."""
        binary = spec.format == "otlp" and spec.protocol == "http/protobuf"
        headers = {"content-type": "application/x-protobuf" if binary else "application/json"}
        headers.update((name.lower(), value) for name, value in spec.headers.items())
        secret = await self._resolve(spec.secret) if spec.secret else ""
        match spec.auth:
            case "bearer":
                headers["authorization"] = f"Bearer {secret}"
            case "basic":
                headers["authorization"] = f"Basic {b64encode(secret.encode()).decode()}"
            case "api_key":
                headers[spec.api_key_header.lower()] = secret
            case "signature":
                headers["x-hub-signature"] = signature(secret, int(self._now()), body)
            case "none":
                pass
        return tuple(headers.items())
