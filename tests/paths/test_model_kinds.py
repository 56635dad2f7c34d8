"""Models that do something else than converse, and those that converse in one dialect only: listed, chosen and called."""

import json
from pathlib import Path

import pytest

from tests.support.hubs import running_hub
from tests.support.script import json_reply, sse
from tests.support.scripted import scripted_upstream

CASE = json.loads(
    (Path(__file__).parents[1] / "golden/usage/openai-openai_responses/searches-by-items.json").read_text()
)
HELLO = [{"role": "user", "content": "hello"}]
PRO, USUAL, EMBEDDING = "openai/gpt-5-pro", "openai/gpt-5", "openai/text-embedding-3-small"


def answer(received):
    if not received.path.endswith("/responses"):
        return json_reply({"error": {"message": "This is not a chat model."}}, status=404)
    if not received.json.get("stream"):
        return json_reply(CASE["whole"])
    return sse([b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in CASE["stream"]])


@pytest.fixture(scope="module")
def scripted():
    with scripted_upstream(answer) as thread:
        yield thread


@pytest.fixture(scope="module")
def hub(tmp_path_factory, scripted):
    up = {"base_url": f"{scripted.upstream.url}/v1", "allow_private": True, "api_key": "env:UP"}
    resources = {
        "providers": {
            "openai": {"kind": "openai", **up},
            "fireworks": {"kind": "fireworks", **up},
            "gemini": {"kind": "gemini", **up},
        },
        "models": {"vectors": {"targets": [{"model": EMBEDDING}]}},
    }
    with running_hub(tmp_path_factory.mktemp("kinds"), resources, {"UP": "sk-up"}) as started:
        yield started


def listed(hub, path="/v1/models", **headers):
    with hub.client() as client:
        return client.get(path, headers=headers).json()


def test_the_list_holds_whatever_can_be_called_and_says_what_it_is_for(hub):
    kinds = {model["id"]: model["kind"] for model in listed(hub)["data"]}
    assert (kinds[PRO], kinds[USUAL], kinds[EMBEDDING], kinds["vectors"]) == ("chat", "chat", "embedding", "embedding")
    assert kinds["openai/whisper-1"] == "audio_transcription"
    assert not [name for name, kind in kinds.items() if name.startswith("fireworks/") and kind == "image_generation"]


def test_agents_choose_among_models_that_converse(hub):
    codex = {model["slug"] for model in listed(hub, "/v1/models?client_version=0.169.0")["models"]}
    claude = {m["id"] for m in listed(hub, "/v1/models?limit=1000", **{"user-agent": "claude-code/2.1"})["data"]}
    for found in (codex, {name.removeprefix("claude-via-hub/") for name in claude}):
        assert {PRO, USUAL} <= found
        assert found.isdisjoint({EMBEDDING, "vectors"})
    names = {model["name"].removeprefix("models/") for model in listed(hub, "/v1beta/models")["models"]}
    assert "gemini/gemini-2.5-flash-image" in names
    assert names.isdisjoint({EMBEDDING, "gemini/gemini-embedding-001"})


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_of_responses_alone_is_called_there_whatever_the_caller_speaks(hub, scripted, stream):
    body = {"model": PRO, "messages": HELLO, "stream": stream}
    with hub.client() as client:
        done = client.post("/v1/chat/completions", json=body)
        assert done.status_code == 200, done.text
        assert "chat.completion" in done.text
        assert scripted.upstream.requests[-1].path == "/v1/responses"
        assert client.post("/v1/chat/completions", json={**body, "model": USUAL}).status_code == 404
        assert scripted.upstream.requests[-1].path == "/v1/chat/completions"
