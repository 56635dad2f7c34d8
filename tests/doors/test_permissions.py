"""Every route of the management API, asked by everybody: anonymous, a plain key, and each role."""

import re

import pytest

from hub.core.principal import Role
from hub.identity import READ, TABLE, Permission
from tests.support.hubs import running_hub, wait_for

HELLO = [{"role": "user", "content": "Hello"}]
PEOPLE = {
    "admin": {"role": "admin"},
    "auditor": {"role": "auditor"},
    "owner": {"teams": {"mine": "owner"}},
    "developer": {"teams": {"mine": "developer"}},
    "viewer": {"teams": {"mine": "viewer"}},
}
RESOURCES = {
    "providers": {"demo": {"kind": "demo"}},
    "models": {
        "demo": {"targets": [{"model": "demo/demo-1"}]},
        "secret-model": {"targets": [{"model": "demo/demo-2"}]},
    },
    "routes": {"r": {"targets": [{"model": "demo/demo-1"}]}},
    "servers": {"hub": {"builtin": "hub"}},
    "profiles": {"tools": {"servers": {"hub": {}}}, "secret-tools": {"servers": {"hub": {}}}},
    "teams": {"mine": {"models": ["demo"], "profiles": ["tools"]}, "theirs": {"models": ["*"], "profiles": ["*"]}},
    "users": {**PEOPLE, "stranger": {"teams": {"theirs": "owner"}}},
    "budgets": {"mine": {"scope": {"team": "mine"}, "usd": 5}, "theirs": {"scope": {"team": "theirs"}, "usd": 5}},
    "limits": {"mine": {"scope": {"team": "mine"}, "rpm": 1000}, "theirs": {"scope": {"team": "theirs"}, "rpm": 5}},
    "guardrails": {"g": {"scope": {"team": "theirs"}, "on": ["input"], "words": ["forbidden"]}},
    "announcements": {"a": {"title": "Hello"}},
    "exports": {},
    "keys": {"plain": {"team": "mine"}, "foreign": {"team": "theirs"}, "mine": {"team": "mine"}},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    users = {name: spec for name, spec in RESOURCES["users"].items() if name != "admin"}
    with running_hub(tmp_path_factory.mktemp("roles")) as hub:
        with hub.client() as admin:
            resources = {**RESOURCES, "users": users}
            applied = admin.post("/api/v1/apply", json={"resources": resources})
            assert applied.status_code == 200, applied.text
            keys = {None: None, "admin": hub.admin_key}
            keys["plain"] = admin.post("/api/v1/keys/plain/rotate", json={}).json()["secret"]
            for role in Role:
                if role is not Role.ADMIN:
                    made = admin.post("/api/v1/keys", json={"name": f"key-of-{role}", "spec": {"user": role.value}})
                    keys[role.value] = made.json()["secret"]
        yield hub, keys


def documented(hub):
    with hub.client(None) as client:
        document = client.get("/api/openapi.json").json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), path, re.findall(r"`([a-z.]+)`", operation["description"])


def test_every_route_asks_everybody_for_its_permission(world):
    hub, keys = world
    wrong = []
    for who, key in keys.items():
        held = TABLE[Role(who)] if who in set(Role) else frozenset()
        with hub.client(key) as client:
            for method, path, permissions in documented(hub):
                needed = {Permission(name) for name in permissions}
                allowed = Permission.PUBLIC in needed or (
                    who is not None and (Permission.SELF in needed or needed & held)
                )
                url = re.sub(r"\{\w+\}", "no-such-thing", path)
                body = {} if method in ("POST", "PUT") else None
                with client.stream(method, url, json=body) as answer:  # some answers have no end
                    status = answer.status_code
                refused = 401 if who is None else 403
                # A role may hold a permission and still not be allowed this very thing: 403 says so too, 401 never.
                if (not allowed and status != refused) or (allowed and status == 401):
                    wrong.append((who, method, path, status))
                if allowed and status == 403 and who == "admin":
                    wrong.append((who, method, path, status))
    assert wrong == []


