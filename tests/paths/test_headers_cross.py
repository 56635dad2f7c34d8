"""Which of a caller's headers reach a provider: its vendor's and unknown ones where both speak one dialect, and no secret."""

import pytest

from tests.support.hubs import running_hub
from tests.support.model_answers import well_behaved
from tests.support.scripted import scripted_upstream

KNOWN_TO_NOBODY = {
    "x-priority": "7",
    "x-title": "my agent",
    "openai-beta": "future=v9",
    "anthropic-beta": "new-2027-01-01",
}
STAYS = {
    "cookie": "a=b", "x-hub-tags": "k=v", "x-hub-session": "s", "x-stainless-lang": "python", "x-forwarded-for": "10.9.8.7",
    "x-real-ip": "10.9.8.7", "x-envoy-peer": "p", "x-amz-security-token": "t", "x-my-api-key": "secret-1", "x-auth-hint": "u",
    "x-user-email": "ann@example.com", "x-claude-code-session-id": "c", "x-codex-turn": "t", "openai-organization": "org-1",
    "accept-language": "de", "referer": "https://a.example", "x-access-token": "secret-2",
}  # fmt: skip


@pytest.fixture(scope="module")
def scripted():
    with scripted_upstream(well_behaved) as thread:
        yield thread


@pytest.fixture(scope="module")
def hub(tmp_path_factory, scripted):
    resources = {
        "providers": scripted.providers(),
        "models": {name: {"targets": [{"model": f"{name}/up"}]} for name in ("chat", "messages")},
    }
    with running_hub(tmp_path_factory.mktemp("headers"), resources, {"UPSTREAM_KEY": "up-key"}) as running:
        yield running


def sent(hub, scripted, model, headers, path="/v1/chat/completions"):
    body = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    with hub.client() as http:
        assert http.post(path, json=body, headers=headers).status_code == 200
    return scripted.upstream.requests[-1].headers


def test_what_nobody_here_knows_survives_in_one_dialect(hub, scripted):
    given = sent(hub, scripted, "chat", KNOWN_TO_NOBODY)
    assert {name: given.get(name) for name in ("x-priority", "x-title", "openai-beta")} == {
        "x-priority": "7", "x-title": "my agent", "openai-beta": "future=v9"
    }  # fmt: skip
    assert "anthropic-beta" not in given
    given = sent(hub, scripted, "messages", KNOWN_TO_NOBODY, "/v1/messages")
    assert (given.get("x-priority"), given.get("anthropic-beta")) == ("7", "new-2027-01-01")


def test_it_stays_where_the_provider_speaks_another_dialect(hub, scripted):
    given = sent(hub, scripted, "messages", KNOWN_TO_NOBODY)
    assert not KNOWN_TO_NOBODY.keys() & given.keys()


@pytest.mark.parametrize("model", ["chat", "messages"])
def test_what_is_said_to_the_hub_stays_here(hub, scripted, model):
    given = sent(hub, scripted, model, STAYS)
    assert not STAYS.keys() & given.keys()
    assert hub.admin_key not in str(given)
