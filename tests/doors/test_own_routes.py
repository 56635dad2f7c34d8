"""Which routes somebody sees: those of their own calls, with why, and without what is about others."""

import pytest

from tests.support.hubs import RESOURCES, running_hub

TEAMS = {"crew": {"models": ["*"], "route": "house"}, "rivals": {"models": ["rival-*"], "route": "rival"}}
WORLD = {
    **RESOURCES,
    "models": {
        **RESOURCES["models"],
        "crew-model": {"route": "by-model"},
        "rival-model": {"route": "rival-only"},
    },
    "routes": {
        "house": {
            "rules": [
                {
                    "name": "mixed",
                    "when": {"teams": ["crew", "rivals"], "users": ["d*"]},
                    "targets": [{"model": "demo/a"}],
                },
                {"name": "rivals", "when": {"teams": ["rivals"]}, "targets": [{"model": "demo/b"}]},
                {"name": "others", "when": {"users": ["rita"]}, "targets": [{"model": "demo/c"}]},
                {"name": "keys", "when": {"keys": ["rita"]}, "route": "unseen"},
                {"name": "models", "when": {"models": ["demo", "gone-*"]}, "route": "further"},
                {"name": "nothing", "when": {"models": ["gone-*"]}, "targets": [{"model": "demo/d"}]},
                {"name": "said", "when": {"cel": "team == 'rivals'"}, "targets": [{"model": "demo/x"}]},
                {"name": "off", "enabled": False, "targets": [{"model": "demo/e"}]},
            ],
            "targets": [{"model": "demo/f"}],
        },
        "further": {"targets": [{"model": "demo/g"}]},
        "unseen": {"targets": [{"model": "demo/h"}]},
        "named": {"targets": [{"model": "demo/i"}]},
        "by-model": {"targets": [{"model": "demo/j"}]},
        "rival": {"targets": [{"model": "demo/k"}]},
        "rival-only": {"targets": [{"model": "demo/l"}]},
    },
    "teams": {**TEAMS, "crew": {**TEAMS["crew"], "models": ["demo", "crew-*"]}},
    "users": {"dev": {"teams": {"crew": "developer"}}, "rita": {"teams": {"rivals": "developer"}}},
    "keys": {"dev": {"user": "dev", "routes": ["named"]}, "rita": {"user": "rita"}},
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What two people of different teams are told: their routes by name."""
    with running_hub(tmp_path_factory.mktemp("routes")) as hub:
        with hub.client() as admin:
            applied = admin.post("/api/v1/apply", json={"resources": WORLD})
            assert applied.status_code == 200, applied.text
            secrets = {
                name: admin.post(f"/api/v1/keys/{name}/rotate", json={}).json()["secret"] for name in WORLD["keys"]
            }
        found = {}
        for name, secret in secrets.items():
            with hub.client(secret) as client:
                found[name] = {one["name"]: one for one in client.get("/api/v1/me/routes").json()["items"]}
        yield found


def test_routes_come_with_why_they_apply(seen):
    assert {name: one["via"] for name, one in seen["dev"].items()} == {
        "house": ["team crew"],
        "further": ["rule house/models"],
        "named": ["x-hub-route with key dev"],
        "by-model": ["model crew-model"],
    }


def test_rules_about_others_are_not_told(seen):
    house = seen["dev"]["house"]["spec"]
    assert [(rule["name"], rule["when"]) for rule in house["rules"]] == [
        ("mixed", {"teams": ["crew"], "users": ["dev"]}),
        ("models", {"models": ["demo"]}),
        ("said", {"cel": "..."}),
    ]
    assert house["targets"] == [{"model": "demo/f"}]


def test_another_team_sees_its_own(seen):
    assert set(seen["rita"]) == {"rival", "rival-only"}
