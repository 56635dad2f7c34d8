"""The translate lane: a call in one dialect, an upstream in another, nothing lost on either way."""

import json
from types import SimpleNamespace

import pytest

from hub.core.calls import Dialect, ModelCall, Origin
from hub.core.plan import Deployment
from hub.core.refusal import UpstreamFailed
from hub.dialect import lane, peek
from tests.support.model_answers import chat, messages

CHAT, MESSAGES = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES
QUESTION = [{"role": "user", "content": "Hi"}]


def lane_of(caller, upstream, body, kind="openai-compatible"):
    raw = json.dumps(body).encode()
    seen = peek(caller, raw)
    call = ModelCall(
        "id-1", caller, seen.model, seen.stream, raw, Origin("r-1"), places=seen.places, wants_usage=seen.wants_usage
    )
    return lane(call, Deployment("p", "up", kind, paths={upstream: "/x"}))


def made(script, **asked):
    """What a scripted upstream answers, as bytes."""
    return b"".join(script.make(SimpleNamespace(json={"model": "up", **asked})).pieces)


def streamed(carried, data, size=None):
    reader = carried.reader()
    out = b"".join(reader.feed(data[at : at + (size or len(data))]) for at in range(0, len(data), size or len(data)))
    return out + reader.finish(), reader


def events(data):
    lines = [line[6:] for line in data.decode().split("\n") if line.startswith("data: ") and line != "data: [DONE]"]
    return [json.loads(line) for line in lines]


def test_one_dialect_on_both_sides_is_passed_through():
    carried = lane_of(CHAT, CHAT, {"model": "up", "messages": QUESTION, "brand_new": 1})
    assert carried.name == "passthrough"
    assert b"brand_new" in carried.body


def test_a_chat_call_to_messages():
    carried = lane_of(
        CHAT, MESSAGES, {"model": "m", "messages": [{"role": "system", "content": "Be brief"}, *QUESTION], "seed": 1}
    )
    body = json.loads(carried.body)
    assert (carried.name, carried.spoken, carried.dropped) == ("translate", MESSAGES, ("seed",))
    assert body["model"] == "up"
    assert body["system"] == [{"type": "text", "text": "Be brief"}]
    assert body["max_tokens"] == 32_000
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]


@pytest.mark.parametrize("size", [None, 1, 7])
def test_a_messages_stream_for_a_chat_caller(size):
    carried = lane_of(
        CHAT, MESSAGES, {"model": "m", "messages": QUESTION, "stream": True, "stream_options": {"include_usage": True}}
    )
    out, reader = streamed(carried, made(messages("grüße 👋", tool=("f", {"a": 1}), thinking="Hm."), stream=True), size)
    chunks = events(out)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == "grüße 👋"
    assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == "Hm."
    calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
    assert calls[0]["id"] == "toolu_scripted"
    assert json.loads("".join(call["function"]["arguments"] for call in calls)) == {"a": 1}
    assert chunks[-1]["usage"]["total_tokens"] == 19
    assert out.endswith(b"data: [DONE]\n\n")
    assert (reader.done, reader.usage.output, reader.usage.estimated) == (True, 7, False)


@pytest.mark.parametrize("size", [None, 1, 7])
def test_a_chat_stream_for_a_messages_caller(size):
    asked = {"model": "m", "max_tokens": 9, "messages": QUESTION, "stream": True}
    carried = lane_of(MESSAGES, CHAT, asked)
    counted = {"stream": True, "stream_options": {"include_usage": True}}
    out, reader = streamed(carried, made(chat(tool=("f", {"a": 1})), **counted), size)
    told = events(out)
    assert [event["type"] for event in told] == [
        "message_start", "content_block_start", "content_block_delta", "content_block_delta", "content_block_stop",
        "message_delta", "message_stop",
    ]  # fmt: skip
    assert told[-2]["delta"]["stop_reason"] == "tool_use"
    assert told[-2]["usage"]["output_tokens"] == 7
    assert reader.done


