"""What a vendor has signed returns to it word for word, and to nobody else; what a key or a row asks for is kept."""

import json

import pytest
from msgspec.structs import replace

from hub.core.calls import Arrival
from hub.core.plan import Deployment
from hub.core.refusal import Malformed
from hub.dialect import lane
from hub.dialect.neutral import Thinking, ToolUse
from tests.support.translating import (
    BEDROCK,
    CHAT,
    GEMINI,
    MESSAGES,
    PLAIN,
    RESPONSES,
    call_of,
    carried,
    lane_of,
    upstream_stream,
)

SIGNED = Thinking("Hm, grüße — 1.0", "c2lnbmVk+/==", "anthropic")


def answer(caller, upstream, blocks):
    out, _ = carried(lane_of(caller, upstream, stream=True), [upstream_stream(upstream, blocks)])
    return [json.loads(line[6:]) for line in out.decode().split("\n") if line.startswith("data: {")]


def test_claudes_thinking_comes_back_through_responses_word_for_word():
    events = answer(RESPONSES, MESSAGES, [SIGNED, ToolUse("c1", "look", "{}")])
    output = events[-1]["response"]["output"]
    turns = [
        {"role": "user", "content": "Hi"},
        *output,
        {"type": "function_call_output", "call_id": "c1", "output": "x"},
    ]
    again = lane_of(RESPONSES, MESSAGES, {**PLAIN[RESPONSES], "input": turns})
    thinking = json.loads(again.body)["messages"][1]["content"][0]
    assert thinking == {"type": "thinking", "thinking": SIGNED.text, "signature": SIGNED.signature}
    elsewhere = lane_of(RESPONSES, GEMINI, {**PLAIN[RESPONSES], "input": turns})
    assert "messages.content.thinking" in elsewhere.dropped
    assert SIGNED.signature not in elsewhere.body.decode()


def test_a_sealed_block_is_left_out_when_the_conversation_moves_to_the_vendor_of_the_dialect():
    events = answer(RESPONSES, MESSAGES, [SIGNED])
    turns = [*events[-1]["response"]["output"], {"role": "user", "content": "Hi"}]
    moved = lane_of(RESPONSES, RESPONSES, {**PLAIN[RESPONSES], "input": turns})
    assert (moved.name, moved.dropped) == ("passthrough", ("thinking of another vendor",))
    assert [item.get("type", "message") for item in json.loads(moved.body)["input"]] == ["message"]


def test_geminis_signature_of_a_call_returns_to_its_call():
    call = ToolUse("call_1", "look", '{"a":1}', signature="U0lH")
    data = b"data: " + json.dumps(
        {"candidates": [{"content": {"parts": [{"functionCall": {"id": "call_1", "name": "look", "args": {"a": 1}}, "thoughtSignature": call.signature}]}, "finishReason": "STOP"}]}
    ).encode() + b"\n\n"  # fmt: skip
    reader = lane_of(MESSAGES, GEMINI, stream=True).reader()
    out = reader.feed(data) + reader.finish()
    events = [json.loads(line[6:]) for line in out.decode().split("\n") if line.startswith("data: ")]
    (sealed,) = [e["delta"]["signature"] for e in events if e.get("delta", {}).get("type") == "signature_delta"]
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "", "signature": sealed},
            {"type": "tool_use", "id": "call_1", "name": "look", "input": {"a": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "x"}]},
    ]  # fmt: skip
    back = json.loads(lane_of(MESSAGES, GEMINI, {**PLAIN[MESSAGES], "messages": turns}, model="gemini-3-pro").body)
    assert back["contents"][1]["parts"] == [
        {"functionCall": {"name": "look", "args": {"a": 1}}, "thoughtSignature": "U0lH"}
    ]


def test_a_strict_key_is_told_what_would_be_lost():
    call = replace(call_of(CHAT, {**PLAIN[CHAT], "seed": 1}), strict=True)
    with pytest.raises(Malformed, match="seed"):
        lane(call, Deployment("p", "claude", "anthropic", paths={MESSAGES: "/x"}))
    assert lane(call, Deployment("p", "m", "openai", paths={CHAT: "/x"})).name == "passthrough"


def test_what_is_stored_elsewhere_is_refused_with_the_way_out():
    body = {**PLAIN[RESPONSES], "previous_response_id": "resp_1"}
    with pytest.raises(Malformed, match="zeroDataRetentionEnabled"):
        lane_of(RESPONSES, CHAT, body)
    assert lane_of(RESPONSES, RESPONSES, body).name == "passthrough"


def test_the_members_of_a_row_stand_in_the_body():
    members = {MESSAGES: {"anthropic_version": "vertex-2023-10-16", "model": None}}
    for caller in (MESSAGES, CHAT):
        made = lane(
            call_of(caller, PLAIN[caller]), Deployment("p", "m", "vertex", paths={MESSAGES: "/x"}, members=members)
        )
        body = json.loads(made.body)
        assert body["anthropic_version"] == "vertex-2023-10-16"
        assert "model" not in body


def test_cache_marks_keep_their_lifetime_where_the_model_takes_them():
    system = [{"type": "text", "text": "Long", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    body = {**PLAIN[MESSAGES], "system": system}
    told = json.loads(lane_of(MESSAGES, RESPONSES, body, model="gpt-5.6").body)["input"][0]["content"][0]
    assert told["prompt_cache_breakpoint"] == {"mode": "explicit", "ttl": "12h"}
    told = json.loads(lane_of(MESSAGES, BEDROCK, body, model="eu.anthropic.claude-opus-5").body)["system"]
    assert told[1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert "cache_control" in lane_of(MESSAGES, RESPONSES, body, model="gpt-4o").dropped


@pytest.mark.parametrize("kind", ["openai", "openai-compatible"])
@pytest.mark.parametrize(
    ("said", "kept"), [(None, False), ("true", True), ("TRUE", True), ("false", False), ("1", False)]
)
def test_thoughts_go_along_where_the_caller_says_that_they_may(kind, said, kept):
    block = {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"}
    said_before = {"role": "assistant", "content": [block, {"type": "text", "text": "Hi"}]}
    body = {**PLAIN[MESSAGES], "messages": [*PLAIN[MESSAGES]["messages"], said_before, *PLAIN[MESSAGES]["messages"]]}
    headers = [] if said is None else [(b"x-hub-supports-reasoning", said.encode())]
    call = replace(call_of(MESSAGES, body), arrival=Arrival(headers=headers))
    made = lane(call, Deployment("p", "up", kind, paths={CHAT: "/x"}))
    assert (json.loads(made.body)["messages"][1].get("reasoning_content") == "Hm.") is kept
    assert ("messages.content.thinking" in made.dropped) is not kept
