import pytest

from hub.resources.uses import uses

SPECS = {
    "providers": {"demo": {"kind": "demo"}, "other": {"kind": "demo"}},
    "models": {"fast": {"targets": [{"model": "demo/a"}]}, "slow": {"route": "r"}},
    "routes": {"r": {"targets": [{"model": "other/a"}]}},
    "servers": {"time": {"builtin": "hub"}},
    "profiles": {"eng": {"servers": {"time": {}}}, "all": {"include": ["eng"]}},
    "teams": {"platform": {"models": ["fast"], "profiles": ["e*"]}, "none": {}},
    "users": {"ann": {"teams": {"platform": "owner"}, "models": ["!fast"]}},
    "keys": {"ci": {"team": "platform"}, "laptop": {"team": "platform", "user": "ann", "models": ["*"]}},
    "budgets": {"b": {"scope": {"team": "platform"}, "usd": 1}, "c": {"scope": {"org": True}, "usd": 1}},
    "limits": {"l": {"scope": {"key": "ci"}, "rpm": 1}},
    "guardrails": {"g": {"scope": {"server": "time"}}},
}


@pytest.mark.parametrize(
    ("kind", "name", "found"),
    [
        ("providers", "demo", {("models", "fast")}),
        ("providers", "other", {("routes", "r")}),
        ("routes", "r", {("models", "slow")}),
        ("servers", "time", {("profiles", "eng"), ("guardrails", "g")}),
        ("profiles", "eng", {("profiles", "all"), ("teams", "platform")}),
        ("teams", "platform", {("users", "ann"), ("keys", "ci"), ("keys", "laptop"), ("budgets", "b")}),
        ("users", "ann", {("keys", "laptop")}),
        ("keys", "ci", {("limits", "l")}),
        ("models", "fast", {("teams", "platform"), ("keys", "laptop")}),
        ("models", "nothing", {("keys", "laptop")}),
        ("exports", "x", set()),
    ],
)
def test_whoever_names_it_or_may_reach_it_is_found(kind, name, found):
    assert {(other, own) for other, own, _ in uses(SPECS, kind, name)} == found


def test_each_use_says_how():
    assert uses(SPECS, "servers", "time")[0] == ("profiles", "eng", "one of its servers")
