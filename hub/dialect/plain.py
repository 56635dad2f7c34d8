"""Endpoints beside conversations: embeddings, images, speech, rerank, moderations. They pass as they are."""

from typing import Any

import msgspec

from hub.core.calls import ModelCall
from hub.core.refusal import Malformed, Refusal
from hub.core.usage import Usage
from hub.core.values import a_dict
from hub.dialect import fields
from hub.dialect.errors import openai_error
from hub.dialect.estimate import estimate_tokens
from hub.dialect.members import UNREADABLE, places_of, splice
from hub.dialect.plain_streams import PlainReader
from hub.dialect.plain_usage import Counted, usage_of

_WORD = msgspec.json.Decoder(Any)
_MOST_PICTURES = 16


class PlainWire:
    """One such endpoint, as `hub.dialect.wires.Wire`: a JSON body with a model in it.

    `made` is what comes back, which decides the bucket of the output. Answers may be binary; where they do not say
    what was used, it is estimated from what was sent. Pictures and speech may be streamed.
    """

    keep_alive = b": keep-alive\n\n"

    def __init__(self, made: Counted = "text") -> None:
        self._made: Counted = made

    def peek(self, body: bytes) -> fields.Peek:
        """Read what the hub acts on. Raises Malformed."""
        places = places_of(body)
        stream = bool(fields.read(body, places, "stream", fields.FLAG, None))
        if stream and self._made != "image":
            raise Malformed("unsupported_field", "The field 'stream' is not supported here: leave it out.")
        if self._made == "audio":
            stream = fields.read(body, places, "stream_format", _WORD, None) == "sse"
        pictures = fields.answers(body, places, "n") if self._made == "image" else 1
        return fields.Peek(fields.model(body, places), stream, places, answers=pictures)

    def request(self, call: ModelCall, model: str) -> bytes:
        """See `hub.dialect.wires.Wire`."""
        if model == call.named:
            return call.body
        return splice(call.body, [(*call.places["model"], msgspec.json.encode(model))])

    def usage(self, body: bytes) -> Usage | None:
        """See `hub.dialect.wires.Wire`. An answer that is not JSON says nothing."""
        if body[:1] != b"{" or b'"usage"' not in body:
            return None
        try:
            told = a_dict(msgspec.json.decode(body, type=dict[str, Any]).get("usage"))
        except UNREADABLE:
            return None
        return usage_of(told, self._made)

    def estimate(self, call: ModelCall, reply_bytes: int) -> Usage:
        """See `hub.dialect.wires.Wire`. What is made is not text, so its size says nothing about tokens."""
        del reply_bytes
        return Usage(input=estimate_tokens(call.body), estimated=True)

    def reader(self, call: ModelCall) -> PlainReader:
        """See `hub.dialect.wires.Wire`. There are as many ends as there are pictures."""
        return PlainReader(self.estimate(call, 0), self._made, min(call.answers, _MOST_PICTURES))

    def error_event(self, refusal: Refusal, request_id: str, told: bytes = b"") -> bytes:
        """See `hub.dialect.wires.Wire`."""
        return b"data: %b\n\n" % openai_error(refusal, request_id)
