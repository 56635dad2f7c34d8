"""The compiler: pure, whole, and exact about who may reach what."""

import pytest

from hub.core.principal import Role
from hub.core.refusal import InvalidSpec
from hub.resources import KeySecret, compile_snapshot, parse
from hub.resources.model_catalog import CatalogModel, ModelCatalog, Price

CATALOGUE = ModelCatalog(
    [CatalogModel("openai/gpt-5-mini", price=Price.from_usd_per_million(input="0.25", output="2"))]
)
OPENAI = {"kind": "openai", "api_key": "env:OPENAI_API_KEY"}


def compiled(secrets=(), **resources):
    specs = {kind: {n: parse(kind, n, raw) for n, raw in named.items()} for kind, named in resources.items()}
    return compile_snapshot(specs, secrets=secrets, catalogue=CATALOGUE, generation=7)


def principal(name, **resources):
    snapshot = compiled([KeySecret(name, b"d")], **resources)
    grant = snapshot.keys.get(b"d")
    return grant.principal if grant else None


def test_an_empty_hub_compiles():
    snapshot = compiled()
    assert snapshot.generation == 7
    assert snapshot.resolve("anything") is None


def test_what_a_server_or_an_included_profile_demands_survives_composing():
    """Who composes a profile of the same servers, or includes one and says another selection, lets nothing go."""
    snapshot = compiled(
        servers={
            "guarded": {"command": ["a"], "confirm": ["delete_*", "!delete_mine"]},
            "plain": {"command": ["b"]},
        },
        profiles={
            "careful": {"servers": {"guarded": {"confirm": ["close"]}, "plain": {"confirm": ["send"]}}},
            "own": {"servers": {"guarded": {"confirm": ["!delete_*"]}, "plain": {}}},
            "around": {"include": ["careful"], "servers": {"guarded": {}, "plain": {"confirm": ["!*"]}}},
            "further": {"include": ["around"]},
        },
    )
    waiting = {
        profile: [
            f"{server}/{tool}"
            for server, tools in {"guarded": ["close", "delete_all", "delete_mine"], "plain": ["send", "read"]}.items()
            for tool in tools
            if snapshot.asks_first(profile, server, tool)
        ]
        for profile in snapshot.profiles
    }
    assert waiting == {
        "careful": ["guarded/close", "guarded/delete_all", "plain/send"],
        "own": ["guarded/delete_all"],
        "around": ["guarded/close", "guarded/delete_all", "plain/send"],
        "further": ["guarded/close", "guarded/delete_all", "plain/send"],
    }


def test_the_digest_depends_on_what_is_said_and_not_on_its_order():
    one = compiled(teams={"a": {}, "b": {"title": "B"}}, providers={"openai": OPENAI})
    two = compiled(providers={"openai": OPENAI}, teams={"b": {"title": "B"}, "a": {}})
    three = compiled(providers={"openai": OPENAI}, teams={"b": {"title": "C"}, "a": {}})
    assert one.digest == two.digest != three.digest


@pytest.mark.parametrize(
    ("resources", "path"),
    [
        ({"models": {"m": {"targets": [{"model": "nobody/x"}]}}}, "models.m.targets.0.model"),
        ({"models": {"m": {"route": "r"}}}, "models.m.route"),
        ({"routes": {"r": {"targets": [{"model": "nobody/x"}]}}}, "routes.r.targets.0.model"),
        ({"keys": {"k": {"team": "t"}}}, "keys.k.team"),
        ({"keys": {"k": {"user": "u"}}}, "keys.k.user"),
        ({"users": {"u": {"teams": {"t": "viewer"}}}}, "users.u.teams.t"),
        ({"teams": {"t": {}}, "users": {"u": {}}, "keys": {"k": {"team": "t", "user": "u"}}}, "keys.k.team"),
        ({"profiles": {"p": {"servers": {"s": {}}}}}, "profiles.p.servers.s"),
        ({"budgets": {"b": {"usd": 1, "scope": {"team": "t"}}}}, "budgets.b.scope.team"),
        ({"budgets": {"b": {"usd": 1, "scope": {"org": True}, "timezone": "Mars"}}}, "budgets.b.timezone"),
        ({"limits": {"l": {"rpm": 1, "scope": {"key": "k"}}}}, "limits.l.scope.key"),
        ({"limits": {"l": {"tool_calls_per_minute": 1, "scope": {"model": "m"}}}}, "limits.l.tool_calls_per_minute"),
        (
            {"budgets": {"b": {"usd": 1, "scope": {"org": True}, "mode": "downgrade", "downgrade_to": "m"}}},
            "budgets.b.downgrade_to",
        ),
        (
            {
                "guardrails": {
                    "g": {"scope": {"org": True}, "on": ["input"], "words": ["x"], "action": "route", "route_to": "m"}
                }
            },
            "guardrails.g.route_to",
        ),
        (
            {"providers": {"openai": OPENAI}, "models": {"openai/x": {"targets": [{"model": "openai/y"}]}}},
            "models.openai/x",
        ),
    ],
)
def test_what_does_not_hold_together_is_refused_whole(resources, path):
    with pytest.raises(InvalidSpec) as caught:
        compiled(**resources)
    assert [fault.path for fault in caught.value.faults] == [path]


