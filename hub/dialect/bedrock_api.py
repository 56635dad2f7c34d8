"""Bedrock's Converse, passed through: what the hub reads of calls, replies and streams on their way.

Which model is called stands in the path. A stream's messages go through the hub as server-sent events, as those of all
dialects do, and are put into Amazon's frames again at the edge.
"""

from typing import Any

import msgspec
from msgspec import Struct

from hub.core.calls import ModelCall
from hub.core.refusal import Refusal, UpstreamFailed
from hub.core.usage import Usage
from hub.core.values import a_dict, a_text
from hub.dialect import fields
from hub.dialect.bedrock_answers import buckets_of
from hub.dialect.errors import bedrock_error, bedrock_kind
from hub.dialect.estimate import estimate_output, estimate_tokens
from hub.dialect.event_stream import EventStream
from hub.dialect.members import UNREADABLE, places_of
from hub.dialect.replies import MOST_MESSAGE, reply_object
from hub.dialect.sse import cut_off

# The exceptions that a stream may hold; its clients cannot read others.
_STREAMED = frozenset(
    {"InternalServerException", "ValidationException", "ThrottlingException", "ServiceUnavailableException"}
)
_ENVELOPE = 90  # bytes of JSON around the text of one event


class _Config(Struct, rename="camel"):
    max_tokens: int | None = None


class _Reply(Struct):
    usage: dict[str, Any] | None = None


_CONFIG = msgspec.json.Decoder(_Config | None)
_REPLY = msgspec.json.Decoder(_Reply)


class ConverseStream:
    """Follows a stream of messages. It ends with what was used, after a reason to stop."""

    model = tier = ""

    def __init__(self, prompt: int) -> None:
        self._frames = EventStream()
        self._prompt = prompt
        self._size = self._events = 0
        self._counted = b""
        self._stopped = False
        self.done = False
        self.failure: UpstreamFailed | None = None

    @property
    def usage(self) -> Usage:
        """See `hub.core.wire.StreamReader`."""
        told = buckets_of(_object(self._counted).get("usage"))
        if told is not None:
            return told
        output = estimate_output(self._size, self._events, _ENVELOPE)
        return Usage(input=self._prompt, output=output, estimated=True)

    def feed(self, chunk: bytes) -> bytes:
        """See `hub.core.wire.StreamReader`."""
        return b"".join([self._passed(kind, data) for kind, data in self._frames.feed(chunk)])

    def _passed(self, kind: str, data: bytes) -> bytes:
        if not kind.removeprefix("!").replace("-", "").isalnum():
            raise UpstreamFailed("upstream_protocol", "The provider sent an event without a proper name.")
        if kind.startswith("!"):
            message = a_text(_object(data).get("message"))[:MOST_MESSAGE] or "it did not say why"
            told = f"The provider ended the stream with an error: {kind[1:]}: {message}"
            self.failure = UpstreamFailed("upstream_error", told)
        elif kind == "messageStop":
            self._stopped = True
        elif kind == "metadata":
            self._counted = data
            self.done = self._stopped
        self._size += len(data)
        self._events += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data.replace(b"\r", b" ").replace(b"\n", b" "))

    def finish(self) -> bytes:
        """See `hub.core.wire.StreamReader`."""
        if not self._stopped and self.failure is None:
            raise cut_off()
        self.done = self.failure is None
        return b""


def _object(data: bytes) -> dict[str, Any]:
    try:
        return a_dict(msgspec.json.decode(data)) if data else {}
    except UNREADABLE:
        return {}


class Converse:
    """The dialect, as `hub.dialect.wires.Wire`. Its clients pass over events that they do not know."""

    keep_alive = b"event: ping\ndata: {}\n\n"

    def peek(self, body: bytes) -> fields.Peek:
        """Read what the hub acts on. Raises Malformed."""
        places = places_of(body)
        config = fields.read(body, places, "inferenceConfig", _CONFIG, None)
        return fields.peek_in_path(body, places, config.max_tokens if config else None, "toolConfig")

    def request(self, call: ModelCall, model: str) -> bytes:
        """See `hub.dialect.wires.Wire`. The model stands in the path."""
        del model
        return call.body

    def usage(self, body: bytes) -> Usage | None:
        """See `hub.dialect.wires.Wire`."""
        reply = reply_object(body, _REPLY)
        return buckets_of(reply.usage) if reply is not None else None

    def estimate(self, call: ModelCall, reply_bytes: int) -> Usage:
        """See `hub.dialect.wires.Wire`."""
        return Usage(input=estimate_tokens(call.body), output=reply_bytes // 4, estimated=True)

    def reader(self, call: ModelCall) -> ConverseStream:
        """See `hub.dialect.wires.Wire`."""
        return ConverseStream(estimate_tokens(call.body))

    def error_event(self, refusal: Refusal, request_id: str, told: bytes = b"") -> bytes:
        """See `hub.dialect.wires.Wire`."""
        kind = bedrock_kind(refusal.status, refusal.code)
        kind = kind if kind in _STREAMED else "ModelStreamErrorException"
        name = f"!{kind[0].lower()}{kind[1:]}".encode()
        return b"event: %b\ndata: %b\n\n" % (name, bedrock_error(refusal, request_id))