def test_the_public_routes_are_exactly_these(world):
    hub, _ = world
    assert {path for _, path, permissions in documented(hub) if permissions == ["public"]} == {"/api/openapi.json"}


@pytest.mark.parametrize("who", ["owner", "developer", "viewer", "plain"])
def test_nobody_sees_what_belongs_to_another_team(world, who):
    hub, keys = world
    foreign = [
        ("teams", "theirs"), ("users", "stranger"), ("keys", "foreign"), ("budgets", "theirs"), ("limits", "theirs"),
        ("models", "secret-model"), ("profiles", "secret-tools"), ("keys", "admin"), ("users", "auditor"),
    ]  # fmt: skip
    with hub.client(keys[who]) as client:
        for kind, name in foreign:
            for method, rest in ("GET", ""), ("GET", "/history"), ("DELETE", ""), ("PUT", ""), ("POST", "/restore"):
                body = {"PUT": {"spec": {}, "version": 1}, "POST": {"version": 1}}.get(method)
                answer = client.request(method, f"/api/v1/{kind}/{name}{rest}", json=body)
                assert answer.status_code in (403, 404), (method, kind, name, rest, answer.status_code)
                assert "stranger" not in answer.text.replace(f"'{name}'", "")
        for kind in READ:
            answer = client.get(f"/api/v1/{kind}")
            names = {item["name"] for item in answer.json().get("items", [])}
            assert not names & {"theirs", "foreign", "stranger", "secret-model", "secret-tools"}, kind


def test_reaching_for_what_belongs_to_others_is_written_down_and_looks_as_if_it_did_not_exist(world):
    hub, keys = world
    with hub.client(keys["owner"]) as client:
        answers = [client.delete(f"/api/v1/keys/{name}") for name in ("foreign", "no-such-key")]
        told = [answer.json()["detail"].replace("no-such-key", "foreign") for answer in answers]
        assert ([answer.status_code for answer in answers], told[0]) == ([404, 404], told[1])
    with hub.client() as admin:
        assert admin.delete("/api/v1/keys/no-such-key").status_code == 404
        rows = admin.get("/api/v1/audit", params={"action": "denied"}).json()["items"]
    told = [(row["actor"], row["detail"]) for row in rows]
    for name in ("foreign", "no-such-key"):
        assert [actor for actor, detail in told if detail == f"DELETE /api/v1/keys/{name}"].count(
            "key:key-of-owner"
        ) == 1


def test_an_owner_runs_their_team_and_gives_nobody_more_than_they_have(world):
    hub, keys = world
    with hub.client(keys["owner"]) as owner:
        made = owner.post("/api/v1/keys", json={"name": "robot", "spec": {"team": "mine"}})
        assert made.status_code == 201, made.text
        for name, spec in {
            "a": {"team": "theirs"},
            "b": {"team": "mine", "user": "admin"},
            "c": {"models": ["*"]},
            "d": {"team": "mine", "secret": "env:PATH"},
            "e": {"team": "mine", "routes": ["*"]},
        }.items():
            answer = owner.post("/api/v1/keys", json={"name": name, "spec": spec})
            assert answer.status_code == 403, (name, answer.text)
        wide = owner.put("/api/v1/keys/robot", json={"spec": {"team": "mine", "models": ["*"], "profiles": ["*"]}})
        assert wide.status_code == 200
    with hub.client(made.json()["secret"]) as robot:
        answer = robot.post("/v1/chat/completions", json={"model": "secret-model", "messages": HELLO})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "model_not_allowed")
        assert robot.post("/v1/chat/completions", json={"model": "demo", "messages": HELLO}).status_code == 200


def test_a_developer_manages_their_own_keys_only(world):
    hub, keys = world
    with hub.client(keys["developer"]) as developer:
        made = developer.post("/api/v1/keys", json={"name": "laptop", "spec": {"team": "mine", "user": "developer"}})
        assert made.status_code == 201, made.text
        assert developer.post("/api/v1/keys", json={"name": "service", "spec": {"team": "mine"}}).status_code == 403
        assert developer.post("/api/v1/keys/mine/revoke", json={}).status_code in (403, 404)
        names = {item["name"] for item in developer.get("/api/v1/keys").json()["items"]}
        assert names == {"laptop", "key-of-developer"}
        assert developer.post("/api/v1/keys/laptop/revoke", json={}).status_code == 200


