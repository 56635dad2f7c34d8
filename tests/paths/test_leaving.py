"""Callers who leave a stream: at once after its terminator, as Codex does, or before it."""

from dataclasses import replace

import pytest

from tests.support.hubs import running_hub, wait_for
from tests.support.model_answers import chat
from tests.support.script import HANG, Script
from tests.support.scripted import UPSTREAMS, scripted_upstream

ENVIRONMENT = {"UPSTREAM_KEY": "sk-up", "SEEN_KEY": "seen-key-0123456789-0123456789-0123456"}
HELLO = [{"role": "user", "content": "hello"}]
CALLS = {
    "chat": ("/v1/chat/completions", {"messages": HELLO}, b"data: [DONE]\n\n"),
    "messages": ("/v1/messages", {"messages": HELLO, "max_tokens": 9}, b'"message_stop"}\n\n'),
    "responses": ("/v1/responses", {"input": "hello"}, b"event: response.completed"),
}


def left_open(received):
    """A stream to its terminator, which the provider does not close."""
    answers = chat if received.path.endswith("/chat/completions") else UPSTREAMS[received.path.split("/")[1]][2]

    def make(received):
        reply = answers("a word of 4-8-15-16 here").make(received)
        return replace(reply, pieces=(*reply.pieces, HANG))

    return Script(make)


@pytest.fixture(scope="module")
def scripted():
    with scripted_upstream(left_open) as thread:
        yield thread


@pytest.fixture(scope="module")
def hub(tmp_path_factory, scripted):
    rule = {"on": ["output"], "patterns": ["launch code"], "action": "block"}
    seen = {"on": ["output"], "patterns": ["a word of"], "action": "block", "stream": "observe"}
    resources = {
        "providers": scripted.providers(),
        "teams": {"seen": {"models": ["*"]}},
        "keys": {"seen": {"team": "seen", "secret": "env:SEEN_KEY"}},
        "guardrails": {
            "g": {"scope": {"team": "seen"}, **rule},
            "watches": {"scope": {"model": "responses/m"}, **seen},
        },
    }
    with running_hub(tmp_path_factory.mktemp("leaving"), resources, ENVIRONMENT) as started:
        yield started


def left(hub, caller, model, name, until, key=None):
    """The entry of a stream that its caller leaves as soon as `until` is there."""
    path, body, _ = CALLS[caller]
    seen = b""
    asked = {"json": {"model": f"{model}/m", "stream": True, **body}, "headers": {"x-request-id": name}}
    with hub.client(key or hub.admin_key) as client, client.stream("POST", path, **asked) as answer:
        for chunk in answer.iter_raw():
            seen += chunk
            if until in seen and seen.endswith(b"\n\n"):
                break

    def read():
        with hub.client() as client:
            return client.get("/api/v1/logs", params={"request_id": name}).json()["items"]

    return wait_for(read)[0]


@pytest.mark.parametrize("model", ["chat", "messages", "responses"])
@pytest.mark.parametrize("caller", CALLS)
def test_who_leaves_with_the_whole_answer_has_not_broken_it_off(hub, caller, model):
    entry = left(hub, caller, model, f"whole-{caller}-{model}", CALLS[caller][2])
    assert (entry["outcome"], entry["status"], entry.get("code", "")) == ("ok", 200, "")
    assert (entry["attempts"][0]["outcome"], entry["usage"]["output"]) == ("ok", 7)
    assert not entry["usage"]["estimated"]


def test_a_screened_answer_that_has_left_whole_is_whole_too(hub):
    entry = left(hub, "messages", "messages", "whole-screened", CALLS["messages"][2], ENVIRONMENT["SEEN_KEY"])
    assert (entry["outcome"], entry["status"]) == ("ok", 200)


def test_who_leaves_while_the_end_waits_to_be_judged_has_left_early(hub):
    entry = left(hub, "chat", "chat", "held-back", b'"role"', ENVIRONMENT["SEEN_KEY"])
    assert (entry["outcome"], entry["status"]) == ("cancelled", 499)


def test_rules_that_observe_judge_what_was_taken_of_a_stream_that_its_caller_leaves(hub):
    entry = left(hub, "responses", "responses", "observed", b"word of")
    assert [(one["rule"], one["action"]) for one in entry["findings"]] == [("watches", "observe")]
    entry = left(hub, "chat", "responses", "observed-whole", CALLS["chat"][2])
    assert [one["rule"] for one in entry["findings"]] == ["watches"]
