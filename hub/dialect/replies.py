"""Reading whole replies, and the errors in them."""

from typing import Any, TypeVar, cast

import msgspec

from hub.core.refusal import UpstreamFailed
from hub.dialect.members import UNREADABLE

T = TypeVar("T")
MOST_MESSAGE = 500


def reply_object(body: bytes, decoder: "msgspec.json.Decoder[T]") -> T | None:
    """The reply, decoded; None when it is an object whose fields nobody can read.

    Raises UpstreamFailed `upstream_protocol` when it is no JSON object.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        if body.lstrip()[:1] == b"{":
            return None
    except UNREADABLE:
        pass
    raise UpstreamFailed("upstream_protocol", "The provider answered with something that is not a JSON object.")


def reported(error: bytes) -> UpstreamFailed:
    """The failure that a provider reported in a stream, from its JSON: `{"message": ...}` or a plain string."""
    try:
        told: Any = msgspec.json.decode(error)
    except UNREADABLE:
        told = ""
    if isinstance(told, dict):
        fields = cast("dict[str, Any]", told)
        told = fields.get("message") or fields.get("code") or ""
    message = str(told)[:MOST_MESSAGE] or "it did not say why"
    return UpstreamFailed("upstream_error", f"The provider ended the stream with an error: {message}")
