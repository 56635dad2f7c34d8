"""Where a call came from, by its headers: session, tags, client and agent, each within bounds."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from hub.core.calls import Origin
from hub.core.capture import Capture
from hub.core.refusal import Malformed
from hub.core.telemetry import TraceContext, parse_context
from hub.edge.familiar import familiar_of

# The hub's own, then those of Claude Code and Codex.
_SESSIONS = (b"x-hub-session", b"x-claude-code-session-id", b"session-id", b"thread-id")
_SESSION = re.compile(r"[\x21-\x7e]{1,200}")
_TAG = re.compile(r"([A-Za-z0-9_.-]{1,64}) *=([\x20-\x2b\x2d-\x7e]{0,256})")
_MOST_TAGS = 16
_MOST_GUARDRAILS = 16
_REQUEST_ID = re.compile(rb"[\x21-\x7e]{1,128}")


def kept_request_id(value: bytes) -> str:
    """The caller's own request id, or "" when it cannot stand in logs and headers."""
    return value.decode("ascii") if _REQUEST_ID.fullmatch(value) else ""


def tags_of(value: bytes) -> tuple[tuple[str, str], ...]:
    """The tags of `x-hub-tags: team=a,run=7`. Raises Malformed rather than attribute a call to half of them."""
    items = [item.strip() for item in value.decode("latin-1").split(",") if item.strip()]
    matches = [_TAG.fullmatch(item) for item in items[: _MOST_TAGS + 1]]
    if len(items) > _MOST_TAGS or not all(matches):
        raise Malformed(
            "malformed",
            f"The header x-hub-tags is a list like 'project=apollo,run=7': at most {_MOST_TAGS} tags, names of "
            "64 letters, digits, '_', '.' or '-', values of 256 characters.",
        )
    return tuple({match[1]: match[2].strip() for match in matches if match}.items())


def session_of(headers: Mapping[bytes, bytes]) -> str:
    """The agent run that a call belongs to, or ""."""
    for name in _SESSIONS:
        value = headers.get(name, b"").decode("latin-1")
        if _SESSION.fullmatch(value):
            return value
    return ""


def trace_context(headers: Mapping[bytes, bytes]) -> TraceContext | None:
    """The caller's place in a trace by its headers, or None."""
    parent = headers.get(b"traceparent")
    if parent is None:
        return None
    return parse_context(parent.decode("latin-1"), headers.get(b"tracestate", b"").decode("latin-1"))


def capture_of(headers: Mapping[bytes, bytes]) -> Capture | None:
    """How much of the call its caller wants kept at most. Raises Malformed for a word that is none of the scale."""
    value = headers.get(b"x-hub-capture")
    if value is None:
        return None
    try:
        return Capture(value.decode("latin-1").strip().lower())
    except ValueError:
        raise Malformed(
            "malformed",
            "The header x-hub-capture is off, metadata, redacted or full; it can only make a call stricter.",
        ) from None


def guardrails_of(value: bytes) -> tuple[str, ...]:
    """The names in `x-hub-guardrails: NAME,NAME`. Raises Malformed rather than leave one of them out."""
    names = tuple(dict.fromkeys(name.strip() for name in value.decode("latin-1").split(",") if name.strip()))
    if len(names) > _MOST_GUARDRAILS or any(len(name) > 64 for name in names):
        raise Malformed(
            "malformed",
            f"The header x-hub-guardrails names guardrails, at most {_MOST_GUARDRAILS}, by comma: 'no-secrets,personal-data'.",
        )
    return names


def origin_of(scope: Mapping[str, Any], headers: Mapping[bytes, bytes], request_id: str) -> Origin:
    """The origin of a call. Raises Malformed for tags, a wish about capture or guardrails that cannot be read."""
    familiar = familiar_of(scope)
    if familiar is None:
        return _read(scope, headers, request_id)
    if familiar.origin is None:
        familiar.origin = _read(scope, headers, request_id)
    return replace(familiar.origin, request_id=request_id)


def _read(scope: Mapping[str, Any], headers: Mapping[bytes, bytes], request_id: str) -> Origin:
    client = scope.get("client")
    agent = headers.get(b"user-agent", b"").decode("latin-1")[:256]
    tags = headers.get(b"x-hub-tags")
    rules = headers.get(b"x-hub-guardrails")
    return Origin(
        request_id=request_id,
        session=session_of(headers),
        tags=tags_of(tags) if tags else (),
        client=client[0] if client else "",
        agent=agent if agent.isprintable() else "".join(char for char in agent if char.isprintable()),
        trace=trace_context(headers),
        capture=capture_of(headers),
        guardrails=guardrails_of(rules) if rules else (),
    )
