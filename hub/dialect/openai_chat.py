"""OpenAI's Chat Completions: what the hub reads of a request, a reply and a stream."""

import re
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Raw, Struct

from hub.core.calls import ModelCall
from hub.core.refusal import Refusal
from hub.core.usage import Usage
from hub.core.values import a_number
from hub.dialect import fields
from hub.dialect.errors import openai_error
from hub.dialect.estimate import estimate_tokens
from hub.dialect.members import UNREADABLE, places_of, splice
from hub.dialect.reader import Reader
from hub.dialect.replies import reply_object, reported
from hub.dialect.searches import counted
from hub.dialect.sse import data_of, events, events_with
from hub.dialect.tiers import tier_in

_DONE = re.compile(rb"^data: ?\[DONE\]\r?$", re.MULTILINE)
_END = b"data: [DONE]\n\n"
_ASK = b'{"include_usage":true}'


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _PromptDetails(Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    audio_tokens: int | None = None


class _CompletionDetails(Struct):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


_NO_PROMPT_DETAILS = _PromptDetails()
_NO_COMPLETION_DETAILS = _CompletionDetails()


class _Usage(Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    # What some vendors say in words of their own: the cached tokens, and how often they searched the web.
    prompt_cache_hit_tokens: Any = None
    cached_tokens: Any = None
    server_tool_use: Any = None
    server_side_tool_usage_details: Any = None
    num_search_queries: Any = None
    num_sources_used: Any = None


class _Own(Struct):
    """What Groq puts beside a chunk: the usage, asked for or not."""

    usage: _Usage | None = None


class _Chunk(Struct):
    """An event of a stream, or a whole reply."""

    model: str | None = None
    choices: Raw = Raw(b"")
    usage: _Usage | None = None
    x_groq: _Own | None = None
    error: Raw = Raw(b"")

    @property
    def used(self) -> _Usage | None:
        """The usage, wherever it stands."""
        return self.usage or (self.x_groq.usage if self.x_groq is not None else None)


_ANSWERS = ("n", "best_of")
_OPTIONS = msgspec.json.Decoder(_StreamOptions | None)
_CHUNK = msgspec.json.Decoder(_Chunk)
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])


def _buckets(told: _Usage) -> Usage:
    """Disjoint buckets. `prompt_tokens` holds the cached ones; `completion_tokens` the reasoning, with most vendors.

    Where the total says otherwise, it is right: what it has more is reasoning that was left out (xAI, Gemini), or the
    cached tokens.
    """
    prompt = told.prompt_tokens_details or _NO_PROMPT_DETAILS
    completion = told.completion_tokens_details or _NO_COMPLETION_DETAILS
    cached = prompt.cached_tokens or a_number(told.prompt_cache_hit_tokens) or a_number(told.cached_tokens) or 0
    written, heard = prompt.cache_write_tokens or 0, prompt.audio_tokens or 0
    reasoning, spoken = completion.reasoning_tokens or 0, completion.audio_tokens or 0
    read, made = told.prompt_tokens or 0, told.completion_tokens or 0
    drawn, told_more = completion.image_tokens or 0, (told.total_tokens or 0) - read - made
    drawn, more = drawn if drawn < made else made, told_more if told_more > 0 else 0
    if more and more == cached + written != reasoning:
        read, more = read + cached + written, 0
    within = reasoning if reasoning <= made and more != reasoning else 0
    fresh, plain = read - cached - written - heard, made - spoken - drawn - within
    return Usage(
        input=fresh if fresh > 0 else 0,
        cache_read=cached,
        cache_write_5m=written,
        audio_in=heard,
        output=plain if plain > 0 else 0,
        reasoning=reasoning or more,
        audio_out=spoken,
        image=drawn,
        searches=_searches(told),
    )


_SEARCHED = ("server_tool_use", "server_side_tool_usage_details", "num_search_queries", "num_sources_used")
_searched = attrgetter(*_SEARCHED)


def _searches(told: _Usage) -> int:
    given = {name: value for name, value in zip(_SEARCHED, _searched(told), strict=True) if value is not None}
    return (counted(given) or 0) if given else 0


def buckets_of(usage: Any) -> Usage | None:
    """Disjoint buckets of the `usage` of a reply or chunk; None when it is none."""
    try:
        return _buckets(msgspec.convert(usage, _Usage)) if usage else None
    except msgspec.ValidationError:
        return None


def _parse(event: bytes) -> _Chunk | None:
    try:
        return _CHUNK.decode(data_of(event))
    except UNREADABLE:
        return None