def test_roles_cannot_be_taken(world):
    hub, keys = world
    for who in ("owner", "developer", "viewer", "plain", "auditor"):
        with hub.client(keys[who]) as client:
            for name in (who, "newcomer"):
                answer = client.put(f"/api/v1/users/{name}", json={"spec": {"role": "admin"}})
                assert answer.status_code == 403
    with hub.client() as admin:
        rows = admin.get("/api/v1/audit", params={"action": "denied"}).json()["items"]
        assert any("PUT /api/v1/users/owner" in str(row) for row in rows) or len(rows) >= 5


def test_everybody_sees_their_own_calls_and_owners_their_teams(world):
    hub, keys = world
    for who in ("plain", "developer"):
        with hub.client(keys[who]) as client:
            client.post(
                "/v1/chat/completions", json={"model": "demo", "messages": HELLO}, headers={"x-request-id": f"by-{who}"}
            )
    with hub.client() as admin:

        def both():
            items = admin.get("/api/v1/logs").json()["items"]
            return len([item for item in items if item["request_id"].startswith("by-")]) == 2

        wait_for(both)
    seen = {}
    for who in ("plain", "developer", "viewer", "owner", "auditor"):
        with hub.client(keys[who]) as client:
            items = client.get("/api/v1/logs").json()["items"]
            seen[who] = {item["request_id"] for item in items if item["request_id"].startswith("by-")}
    assert seen["plain"] == {"by-plain"}
    assert seen["developer"] == {"by-developer"}
    assert seen["viewer"] == set()
    assert seen["owner"] == seen["auditor"] == {"by-plain", "by-developer"}


def test_nobody_gives_a_key_more_than_they_have(world):
    hub, keys = world
    with hub.client(keys["owner"]) as owner:
        narrow = {
            "name": "narrow",
            "spec": {"user": "owner", "team": "mine", "models": ["demo"], "tools": ["hub/whoami"]},
        }
        made = owner.post("/api/v1/keys", json=narrow)
        assert made.status_code == 201, made.text
    with hub.client(made.json()["secret"]) as narrowed:
        for spec in {"user": "owner", "team": "mine"}, {"team": "mine", "tools": ["*"]}:
            answer = narrowed.post("/api/v1/keys", json={"name": "wide", "spec": spec})
            assert answer.status_code == 403, answer.text
            assert "more than they have" in answer.json()["detail"]
        assert narrowed.post("/api/v1/keys/mine/rotate", json={}).status_code == 403
        less = {"team": "mine", "models": ["demo"], "tools": ["hub/whoami"]}
        assert narrowed.post("/api/v1/keys", json={"name": "less", "spec": less}).status_code == 201


def test_a_key_works_only_from_where_and_for_what_its_access_says(world):
    hub, _ = world
    with hub.client() as admin:

        def key(name, **access):
            return admin.put(f"/api/v1/keys/{name}", json={"spec": {"team": "mine", **access}}).json()["secret"]

        away = key("away", networks=["192.0.2.0/24"])
        home = key("home", networks=["127.0.0.0/8"], endpoints=["/v1/*"], headers={"x-env": "prod-*"})
    with hub.client(away) as client:
        assert client.get("/v1/models").status_code == 403
        assert client.get("/api/v1/me").status_code == 403
    with hub.client(home) as client:
        assert client.get("/v1/models").status_code == 403
        assert client.get("/v1/models", headers={"x-env": "prod-eu"}).status_code == 200
        body = {"model": "demo", "messages": HELLO}
        assert client.post("/v1/chat/completions", json=body, headers={"x-env": "prod-eu"}).status_code == 200
        assert client.get("/api/v1/me", headers={"x-env": "prod-eu"}).status_code == 403
        assert client.post("/mcp/tools", json={}, headers={"x-env": "prod-eu"}).status_code == 403
