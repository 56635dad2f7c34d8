"""OpenAI's Responses: what the hub reads of a request, a reply and a stream."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from hub.core.calls import ModelCall
from hub.core.refusal import Refusal
from hub.core.usage import Usage
from hub.core.values import a_dict, a_number, a_text
from hub.dialect import fields
from hub.dialect.errors import openai_error
from hub.dialect.estimate import estimate_tokens
from hub.dialect.members import UNREADABLE, places_of, splice
from hub.dialect.reader import Reader
from hub.dialect.replies import reply_object, reported
from hub.dialect.searches import CALL, is_search, of_response, value_of
from hub.dialect.sse import data_of, events, events_with
from hub.dialect.tiers import HOSTED, has_hosted, renamed


class _InputDetails(Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _OutputDetails(Struct):
    reasoning_tokens: int | None = None


class _Usage(Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class _Response(Struct):
    model: str | None = None
    usage: Raw = Raw(b"")
    output: Raw = Raw(b"")
    tool_usage: Raw = Raw(b"")
    service_tier: Raw = Raw(b"")
    error: Raw = Raw(b"")


class _Event(Struct):
    type: str = ""
    response: _Response | None = None
    item: Raw = Raw(b"")
    error: Raw = Raw(b"")
    message: str | None = None


_EVENT = msgspec.json.Decoder(_Event)
_REPLY = msgspec.json.Decoder(_Response)
_ENDS = (b'"response.completed"', b'"response.incomplete"')
_RESPONSE_ID = re.compile(rb'"id":\s*"(resp_[\w-]{1,200})"', re.ASCII)
_NUMBER = re.compile(rb'"sequence_number":\s*(\d{1,9})\b')
_FAILS = (b'"response.failed"', b'"error"')


def _buckets(told: _Usage) -> Usage:
    """Disjoint buckets. `input_tokens` holds the cached ones, `output_tokens` the reasoning."""
    given = told.input_tokens_details or _InputDetails()
    cached, written = given.cached_tokens or 0, given.cache_write_tokens or 0
    made = told.output_tokens or 0
    reasoning = min((told.output_tokens_details or _OutputDetails()).reasoning_tokens or 0, made)
    return Usage(
        input=max((told.input_tokens or 0) - cached - written, 0),
        cache_read=cached,
        cache_write_5m=written,
        output=made - reasoning,
        reasoning=reasoning,
    )


def buckets_of(response: Mapping[str, Any]) -> Usage | None:
    """Disjoint buckets of what a response says was used, by the model and by its tools; None when it says nothing."""
    usage = response.get("usage")
    try:
        tokens = _buckets(msgspec.convert(usage, _Usage)) if usage else None
    except msgspec.ValidationError:
        return None
    if tokens is None:
        return None
    drawn = a_dict(a_dict(response.get("tool_usage")).get("image_gen"))
    return replace(tokens, searches=of_response(response), image=a_number(drawn.get("output_tokens")) or 0)


def _told_by(response: _Response) -> Usage | None:
    """The same of a response that is read only as far as it matters."""
    output = response.output if CALL in bytes(response.output) else Raw(b"")
    parts = {"usage": response.usage, "output": output, "tool_usage": response.tool_usage}
    return buckets_of({name: value_of(part) for name, part in parts.items()})


def _parse(event: bytes) -> _Event:
    try:
        return _EVENT.decode(data_of(event))
    except UNREADABLE:
        return _Event()


class ResponsesReader(Reader):
    """Follows a stream of events that ends with `response.completed` or one of its kin."""

    ENVELOPE = 190

    def __init__(self, prompt: int) -> None:
        super().__init__(prompt)
        self._end_block = b""
        self._first = b""

    @property
    def model(self) -> str:
        """See `hub.core.wire.StreamReader`."""
        return next(
            (e.response.model for one in events(self._first) if (e := _parse(one)).response and e.response.model), ""
        )

    @property
    def tier(self) -> str:
        """See `hub.core.wire.StreamReader`."""
        if has_hosted(self._end_block):
            return HOSTED
        for event in map(_parse, events_with(self._end_block, b'"service_tier"')):
            if event.response is not None and event.type in ("response.completed", "response.incomplete"):
                return renamed(a_text(value_of(event.response.service_tier)))
        return ""  # what it says at its beginning is what was asked for

    def _look(self, block: bytes) -> bytes:
        if not self._first:
            self._first = block
        if any(
            _parse(event).type in ("response.completed", "response.incomplete")
            for end in _ENDS
            if end in block
            for event in events_with(block, end)
        ):
            self.done = True
            self._end_block = block
        elif any(fail in block for fail in _FAILS):
            for event in map(_parse, events(block)):
                self._note_failure(event)
        if CALL in block:
            for event in map(_parse, events_with(block, CALL)):
                done = event.type == "response.output_item.done"
                self._searched += done and is_search(a_dict(value_of(event.item)))
        return block

    def _note_failure(self, event: _Event) -> None:
        if event.type == "response.failed" and event.response is not None:
            self.failure = reported(bytes(event.response.error))
        elif event.type == "error":
            self.failure = reported(bytes(event.error) or msgspec.json.encode(event.message or ""))

    def _told(self) -> Usage | None:
        for event in map(_parse, events_with(self._end_block, b'"usage"')):
            if event.response is not None and (told := _told_by(event.response)) is not None:
                return told
        return None


class OpenAIResponses:
    """The dialect, as `hub.dialect.wires.Wire`."""

    keep_alive = b": keep-alive\n\n"

    def peek(self, body: bytes) -> fields.Peek:
        """Read what the hub acts on. Raises Malformed."""
        places = places_of(body)
        return fields.Peek(
            model=fields.model(body, places),
            stream=bool(fields.read(body, places, "stream", fields.FLAG, None)),
            places=places,
            max_output=fields.tokens(body, places, "max_output_tokens"),
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
        return _told_by(reply) if reply is not None else None

    def estimate(self, call: ModelCall, reply_bytes: int) -> Usage:
        """See `hub.dialect.wires.Wire`."""
        return Usage(input=estimate_tokens(call.body), output=reply_bytes // 4, estimated=True)

    def reader(self, call: ModelCall) -> ResponsesReader:
        """See `hub.dialect.wires.Wire`."""
        return ResponsesReader(estimate_tokens(call.body))

    def error_event(self, refusal: Refusal, request_id: str, told: bytes = b"") -> bytes:
        """See `hub.dialect.wires.Wire`: what OpenAI's SDKs read, then what Codex reads. The response stays the same one."""
        named, numbers = _RESPONSE_ID.search(told), _NUMBER.findall(told)
        number = int(numbers[-1]) + 1 if numbers else 0
        error = msgspec.json.decode(openai_error(refusal, request_id))["error"]
        reason = {"type": "error", "code": error["code"], "message": error["message"], "param": None}
        response = {
            "id": named[1].decode() if named else f"resp_{request_id}", "object": "response", "status": "failed", "output": [],
            "error": {"code": error["code"], "message": error["message"]},
        }  # fmt: skip
        failed = {"type": "response.failed", "response": response}
        return b"event: error\ndata: %b\n\nevent: response.failed\ndata: %b\n\n" % (
            msgspec.json.encode({**reason, "sequence_number": number}),
            msgspec.json.encode({**failed, "sequence_number": number + 1}),
        )
