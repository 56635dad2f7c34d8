"""Wire formats: a call and where it goes in, the lane that carries it there and back out."""

from hub.core.calls import Dialect
from hub.core.refusal import Refusal
from hub.dialect.errors import bedrock_kind, error_body, gemini_error
from hub.dialect.estimate import estimate_tokens
from hub.dialect.event_stream import framed
from hub.dialect.fields import Peek
from hub.dialect.lanes import lane
from hub.dialect.plain_usage import plain_usage
from hub.dialect.searches import SEARCHES
from hub.dialect.tiers import wished
from hub.dialect.wires import WIRES


def peek(dialect: Dialect, body: bytes) -> Peek:
    """Read what the hub acts on. Raises Malformed naming the field."""
    return WIRES[dialect].peek(body)


def error_event(dialect: Dialect, refusal: Refusal, request_id: str) -> bytes:
    """The event that ends a stream of `dialect` which cannot go on."""
    return WIRES[dialect].error_event(refusal, request_id)


def keep_alive(dialect: Dialect) -> bytes:
    """What fills silence in a stream of `dialect`."""
    return WIRES[dialect].keep_alive


__all__ = [
    "SEARCHES",
    "WIRES",
    "Peek",
    "bedrock_kind",
    "error_body",
    "error_event",
    "estimate_tokens",
    "framed",
    "gemini_error",
    "keep_alive",
    "lane",
    "peek",
    "plain_usage",
    "wished",
]
