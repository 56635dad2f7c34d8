"""What OpenRouter's models have signed comes back to it word for word through every other dialect, and goes to nobody else."""

import json

import pytest

from hub.dialect.neutral import Thinking
from hub.dialect.sealed import seal
from tests.support.translating import BEDROCK, CHAT, GEMINI, MESSAGES, PLAIN, RESPONSES, carried, lane_of

SIGNED = [
    {
        "type": "reasoning.text",
        "text": "Hm, grüße.",
        "signature": "c2lnbmVk+/==",
        "format": "anthropic-claude-v1",
        "index": 0,
    },
    {"type": "reasoning.encrypted", "data": "b3BhcXVl", "id": "rs_1", "format": "openai-responses-v1", "index": 1},
]
CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
WHOLE = {"id": "g", "choices": [{"finish_reason": "tool_calls", "message": {
    "role": "assistant", "content": None, "reasoning": "Hm, grüße.", "reasoning_details": SIGNED, "tool_calls": [CALL]}}]}  # fmt: skip
PIECES = [
    {"reasoning": "Hm, ", "reasoning_details": [{"type": "reasoning.text", "text": "Hm, ", "index": 0,
                                                "format": "anthropic-claude-v1"}]},
    {"reasoning": "grüße.", "reasoning_details": [{"type": "reasoning.text", "text": "grüße.", "index": 0}]},
    {"reasoning_details": [{"type": "reasoning.text", "signature": "c2lnbmVk+/==", "index": 0}]},
    {"reasoning_details": [SIGNED[1]]},
    {"tool_calls": [CALL]},
]  # fmt: skip


def events(deltas):
    chunks = [{"id": "g", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks[-1]["choices"][0]["finish_reason"] = "tool_calls"
    return [b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks] + [b"data: [DONE]\n\n"]


def answered(caller, *, stream):
    """What the caller got, as the turn that they give back."""
    lane = lane_of(caller, CHAT, stream=stream)
    if not stream:
        body = json.loads(lane.whole(json.dumps(WHOLE).encode()).body)
        return body["content"] if caller is MESSAGES else body["output"]
    out, _ = carried(lane, events(PIECES))
    told = [json.loads(line[6:]) for line in out.decode().split("\n") if line.startswith("data: {")]
    if caller is RESPONSES:
        return told[-1]["response"]["output"]
    thought = "".join(e["delta"]["thinking"] for e in told if e.get("delta", {}).get("type") == "thinking_delta")
    (sealed,) = [e["delta"]["signature"] for e in told if e.get("delta", {}).get("type") == "signature_delta"]
    return [
        {"type": "thinking", "thinking": thought, "signature": sealed},
        {"type": "tool_use", "id": "c", "name": "f", "input": {}},
    ]


def next_turn(caller, given):
    if caller is MESSAGES:
        result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "x"}]}
        return {"messages": [*PLAIN[MESSAGES]["messages"], {"role": "assistant", "content": given}, result]}
    return {
        "input": [
            {"role": "user", "content": "Hi"},
            *given,
            {"type": "function_call_output", "call_id": "c", "output": "x"},
        ]
    }


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("caller", [MESSAGES, RESPONSES])
def test_details_return_as_they_came(caller, stream):
    body = {**PLAIN[caller], **next_turn(caller, answered(caller, stream=stream))}
    lane = lane_of(caller, CHAT, body, kind="openrouter")
    said = json.loads(lane.body)["messages"][1]
    assert said["reasoning_details"] == SIGNED
    assert "reasoning_content" not in said
    assert lane.dropped == ()
    for upstream in (GEMINI, BEDROCK):
        other = lane_of(caller, upstream, body)
        assert other.dropped == ("messages.content.thinking",)
        assert b"c2lnbmVk" not in other.body
    own = lane_of(caller, CHAT, body, kind="openai")
    assert (b"reasoning_details" in own.body, own.dropped) == (False, ("messages.content.thinking",))


def test_what_is_opaque_alone_is_kept_too():
    deltas = [{"content": "Hi"}, {"reasoning_details": [SIGNED[1]]}, {"tool_calls": [CALL]}]
    out, _ = carried(lane_of(MESSAGES, CHAT, stream=True), events(deltas))
    told = [json.loads(line[6:]) for line in out.decode().split("\n") if line.startswith("data: {")]
    assert [e["content_block"]["type"] for e in told if e["type"] == "content_block_start"] == [
        "text",
        "thinking",
        "tool_use",
    ]


def test_thinking_that_nobody_signed_is_text_and_no_details():
    plain = [
        {"reasoning": "Hm.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "index": 0}]},
        {"content": "Hi"},
    ]
    out, _ = carried(lane_of(MESSAGES, CHAT, stream=True), events(plain))
    told = [json.loads(line[6:]) for line in out.decode().split("\n") if line.startswith("data: {")]
    thinking = {"type": "thinking", "thinking": "Hm.",
                "signature": next(e["delta"]["signature"] for e in told if e.get("delta", {}).get("type") == "signature_delta")}  # fmt: skip
    body = {**PLAIN[MESSAGES], **next_turn(MESSAGES, [thinking])}
    said = json.loads(lane_of(MESSAGES, CHAT, body, kind="openrouter").body)["messages"][1]
    assert (said.get("reasoning_content"), "reasoning_details" in said) == ("Hm.", False)


@pytest.mark.parametrize("made_up", ["{", "7", '"x"', "[1"])
def test_what_somebody_made_up_as_details_does_no_harm(made_up):
    block = {"type": "thinking", "thinking": "x", "signature": seal(Thinking("x", made_up, "open"))}
    body = {
        **PLAIN[MESSAGES],
        **next_turn(MESSAGES, [block, {"type": "tool_use", "id": "c", "name": "f", "input": {}}]),
    }
    said = json.loads(lane_of(MESSAGES, CHAT, body, kind="openrouter").body)["messages"][1]
    assert "reasoning_details" not in said
