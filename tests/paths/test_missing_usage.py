"""Answers that do not say what they used: estimated, of unknown cost, or refused, as their provider's resource says."""

import pytest

from tests.support.hubs import running_hub, wait_for
from tests.support.sending import running_upstream

HELLO = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 50}
POLICIES = ("estimate", "unpriced", "refuse")


@pytest.fixture(scope="module")
def silent(tmp_path_factory):
    with running_upstream() as url:
        common = {"kind": "openai-compatible", "allow_private": True}
        quiet = {p: {**common, "base_url": f"{url}/@nousage/v1", "missing_usage": p} for p in POLICIES}
        told = {"tells": {**common, "base_url": f"{url}/v1", "missing_usage": "refuse"}}
        cut = {"cut": {**common, "base_url": f"{url}/@nousage+pace:0.05+close:400/v1", "missing_usage": "unpriced"}}
        providers = {**quiet, **told, **cut}
        price = {"input": "1", "output": "2"}
        models = {name: {"targets": [{"model": f"{name}/m"}], "price": price} for name in providers}
        with running_hub(tmp_path_factory.mktemp("silent"), {"providers": providers, "models": models}) as hub:
            yield hub


def ask(hub, model, path="/v1/chat/completions", **body):
    with hub.client() as client:
        answer = client.post(path, json={"model": model, **HELLO, **body}, headers={"anthropic-version": "2023-06-01"})
    return answer, wait_for(lambda: entry(hub, answer))


def entry(hub, answer):
    with hub.client() as client:
        items = client.get("/api/v1/logs", params={"request_id": answer.headers["x-request-id"]}).json()["items"]
    return items[0] if items else None


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("stream", [False, True])
def test_each_policy_is_kept_in_both_lanes(silent, path, stream):
    answer, row = ask(silent, "estimate", path, stream=stream)
    assert (answer.status_code, row["outcome"], row["usage"]["estimated"]) == (200, "ok", True)
    assert row["cost_micro_usd"] > 0
    answer, row = ask(silent, "unpriced", path, stream=stream)
    assert (answer.status_code, row["outcome"], row["usage"]["estimated"]) == (200, "ok", True)
    assert row["cost_micro_usd"] is None
    answer, row = ask(silent, "refuse", path, stream=stream)
    assert answer.status_code == (200 if stream else 502)
    assert "missing_usage: refuse" in answer.text
    assert "[DONE]" not in answer.text
    assert "message_stop" not in answer.text
    assert (row["outcome"], row["code"]) == ("error", "upstream_protocol")
    assert row["cost_micro_usd"] > 0  # the provider will charge for it
    answer, row = ask(silent, "tells", path, stream=stream)
    assert (answer.status_code, row["outcome"], row["usage"]["estimated"]) == (200, "ok", False)
    assert row["cost_micro_usd"] > 0


def test_what_was_delivered_of_a_cut_stream_is_charged_whatever_the_policy(silent):
    _, row = ask(silent, "cut", stream=True)
    assert (row["outcome"], row["usage"]["estimated"]) == ("error", True)
    assert row["cost_micro_usd"] > 0


def test_answers_without_usage_are_refused_again_under_the_same_idempotency_key(silent):
    for _ in range(2):
        with silent.client() as client:
            headers = {"idempotency-key": "once"}
            answer = client.post("/v1/chat/completions", json={"model": "refuse", **HELLO}, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_protocol")
