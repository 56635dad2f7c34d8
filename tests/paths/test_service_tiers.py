"""The service tier that a provider answers at decides the price, whatever was wished for: whole, streamed, translated."""

import json

import pytest

from tests.support.hubs import running_hub, wait_for
from tests.support.script import json_reply, sse
from tests.support.scripted import scripted_upstream

ENVIRONMENT = {"UP": "sk-up", "KEY": "key-0123456789-0123456789-0123456789"}
USAGE = {"prompt_tokens": 1000, "completion_tokens": 0, "total_tokens": 1000}
RESPONSE_USAGE = {"input_tokens": 1000, "output_tokens": 0, "total_tokens": 1000}
# A million tokens of gpt-5's prompt, in USD, at each tier; other tiers cost what is usual.
RATES = {"default": 1.25, "flex": 0.625, "priority": 2.5, "fast": 2.5, "": 1.25, "scale": 1.25}


def answer(received):
    """An answer at the tier that the test put into the prompt."""
    asked, said = received.json, json.dumps(received.json)
    tier = next((name for name in RATES if name and f"tier is {name}" in said), "")
    told = {"service_tier": tier} if tier else {}
    if received.path.endswith("/responses"):
        message = {"type": "message", "id": "m", "role": "assistant", "status": "completed",
                   "content": [{"type": "output_text", "text": "hi", "annotations": []}]}  # fmt: skip
        whole = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-5",
                 "output": [message], "usage": RESPONSE_USAGE, **told}  # fmt: skip
        events = [
            ("response.created", {**whole, "output": [], "usage": None, "service_tier": "auto"}),
            ("response.completed", whole),
        ]
        named = [{"type": kind, "response": response} for kind, response in events]
        return (
            sse(b"data: %b\n\n" % json.dumps(one).encode() for one in named)
            if asked.get("stream")
            else json_reply(whole)
        )
    head = {"id": "c", "created": 1, "model": "gpt-5", **told}
    if not asked.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
        return json_reply({**head, "object": "chat.completion", "choices": [choice], "usage": USAGE})
    chunk = {**head, "object": "chat.completion.chunk"}
    choice = {"index": 0, "delta": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    told = [{**chunk, "choices": [choice]}, {**chunk, "choices": [], "usage": USAGE}]
    return sse([*(b"data: %b\n\n" % json.dumps(one).encode() for one in told), b"data: [DONE]\n\n"])


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with scripted_upstream(answer) as scripted:
        url = f"{scripted.upstream.url}/v1"
        resources = {
            "providers": {"openai": {"kind": "openai", "base_url": url, "allow_private": True, "api_key": "env:UP"}},
            "teams": {"t": {"models": ["*"]}},
            "keys": {"k": {"team": "t", "secret": "env:KEY"}},
        }
        with running_hub(tmp_path_factory.mktemp("tiers"), resources, ENVIRONMENT) as started:
            yield started


def said(tier):
    return [{"role": "user", "content": f"tier is {tier}"}]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
@pytest.mark.parametrize(("asked", "answered"), [("priority", "default"), ("auto", "priority"), ("flex", "flex"), ("flex", ""), ("default", "scale"), ("fast", "fast")])  # fmt: skip
def test_what_was_answered_counts(hub, path, asked, answered, stream):
    body = {"model": "openai/gpt-5", "stream": stream, "service_tier": asked}
    body |= {"input": said(answered)} if path.endswith("responses") else {"messages": said(answered)}
    body |= {"max_tokens": 9, "service_tier": "auto"} if path.endswith("messages") else {}
    name = f"{asked}-{answered}-{stream}{path}".replace("/", "-")
    with hub.client(ENVIRONMENT["KEY"]) as client:
        assert client.post(path, json=body, headers={"x-request-id": name}).status_code == 200

    def read():
        with hub.client() as client:
            return client.get("/api/v1/logs", params={"request_id": name}).json()["items"]

    (entry,) = wait_for(read)
    tier = answered or (asked if not path.endswith("messages") else "")
    assert entry["cost_micro_usd"] == 1000 * RATES[tier]
    named = "priority" if tier == "fast" else tier  # OpenAI renamed it
    assert entry["price_version"].endswith(f" {named}") == (named in ("flex", "priority"))
