"""Endpoints beside conversations: embeddings, images, speech, rerank, moderations. They pass as they are."""

from typing import Any, Literal

import msgspec
from msgspec.structs import replace

from hub.core.calls import ModelCall
from hub.core.refusal import Malformed, Refusal
from hub.core.usage import Usage
from hub.core.values import a_dict, a_number
from hub.dialect import anthropic_messages, fields, gemini_api, openai_chat, openai_responses
from hub.dialect.errors import openai_error
from hub.dialect.estimate import estimate_tokens
from hub.dialect.members import UNREADABLE, places_of, splice
from hub.dialect.openai_chat import OpenAIReader

Counted = Literal["text", "image", "audio"]


class PlainWire:
    """One such endpoint, as `hub.dialect.wires.Wire`: a JSON body with a model in it, one whole answer.

    `made` is what comes back, which decides the bucket of the output. Answers may be binary; where they do not say
    what was used, it is estimated from what was sent.
    """

    keep_alive = b": keep-alive\n\n"

    def __init__(self, made: Counted = "text") -> None:
        self._made: Counted = made

    def peek(self, body: bytes) -> fields.Peek:
        """Read what the hub acts on. Raises Malformed."""
        places = places_of(body)
        if fields.read(body, places, "stream", fields.FLAG, None):
            raise Malformed("unsupported_field", "The field 'stream' is not supported here: leave it out.")
        return fields.Peek(fields.model(body, places), False, places)

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

    def reader(self, call: ModelCall) -> OpenAIReader:
        """See `hub.dialect.wires.Wire`."""
        return OpenAIReader(estimate_tokens(call.body), strip=False)

    def error_event(self, refusal: Refusal, request_id: str) -> bytes:
        """See `hub.dialect.wires.Wire`."""
        return b"data: %b\n\n" % openai_error(refusal, request_id)


def usage_of(told: dict[str, Any], made: Counted) -> Usage | None:
    """Disjoint buckets of a `usage` in either of OpenAI's two vocabularies; None when it counts no tokens."""
    read = a_number(told.get("input_tokens")) or a_number(told.get("prompt_tokens")) or 0
    written = a_number(told.get("output_tokens")) or a_number(told.get("completion_tokens")) or 0
    total = a_number(told.get("total_tokens")) or 0
    if not (read or written or total):
        return None
    read = read or total - written
    given = a_dict(told.get("input_tokens_details")) or a_dict(told.get("input_token_details"))
    heard = min(a_number(given.get("audio_tokens")) or 0, read)
    seen = min(a_number(given.get("image_tokens")) or 0, read - heard) if made == "image" else 0
    plain = Usage(input=max(read - heard - seen, 0), audio_in=heard, image_in=seen)
    if made == "text":
        return replace(plain, output=written)
    if made == "audio":
        return replace(plain, audio_out=written)
    said = min(a_number(a_dict(told.get("output_tokens_details")).get("text_tokens")) or 0, written)
    return replace(plain, image=written - said, output=said)


_ANTHROPIC = ("cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation", "server_tool_use")


def plain_usage(told: dict[str, Any]) -> Usage | None:
    """Disjoint buckets of a `usage` in whichever vendor's words; None when it counts nothing."""
    if "promptTokenCount" in told:
        return gemini_api.buckets_of(told)
    if "prompt_tokens" in told and "completion_tokens" in told:
        return openai_chat.buckets_of(told)
    if any(name in told for name in _ANTHROPIC):
        return anthropic_messages.buckets_of(told)
    given = a_dict(told.get("input_tokens_details"))
    if "image_tokens" in given:
        return usage_of(told, "image")
    if "cached_tokens" in given or "output_tokens_details" in told:
        return openai_responses.buckets_of({"usage": told})
    return usage_of(told, "text")
