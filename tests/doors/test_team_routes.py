"""Routes that a team makes for itself: who may, for whose calls they hold, and that nobody reaches further by them."""

import pytest

from tests.support.hubs import RESOURCES, running_hub, wait_for

WORLD = {
    "providers": RESOURCES["providers"],
    "models": {**RESOURCES["models"], "cheap": {"targets": [{"model": "demo/cheap"}]}},
    "routes": {"house": {"targets": [{"model": "demo/house"}]}},
    "teams": {
        "crew": {"models": ["demo", "cheap", "demo/a", "demo/b"]},
        "rivals": {"models": ["demo", "demo/*"]},
    },
    "users": {
        "owen": {"teams": {"crew": "owner"}},
        "dev": {"teams": {"crew": "developer"}},
        "vic": {"teams": {"crew": "viewer"}},
        "rita": {"teams": {"rivals": "developer"}},
    },
    "keys": {name: {"user": name, "team": team} for name, team in
             (("owen", "crew"), ("dev", "crew"), ("vic", "crew"), ("rita", "rivals"))},
}  # fmt: skip
OWN = {"team": "crew", "targets": [{"model": "demo/a"}]}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with running_hub(tmp_path_factory.mktemp("team-routes")) as running:
        with running.client() as admin:
            applied = admin.post("/api/v1/apply", json={"resources": WORLD})
            assert applied.status_code == 200, applied.text
            running.keys = {
                name: admin.post(f"/api/v1/keys/{name}/rotate", json={}).json()["secret"] for name in WORLD["keys"]
            }
        yield running


def put(hub, who, path, spec, **more):
    with hub.client(hub.keys[who]) as client:
        return client.put(f"/api/v1/{path}", json={"spec": spec, **more})


def answered(hub, secret, model="demo", **headers):
    """Which target answered, or the code of the refusal."""
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    with hub.client(secret) as client:
        answer = client.post("/v1/chat/completions", json=body, headers=headers)
        return answer.headers.get("x-hub-model") or answer.json()["error"]["code"]


def test_a_developer_makes_a_route_and_attaches_it_to_their_key(hub):
    made = put(hub, "dev", "routes/crew-a", OWN)
    assert made.status_code == 201, made.text
    key = put(hub, "dev", "keys/dev-own", {"team": "crew", "user": "dev", "route": "crew-a"})
    assert key.status_code == 201, key.text
    secret = key.json()["secret"]
    wait_for(lambda: answered(hub, secret) == "demo/a")
    assert put(hub, "owen", "routes/crew-a", {"team": "crew", "targets": [{"model": "demo/b"}]}).status_code == 200
    wait_for(lambda: answered(hub, secret) == "demo/b")
    with hub.client(hub.keys["dev"]) as client:
        assert [one["name"] for one in client.get("/api/v1/routes").json()["items"]] == ["crew-a"]
        assert client.post("/api/v1/routes/crew-a/restore", json={"version": 1}).status_code == 200
        assert client.get("/api/v1/routes/crew-a/history").json()["items"][0]["version"] == 3
        assert client.delete("/api/v1/routes/crew-a").status_code == 422, "a key still names it"
        assert client.delete("/api/v1/keys/dev-own").status_code == 200
        assert client.delete("/api/v1/routes/crew-a").status_code == 200


@pytest.mark.parametrize(
    ("who", "name", "spec", "said"),
    [
        ("dev", "x", {"targets": [{"model": "demo/a"}]}, "team: NAME"),
        ("dev", "x", {**OWN, "team": "rivals"}, "needs the permission"),
        ("vic", "x", OWN, "needs the permission"),
        ("dev", "x", {**OWN, "targets": [{"model": "demo/c"}]}, "does not grant 'demo/c'"),
        ("dev", "x", {"team": "crew", "rules": [{"name": "r", "targets": [{"model": "demo/c"}]}]}, "'demo/c'"),
        ("dev", "x", {"team": "crew", "rules": [{"name": "r", "route": "house"}]}, "not your team's"),
        ("dev", "x", {**OWN, "shadow": {"target": "demo/a", "share": 5, "usd_per_day": 1}}, "administrator"),
    ],
)
def test_nobody_makes_what_reaches_further(hub, who, name, spec, said):
    answer = put(hub, who, f"routes/{name}", spec)
    assert answer.status_code == 403, answer.text
    assert said in answer.json()["detail"]


