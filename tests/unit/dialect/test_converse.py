"""Converse passed through: frames in, server-sent events within, frames out again, whatever the network cuts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.refusal import Throttled, UpstreamFailed
from hub.core.usage import Usage
from hub.dialect import framed
from hub.dialect.event_stream import EventStream
from hub.dialect.neutral import Text, Thinking, ToolUse
from hub.dialect.sealed import seal
from tests.support.dialect_answers import frame
from tests.support.translating import BEDROCK, cut, lane_of, upstream_stream

WHOLE = upstream_stream(
    BEDROCK, [Thinking("hm", "c2ln", "anthropic"), Text("Grüße 👋"), ToolUse("c", "look", '{"a":1}')]
)


def read(frames):
    return list(EventStream().feed(frames))


def passed(chunks):
    reader = lane_of(BEDROCK, BEDROCK, stream=True).reader()
    return b"".join(reader.feed(chunk) for chunk in chunks) + reader.finish(), reader


@given(st.lists(st.integers(0, 1 << 16), max_size=12))
def test_every_event_comes_out_as_it_went_in_however_the_stream_is_cut(places):
    out, reader = passed(cut(WHOLE, places))
    assert read(framed(out)) == read(WHOLE)
    assert (reader.done, reader.usage) == (True, Usage(input=5, output=7))


def test_a_stream_that_stops_without_a_reason_is_cut():
    reader = lane_of(BEDROCK, BEDROCK, stream=True).reader()
    reader.feed(WHOLE[: len(WHOLE) // 2])
    with pytest.raises(UpstreamFailed):
        reader.finish()
    assert not reader.done
    assert reader.usage.estimated


def test_an_exception_passes_and_is_a_failure():
    told = frame("throttlingException", {"message": "Too many"}, "exception")
    out, reader = passed([frame("messageStart", {"role": "assistant"}), told])
    assert read(framed(out))[-1] == ("!throttlingException", b'{"message": "Too many"}')
    assert "throttlingException: Too many" in reader.failure.message
    assert not reader.done


def test_a_name_with_a_line_break_is_no_event():
    with pytest.raises(UpstreamFailed, match="proper name"):
        passed([frame("x\n\ndata: {}\n\nevent: y", {})])


def test_the_hubs_own_refusals_are_exceptions_and_comments_are_left_out():
    event = lane_of(BEDROCK, BEDROCK, stream=True).error_event(Throttled("rate_limited", "slow\ndown"))
    ((kind, data),) = read(framed(b": a comment\n\n" + event))
    assert (kind, json.loads(data)["message"]) == ("!throttlingException", "slow\ndown")


def test_what_was_sealed_comes_back_to_its_vendor_and_a_foreign_one_is_left_out():
    def turn(block):
        told = {"reasoningText": {"text": block.text, "signature": seal(block)}}
        return {"role": "assistant", "content": [{"reasoningContent": told}, {"text": "So."}]}

    own, foreign = Thinking("Mine", "c2ln", "anthropic", "id"), Thinking("Theirs", "eHl6", "gemini")
    lane = lane_of(BEDROCK, BEDROCK, {"messages": [turn(own), turn(foreign)]})
    first, second = json.loads(lane.body)["messages"]
    assert first["content"][0] == {"reasoningContent": {"reasoningText": {"text": "Mine", "signature": "c2ln"}}}
    assert second["content"] == [{"text": "So."}]
    assert lane.dropped == ("thinking of another vendor",)


def test_a_call_without_arguments_has_an_empty_object():
    reader = lane_of(BEDROCK, BEDROCK.ANTHROPIC_MESSAGES, stream=True).reader()
    out = reader.feed(upstream_stream(BEDROCK.ANTHROPIC_MESSAGES, [ToolUse("c", "look", "")], lambda text: []))
    assert b'"toolUse":{"input":"{}"}' in out
