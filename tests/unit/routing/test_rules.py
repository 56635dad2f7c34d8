"""Rules: each condition by itself, their order, routes that lead on, regions, canaries, and what is told of it."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.principal import EVERYTHING, Access, Principal
from hub.core.refusal import InvalidSpec, NotFound, Unavailable
from hub.resources.snapshot import KeyGrant
from hub.routing import Conditions, RuleHits, explain, plan
from tests.unit.routing.hubs import PROVIDERS, grant, said, snapshot, target

MODELS = {"fast": {"targets": [target("openai/gpt-5-mini")]}, "routed": {"route": "main"}}
PICTURE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:..."}}]}]


def ruled(when, **more):
    rule = {"name": "it", "when": when, "targets": [target("local/qwen3")]}
    routes = {"main": {"targets": [target("openai/gpt-5-mini")], "rules": [rule], **more}}
    return snapshot(models=MODELS, routes=routes)


def first(hub, call, who=None, at=None):
    return plan(hub, who or grant(), call, at or Conditions()).attempts[0].target


def at(text):
    return Conditions(now=lambda: datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


HOLDS = [
    ({"models": ["rou*"]}, said("routed"), said("routed", route="other")),
    ({"headers": {"X-Tier": "gold*"}}, said("routed", {"x-tier": "gold-1"}), said("routed", {"x-tier": "silver"})),
    ({"tags": {"project": "a*"}}, said("routed", tags={"project": "apollo"}), said("routed", tags={"team": "apollo"})),
    ({"tokens_over": 1000}, said("routed", messages=[{"role": "user", "content": "x" * 5000}]), said("routed")),
    ({"tokens_under": 1000}, said("routed"), said("routed", messages=[{"role": "user", "content": "x" * 5000}])),
    ({"tools": True}, said("routed", tools=[{"type": "function"}]), said("routed", tools=[])),
    ({"tools": False}, said("routed"), said("routed", tools=[{"type": "function"}])),
    ({"images": True}, said("routed", messages=PICTURE), said("routed", messages=[{"role": "user", "content": '"image_url"'}])),
    ({"stream": True}, said("routed", stream=True), said("routed")),
    ({"keys": ["ci"]}, said("routed"), None),
    ({"users": ["ann"]}, None, said("routed")),
]  # fmt: skip


@pytest.mark.parametrize(("when", "yes", "no"), HOLDS, ids=[str(list(row[0])) + str(n) for n, row in enumerate(HOLDS)])
def test_a_condition_holds_or_does_not(when, yes, no):
    hub = ruled(when)
    if yes is not None:
        assert first(hub, yes) == "local/qwen3"
    if no is not None and not no.route:
        assert first(hub, no) == "openai/gpt-5-mini"


def test_all_conditions_must_hold_and_the_one_that_does_not_is_named():
    hub = ruled({"headers": {"x-a": "1"}, "tools": True, "tags": {"t": "*"}})
    planned = plan(hub, grant(), said("routed", {"x-a": "1"}))
    assert [(seen.rule, seen.because) for seen in planned.rules] == [("main/it", "tags.t")]
    planned = plan(hub, grant(), said("routed", {"x-a": "1"}, {"t": "x"}, tools=[{}]))
    assert [(seen.rule, seen.because) for seen in planned.rules] == [("main/it", "")]
    told = explain(hub, planned, 1)
    assert told["rules"] == [{"rule": "main/it", "holds": True, "because": None}]
    assert told["route"] == "main"


def test_a_person_and_a_team_can_be_named():
    ann = Principal("key:x", "key", key="x", user="ann", team="core", access=(Access(models=EVERYTHING),))
    for when in ({"users": ["ann"]}, {"teams": ["co*"]}, {"keys": ["y", "x"]}):
        assert first(ruled(when), said("routed"), KeyGrant("x", ann)) == "local/qwen3"


@pytest.mark.parametrize(("used", "holds"), [(0.0, False), (80.0, False), (80.1, True), (120.0, True)])
def test_a_budget_that_is_nearly_used_leads_elsewhere(used, holds):
    asked = []
    nearly = Conditions(budget_used=lambda principal, model: asked.append((principal.key, model)) or used)
    hub = ruled({"budget_used_over": 80})
    assert first(hub, said("routed"), at=nearly) == ("local/qwen3" if holds else "openai/gpt-5-mini")
    assert asked == [("ci", "routed")]
    assert plan(hub, grant(), said("routed"), nearly).rules[0].because == ("" if holds else "budget_used_over")
    first(ruled({"tools": True}), said("routed", tools=[{}]), at=nearly)
    assert len(asked) == 2, "only rules that look at budgets ask for them"


@pytest.mark.parametrize(
    ("hours", "moment", "holds"),
    [
        ({"days": ["mon"]}, "2026-11-23T10:00", True),
        ({"days": ["mon"]}, "2026-11-24T10:00", False),
        ({"start": "08:00", "end": "18:00"}, "2026-11-24T18:00", False),
        ({"start": "08:00", "end": "18:00"}, "2026-11-24T08:00", True),
        ({"start": "08:00", "end": "18:00", "timezone": "Asia/Tokyo"}, "2026-11-24T00:30", True),
        ({"start": "22:00", "end": "06:00", "days": ["fri"]}, "2026-11-28T05:00", True),  # the night after Friday
        ({"start": "22:00", "end": "06:00", "days": ["fri"]}, "2026-11-27T05:00", False),
        ({"start": "22:00", "end": "06:00", "days": ["fri"]}, "2026-11-27T23:00", True),
        ({"start": "20:00"}, "2026-11-27T23:59", True),
    ],
)
def test_hours(hours, moment, holds):
    assert first(ruled({"hours": hours}), said("routed"), at=at(moment)) == (
        "local/qwen3" if holds else "openai/gpt-5-mini"
    )


def test_the_first_rule_that_holds_decides():
    rules = [
        {"name": "off", "targets": [target("openai/z")], "enabled": False},
        {"name": "gold", "when": {"headers": {"x-tier": "gold"}}, "targets": [target("openai/a")]},
        {"name": "any", "when": {"headers": {"x-tier": "*"}}, "targets": [target("openai/b")]},
    ]
    hub = snapshot(models=MODELS, routes={"main": {"targets": [target("openai/c")], "rules": rules}})
    assert first(hub, said("routed", {"x-tier": "gold"})) == "openai/a"
    assert first(hub, said("routed", {"x-tier": "tin"})) == "openai/b"


def test_a_rule_can_lead_to_another_route():
    routes = {
        "main": {"targets": [target("openai/c")], "rules": [{"name": "on", "when": {"tools": True}, "route": "tools"}]},
        "tools": {
            "targets": [target("openai/a"), target("openai/b", 1)],
            "strategy": "priority",
            "retries": {"attempts": 5},
        },
    }
    hub = snapshot(models=MODELS, routes=routes)
    planned = plan(hub, grant(), said("routed", tools=[{}]))
    assert [d.target for d in planned.attempts] == ["openai/a", "openai/b"]
    assert (planned.route, planned.strategy, planned.retry.tries) == ("tools", "priority", 5)


def test_a_route_says_after_how_long_the_next_target_is_asked_as_well():
    assert plan(ruled({}, retries={"hedge_after": 1.5}), grant(), said("routed")).retry.hedge == 1.5
    assert plan(ruled({}, retries={"attempts": 2}), grant(), said("routed")).retry.hedge is None


def test_routes_in_a_circle_are_refused_when_saved():
    rule = lambda to: {"name": "r", "when": {}, "route": to}  # noqa: E731
    routes = {name: {"rules": [rule(to)]} for name, to in (("a", "b"), ("b", "c"), ("c", "a"))}
    with pytest.raises(InvalidSpec, match="in a circle: a -> b -> c -> a"):
        snapshot(routes=routes)
    with pytest.raises(InvalidSpec, match="no route 'gone'"):
        snapshot(routes={"a": {"rules": [rule("gone")]}})


def test_the_named_route_comes_before_the_keys_the_teams_and_the_models():
    routes = {name: {"targets": [target(f"openai/{name}")]} for name in ("named", "keys", "teams", "models")}
    resources = {
        "models": {"m": {"route": "models"}, "plain": MODELS["fast"]},
        "routes": routes,
        "teams": {"core": {"route": "teams"}},
    }
    both = snapshot(**resources, keys={"ci": {"team": "core", "route": "keys"}})
    only_team = snapshot(**resources, keys={"ci": {"team": "core"}})
    who = KeyGrant("ci", replace(grant().principal, team="core"), routes=("named",))
    assert first(both, said("m", route="named"), who) == "openai/named"
    assert first(both, said("m"), who) == "openai/keys"
    assert first(only_team, said("m"), who) == "openai/teams"
    assert first(both, said("m")) == "openai/keys"
    assert first(only_team, said("m")) == "openai/models"
    assert first(only_team, said("plain"), who) == "openai/teams"


def test_a_route_without_targets_leaves_the_models_own():
    hub = snapshot(
        models={"fast": MODELS["fast"]},
        routes={"gold": {"rules": [{"name": "g", "when": {"headers": {"x-tier": "gold"}}, "targets": [target("openai/a")]}]}},
        keys={"ci": {"team": "core", "route": "gold"}}, teams={"core": {}},
    )  # fmt: skip
    assert first(hub, said("fast")) == "openai/gpt-5-mini"
    assert first(hub, said("fast", {"x-tier": "gold"})) == "openai/a"
    with pytest.raises(InvalidSpec, match="no targets of its own"):
        snapshot(models={"m": {"route": "gold"}}, routes={"gold": {"rules": [{"name": "g", "when": {"tools": True}, "route": "x"}]},
                                                          "x": {"targets": [target("openai/a")]}})  # fmt: skip


def test_a_route_that_is_switched_off_is_kept_and_not_followed():
    routes = {"main": {"targets": [target("openai/a")], "enabled": False}}
    hub = snapshot(models=MODELS, routes=routes, keys={"ci": {"team": "t", "route": "main"}}, teams={"t": {}})
    assert first(hub, said("fast")) == "openai/gpt-5-mini"
    with pytest.raises(Unavailable) as caught:
        plan(hub, grant(), said("routed"))
    assert (caught.value.code, caught.value.status) == ("model_not_ready", 503)
    with pytest.raises(NotFound):
        plan(hub, grant(routes=["*"]), said("fast", route="main"))


REGIONS = {
    **PROVIDERS,
    "openai": {**PROVIDERS["openai"], "region": "us-east-1"},
    "anthropic": {**PROVIDERS["anthropic"], "region": "eu-west-3"},
    "local": {**PROVIDERS["local"], "region": "eu-central-1"},
}
ANYWHERE = [target("openai/a"), target("local/qwen3", 1), target("openai/b", 2), target("local/x-1", 3)]


def regional(**more):
    return snapshot(
        providers=REGIONS,
        models={"fast": {"targets": ANYWHERE}, "us": {"targets": [target("openai/a")]}},
        routes={"eu": {"residency": ["eu-*"]}, "wide": {"targets": ANYWHERE}},
        teams={"core": {"route": "eu"}},
        keys={"ci": {"team": "core", **more}},
    )


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(["fast"]), st.sampled_from(["", "wide"]), st.text(max_size=5), st.floats(0, 1, exclude_max=True))
def test_regions_hold_on_every_attempt_whatever_else_decides(model, route, session, drawn):
    who = KeyGrant("ci", replace(grant().principal, team="core"), routes=("*",))
    for hub in (regional(), regional(route="wide")):
        planned = plan(hub, who, said(model, route=route, session=session), Conditions(pick=lambda: drawn))
        assert {d.region for d in planned.attempts} == {"eu-central-1"}
        assert len(planned.attempts) == 2
        assert {drop.target for drop in planned.dropped} == {"openai/a", "openai/b"}
        assert "outside of eu-*" in planned.dropped[0].reason


def test_a_model_without_a_target_in_the_regions_is_not_routed():
    who = KeyGrant("ci", replace(grant().principal, team="core"))
    with pytest.raises(NotFound) as caught:
        plan(regional(), who, said("us"))
    assert caught.value.code == "model_not_routed"


def test_a_route_whose_targets_lie_outside_of_its_regions_is_refused_when_saved():
    with pytest.raises(InvalidSpec, match="none of these lies within eu"):
        snapshot(providers=REGIONS, routes={"r": {"targets": [target("openai/a")], "residency": ["eu-*"]}})
    with pytest.raises(InvalidSpec, match="shadow"):
        snapshot(
            providers=REGIONS, routes={"r": {"residency": ["eu-*"], "shadow": {"target": "openai/a", "usd_per_day": 1}}}
        )


@settings(deadline=None, max_examples=10)
@given(st.floats(1, 100), st.integers(0, 10_000))
def test_a_canary_is_as_large_as_it_says_and_a_session_stays_in_or_out(share, seed):
    hub = ruled({"share": share})
    sessions = [f"{seed}-{number}" for number in range(600)]
    went = {session: first(hub, said("routed", session=session)) for session in sessions}
    part = Counter(went.values())["local/qwen3"] / len(sessions)
    assert abs(part - share / 100) < 0.1
    assert all(first(hub, said("routed", session=session)) == went[session] for session in sessions[:20])


def test_a_canary_without_a_session_is_drawn():
    hub = ruled({"share": 30})
    assert first(hub, said("routed"), at=Conditions(pick=lambda: 0.29)) == "local/qwen3"
    assert first(hub, said("routed"), at=Conditions(pick=lambda: 0.31)) == "openai/gpt-5-mini"


def test_hits_are_counted():
    hub, hits = ruled({"tools": True}), RuleHits()
    for number in range(5):
        hits.count(plan(hub, grant(), said("routed", **({"tools": [{}]} if number < 2 else {}))))
    assert hits.of("main") == {"it": {"asked": 5, "held": 2}}
    assert hits.of("other") == {}
