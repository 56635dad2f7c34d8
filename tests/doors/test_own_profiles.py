"""Profiles that a team makes for itself: what its people may say, and that nobody reaches further by it."""

import pytest

from tests.support.hubs import running_hub, servers_ready, wait_for

RESOURCES = {
    "servers": {"hub": {"builtin": "hub"}},
    "profiles": {"whole": {"servers": {"hub": {}}}, "crew-files": {"servers": {"hub": {}}}},
    "teams": {
        "crew": {"profiles": ["crew-*"], "tools": ["hub/*"]},
        "narrow": {"profiles": ["narrow-*"], "tools": ["hub/whoami"]},
        "none": {"profiles": ["*"], "tools": []},
    },
    "users": {
        "owen": {"teams": {"crew": "owner"}},
        "dev": {"teams": {"crew": "developer"}},
        "vic": {"teams": {"crew": "viewer"}},
        "nick": {"teams": {"narrow": "developer"}},
        "nora": {"teams": {"none": "developer"}},
    },
    "keys": {name: {"user": name} for name in ("owen", "dev", "vic", "nick", "nora")},
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with running_hub(tmp_path_factory.mktemp("own")) as running:
        with running.client() as admin:
            applied = admin.post("/api/v1/apply", json={"resources": RESOURCES})
            assert applied.status_code == 200, applied.text
            running.keys = {
                name: admin.post(f"/api/v1/keys/{name}/rotate", json={}).json()["secret"] for name in RESOURCES["keys"]
            }
        servers_ready(running, "hub")
        yield running


def put(hub, who, name, spec, **more):
    with hub.client(hub.keys[who]) as client:
        return client.put(f"/api/v1/profiles/{name}", json={"spec": spec, **more})


def tools(hub, who, profile):
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    with hub.client(hub.keys[who]) as client:
        answer = client.post(f"/mcp/{profile}", json=call, headers={"accept": "application/json, text/event-stream"})
        return sorted(tool["name"] for tool in answer.json().get("result", {}).get("tools", []))


def test_a_developer_makes_changes_and_deletes_a_profile_of_the_team(hub):
    made = put(hub, "dev", "crew-own", {"team": "crew", "servers": {"hub": {"tools": ["whoami"]}}})
    assert made.status_code == 201, made.text
    wait_for(lambda: tools(hub, "owen", "crew-own") == ["hub__whoami"])
    changed = put(hub, "owen", "crew-own", {"team": "crew", "servers": {"hub": {}}}, version=1)
    assert changed.status_code == 200
    assert put(hub, "dev", "crew-own", {"team": "crew", "servers": {}}, version=1).status_code == 409
    with hub.client(hub.keys["dev"]) as client:
        assert client.get("/api/v1/profiles/crew-own/history").json()["items"][0]["version"] == 2
        assert client.post("/api/v1/profiles/crew-own/restore", json={"version": 1}).status_code == 200
        assert client.delete("/api/v1/profiles/crew-own").status_code == 200
    assert tools(hub, "owen", "crew-own") == []


@pytest.mark.parametrize(
    ("who", "name", "spec", "said"),
    [
        ("dev", "crew-x", {"servers": {"hub": {}}}, "team: NAME"),
        ("dev", "crew-files", {"team": "crew", "servers": {"hub": {}}}, "administrator's"),
        ("dev", "crew-x", {"team": "narrow", "servers": {"hub": {}}}, "needs the permission"),
        ("dev", "other-x", {"team": "crew", "servers": {"hub": {}}}, "Choose a name"),
        ("dev", "crew-x", {"team": "crew", "servers": {"hub": {}}, "security": "none"}, "security: none"),
        ("dev", "crew-x", {"team": "crew", "servers": {}, "include": ["whole"]}, "cannot include it"),
        ("vic", "crew-x", {"team": "crew", "servers": {"hub": {}}}, "permission"),
        ("nick", "narrow-x", {"team": "narrow", "servers": {"hub": {}}}, "does not grant 'hub/*'"),
        ("nick", "narrow-x", {"team": "narrow", "servers": {"hub": {"tools": ["whoami", "usage"]}}}, "'hub/usage'"),
        ("nick", "narrow-x", {"team": "narrow", "servers": {"hub": {"tools": ["who*"]}}}, "'hub/who*'"),
        ("nick", "narrow-x", {"team": "narrow", "servers": {"hub": {"tools": [{"read_only": True}]}}}, "'hub/*'"),
        ("nora", "any", {"team": "none", "servers": {"hub": {"tools": ["whoami"]}}}, "does not grant"),
    ],
)
def test_nobody_reaches_beyond_their_own(hub, who, name, spec, said):
    answer = put(hub, who, name, spec)
    assert answer.status_code == 403, answer.text
    assert said in answer.json()["detail"]


def test_what_one_may_choose_is_made(hub):
    assert (
        put(hub, "nick", "narrow-x", {"team": "narrow", "servers": {"hub": {"tools": ["whoami"]}}}).status_code == 201
    )
    assert tools(hub, "nick", "narrow-x") == ["hub__whoami"]


def test_a_profile_of_another_team_is_neither_seen_nor_changed(hub):
    assert put(hub, "nick", "narrow-mine", {"team": "narrow", "servers": {}}).status_code == 201
    assert put(hub, "dev", "narrow-mine", {"team": "crew", "servers": {}}).status_code == 404
    with hub.client(hub.keys["dev"]) as client:
        assert client.delete("/api/v1/profiles/narrow-mine").status_code == 404
        assert client.get("/api/v1/profiles/narrow-mine").status_code == 404


def test_the_servers_one_may_compose_of_are_told_with_their_tools(hub):
    def mine(who, path=""):
        with hub.client(hub.keys[who]) as client:
            return client.get(f"/api/v1/me/servers{path}")

    (server,) = mine("dev").json()["items"]
    (narrow,) = mine("nick").json()["items"]
    assert server["name"] == narrow["name"] == "hub"
    assert server["tools"] > narrow["tools"] == 1
    assert server["tokens"] > narrow["tokens"] > 0
    assert [tool["name"] for tool in mine("nick", "/hub/tools").json()["items"]] == ["whoami"]
    assert mine("nora").json()["items"] == []
    assert mine("nora", "/hub/tools").status_code == 404
    assert mine("dev", "/nothing/tools").status_code == 404


def test_a_team_that_has_a_profile_is_not_deleted_from_under_it(hub):
    hub.put("teams", "passing", {"profiles": ["*"]})
    hub.put("profiles", "passing-x", {"team": "passing", "servers": {}})
    with hub.client() as admin:
        assert admin.delete("/api/v1/teams/passing").status_code == 422
        assert admin.delete("/api/v1/profiles/passing-x").status_code == 200
        assert admin.delete("/api/v1/teams/passing").status_code == 200


def test_a_rule_that_an_administrator_put_on_a_profile_stays(hub):
    spec = {"team": "crew", "servers": {"hub": {"tools": ["whoami"]}}}
    assert put(hub, "dev", "crew-ruled", spec).status_code == 201
    hub.put("guardrails", "ruling", {"scope": {"profile": "crew-ruled"}, "on": ["tool_call"], "words": ["x"]})
    hub.put("profiles", "crew-ruled", {**spec, "guardrails": ["ruling"]})
    refused = put(hub, "dev", "crew-ruled", {**spec, "title": "Without"}, version=2)
    assert (refused.status_code, "ruling" in refused.json()["detail"]) == (403, True)
    assert (
        put(hub, "dev", "crew-ruled", {**spec, "title": "With", "guardrails": ["ruling"]}, version=2).status_code == 200
    )
