"""The vault through the API and the command line: names, who uses them, and secrets that are forgotten."""

import json

import pytest

from tests.support.hubs import running_hub


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with running_hub(tmp_path_factory.mktemp("secrets")) as running:
        yield running


def test_a_secret_is_forgotten_only_when_nothing_names_it(hub):
    hub.cli("secret", "set", "acme", stdin="a-value")
    hub.put("providers", "acme", {"kind": "openai", "credentials": ["vault:acme"]})
    with hub.client() as admin:
        (item,) = admin.get("/api/v1/secrets").json()["items"]
        assert item["used_by"] == [{"kind": "providers", "name": "acme"}]
        assert item["updated_at"]
        refused = admin.delete("/api/v1/secrets/acme")
        assert refused.status_code == 422
        assert refused.json()["faults"][0]["path"] == "providers.acme"
        assert hub.cli("secret", "remove", "acme", check=False).returncode != 0
        admin.delete("/api/v1/providers/acme")
        assert "vault:acme" in hub.cli("secret", "remove", "acme").stdout
        assert admin.get("/api/v1/secrets").json()["items"] == []
        assert admin.delete("/api/v1/secrets/acme").status_code == 404


def test_a_name_that_only_begins_the_same_is_another_secret(hub):
    hub.cli("secret", "set", "key", stdin="a-value")
    hub.cli("secret", "set", "key-2", stdin="a-value")
    hub.put("providers", "other", {"kind": "openai", "api_key": "vault:key-2"})
    with hub.client() as admin:
        assert admin.delete("/api/v1/secrets/key").status_code == 200
        assert admin.delete("/api/v1/secrets/key-2").status_code == 422


def test_the_vault_gets_a_new_key_while_the_hub_runs(hub):
    hub.cli("secret", "set", "rotated", stdin="a-value")
    ring = hub.data / "vault.key"
    before = json.loads(ring.read_bytes())["keys"]
    assert "encrypted anew" in hub.cli("secret", "rotate").stdout
    after = json.loads(ring.read_bytes())["keys"]
    assert after[1:] == before  # what clients keep opens still
    with hub.client() as admin:
        assert admin.post("/api/v1/secrets/rotate").json()["rewrapped"] >= 1
        rows = admin.get("/api/v1/audit", params={"action": "rotate"}).json()["items"]
        assert [row["detail"] for row in rows] == ["vault.key", "vault.key"]
    with hub.client(None) as nobody:
        assert nobody.post("/api/v1/secrets/rotate").status_code == 401


def test_a_password_that_was_typed_as_a_name_is_not_written_down(hub):
    with hub.client(None) as browser:
        assert browser.post("/login", data={"user": "correct horse battery", "password": "x"}).status_code == 401
        assert browser.post("/login", data={"user": "admin", "password": "x"}).status_code == 401
    with hub.client() as admin:
        failed = admin.get("/api/v1/audit", params={"action": "sign-in-failed"}).json()["items"]
    assert [row["detail"] for row in failed] == ["users/admin", "a user who does not exist"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "keys/careful/rotate", {"overlap_second": 3600}),  # would end the old secret at once
        ("PUT", "keys/careful", {"spec": {}, "verison": 1}),  # would overwrite what somebody else wrote
        ("POST", "keys/careful/restore", {"version": 1, "force": True}),
        ("POST", "profiles/p/approve", {"tools": ["*"], "digest": {}}),  # would approve what nobody looked at
        ("POST", "apply", {"resources": {}, "dryrun": True}),
        ("POST", "usage/recompute", {"dryrun": True}),
        ("POST", "explain", {"body": {"model": "x"}, "header": {}}),
        ("POST", "stop", {"scope": {"org": True}, "for": "a minute"}),
        ("PUT", "secrets/careful", {"value": "x", "name": "other"}),
        ("PUT", "users/admin/password", {"password": "correct horse battery", "once": True}),
    ],
)
def test_a_field_that_there_is_not_is_refused_and_nothing_is_done(hub, method, path, body):
    with hub.client() as admin:
        admin.put("/api/v1/keys/careful", json={"spec": {}})
        before = admin.get("/api/v1/audit").json()["items"][0]["id"]
        answer = admin.request(method, f"/api/v1/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "unsupported_field"), answer.text
        assert "Known: " in answer.json()["detail"]
        assert admin.get("/api/v1/audit").json()["items"][0]["id"] == before
        whole = admin.get("/api/v1/keys/careful").json()
        assert admin.put("/api/v1/keys/careful", json=whole).status_code == 200, "an answer can be sent back"


def test_what_was_done_for_a_user_is_found_by_the_user(hub):
    with hub.client() as admin:
        assert admin.put("/api/v1/users/audited", json={"spec": {"email": "audited@example.com"}}).status_code == 201
        assert (
            admin.put("/api/v1/users/audited/password", json={"password": "correct horse battery"}).status_code == 200
        )
        assert admin.post("/api/v1/users/audited/sign-in-link", json={}).status_code == 200
        rows = admin.get("/api/v1/audit", params={"kind": "users", "name": "audited"}).json()["items"]
    assert [row["action"] for row in rows] == ["sign-in-link", "password-set", "create"]
