"""Anthropic's Messages: what the hub reads of a request, a reply and a stream."""

from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from hub.core.calls import ModelCall
from hub.core.refusal import Refusal
from hub.core.usage import Usage
from hub.core.values import a_dict, a_list
from hub.dialect import fields
from hub.dialect.errors import anthropic_error
from hub.dialect.estimate import estimate_tokens
from hub.dialect.members import UNREADABLE, places_of, splice
from hub.dialect.reader import Reader
from hub.dialect.replies import reply_object, reported
from hub.dialect.searches import counted, value_of
from hub.dialect.sse import data_of, events_with
from hub.dialect.tiers import answered


class _CacheCreation(Struct):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class _OutputDetails(Struct):
    thinking_tokens: int | None = None


class _Counts(Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: _CacheCreation | None = None
    output_tokens_details: _OutputDetails | None = None


class _Usage(_Counts):
    server_tool_use: Any = None
    iterations: Any = None
    speed: Any = None
    inference_geo: Any = None


class _Message(Struct):
    model: str | None = None
    usage: _Usage | None = None


class _Block(Struct):
    type: str = ""
    content: Raw = Raw(b"")


class _Event(Struct):
    """An event of a stream. `message_start` carries the message, `message_delta` the usage so far."""

    type: str = ""
    message: _Message | None = None
    usage: _Usage | None = None
    content_block: _Block | None = None
    error: Raw = Raw(b"")


_EVENT = msgspec.json.Decoder(_Event)
_REPLY = msgspec.json.Decoder(_Message)


def _buckets(told: _Usage) -> Usage:
    """Disjoint buckets, with the searches, and with what it took to make a long conversation shorter.

    That is charged too, and is not within the sums.
    """
    usage = _tokens(told)
    for one in map(a_dict, a_list(told.iterations)):
        if one.get("type") == "compaction" and (more := _counts_of(one)) is not None:
            usage = usage.plus(_tokens(more))
    searches = counted({"server_tool_use": told.server_tool_use}) if told.server_tool_use else 0
    return replace(usage, searches=searches) if searches else usage


def _counts_of(value: dict[str, Any]) -> _Counts | None:
    try:
        return msgspec.convert(value, _Counts)
    except msgspec.ValidationError:
        return None


def _tokens(told: _Counts) -> Usage:
    """Disjoint buckets. `input_tokens` leaves out the cache, `output_tokens` holds the thinking."""
    written = told.cache_creation_input_tokens or 0
    creation = told.cache_creation or _CacheCreation()
    hour = min(creation.ephemeral_1h_input_tokens or 0, written) if written else creation.ephemeral_1h_input_tokens or 0
    made = told.output_tokens or 0
    thinking = min((told.output_tokens_details or _OutputDetails()).thinking_tokens or 0, made)
    return Usage(
        input=told.input_tokens or 0,
        cache_read=told.cache_read_input_tokens or 0,
        cache_write_5m=max(written - hour, 0) if written else creation.ephemeral_5m_input_tokens or 0,
        cache_write_1h=hour,
        output=made - thinking,
        reasoning=thinking,
    )


def _joined(first: _Usage, later: _Usage) -> _Usage:
    """Both accounts as one. Counts only grow, so the larger one is the later one."""

    def most(name: str) -> int | None:
        given = [value for told in (first, later) if (value := getattr(told, name)) is not None]
        return max(given) if given else None

    return _Usage(
        input_tokens=most("input_tokens"),
        output_tokens=most("output_tokens"),
        cache_creation_input_tokens=most("cache_creation_input_tokens"),
        cache_read_input_tokens=most("cache_read_input_tokens"),
        cache_creation=later.cache_creation or first.cache_creation,
        output_tokens_details=later.output_tokens_details or first.output_tokens_details,
        server_tool_use=later.server_tool_use or first.server_tool_use,
        iterations=later.iterations or first.iterations,
        speed=later.speed or first.speed,
        inference_geo=later.inference_geo or first.inference_geo,
    )


def buckets_of(usage: Any, more: Any = None) -> Usage | None:
    """Disjoint buckets of the `usage` of a message, joined with what came later; None when it is none."""
    try:
        first = msgspec.convert(usage or {}, _Usage)
        later = msgspec.convert(more or {}, _Usage)
    except msgspec.ValidationError:
        return None
    return _buckets(_joined(first, later)) if usage or more else None


def _parse(event: bytes) -> _Event:
    try:
        return _EVENT.decode(data_of(event))
    except UNREADABLE:
        return _Event()


def is_search(kind: str, result: Any) -> bool:
    """Whether a block is the outcome of a web search; one that failed is not charged."""
    return kind == "web_search_tool_result" and isinstance(result, list)


_MARKS = (b'"message_start"', b'"message_stop"', b'"error"')
_SEARCHED = b'"web_search_tool_result"'


class AnthropicReader(Reader):
    """Follows a stream of `message_start`, deltas and `message_stop`."""

    ENVELOPE = 120

    def __init__(self, prompt: int) -> None:
        super().__init__(prompt)
        self._start = _Message()
        self._counted = b""

    @property
    def model(self) -> str:
        """See `hub.core.wire.StreamReader`."""
        return self._start.model or ""

    @property
    def tier(self) -> str:
        """See `hub.core.wire.StreamReader`."""
        return answered(msgspec.structs.asdict(_joined(self._start.usage or _Usage(), self._last() or _Usage())))

    def _look(self, block: bytes) -> bytes:
        for word in _MARKS:
            if word in block:
                for event in events_with(block, word):
                    self._note(_parse(event))
        if _SEARCHED in block:
            for event in events_with(block, _SEARCHED):
                found = _parse(event).content_block
                self._searched += found is not None and is_search(found.type, value_of(found.content))
        if b'"usage":{' in block or b'"usage": {' in block:
            self._counted = block
        return block

    def _note(self, event: _Event) -> None:
        if event.type == "message_start" and event.message is not None:
            self._start = event.message
        elif event.type == "message_stop":
            self.done = True
        elif event.type == "error":
            self.failure = reported(bytes(event.error))

    def _told(self) -> Usage | None:
        start = self._start.usage
        if (last := self._last()) is not None:
            return _buckets(_joined(start or _Usage(), last))
        if start is None:
            return None
        # The prompt is known; the output counted at the start is only the first token or so.
        counted = _buckets(_joined(start, _Usage(output_tokens=self._delivered())))
        return replace(counted, searches=self._searched, estimated=True)

    def _last(self) -> _Usage | None:
        """What the last event that counts says."""
        counts = (_parse(event).usage for event in events_with(self._counted, b'"usage"'))
        return next((usage for usage in counts if usage is not None), None)


class AnthropicMessages:
    """The dialect, as `hub.dialect.wires.Wire`."""

    keep_alive = b'event: ping\ndata: {"type": "ping"}\n\n'

    def peek(self, body: bytes) -> fields.Peek:
        """Read what the hub acts on. Raises Malformed."""
        places = places_of(body)
        return fields.Peek(
            model=fields.model(body, places),
            stream=bool(fields.read(body, places, "stream", fields.FLAG, None)),
            places=places,
            max_output=fields.tokens(body, places, "max_tokens"),
            has_tools=fields.filled(body, places, "tools"),
        )

    def request(self, call: ModelCall, model: str) -> bytes:
        """See `hub.dialect.wires.Wire`. Usage need not be asked for: it always comes."""
        if model == call.named:
            return call.body
        return splice(call.body, [(*call.places["model"], msgspec.json.encode(model))])

    def usage(self, body: bytes) -> Usage | None:
        """See `hub.dialect.wires.Wire`."""
        reply = reply_object(body, _REPLY)
        return _buckets(reply.usage) if reply is not None and reply.usage is not None else None

    def estimate(self, call: ModelCall, reply_bytes: int) -> Usage:
        """See `hub.dialect.wires.Wire`."""
        return Usage(input=estimate_tokens(call.body), output=reply_bytes // 4, estimated=True)

    def reader(self, call: ModelCall) -> AnthropicReader:
        """See `hub.dialect.wires.Wire`."""
        return AnthropicReader(estimate_tokens(call.body))

    def error_event(self, refusal: Refusal, request_id: str, told: bytes = b"") -> bytes:
        """See `hub.dialect.wires.Wire`. No `message_stop` follows: the message is not done."""
        return b"event: error\ndata: %b\n\n" % anthropic_error(refusal, request_id)
