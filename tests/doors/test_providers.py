"""Trying providers through a running hub: the API's test, and the buttons of the page."""

import asyncio
import re

import pytest

from tests.support.hubs import running_hub
from tests.support.upstream import Upstream, html_200, json_reply, openai_error, refused

pytestmark = pytest.mark.anyio
GOOD, BAD = "a-good-credential", "a-bad-credential"


def answers(received):
    if GOOD in received.headers.get("authorization", ""):
        return json_reply({"data": [{"id": "one"}, {"id": "two"}]})
    if received.headers.get("x-goog-api-key") == GOOD:
        return json_reply({"models": [{"name": "models/gem"}]})
    return openai_error(401, "no", "invalid_api_key")


@pytest.fixture(scope="module")
async def world(tmp_path_factory):
    """A hub and the upstream of its providers."""
    async with Upstream() as upstream:
        upstream.default = answers
        local = {"kind": "openai-compatible", "base_url": f"{upstream.url}/v1", "allow_private": True}
        resources = {
            "providers": {
                "up": {**local, "api_key": "env:GOOD", "credentials": ["env:BAD"]},
                "off": {**local, "api_key": "env:GOOD", "enabled": False},
                "gem": {"kind": "gemini", "base_url": upstream.url, "api_key": "env:GOOD", "allow_private": True},
                "lost": {**local, "api_key": "env:NOWHERE"},
                "keyless": local,
                "demo": {"kind": "demo"},
                "rock": {"kind": "bedrock", "region": "eu-central-1", "api_key": "env:GOOD"},
            },
            "models": {"one": {"targets": [{"model": "up/one"}]}},
            "teams": {"crew": {"models": ["*"]}},
            "users": {"ann": {"teams": {"crew": "owner"}}},
        }
        starting = running_hub(tmp_path_factory.mktemp("providers"), resources, {"GOOD": GOOD, "BAD": BAD})
        hub = await asyncio.to_thread(starting.__enter__)
        try:
            yield hub, upstream
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)


async def check(hub, name):
    def ask():
        with hub.client() as client:
            return client.post(f"/api/v1/providers/{name}/test", json={})

    answer = await asyncio.to_thread(ask)
    assert answer.status_code == 200, answer.text
    assert GOOD not in answer.text
    assert BAD not in answer.text
    return answer.json()


async def test_each_credential_is_tried_and_the_models_are_told(world):
    hub, upstream = world
    found = await check(hub, "up")
    assert found["ok"] is False
    assert found["models"] == ["one", "two"]
    good, bad = found["checks"]
    assert (good["credential"], good["reference"], good["ok"], good["status"]) == ("api_key", "env:GOOD", True, 200)
    assert (bad["credential"], bad["reference"], bad["ok"], bad["status"]) == ("credentials[0]", "env:BAD", False, 401)
    assert "refuses this credential" in bad["message"]
    assert {one.path for one in upstream.requests[-2:]} == {"/v1/models"}
    assert (await check(hub, "gem"))["models"] == ["gem"]


async def test_what_is_switched_off_can_be_tried_and_what_cannot_says_so(world):
    hub, _ = world
    assert (await check(hub, "off"))["ok"] is True
    assert (await check(hub, "demo"))["ok"] is True
    lost = await check(hub, "lost")
    assert lost["ok"] is False
    assert "NOWHERE" in lost["checks"][0]["message"]
    keyless = await check(hub, "keyless")
    assert [(one["credential"], one["ok"], one["status"]) for one in keyless["checks"]] == [("", False, 401)]
    rock = await check(hub, "rock")
    assert rock["ok"] is None
    assert "Playground" in rock["checks"][0]["message"]


@pytest.mark.parametrize(
    ("script", "ok", "said"),
    [
        (html_200(), None, "no list of models"),
        (json_reply({}, status=404), None, "could not be tried"),
        (json_reply({}, status=302, headers=[("location", "http://elsewhere/")]), False, "elsewhere"),
        (openai_error(429, "slow down", "rate_limit_exceeded"), False, "throttles"),
        (openai_error(503, "busy", "overloaded"), False, "overloaded"),
        (json_reply({}, status=500), False, "error of its own"),
    ],
)
async def test_what_the_answer_means_is_said_in_words(world, script, ok, said):
    hub, upstream = world
    upstream.enqueue(script)
    found = await check(hub, "keyless")
    assert found["ok"] is ok
    assert said in found["checks"][0]["message"]


async def test_a_provider_that_is_not_there_is_said_to_be_so(world):
    hub, _ = world
    with refused() as url:
        spec = {"kind": "openai-compatible", "base_url": f"{url}/v1", "allow_private": True}
        await asyncio.to_thread(hub.put, "providers", "gone", spec)
        found = await check(hub, "gone")
    assert found["ok"] is False
    assert found["checks"][0]["status"] == 0
    assert found["checks"][0]["message"]


async def test_only_administrators_test_and_it_is_in_the_audit(world):
    hub, _ = world

    def ask():
        with hub.client() as admin:
            audit = admin.get("/api/v1/audit", params={"limit": 50}).text
            made = admin.put("/api/v1/keys/anns", json={"spec": {"team": "crew", "user": "ann"}}).json()["secret"]
            missing = admin.post("/api/v1/providers/none/test", json={}).status_code
        with hub.client(made) as ann:
            return audit, missing, ann.post("/api/v1/providers/up/test", json={}).status_code

    await check(hub, "up")
    audit, missing, status = await asyncio.to_thread(ask)
    assert "providers/up" in audit
    assert re.search(r'"action": ?"test"', audit)
    assert missing == 404
    assert status == 403
