"""The vault through the API and the command line: names, who uses them, and secrets that are forgotten."""

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