class OpenAIReader(Reader):
    """Follows a stream of `chat.completion.chunk`. `strip` takes out the usage event that only the hub asked for."""

    ENVELOPE = 190

    def __init__(self, prompt: int, strip: bool) -> None:
        super().__init__(prompt)
        self._strip = strip
        self._finished = False
        self._first = b""
        self._counted = b""

    @property
    def model(self) -> str:
        """See `hub.core.wire.StreamReader`."""
        return next((c.model for e in events(self._first) if (c := _parse(e)) is not None and c.model), "")

    @property
    def tier(self) -> str:
        """See `hub.core.wire.StreamReader`. Every chunk says it, where any does."""
        named = events_with(self._counted, b'"service_tier"')
        return next((found for event in named if (found := tier_in(data_of(event)))), "")

    def _look(self, block: bytes) -> bytes:
        if not self._first:
            self._first = block
        find = block.find  # `in` tries first whether what it is to look for is a number, at five times the cost
        if find(b'"error"') >= 0:
            self._note_error(block)
        if find(b'"finish_reason":"') >= 0 or find(b'"finish_reason": "') >= 0:
            self._finished = True
        if find(b"[DONE]") >= 0 and _DONE.search(block):
            self.done = True
        if find(b'"usage":{') >= 0 or find(b'"usage": {') >= 0:
            self._counted = block
            if self._strip and (b'"choices":[]' in block or b'"choices": []' in block):
                return b"".join(event for event in events(block) if not _only_usage(event))
        return block

    def _note_error(self, block: bytes) -> None:
        for event in events(block):
            chunk = _parse(event)
            if chunk is not None and bytes(chunk.error) not in (b"", b"null"):
                self.failure = reported(bytes(chunk.error))

    def _end(self) -> bytes:
        return _END if self._finished else super()._end()

    def _told(self) -> Usage | None:
        for event in events_with(self._counted, b'"usage"'):
            chunk = _parse(event)
            if chunk is not None and (told := chunk.used) is not None:
                return _buckets(told)
        return None


def _only_usage(event: bytes) -> bool:
    chunk = _parse(event)
    return chunk is not None and chunk.usage is not None and bytes(chunk.choices) == b"[]"


class OpenAIChat:
    """The dialect, as `hub.dialect.wires.Wire`."""

    keep_alive = b": keep-alive\n\n"

    def peek(self, body: bytes) -> fields.Peek:
        """Read what the hub acts on. Raises Malformed."""
        places = places_of(body)
        options = fields.read(body, places, "stream_options", _OPTIONS, None) if "stream_options" in places else None
        return fields.Peek(
            model=fields.model(body, places),
            stream="stream" in places and bool(fields.read(body, places, "stream", fields.FLAG, None)),
            places=places,
            max_output=fields.tokens(body, places, "max_completion_tokens", "max_tokens"),
            answers=fields.answers(body, places, *_ANSWERS) if not places.keys().isdisjoint(_ANSWERS) else 1,
            wants_usage=bool(options and options.include_usage),
            has_tools=fields.filled(body, places, "tools"),
        )

    def request(self, call: ModelCall, model: str) -> bytes:
        """See `hub.dialect.wires.Wire`."""
        changes: list[tuple[int, int, bytes]] = []
        if model != call.named:
            changes.append((*call.places["model"], msgspec.json.encode(model)))
        if call.stream and not call.wants_usage:
            changes.append(_ask_for_usage(call))
        return splice(call.body, changes) if changes else call.body

    def usage(self, body: bytes) -> Usage | None:
        """See `hub.dialect.wires.Wire`."""
        chunk = reply_object(body, _CHUNK)
        return _buckets(chunk.usage) if chunk is not None and chunk.usage is not None else None

    def estimate(self, call: ModelCall, reply_bytes: int) -> Usage:
        """See `hub.dialect.wires.Wire`."""
        return Usage(input=estimate_tokens(call.body), output=reply_bytes // 4, estimated=True)

    def reader(self, call: ModelCall) -> OpenAIReader:
        """See `hub.dialect.wires.Wire`."""
        return OpenAIReader(estimate_tokens(call.body), strip=not call.wants_usage)

    def error_event(self, refusal: Refusal, request_id: str, told: bytes = b"") -> bytes:
        """See `hub.dialect.wires.Wire`. No `[DONE]` follows: the answer is not done."""
        return b"data: %b\n\n" % openai_error(refusal, request_id)


def _ask_for_usage(call: ModelCall) -> tuple[int, int, bytes]:
    place = call.places.get("stream_options")
    if place is None:
        start = call.body.index(b"{") + 1
        return start, start, b'"stream_options":%b,' % _ASK
    given = call.body[place[0] : place[1]]
    if given == b"null":
        return *place, _ASK
    return *place, msgspec.json.encode({**_MEMBERS.decode(given), "include_usage": True})
