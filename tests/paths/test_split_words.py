"""A word that is split over blocks: refused on its way in, and stopped or taken out on its way out, in every dialect."""

import json

import pytest

from tests.support.hubs import running_hub
from tests.support.script import Script, event_stream, json_reply
from tests.support.scripted import scripted_upstream

HALVES = ("The word is hun", "ter2 and that is that")
KEYS = {"block": "a" * 40, "redact": "b" * 40, "hold": "c" * 40}


def answers(received):
    """Two blocks of text, in the dialect of Anthropic, a few characters at a time."""
    head = {"id": "m", "type": "message", "role": "assistant", "model": "m"}
    usage = {"input_tokens": 5, "output_tokens": 9}

    def make(received):
        if not received.json.get("stream"):
            blocks = [{"type": "text", "text": half} for half in HALVES]
            return json_reply({**head, "content": blocks, "stop_reason": "end_turn", "usage": usage}).make(received)
        told = [{"type": "message_start", "message": {**head, "content": [], "usage": usage}}]
        for index, half in enumerate(HALVES):
            told.append({"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}})
            deltas = [{"type": "text_delta", "text": half[at : at + 3]} for at in range(0, len(half), 3)]
            told += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
            told.append({"type": "content_block_stop", "index": index})
        told.append({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}})
        told.append({"type": "message_stop"})
        return event_stream([f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in told])

    return Script(make)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with scripted_upstream(answers) as upstream:
        rule = {"words": ["hunter2"], "on": ["input", "output"]}
        resources = {
            "providers": {"messages": upstream.providers()["messages"]},
            "teams": {"t": {"models": ["*"]}},
            "keys": {name: {"team": "t", "secret": f"env:KEY_{name.upper()}"} for name in KEYS},
            "guardrails": {
                "block": {**rule, "scope": {"key": "block"}},
                "redact": {**rule, "scope": {"key": "redact"}, "action": "redact"},
                "hold": {**rule, "scope": {"key": "hold"}, "action": "redact", "stream": "hold"},
            },
        }
        environment = {"UPSTREAM_KEY": "u" * 40, **{f"KEY_{name.upper()}": key for name, key in KEYS.items()}}
        with running_hub(tmp_path_factory.mktemp("split"), resources, environment) as started:
            yield started


MODEL = "messages/m"
TALK = [{"type": "text", "text": "a hun"}, {"type": "text", "text": "ter2 b"}]
CALLS = {
    "chat": ("/v1/chat/completions", {"model": MODEL, "messages": [{"role": "user", "content": TALK}]}),
    "responses": (
        "/v1/responses",
        {"model": MODEL, "input": [{"role": "user", "content": [{**part, "type": "input_text"} for part in TALK]}]},
    ),
    "messages": ("/v1/messages", {"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": TALK}]}),
    "gemini": (
        f"/v1beta/models/{MODEL}:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": part["text"]} for part in TALK]}]},
    ),
    "bedrock": (
        "/model/messages%2Fm/converse",
        {"messages": [{"role": "user", "content": [{"text": part["text"]} for part in TALK]}]},
    ),
}


def called(hub, dialect, key, *, streamed, asks="split"):
    """The status and the whole text of an answer."""
    path, body = CALLS[dialect]
    body = json.loads(json.dumps(body)) if asks == "split" else json.loads(json.dumps(body).replace("ter2 b", "told"))
    if streamed and dialect == "gemini":
        path = path.replace(":generateContent", ":streamGenerateContent?alt=sse")
    elif streamed and dialect == "bedrock":
        path += "-stream"
    elif streamed:
        body["stream"] = True
    with hub.client(KEYS[key]) as client:
        answer = client.post(path, json=body, headers={"anthropic-version": "2023-06-01"})
    return answer.status_code, answer.content.decode(errors="replace")


@pytest.mark.parametrize("dialect", CALLS)
def test_what_is_split_over_parts_goes_to_no_provider(hub, dialect):
    status, text = called(hub, dialect, "block", streamed=False)
    assert status == 400
    assert "guardrail" in text


@pytest.mark.parametrize("dialect", CALLS)
def test_what_an_answer_splits_over_blocks_is_refused_or_taken_out(hub, dialect):
    status, text = called(hub, dialect, "block", streamed=False, asks="harmless")
    assert status == 400, text
    for key in ("redact", "hold"):
        status, text = called(hub, dialect, key, streamed=False, asks="harmless")
        assert status == 200, text
        assert "ter2" not in text
        assert "that is that" in text


@pytest.mark.parametrize("dialect", CALLS)
def test_what_a_stream_splits_over_blocks_is_stopped_or_taken_out(hub, dialect):
    status, text = called(hub, dialect, "block", streamed=True, asks="harmless")
    assert "guardrail" in text, text
    assert "ter2" not in text.replace('"t', "")
    assert "that is that" not in text
    status, text = called(hub, dialect, "hold", streamed=True, asks="harmless")
    assert status == 200
    assert "ter2" not in text
    assert "[WORD]" in text
    assert "guardrail" not in text


def test_the_entry_names_the_rule_and_not_the_word(hub):
    called(hub, "chat", "block", streamed=False)
    with hub.client() as client:
        (entry, *_) = client.get("/api/v1/logs", params={"key": "block"}).json()["items"]
    assert [(one["rule"], one["kind"], one["action"]) for one in entry["findings"]] == [("block", "word", "block")]
    assert "hunter2" not in json.dumps(entry)
