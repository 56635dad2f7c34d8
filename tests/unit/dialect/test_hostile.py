"""Hostile input: whatever stands in a call or in an answer, the hub refuses it in its own words or carries it on."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.refusal import Malformed, UpstreamFailed
from hub.dialect.neutral import Text, Thinking, ToolUse
from tests.support.dialect_answers import bedrock, gemini
from tests.support.model_answers import chat, messages, responses
from tests.support.translating import (
    BEDROCK,
    CALLERS,
    CHAT,
    GEMINI,
    MESSAGES,
    RESPONSES,
    UPSTREAMS,
    lane_of,
    made,
    upstream_stream,
)
from tests.unit.dialect.test_golden import FULL

VALUES = st.sampled_from(
    [None, True, 0, -1, 1.5, 1 << 70, "", "x", "data:,", [], [1], [[]], {}, {"type": 1}, {"a": {"b": []}}, ["x", None]]
)
WHERE = st.lists(st.integers(0, 50), min_size=1, max_size=7)
SCRIPTS = {CHAT: chat, MESSAGES: messages, RESPONSES: responses, GEMINI: gemini, BEDROCK: bedrock}
TOOL = ("look", {"a": 1})


def mutated(value, where, put):
    """A copy of `value` with one node, found by walking along `where`, replaced."""
    copy = json.loads(json.dumps(value))
    holder, key, node = None, None, copy
    for step in where:
        if isinstance(node, dict) and node:
            holder, key = node, sorted(node)[step % len(node)]
        elif isinstance(node, list) and node:
            holder, key = node, step % len(node)
        else:
            break
        node = holder[key]
    holder[key] = put
    return copy


@pytest.mark.parametrize("caller", CALLERS)
@settings(max_examples=150, deadline=None)
@given(where=WHERE, put=VALUES, upstream=st.sampled_from(UPSTREAMS))
def test_a_call_is_carried_or_refused(caller, where, put, upstream):
    body = mutated(FULL[caller], where, put)
    with contextlib.suppress(Malformed):
        lane_of(caller, upstream, body)


@pytest.mark.parametrize("upstream", UPSTREAMS)
@settings(max_examples=100, deadline=None)
@given(where=WHERE, put=VALUES, caller=st.sampled_from(CALLERS))
def test_a_whole_answer_is_carried_or_refused(upstream, where, put, caller):
    if caller is upstream:
        return
    body = json.loads(made(SCRIPTS[upstream]("Hi", tool=TOOL, **({} if upstream is CHAT else {"thinking": "hm"}))))
    with contextlib.suppress(UpstreamFailed):
        lane_of(caller, upstream).whole(json.dumps(mutated(body, where, put)).encode())


@pytest.mark.parametrize("upstream", [CHAT, MESSAGES, RESPONSES, GEMINI])
@settings(max_examples=100, deadline=None)
@given(number=st.integers(0, 30), where=WHERE, put=VALUES, caller=st.sampled_from(CALLERS))
def test_a_stream_is_carried_or_refused(upstream, number, where, put, caller):
    if caller is upstream:
        return
    data = upstream_stream(upstream, [Thinking("hm", "c2ln", "x"), Text("Hi"), ToolUse("c", "look", '{"a":1}')])
    blocks = data.decode().split("\n\n")
    at = number % len(blocks)
    head, mark, text = blocks[at].partition("data: ")
    if text.startswith("{"):
        blocks[at] = head + mark + json.dumps(mutated(json.loads(text), where, put))
    reader = lane_of(caller, upstream, stream=True).reader()
    with contextlib.suppress(UpstreamFailed):
        reader.feed("\n\n".join(blocks).encode())
        reader.finish()
    assert reader.usage.completion >= 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5000), st.integers(0, 255))
def test_a_spoilt_event_stream_is_refused(at, byte):
    data = bytearray(upstream_stream(BEDROCK, [Text("Hi there"), ToolUse("c", "look", '{"a":1}')]))
    data[at % len(data)] ^= byte
    reader = lane_of(CHAT, BEDROCK, stream=True).reader()
    with contextlib.suppress(UpstreamFailed):
        reader.feed(bytes(data))
        reader.finish()
    assert reader.done == (byte == 0)


@pytest.mark.parametrize("caller", CALLERS)
def test_what_is_nested_too_deep_is_refused(caller):
    field = {RESPONSES: "input", GEMINI: "contents"}.get(caller, "messages")
    deep = json.loads("[" * 400 + "]" * 400)
    upstream = MESSAGES if caller is not MESSAGES else CHAT
    with pytest.raises(Malformed):
        lane_of(caller, upstream, {**FULL[caller], field: deep})
