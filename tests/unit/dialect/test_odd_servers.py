"""Servers that speak a dialect in their own way: nothing of what they say is lost or mixed up."""

import json

import pytest

from tests.support.translating import BEDROCK, CHAT, GEMINI, MESSAGES, PLAIN, RESPONSES, carried, lane_of, told_by


def events(*values):
    return [b"data: %b\n\n" % json.dumps(value).encode() for value in values]


def chat_stream(*deltas, finish="stop"):
    chunks = [{"id": "c-1", "model": "up", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks[-1]["choices"][0]["finish_reason"] = finish
    return [*events(*chunks), b"data: [DONE]\n\n"]


def called(name, arguments, **more):
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


def told(caller, upstream, chunks):
    out, _ = carried(lane_of(caller, upstream, stream=True), chunks)
    return told_by(caller, out)


TWO = [("tool", "f", {"x": 1}), ("tool", "g", {"y": 2})]


@pytest.mark.parametrize("caller", [MESSAGES, RESPONSES, GEMINI])
@pytest.mark.parametrize(
    "deltas",
    [
        pytest.param(
            [{"tool_calls": [called("f", '{"x":1}', id="a"), called("g", '{"y":2}', id="b")]}], id="no numbers"
        ),
        pytest.param(
            [{"tool_calls": [called("f", '{"x":1}', id="a", index=0)]},
             {"tool_calls": [called("g", '{"y":2}', id="b", index=0)]}], id="one number for all",
        ),
        pytest.param([{"tool_calls": [called("f", '{"x":1}'), called("g", '{"y":2}')]}], id="neither ids nor numbers"),
        pytest.param(
            [{"tool_calls": [called("f", '{"x"', id="a", index=0)]},
             {"tool_calls": [called("f", ":1}", id="a", index=0)]},
             {"tool_calls": [called("g", '{"y":2}', id="b", index=1)]}], id="all of it in each piece",
        ),
        pytest.param(
            [{"tool_calls": [{"index": 0, "id": "a", "function": {"arguments": ""}}]},
             {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": '{"x":1}'}}]},
             {"tool_calls": [called("g", {"y": 2}, id="b", index=1)]}], id="the name after the id, an object",
        ),
    ],
)  # fmt: skip
def test_two_calls_stay_two_however_they_are_numbered(caller, deltas):
    blocks, end = told(caller, CHAT, chat_stream(*deltas, finish="tool_calls"))
    assert (blocks, end.stop) == (TWO, "tool")


def test_a_tool_that_is_called_twice_without_ids_is_called_twice():
    deltas = [{"tool_calls": [called("f", '{"x":1}')]}, {"tool_calls": [called("f", '{"x":2}')]}]
    blocks, _ = told(MESSAGES, CHAT, chat_stream(*deltas))
    assert blocks == [("tool", "f", {"x": 1}), ("tool", "f", {"x": 2})]


def test_calls_without_ids_get_different_ones_in_each_answer():
    def ids(answer, *, stream):
        calls = [called("f", "{}"), called("g", "{}")]
        lane = lane_of(MESSAGES, CHAT, stream=stream)
        if stream:
            (chunk, *rest) = chat_stream({"tool_calls": calls})
            out = carried(lane, [chunk.replace(b"c-1", answer.encode()), *rest])[0]
            told = [json.loads(line[6:]) for line in out.decode().split("\n") if line.startswith("data: ")]
            return [event["content_block"]["id"] for event in told if event["type"] == "content_block_start"]
        message = {"role": "assistant", "tool_calls": calls}
        body = {"id": answer, "choices": [{"message": message, "finish_reason": "tool_calls"}]}
        return [block["id"] for block in json.loads(lane.whole(json.dumps(body).encode()).body)["content"]]

    for stream in (False, True):
        every = [*ids("one", stream=stream), *ids("two", stream=stream)]
        assert len(set(every)) == 4, every


def test_the_call_of_old_is_a_call():
    old = {"function_call": {"name": "f", "arguments": '{"x":1}'}}
    assert told(MESSAGES, CHAT, chat_stream(old, finish="function_call"))[0] == TWO[:1]
    body = {"choices": [{"message": {"role": "assistant", "content": None, **old}, "finish_reason": "function_call"}]}
    (block,) = json.loads(lane_of(MESSAGES, CHAT).whole(json.dumps(body).encode()).body)["content"]
    assert (block["name"], block["input"]) == ("f", {"x": 1})


def test_mistral_thinks_in_parts_of_the_content():
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    deltas = [{"content": [thought]}, {"content": [{"type": "text", "text": "Gr"}]}, {"content": "üße"}]
    assert told(MESSAGES, CHAT, chat_stream(*deltas))[0] == [("thinking", "Hm."), ("text", "Grüße")]
    message = {"role": "assistant", "content": [thought, {"type": "text", "text": "Grüße"}]}
    body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
    thinking, text = json.loads(lane_of(MESSAGES, CHAT).whole(body).body)["content"]
    assert (thinking["thinking"], text["text"]) == ("Hm.", "Grüße")


ENDS = {"id": "r", "status": "completed", "usage": {"input_tokens": 1, "output_tokens": 1}}


@pytest.mark.parametrize("caller", [CHAT, MESSAGES, GEMINI])
def test_a_response_whose_parts_are_not_announced_is_told(caller):
    text = {"type": "response.output_text.delta", "output_index": 1, "content_index": 0}
    stream = events(
        {"type": "response.created", "response": {"id": "r", "model": "up"}},
        {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "Hm."},
        {**text, "delta": "Grü"},
        {**text, "delta": "ße"},
        {"type": "response.completed", "response": {**ENDS, "output": []}},
    )
    assert told(caller, RESPONSES, stream)[0] == [("thinking", "Hm."), ("text", "Grüße")]


def test_a_response_that_comes_all_at_once_is_told():
    note = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2}
    output = [
        {"type": "message", "content": [{"type": "output_text", "text": "Hi", "annotations": [note]}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"x":1}'},
    ]
    stream = events(
        {"type": "response.created", "response": {"id": "r", "model": "up"}},
        {"type": "response.completed", "response": {**ENDS, "output": output}},
    )
    out, _ = carried(lane_of(CHAT, RESPONSES, stream=True), stream)
    blocks, end = told_by(CHAT, out)
    assert (blocks, end.stop) == ([("text", "Hi"), TWO[0]], "tool")
    assert b'"annotations":[{"type":"url_citation","url_citation":{"url":"https://a.example"' in out


def test_who_was_asked_is_named_where_the_answer_does_not_say_who_gave_it():
    answer = {"output": {"message": {"content": [{"text": "Hi"}]}}, "stopReason": "end_turn"}
    for caller in (CHAT, MESSAGES, RESPONSES):
        lane = lane_of(caller, BEDROCK, PLAIN[caller], model="amazon.nova-pro-v1")
        assert json.loads(lane.whole(json.dumps(answer).encode()).body)["model"] == "amazon.nova-pro-v1"
