"""Own credentials over the API: whose account a call is charged to, who may say so, and that nothing leaks."""

import asyncio

import pytest

from tests.support.hubs import running_hub
from tests.support.upstream import Upstream, chat

pytestmark = pytest.mark.anyio
HELLO = [{"role": "user", "content": "Hello"}]
OWN, TEAMS, HUBS = "anns-own-credential", "the-credential-of-the-team", "the-credential-of-the-hub"


class People:
    """A hub with two teams, its upstream, and each person signed in as in a browser."""

    def __init__(self, hub, upstream):
        self.hub, self.upstream = hub, upstream

    async def as_(self, user, method, path, body=None):
        """What the API answers to a signed-in person: status and JSON."""

        def ask():
            with self.hub.client() as admin:
                link = admin.post(f"/api/v1/users/{user}/sign-in-link", json={}).json()["url"]
            with self.hub.client(None) as client:
                client.post("/login", data={"token": link.partition("token=")[2]})
                own = {"origin": self.hub.url, "sec-fetch-site": "same-origin"}
                answer = client.request(method, f"/api/v1{path}", json=body, headers=own)
                for secret in (OWN, TEAMS, HUBS):
                    assert secret not in answer.text
                return answer.status_code, answer.json()

        return await asyncio.to_thread(ask)

    async def charged(self, key):
        """The credential with which a call of this key goes out."""

        def ask():
            with self.hub.client(key) as client:
                answer = client.post("/v1/chat/completions", json={"model": "fast", "messages": HELLO})
                assert answer.status_code == 200, answer.text

        await asyncio.to_thread(ask)
        return self.upstream.requests[-1].headers["authorization"].removeprefix("Bearer ")

    async def key(self, name, **spec):
        made = await asyncio.to_thread(self.hub.put, "keys", name, {"team": "crew", **spec})
        return made["secret"]


@pytest.fixture
async def people(tmp_path):
    async with Upstream() as upstream:
        upstream.default = chat("hi")
        local = {"kind": "openai-compatible", "base_url": f"{upstream.url}/v1", "allow_private": True}
        resources = {
            "providers": {
                "up": {**local, "api_key": "env:HUBS", "title": "Up"},
                "other": local,
                "demo": {"kind": "demo"},
            },
            "models": {
                "fast": {"targets": [{"model": "up/fast"}]},
                "secretive": {"targets": [{"model": "other/x"}]},
                "demo": {"targets": [{"model": "demo/demo-1"}]},
            },
            "teams": {"crew": {"models": ["fast", "demo"]}, "others": {"models": ["*"]}},
            "users": {
                "ann": {"teams": {"crew": "developer"}},
                "owen": {"teams": {"crew": "owner"}},
                "eve": {"teams": {"others": "owner"}},
            },
        }
        starting = running_hub(tmp_path, resources, {"HUBS": HUBS})
        hub = await asyncio.to_thread(starting.__enter__)
        try:
            yield People(hub, upstream)
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)


async def test_the_nearest_credential_is_charged_and_removed_again(people):
    anns, owens = await people.key("anns", user="ann"), await people.key("owens", user="owen")
    assert await people.charged(anns) == HUBS
    status, listed = await people.as_("ann", "GET", "/me/connections")
    assert status == 200
    (up,) = listed["items"]
    assert (up["provider"], up["title"], up["own"], up["hub"]) == ("up", "Up", None, True)

    assert (await people.as_("ann", "PUT", "/me/connections/up", {"value": OWN}))[0] == 200
    assert await people.charged(anns) == OWN
    assert await people.charged(owens) == HUBS
    assert (await people.as_("owen", "PUT", "/me/connections/up", {"value": TEAMS, "team": "crew"}))[0] == 200
    assert await people.charged(owens) == TEAMS
    assert await people.charged(anns) == OWN

    assert (await people.as_("ann", "PUT", "/me/connections/up", {"value": f"{OWN}-2"}))[0] == 200
    assert await people.charged(anns) == f"{OWN}-2"
    (up,) = (await people.as_("ann", "GET", "/me/connections"))[1]["items"]
    assert up["own"]["managed_by"] == "api"
    assert [(one["team"], one["may_change"], bool(one["own"])) for one in up["teams"]] == [("crew", False, True)]

    assert (await people.as_("ann", "DELETE", "/me/connections/up"))[0] == 200
    assert await people.charged(anns) == TEAMS
    assert (await people.as_("owen", "DELETE", "/me/connections/up?team=crew"))[0] == 200
    assert await people.charged(anns) == HUBS
    assert (await people.as_("ann", "DELETE", "/me/connections/up"))[0] == 404

    def left():
        with people.hub.client() as admin:
            return admin.get("/api/v1/secrets").json()["items"], admin.get("/api/v1/audit?limit=50").text

    secrets, audit = await asyncio.to_thread(left)
    assert secrets == []
    assert "secret-removed" in audit
    assert OWN not in audit


async def test_nobody_connects_for_others_or_beyond_their_models(people):
    for user, path, body, expected in (
        ("ann", "up", {"value": OWN, "team": "crew"}, 403),
        ("eve", "up", {"value": OWN, "team": "crew"}, 403),
        ("ann", "up", {"value": OWN, "team": "none"}, 404),
        ("ann", "other", {"value": OWN}, 404),
        ("ann", "demo", {"value": OWN}, 404),
        ("ann", "nowhere", {"value": OWN}, 404),
        ("ann", "up", {"value": ""}, 422),
        ("ann", "up", {"value": "two\nlines"}, 422),
        ("ann", "up", {"value": "x" * 70_000}, 422),
        ("ann", "up", {}, 422),
    ):
        status, answer = await people.as_(user, "PUT", f"/me/connections/{path}", body)
        assert status == expected, (user, path, body, answer)

    def by_key(key):
        with people.hub.client(key) as client:
            return client.put("/api/v1/me/connections/up", json={"value": OWN}).status_code

    assert await asyncio.to_thread(by_key, await people.key("bot")) == 403
    assert await asyncio.to_thread(by_key, await people.key("acting", user="ann")) == 403


async def test_names_that_read_the_same_are_kept_apart(people):
    def prepare():
        for user in ("a-b", "a"):
            people.hub.put("users", user, {"teams": {"others": "developer"}})

    await asyncio.to_thread(prepare)
    for user, provider in (("a-b", "up"), ("a", "up")):
        assert (await people.as_(user, "PUT", f"/me/connections/{provider}", {"value": f"{OWN}-{user}"}))[0] == 200
    first = await people.key("first", team="others", user="a-b")
    second = await people.key("second", team="others", user="a")
    assert await people.charged(first) == f"{OWN}-a-b"
    assert await people.charged(second) == f"{OWN}-a"
