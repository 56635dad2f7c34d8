"""What the hub tells alike at several doors: moments, and how a server did lately."""

from datetime import UTC, datetime
from typing import Any

from hub.upstream import ServerStatus


def iso(seconds: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601; None where there are none."""
    return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else None


def listing_and_calls(status: ServerStatus) -> dict[str, Any]:
    """When a server listed last, and how its last calls went."""
    lately = status.lately
    return {
        "listed_at": iso(status.listed),
        "last_calls": {
            "calls": lately.calls,
            "failed": lately.failed,
            "p50_ms": lately.p50_ms,
            "last_at": iso(lately.at),
        },
    }