def test_targets_are_ordered_by_priority_and_carry_their_provider():
    snapshot = compiled(
        providers={"openai": OPENAI, "local": {"kind": "vllm", "allow_private": True}},
        models={
            "fast": {"targets": [{"model": "local/q", "priority": 1}, {"model": "openai/gpt-5-mini", "weight": 80}]}
        },
    )
    first, second = snapshot.models["fast"].targets
    assert (first.deployment.target, first.weight) == ("openai/gpt-5-mini", 80)
    assert first.deployment.secret == "env:OPENAI_API_KEY"
    assert (second.deployment.base_url, second.deployment.private) == ("http://127.0.0.1:8000/v1", True)


def test_a_disabled_provider_takes_its_targets_away():
    snapshot = compiled(
        providers={"openai": {**OPENAI, "enabled": False}}, models={"m": {"targets": [{"model": "openai/x"}]}}
    )
    assert snapshot.models["m"].targets == ()
    assert snapshot.resolve("openai/x") is None


def test_a_provider_opens_only_the_models_that_it_lists():
    snapshot = compiled(providers={"openai": {**OPENAI, "models": ["gpt-*", "!gpt-4*"]}})
    assert snapshot.resolve("openai/gpt-5-mini")
    assert snapshot.resolve("openai/gpt-4o") is None
    assert snapshot.resolve("openai/") is None


def test_prices_come_from_the_override_then_the_catalogue_and_are_unknown_otherwise():
    snapshot = compiled(
        providers={"openai": OPENAI},
        models={"house": {"targets": [{"model": "openai/gpt-5-mini"}], "price": {"input": "1"}}},
    )
    assert snapshot.price("house", "openai/gpt-5-mini").rates.input == 1_000_000
    assert snapshot.price("openai/gpt-5-mini", "openai/gpt-5-mini").rates.output == 2_000_000
    assert snapshot.price("openai/new", "openai/new") is None
    assert snapshot.price("x", "nobody/x") is None


def test_access_is_the_intersection_and_the_first_level_must_grant():
    team = {"teams": {"t": {"models": ["fast", "openai/*"], "profiles": ["p"]}}}
    service = principal("k", **team, keys={"k": {"team": "t"}})
    assert service.may_use_model("fast")
    assert service.may_use_profile("p")
    assert not service.may_use_model("slow")
    narrowed = principal("k", **team, keys={"k": {"team": "t", "models": ["*"], "profiles": []}})
    assert narrowed.may_use_model("openai/x")
    assert not narrowed.may_use_model("slow")
    assert not narrowed.may_use_profile("p")


@pytest.mark.parametrize(
    "resources",
    [
        {"keys": {"k": {}}},
        {"teams": {"t": {}}, "keys": {"k": {"team": "t"}}},
        {"users": {"u": {}}, "keys": {"k": {"user": "u"}}},
        {"users": {"u": {"role": "auditor"}}, "keys": {"k": {"user": "u"}}},
    ],
)
def test_what_nobody_granted_is_denied(resources):
    found = principal("k", **resources)
    assert not found.may_use_model("fast")
    assert not found.may_use_profile("p")


def test_an_admins_key_reaches_everything_unless_it_is_narrowed():
    users = {"users": {"root": {"role": "admin"}}}
    assert principal("k", **users, keys={"k": {"user": "root"}}).may_use_model("anything")
    assert not principal("k", **users, keys={"k": {"user": "root", "models": ["fast"]}}).may_use_model("anything")


def test_a_key_acts_with_the_roles_of_its_user_in_its_team():
    resources = {
        "teams": {"a": {}, "b": {}},
        "users": {"u": {"teams": {"a": "owner", "b": "viewer"}}},
    }
    assert principal("k", **resources, keys={"k": {"user": "u"}}).roles == {"a": Role.OWNER, "b": Role.VIEWER}
    assert principal("k", **resources, keys={"k": {"user": "u", "team": "b"}}).roles == {"b": Role.VIEWER}
    assert principal("k", **resources, keys={"k": {"team": "a"}}).roles == {}


def test_a_key_rests_with_its_user_and_ends_with_its_secret():
    assert principal("k", users={"u": {"enabled": False}}, keys={"k": {"user": "u"}}) is None
    assert principal("k", keys={"k": {"enabled": False}}) is None
    snapshot = compiled([KeySecret("k", b"d", ends_at=5.0)], keys={"k": {"expires_at": "1970-01-01T00:00:09Z"}})
    assert snapshot.keys[b"d"].ends_at == 5.0


@pytest.mark.parametrize(
    ("team", "key", "priority"),
    [
        ({}, {}, 1),
        ({"priority": "high"}, {}, 0),
        ({"priority": "high"}, {"priority": "low"}, 2),
        ({"priority": "low"}, {"priority": "high"}, 2),
        ({}, {"priority": "high"}, 1),
        (None, {"priority": "high"}, 0),
    ],
)
def test_a_key_may_ask_for_less_than_its_team_never_for_more(team, key, priority):
    teams = {} if team is None else {"t": team}
    said = principal("k", teams=teams, keys={"k": {**key, **({} if team is None else {"team": "t"})}})
    assert said.priority == priority
