"""Questions for the number of tokens of a call: passed on where somebody counts, and they use none."""

import msgspec

from hub.core.calls import ModelCall
from hub.core.usage import Usage
from hub.dialect import fields
from hub.dialect.anthropic_messages import AnthropicMessages
from hub.dialect.gemini_api import Gemini
from hub.dialect.members import places_of
from hub.dialect.replies import reply_object

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NOTHING = Usage()


class AnthropicCount(AnthropicMessages):
    """`/v1/messages/count_tokens`, as `hub.dialect.wires.Wire`."""

    def peek(self, body: bytes) -> fields.Peek:
        """See `hub.dialect.wires.Wire`. It never streams, and makes no tokens."""
        seen = super().peek(body)
        return fields.Peek(seen.model, False, seen.places, 0, has_tools=seen.has_tools)

    def usage(self, body: bytes) -> Usage | None:
        """See `hub.dialect.wires.Wire`."""
        reply_object(body, _OBJECT)
        return None

    def estimate(self, call: ModelCall, reply_bytes: int) -> Usage:
        """See `hub.dialect.wires.Wire`."""
        return _NOTHING


class GeminiCount(Gemini):
    """`:countTokens`, as `hub.dialect.wires.Wire`."""

    def peek(self, body: bytes) -> fields.Peek:
        """See `hub.dialect.wires.Wire`."""
        return fields.Peek("", False, places_of(body), 0)

    def usage(self, body: bytes) -> Usage | None:
        """See `hub.dialect.wires.Wire`."""
        reply_object(body, _OBJECT)
        return None

    def estimate(self, call: ModelCall, reply_bytes: int) -> Usage:
        """See `hub.dialect.wires.Wire`."""
        return _NOTHING
