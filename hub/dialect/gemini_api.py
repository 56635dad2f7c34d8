"""Gemini's generateContent: what the hub reads of a request, a reply and a stream."""

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from hub.core.calls import ModelCall
from hub.core.refusal import Refusal
from hub.core.usage import Usage
from hub.core.values import a_list
from hub.dialect import fields
from hub.dialect.errors import gemini_error
from hub.dialect.estimate import estimate_tokens
from hub.dialect.members import UNREADABLE, places_of
from hub.dialect.reader import Reader
from hub.dialect.replies import reply_object, reported
from hub.dialect.searches import QUERIES, charged, queries_in, value_of
from hub.dialect.sse import cut_off, data_of, events, events_with, is_silence

_FINISHED = re.compile(rb'"(?:finishReason|blockReason)"\s*:\s*"')


class _Modality(Struct, rename="camel"):
    modality: str = ""
    token_count: int | None = None


class _Usage(Struct, rename="camel"):
    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    prompt_tokens_details: list[_Modality] | None = None
    candidates_tokens_details: list[_Modality] | None = None
    cache_tokens_details: list[_Modality] | None = None
    tool_use_prompt_tokens_details: list[_Modality] | None = None


class _Chunk(Struct, rename="camel"):
    model_version: str | None = None
    usage_metadata: _Usage | None = None
    candidates: Raw = Raw(b"")
    error: Raw = Raw(b"")


class _Config(Struct, rename="camel"):
    max_output_tokens: int | None = None
    candidate_count: int | None = None


_NO_CONFIG = _Config()
_CHUNK = msgspec.json.Decoder(_Chunk)
_CONFIG = msgspec.json.Decoder(_Config | None)


def _of(modality: str, details: list[_Modality] | None) -> int:
    return sum(one.token_count or 0 for one in details or () if one.modality == modality)


def _buckets(told: _Usage) -> Usage:
    """Disjoint buckets. The prompt's count holds the cached ones, of every modality, and not what tools found.

    The candidates' count leaves out the thoughts. Drawn pictures have a rate of their own.
    """
    cached = told.cached_content_token_count or 0
    heard = _of("AUDIO", told.prompt_tokens_details) + _of("AUDIO", told.tool_use_prompt_tokens_details)
    heard = max(heard - _of("AUDIO", told.cache_tokens_details), 0)
    made = told.candidates_token_count or 0
    spoken = min(_of("AUDIO", told.candidates_tokens_details), made)
    drawn = min(_of("IMAGE", told.candidates_tokens_details), made - spoken)
    read = (told.prompt_token_count or 0) + (told.tool_use_prompt_token_count or 0)
    heard = min(heard, max(read - cached, 0))
    return Usage(
        input=max(read - cached - heard, 0),
        cache_read=cached,
        audio_in=heard,
        output=made - spoken - drawn,
        reasoning=told.thoughts_token_count or 0,
        audio_out=spoken,
        image=drawn,
    )


def buckets_of(usage: Any, searches: int = 0) -> Usage | None:
    """Disjoint buckets of `usageMetadata`, with the searches that the answer tells of; None when it is none."""
    try:
        told = _buckets(msgspec.convert(usage, _Usage)) if usage else None
    except msgspec.ValidationError:
        return None
    return replace(told, searches=searches) if told is not None and searches else told


def _searched_for(chunk: _Chunk) -> set[str]:
    return queries_in(a_list(value_of(chunk.candidates))) if QUERIES in bytes(chunk.candidates) else set()


def _parse(event: bytes) -> _Chunk:
    try:
        return _CHUNK.decode(data_of(event))
    except UNREADABLE:
        return _Chunk()


class GeminiReader(Reader):
    """Follows a stream of responses. There is no terminator: it ends after a reason to finish."""

    ENVELOPE = 330

    def __init__(self, prompt: int) -> None:
        super().__init__(prompt)
        self._counted = b""
        self._first = b""
        self._finished = False
        self._queries: set[str] = set()

    @property
    def model(self) -> str:
        """See `hub.core.wire.StreamReader`."""
        return next((found for one in events(self._first) if (found := _parse(one).model_version)), "")

    def _look(self, block: bytes) -> bytes:
        if not self._first:
            self._first = block
        if b'"error"' in block:
            for chunk in map(_parse, events(block)):
                if bytes(chunk.error) not in (b"", b"null"):
                    self.failure = reported(bytes(chunk.error))
        if not self._finished and _FINISHED.search(block):
            self._finished = True
        if QUERIES in block:
            for chunk in map(_parse, events_with(block, QUERIES)):
                self._queries |= _searched_for(chunk)
            self._searched = charged(self._queries, self.model)
        if b'"usageMetadata"' in block:
            self._counted = block
        return block

    def finish(self) -> bytes:
        """See `hub.core.wire.StreamReader`."""
        if self.done or self.failure is not None:
            return b""
        rest = bytes(self._cutter.pending)
        last = b"" if is_silence(rest) else self._look(rest.rstrip(b"\r\n") + b"\n\n")
        if not self._finished and self.failure is None:
            raise cut_off()
        self.done = self._finished
        return last

    def _told(self) -> Usage | None:
        for chunk in map(_parse, events_with(self._counted, b'"usageMetadata"')):
            if chunk.usage_metadata:
                return replace(_buckets(chunk.usage_metadata), searches=self._searched)
        return None


class Gemini:
    """The dialect, as `hub.dialect.wires.Wire`. Which model is asked for stands in the path."""

    keep_alive = b": keep-alive\n\n"

    def peek(self, body: bytes) -> fields.Peek:
        """Read what the hub acts on. Raises Malformed."""
        places = places_of(body)
        config = fields.read(body, places, "generationConfig", _CONFIG, None) or _NO_CONFIG
        return fields.peek_in_path(body, places, config.max_output_tokens, "tools", config.candidate_count or 1)

    def request(self, call: ModelCall, model: str) -> bytes:
        """See `hub.dialect.wires.Wire`. The model stands in the path."""
        del model
        return call.body

    def usage(self, body: bytes) -> Usage | None:
        """See `hub.dialect.wires.Wire`."""
        reply = reply_object(body, _CHUNK)
        if reply is None or reply.usage_metadata is None:
            return None
        searches = charged(_searched_for(reply), reply.model_version or "")
        return replace(_buckets(reply.usage_metadata), searches=searches)

    def estimate(self, call: ModelCall, reply_bytes: int) -> Usage:
        """See `hub.dialect.wires.Wire`."""
        return Usage(input=estimate_tokens(call.body), output=reply_bytes // 4, estimated=True)

    def reader(self, call: ModelCall) -> GeminiReader:
        """See `hub.dialect.wires.Wire`."""
        return GeminiReader(estimate_tokens(call.body))

    def error_event(self, refusal: Refusal, request_id: str, told: bytes = b"") -> bytes:
        """See `hub.dialect.wires.Wire`. Gemini's SDKs read the error of an event as that of a reply."""
        return b"data: %b\n\n" % gemini_error(refusal, request_id)