def test_routes_of_others_are_neither_seen_nor_changed_nor_followed(hub):
    assert put(hub, "dev", "routes/crew-mine", OWN).status_code == 201
    with hub.client(hub.keys["rita"]) as rita:
        assert rita.get("/api/v1/routes/crew-mine").status_code == 404
        assert rita.delete("/api/v1/routes/crew-mine").status_code == 404
        assert rita.get("/api/v1/routes").json()["items"] == []
    assert put(hub, "rita", "routes/crew-mine", {**OWN, "team": "rivals"}).status_code == 404
    assert put(hub, "dev", "routes/house", {**OWN}).status_code == 404
    with hub.client(hub.keys["vic"]) as vic:
        assert vic.get("/api/v1/routes").status_code == 403
    for key in ({"route": "crew-mine"}, {"routes": ["crew-mine"]}):
        assert put(hub, "rita", "keys/rita-own", {"team": "rivals", "user": "rita", **key}).status_code == 403
    for route in ({"route": "house"}, {"routes": ["*"]}, {"routes": ["crew-*"]}, {"routes": ["none"]}):
        answer = put(hub, "dev", "keys/dev-x", {"team": "crew", "user": "dev", **route})
        assert (answer.status_code, "administrator" in answer.json()["detail"]) == (403, True), answer.text
    with hub.client() as admin:
        wide = admin.put("/api/v1/keys/wide", json={"spec": {"team": "rivals", "routes": ["*"]}}).json()["secret"]
        for kind, name, spec in (
            ("teams", "rivals", {**WORLD["teams"]["rivals"], "route": "crew-mine"}),
            ("models", "led", {"route": "crew-mine"}),
            ("keys", "led", {"team": "rivals", "route": "crew-mine"}),
            ("routes", "on", {"rules": [{"name": "r", "route": "crew-mine"}]}),
        ):
            refused = admin.put(f"/api/v1/{kind}/{name}", json={"spec": spec})
            assert (refused.status_code, "leads that team" in refused.text) == (422, True), refused.text
        assert admin.put(
            "/api/v1/teams/crew", json={"spec": {**WORLD["teams"]["crew"], "route": "crew-mine"}}
        ).is_success
    assert answered(hub, wide, **{"x-hub-route": "house"}) == "demo/house"
    assert answered(hub, wide, **{"x-hub-route": "crew-mine"}) == "not_found"
    wait_for(lambda: answered(hub, hub.keys["dev"]) == "demo/a")
    hub.put("teams", "crew", WORLD["teams"]["crew"])


def test_what_is_taken_from_the_team_its_routes_lose(hub):
    assert put(hub, "dev", "routes/crew-two", {**OWN, "targets": [{"model": "demo/a", "weight": 9}, {"model": "demo/b", "priority": 1}]}).status_code == 201  # fmt: skip
    secret = put(hub, "dev", "keys/two", {"team": "crew", "user": "dev", "route": "crew-two"}).json()["secret"]
    wait_for(lambda: answered(hub, secret) == "demo/a")
    hub.put("teams", "crew", {"models": ["demo", "demo/b"]})
    wait_for(lambda: answered(hub, secret) == "demo/b")
    hub.put("teams", "crew", {"models": ["demo"]})
    wait_for(lambda: answered(hub, secret) == "model_not_allowed")
    hub.put("teams", "crew", WORLD["teams"]["crew"])


def test_a_rule_that_sends_a_call_elsewhere_is_not_undone_by_a_route_of_the_team(hub):
    assert put(hub, "dev", "routes/crew-dear", OWN).status_code == 201
    secret = put(hub, "dev", "keys/dear", {"team": "crew", "user": "dev", "routes": ["crew-dear"]}).json()["secret"]
    named = {"x-hub-route": "crew-dear"}
    wait_for(lambda: answered(hub, secret, **named) == "demo/a")
    hub.put("guardrails", "secretive", {
        "scope": {"key": "dear"}, "on": ["input"], "words": ["hello"], "action": "route", "route_to": "cheap",
    })  # fmt: skip
    wait_for(lambda: answered(hub, secret, **named) == "demo/cheap")
