"""Explaining a model or a route that is not saved yet: the plan that a call would make, and nothing is written."""

import pytest

from tests.support.hubs import running_hub

RESOURCES = {
    "providers": {"demo": {"kind": "demo"}},
    "models": {"one": {"targets": [{"model": "demo/a"}]}},
    "routes": {"r": {"targets": [{"model": "demo/a"}]}},
    "teams": {"crew": {"models": ["*"]}},
    "users": {"dev": {"teams": {"crew": "owner"}}},
    "keys": {"dev": {"user": "dev"}},
}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with running_hub(tmp_path_factory.mktemp("drafts"), RESOURCES) as running:
        yield running


def explain(hub, draft, key=None, model=None, key_name="", **more):
    body = {"model": model or draft["name"], "messages": [{"role": "user", "content": "hi"}]}
    with hub.client(key or hub.admin_key) as client:
        return client.post("/api/v1/explain", json={"body": body, "draft": draft, "key": key_name, **more})


def test_a_drafted_route_is_explained_for_a_key_that_it_is_not_granted_to_yet(hub):
    rule = {"name": "own", "when": {"keys": ["dev"]}, "targets": [{"model": "demo/for-dev"}]}
    draft = {"kind": "routes", "name": "fresh", "spec": {"rules": [rule], "targets": [{"model": "demo/a"}]}}
    headers = {"x-hub-route": "fresh"}
    mine = explain(hub, draft, model="one", headers=headers, key_name="dev")
    assert mine.status_code == 200, mine.text
    assert [one["target"] for one in mine.json()["attempts"]] == ["demo/for-dev"]
    other = explain(hub, draft, model="one", headers=headers)
    assert [one["target"] for one in other.json()["attempts"]] == ["demo/a"]


def test_a_new_model_is_explained_before_it_exists(hub):
    targets = [{"model": "demo/b", "weight": 3}, {"model": "demo/c", "weight": 1}, {"model": "demo/a", "priority": 1}]
    answer = explain(hub, {"kind": "models", "name": "new", "spec": {"targets": targets}})
    assert answer.status_code == 200, answer.text
    attempts = [(one["target"], one["priority"], one["share"]) for one in answer.json()["attempts"]]
    assert set(attempts[:2]) == {("demo/b", 0, 0.75), ("demo/c", 0, 0.25)}  # their order is drawn by weight
    assert attempts[2:] == [("demo/a", 1, 1.0)]
    with hub.client() as client:
        assert client.get("/api/v1/models/new").status_code == 404
        assert client.get("/api/v1/models/one").json()["version"] == 1


def test_a_changed_route_is_explained_with_its_rules(hub):
    spec = {
        "targets": [{"model": "demo/a"}],
        "rules": [{"name": "prod", "when": {"tags": {"env": "prod"}}, "targets": [{"model": "demo/z"}]}],
    }
    draft = {"kind": "routes", "name": "r", "spec": spec}
    plain = explain(hub, draft, model="one", headers={"x-hub-route": "r"}).json()
    assert [one["target"] for one in plain["attempts"]] == ["demo/a"]
    tagged = explain(
        hub, draft, model="one", headers={"x-hub-route": "r", "x-hub-tags": "env=prod"}, tokens=5000
    ).json()
    assert [one["target"] for one in tagged["attempts"]] == ["demo/z"]
    assert tagged["rules"][-1]["holds"] is True
    assert tagged["tokens"]["prompt"] > 4000


def test_a_draft_that_does_not_hold_says_where(hub):
    answer = explain(hub, {"kind": "models", "name": "new", "spec": {"targets": [{"model": "nowhere/b"}]}})
    assert answer.status_code == 422
    assert answer.json()["faults"][0]["path"] == "models.new.targets.0.model"
    assert explain(hub, {"kind": "models", "name": "new", "spec": {"tragets": []}}).status_code == 422


@pytest.mark.parametrize(
    "draft",
    [
        "x", {"name": "x"}, {"kind": "keys", "name": "x", "spec": {}}, {"kind": "models", "name": 1, "spec": {}},
        {"kind": "models", "name": "x", "spec": []}, None, [],
    ],
)  # fmt: skip
def test_what_is_no_draft_is_refused(hub, draft):
    with hub.client() as client:
        assert client.post("/api/v1/explain", json={"body": {"model": "one"}, "draft": draft}).status_code == 400


def test_only_who_could_save_it_may_try_it(hub):
    with hub.client() as admin:
        key = admin.post("/api/v1/keys/dev/rotate", json={}).json()["secret"]
    draft = {"kind": "models", "name": "one", "spec": {"targets": [{"model": "demo/b"}]}}
    assert explain(hub, draft, key=key).status_code == 403
    assert explain(hub, draft, tokens="many").status_code == 400
