"""Any other path of a provider: who may, what goes on and comes back, what is written down."""

import httpx2
import pytest

from tests.support.hubs import running_hub, wait_for
from tests.support.script import RESET, Reply, Script, json_reply
from tests.support.scripted import scripted_upstream

KEYS = {
    "ALL": "all-key-0123456789-0123456789-0123456",
    "SOME": "some-key-0123456789-0123456789-012345",
    "UP": "sk-upstream",
}


def answer(received):
    path = received.path
    if path.endswith("/refused"):
        return json_reply({"error": {"message": "bad key"}}, 401)
    if path.endswith("/missing"):
        return json_reply({"error": {"message": "no such file"}}, 404)
    if path.endswith("/used"):
        return json_reply({"object": "thing", "usage": {"prompt_tokens": 100, "completion_tokens": 50}})
    return json_reply({"path": path, "query": received.query, "method": received.method})


@pytest.fixture(scope="module")
def scripted():
    with scripted_upstream(answer) as thread:
        yield thread


@pytest.fixture(scope="module")
def hub(tmp_path_factory, scripted):
    up = {"kind": "openai", "base_url": f"{scripted.upstream.url}/v1", "allow_private": True, "api_key": "env:UP"}
    resources = {
        "providers": {"up": {**up, "other_paths": True}, "shut": up},
        "models": {"m": {"targets": [{"model": "up/gpt-5-mini"}]}},
        "teams": {"all": {"models": ["*"]}, "some": {"models": ["m", "up/gpt-*"]}},
        "keys": {"all": {"team": "all", "secret": "env:ALL"}, "some": {"team": "some", "secret": "env:SOME"}},
    }
    with running_hub(tmp_path_factory.mktemp("other"), resources, KEYS) as started:
        yield started


@pytest.fixture
def client(hub):
    with hub.client(KEYS["ALL"]) as http:
        yield http


def test_a_path_passes_with_its_query_body_and_the_hubs_credential(client, scripted):
    told = client.post(
        "/v1/providers/up/files?purpose=batch&x=%20",
        content=b"\x00\xffbytes",
        headers={"content-type": "application/x-thing", "openai-beta": "files=v2", "cookie": "a=b"},
    )
    assert told.json() == {"path": "/v1/files", "query": "purpose=batch&x=%20", "method": "POST"}
    sent = scripted.upstream.requests[-1]
    assert sent.body == b"\x00\xffbytes"
    assert sent.headers["content-type"] == "application/x-thing"
    assert sent.headers["openai-beta"] == "files=v2"
    assert sent.headers["authorization"] == "Bearer sk-upstream"
    assert "cookie" not in sent.headers
    assert KEYS["ALL"] not in str(sent.headers)


def test_nobody_chooses_whose_account_is_charged(client, scripted):
    own = {"x-hub-key": KEYS["ALL"], "authorization": "Bearer sk-mine"}
    client.get("/v1/providers/up/files", headers={**own, "openai-organization": "org-other", "openai-project": "p"})
    sent = scripted.upstream.requests[-1]
    assert sent.headers["authorization"] == "Bearer sk-upstream"
    assert not {"openai-organization", "openai-project"} & set(sent.headers)


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_every_method_passes(client, method):
    assert client.request(method, "/v1/providers/up/batches/b_1/cancel").json()["method"] == method


def test_it_is_off_unless_the_provider_says_so(client):
    for name in ("shut", "nobody"):
        refused = client.get(f"/v1/providers/{name}/files")
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")
        assert "other_paths" in refused.json()["error"]["message"]


def test_it_is_for_those_who_may_call_all_models_of_the_provider(hub):
    with hub.client(KEYS["SOME"]) as http:
        refused = http.get("/v1/providers/up/files")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_not_allowed")
    with hub.client(None) as http:
        assert http.get("/v1/providers/up/files").status_code == 401


@pytest.mark.parametrize("path", ["../secret", "a//b", "a/%2e%2e/b", "a%2fb", "%5c.."])
def test_a_path_cannot_lead_anywhere_else(hub, path):
    with httpx2.Client(trust_env=False) as http:
        request = http.build_request("GET", hub.url, headers={"authorization": f"Bearer {KEYS['ALL']}"})
        request.url = request.url.copy_with(raw_path=f"/v1/providers/up/{path}".encode())
        assert http.send(request).status_code in (400, 404)


def test_errors_pass_and_a_refused_credential_is_the_hubs_business(client):
    missing = client.get("/v1/providers/up/missing")
    assert (missing.status_code, missing.json()["error"]["message"]) == (404, "no such file")
    refused = client.get("/v1/providers/up/refused")
    assert refused.status_code == 502
    assert "bad key" not in refused.text


def test_each_call_has_an_entry_with_what_it_used(hub, client):
    client.post("/v1/providers/up/used", json={"model": "gpt-5-mini"}, headers={"x-hub-session": "other-used"})
    with hub.client() as http:
        entry = wait_for(lambda: http.get("/api/v1/logs?session=other-used").json()["items"])[0]
    assert (entry["lane"], entry["outcome"], entry["target"], entry["key"]) == ("raw", "ok", "up/used", "all")
    assert (entry["usage"]["input"], entry["usage"]["output"]) == (100, 50)
    assert entry["cost_micro_usd"] > 0


def test_an_answer_that_breaks_off_is_not_taken_for_whole(hub, client, scripted):
    broken = Reply(200, (("content-type", "text/plain"),), (b"hello", RESET), streamed=True)
    before, scripted.upstream.default = scripted.upstream.default, lambda received: Script(lambda _: broken)
    try:
        with pytest.raises(httpx2.HTTPError):
            client.get("/v1/providers/up/stream")
    finally:
        scripted.upstream.default = before