def test_a_cut_stream_has_no_terminator():
    carried = lane_of(MESSAGES, CHAT, {"model": "m", "max_tokens": 9, "messages": QUESTION, "stream": True})
    whole = made(chat("one two three"), stream=True)
    reader = carried.reader()
    out = reader.feed(whole[: len(whole) // 2])
    with pytest.raises(UpstreamFailed):
        reader.finish()
    assert b"message_stop" not in out
    assert reader.usage.estimated


def test_whole_answers_cross_both_ways():
    back = lane_of(CHAT, MESSAGES, {"model": "m", "messages": QUESTION}).whole(
        made(messages("yes", tool=("f", {"a": 1})))
    )
    message = json.loads(back.body)["choices"][0]["message"]
    assert (message["content"], message["tool_calls"][0]["function"]) == ("yes", {"name": "f", "arguments": '{"a":1}'})
    back = lane_of(MESSAGES, CHAT, {"model": "m", "max_tokens": 9, "messages": QUESTION}).whole(made(chat("yes")))
    assert json.loads(back.body)["content"] == [{"type": "text", "text": "yes"}]
    assert back.usage.output == 7


def test_an_error_keeps_the_providers_words():
    carried = lane_of(MESSAGES, CHAT, {"model": "m", "max_tokens": 9, "messages": QUESTION})
    body = json.loads(carried.error(429, b'{"error":{"message":"Slow down","code":"rate_limit_exceeded"}}'))
    assert body["type"] == "error"
    assert body["error"]["message"] == "Slow down"
    assert body["error"]["type"] == "rate_limit_error"


RATINGS = [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": True}]


def gemini(**more):
    part = {
        "content": {"parts": [{"text": "No."}], "role": "model"},
        "finishReason": "SAFETY",
        "safetyRatings": RATINGS,
    }
    return {"candidates": [part], "modelVersion": "g", "responseId": "r", **more}


def test_safety_ratings_of_gemini_reach_a_caller_of_chat_completions():
    asked = {"model": "m", "messages": QUESTION}
    whole = json.loads(lane_of(CHAT, Dialect.GEMINI, asked, "gemini").whole(json.dumps(gemini()).encode()).body)
    (choice,) = whole["choices"]
    assert (choice["finish_reason"], choice["extra_content"]) == (
        "content_filter",
        {"google": {"safety_ratings": RATINGS}},
    )
    refused = {"promptFeedback": {"blockReason": "SAFETY", "safetyRatings": RATINGS}}
    whole = json.loads(lane_of(CHAT, Dialect.GEMINI, asked, "gemini").whole(json.dumps(refused).encode()).body)
    assert whole["choices"][0]["extra_content"] == {"google": {"safety_ratings": RATINGS}}
    carried = lane_of(CHAT, Dialect.GEMINI, {**asked, "stream": True}, "gemini")
    out, _ = streamed(carried, f"data: {json.dumps(gemini())}\n\n".encode())
    last = [choice for event in events(out) for choice in event["choices"]][-1]
    assert last["extra_content"] == {"google": {"safety_ratings": RATINGS}}


RESPONSES = Dialect.OPENAI_RESPONSES
LIMITS = {
    Dialect.OPENAI_CHAT: {
        "error": {"message": "This model's maximum context length is 8192 tokens.", "code": "context_length_exceeded"}
    },
    Dialect.ANTHROPIC_MESSAGES: {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"},
    },
    Dialect.GEMINI: {
        "error": {"code": 400, "message": "The input token count (9) exceeds the maximum", "status": "INVALID_ARGUMENT"}
    },
}


@pytest.mark.parametrize("spoken", LIMITS)
@pytest.mark.parametrize("caller", [CHAT, RESPONSES, MESSAGES])
def test_agents_know_a_prompt_that_is_too_long_whoever_says_it(caller, spoken):
    if caller is spoken:
        return
    asked = (
        {"model": "m", "max_tokens": 9, "messages": QUESTION}
        if caller is not RESPONSES
        else {"model": "m", "input": "hi"}
    )
    carried = lane_of(caller, spoken, asked, "gemini" if spoken is Dialect.GEMINI else "openai-compatible")
    error = json.loads(carried.error(400, json.dumps(LIMITS[spoken]).encode()))["error"]
    if caller is MESSAGES:
        assert error["message"].startswith("prompt is too long: ")
        assert error["type"] == "invalid_request_error"
    else:
        assert error["code"] == "context_length_exceeded"
    assert LIMITS[spoken]["error"]["message"] in error["message"]
    plain = json.loads(carried.error(400, b'{"error": {"message": "temperature is too high"}}'))["error"]
    assert (plain["message"], "context" in str(plain.get("code"))) == ("temperature is too high", False)
