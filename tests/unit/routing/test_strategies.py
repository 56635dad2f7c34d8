"""Strategies, stickiness, and what is left out while others remain."""

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.health import FRESH, Circuit, Failure, Observation, TargetState
from hub.core.principal import EVERYTHING, Access, Principal
from hub.core.refusal import Forbidden, InvalidSpec
from hub.resources.snapshot import KeyGrant
from hub.routing import Conditions, Health, plan
from tests.unit.routing.hubs import PROVIDERS, grant, said, snapshot, target


class Seen:
    """States by target, as a test sets them."""

    def __init__(self, states=(), kept=""):
        self.states = dict(states)
        self.was = kept

    def of(self, deployment):
        return self.states.get(deployment.target, FRESH)

    def kept(self, key):
        return self.was


def hub_of(*targets, strategy="weighted", **more):
    route = {"targets": list(targets), "strategy": strategy, **more}
    return snapshot(models={"m": {"route": "r"}}, routes={"r": route})


def order(hub, call=None, health=None, pick=0.5, who=None):
    at = Conditions(health=health or Seen(), pick=lambda: pick)
    return [d.target for d in plan(hub, who or grant(), call or said("m"), at).attempts]


A, B, C = target("openai/a"), target("openai/b"), target("openai/c")


def test_priority_is_the_written_order():
    assert order(hub_of(C, A, B, strategy="priority")) == ["openai/c", "openai/a", "openai/b"]


def test_least_busy_is_by_what_is_in_flight_per_weight():
    health = Seen({"openai/a": TargetState(in_flight=4), "openai/b": TargetState(in_flight=6)})
    assert order(hub_of(A, target("openai/b", 0, 3), strategy="least_busy"), health=health)[0] == "openai/b"
    assert order(hub_of(A, B, strategy="least_busy"), health=health)[0] == "openai/a"


def test_lowest_latency_is_by_first_token_or_by_the_whole_answer():
    health = Seen(
        {"openai/a": TargetState(ttft=0.1, per_token=0.05), "openai/b": TargetState(ttft=0.9, per_token=0.001)}
    )
    assert order(hub_of(A, B, strategy="lowest_ttft"), health=health) == ["openai/a", "openai/b"]
    assert order(hub_of(A, B, strategy="lowest_latency"), health=health) == ["openai/b", "openai/a"]
    assert order(hub_of(A, B, C, strategy="lowest_latency"), health=health)[0] == "openai/c", "never measured: try it"


def test_of_two_the_one_that_carries_less_leads():
    slow, quick = TargetState(ttft=2.0, in_flight=1), TargetState(ttft=0.5, in_flight=1)
    drawn = Counter()
    for hub, states in (
        (hub_of(A, B, strategy="power_of_two"), {"openai/a": slow, "openai/b": quick}),
        (hub_of(A, B, strategy="power_of_two"), {"openai/a": TargetState(0, 0, 9, 0.5), "openai/b": quick}),
        (hub_of(A, B, strategy="power_of_two"), {"openai/a": TargetState(ttft=0.5, failing=0.9), "openai/b": quick}),
    ):
        for pick in (0.01, 0.5, 0.99):
            drawn[order(hub, health=Seen(states), pick=pick)[0]] += 1
    assert drawn == {"openai/b": 9}


def test_of_many_the_best_does_not_get_all_and_the_worst_gets_none():
    states = {"openai/a": TargetState(ttft=0.1), "openai/b": TargetState(ttft=0.2), "openai/c": TargetState(ttft=9.0)}
    hub, dice, led = hub_of(A, B, C, strategy="power_of_two"), random.Random(7), Counter()
    for _ in range(900):
        at = Conditions(health=Seen(states), pick=dice.random)
        led[plan(hub, grant(), said("m"), at).attempts[0].target] += 1
    assert 500 < led["openai/a"] < 700  # it is one of the two in two of three draws
    assert 200 < led["openai/b"] < 400
    assert led["openai/c"] == 0


def test_most_headroom_is_by_what_providers_say_is_left():
    health = Seen({"openai/a": TargetState(room=0.1), "openai/b": TargetState(room=0.6)})
    hub = hub_of(A, B, strategy="most_headroom")
    assert order(hub, health=health) == ["openai/b", "openai/a"]
    assert order(hub, health=Seen({"openai/b": TargetState(room=0.6)}))[0] == "openai/a"  # it told of no limit


def test_a_session_stays_under_power_of_two():
    health = Seen({"openai/a": TargetState(ttft=9.0)}, kept="openai/a")
    assert order(hub_of(A, B, strategy="power_of_two"), call=said("m", session="s"), health=health)[0] == "openai/a"


def test_lowest_cost_is_by_the_price_of_this_call():
    dear, cheap, unknown = target("anthropic/claude-haiku"), target("openai/gpt-5-mini"), target("local/qwen3")
    hub = hub_of(unknown, dear, cheap, strategy="lowest_cost")
    planned = plan(hub, grant(), said("m"))
    assert [d.target for d in planned.attempts] == ["openai/gpt-5-mini", "anthropic/claude-haiku", "local/qwen3"]


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(["weighted", "least_busy", "power_of_two", "most_headroom", "lowest_cost"]),
    st.integers(1, 9),
    st.integers(1, 9),
)
def test_no_strategy_leaves_its_priority(strategy, first, second):
    hub = hub_of(
        target("openai/a", 1, first), target("openai/b", 0, second), target("openai/c", 1, 1), strategy=strategy
    )
    assert order(hub)[0] == "openai/b"


def test_a_session_stays_where_it_was_under_a_strategy_that_moves():
    health = Seen({"openai/a": TargetState(in_flight=9)}, kept="openai/a")
    hub = hub_of(A, B, strategy="least_busy")
    assert order(hub, said("m", session="s"), health)[0] == "openai/a"
    assert order(hub, said("m"), health)[0] == "openai/b"
    planned = plan(hub, grant(), said("m", session="s"))
    assert planned.kept
    assert planned.sticky == "session"


@pytest.mark.parametrize("sticky", ["session", "header:X-Conversation", "prefix"])
def test_what_a_call_sticks_by(sticky):
    hub = hub_of(*(target(f"openai/{name}") for name in "abcdefgh"), sticky=sticky)

    def turn(number, length):
        messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": f"question {number}"}]
        messages += [{"role": "user", "content": f"more {n}"} for n in range(length)]
        headers = {"x-conversation": str(number)} if sticky.startswith("header") else {}
        session = str(number) if sticky == "session" else ""
        return plan(hub, grant(), said("m", headers, session=session, messages=messages)).attempts[0].target

    went = {number: turn(number, 0) for number in range(40)}
    assert all(turn(number, length) == went[number] for number in went for length in (1, 3))
    assert len(set(went.values())) > 3, "different conversations are spread"


def test_none_sticks_by_nothing():
    hub = hub_of(A, B, sticky="none")
    call = said("m", session="s")
    went = {
        plan(hub, grant(), call, Conditions(pick=iter([x, 1 - x, 0.5]).__next__)).attempts[0].target for x in (0.1, 0.9)
    }
    assert len(went) == 2


STATES = st.builds(
    TargetState, circuit=st.sampled_from(list(Circuit)), rests=st.sampled_from([0.0, 5.0]), in_flight=st.integers(0, 9)
)


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(st.sampled_from(["openai/a", "openai/b", "openai/c"]), STATES),
    st.sampled_from(["weighted", "least_busy"]),
)
def test_the_last_target_is_never_removed(states, strategy):
    """Whatever rests or is open, a call has a target; what is left out is told, and nothing sound is."""
    health = Seen(states)
    hub = hub_of(A, B, C, strategy=strategy)
    planned = plan(hub, grant(), said("m"), Conditions(health=health))
    kept = [d.target for d in planned.attempts]
    assert kept
    assert len(kept) + len(planned.dropped) == 3
    sound = [
        t
        for t in ("openai/a", "openai/b", "openai/c")
        if (s := health.states.get(t, FRESH)).circuit is not Circuit.OPEN and not s.rests
    ]
    assert set(kept) == set(sound) if sound else len(kept) == 1


def test_an_open_circuit_is_left_out_and_comes_back():
    clock = [100.0]
    health = Health(lambda: clock[0], lambda: clock[0])
    hub = hub_of(A, target("openai/b", 1))
    for _ in range(5):
        health.began("openai/a")
        health.ended(Observation("openai/a", failure=Failure.DOWN))
    planned = plan(hub, grant(), said("m"), Conditions(health=health))
    assert [d.target for d in planned.attempts] == ["openai/b"]
    assert "circuit is open" in planned.dropped[0].reason
    clock[0] += 5
    assert order(hub, health=health) == ["openai/a", "openai/b"]


def test_a_prompt_that_is_too_long_goes_to_a_larger_window_before_it_is_sent():
    small, large = target("anthropic/claude-haiku"), target("openai/gpt-5-mini", 1)
    hub = hub_of(small, large)
    long = said("m", messages=[{"role": "user", "content": "x" * 1_000_000}])
    planned = plan(hub, grant(), long)
    assert [d.target for d in planned.attempts] == ["openai/gpt-5-mini"]
    assert "200000 tokens" in planned.dropped[0].reason
    longest = said("m", messages=[{"role": "user", "content": "x" * 4_000_000}])
    planned = plan(hub, grant(), longest)
    assert [d.target for d in planned.attempts] == ["openai/gpt-5-mini"], "the largest stays"


def test_a_picture_counts_as_one_and_not_as_its_bytes():
    hub = hub_of(target("anthropic/claude-haiku"), target("openai/gpt-5-mini", 1))
    url = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 2_000_000}}
    call = said("m", messages=[{"role": "user", "content": [url]}])
    planned = plan(hub, grant(), call)
    assert [d.target for d in planned.attempts] == ["openai/gpt-5-mini"], "the other does not see pictures"
    assert "picture" in planned.dropped[0].reason


def test_a_model_that_cannot_see_is_used_when_there_is_no_other():
    call = said("m", messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}])
    assert order(hub_of(target("openai/unknown")), call) == ["openai/unknown"]


def test_promises_are_checked_when_they_are_saved():
    with pytest.raises(InvalidSpec, match="not known to have: vision"):
        snapshot(models={"m": {"targets": [target("anthropic/claude-haiku")], "capabilities": ["tools", "vision"]}})
    with pytest.raises(InvalidSpec, match="no target reads more than 200000"):
        snapshot(models={"m": {"targets": [target("anthropic/claude-haiku")], "context_window": 300_000}})
    snapshot(models={"m": {"targets": [target("openai/gpt-5-mini")], "capabilities": ["tools", "vision"]}})
    snapshot(models={"m": {"targets": [target("local/qwen3")], "context_window": 300_000}})


def test_aliases_lead_to_their_model():
    models = {"m": {"targets": [A], "aliases": ["old-m", "claude-m"]}}
    hub = snapshot(models=models)
    assert hub.canonical("old-m") == "m"
    assert hub.canonical("claude-via-hub/m") == "m"
    assert hub.canonical("claude-via-hub/old-m") == "m"
    assert hub.canonical("gpt-5-mini") == "openai/gpt-5-mini"
    assert hub.canonical("gpt-5-mini-2025") == "openai/gpt-5-mini-2025"
    assert hub.canonical("no-such") == "no-such"
    with pytest.raises(InvalidSpec, match="already another name"):
        snapshot(models={**models, "n": {"targets": [B], "aliases": ["old-m"]}})
    with pytest.raises(InvalidSpec, match="a model of its own"):
        snapshot(models={**models, "n": {"targets": [B], "aliases": ["m"]}})


OWN = {
    "openai": {"kind": "openai", "api_key": "env:HUB", "credentials": ["env:HUB2"]},
    "anthropic": {"kind": "anthropic", "api_key": "env:HUBA"},
    "ann-openai": {"kind": "openai", "instead_of": "openai", "owner": {"user": "ann"}, "api_key": "vault:ann"},
    "core-openai": {"kind": "openai", "instead_of": "openai", "owner": {"team": "core"}, "api_key": "vault:core"},
}
PEOPLE = {"users": {"ann": {"teams": {"core": "developer"}}, "bob": {}}, "teams": {"core": {}}}


@pytest.mark.parametrize(
    ("user", "team", "secret", "own"),
    [("ann", "core", "vault:ann", "user"), ("bob", "core", "vault:core", "team"), ("bob", "", "env:HUB", "")],
)
def test_an_own_credential_overrides_the_hubs(user, team, secret, own):
    hub = snapshot(providers=OWN, models={"m": {"targets": [A]}}, **PEOPLE)
    who = KeyGrant("k", Principal("key:k", "key", key="k", user=user, team=team, access=(Access(models=EVERYTHING),)))
    attempt = plan(hub, who, said("m")).attempts[0]
    assert (attempt.secret, attempt.own) == (secret, own)
    assert attempt.spares == (("env:HUB2",) if not own else ())
    assert attempt.base_url == "https://api.openai.com/v1", "nobody chooses a host"
    assert "ann-openai" not in hub.providers


def test_own_credentials_are_checked_when_they_are_saved():
    wrong = {**OWN, "ann-openai": {**OWN["ann-openai"], "instead_of": "anthropic"}}
    with pytest.raises(InvalidSpec, match="is of kind anthropic"):
        snapshot(providers=wrong, **PEOPLE)
    with pytest.raises(InvalidSpec, match="already this owner's"):
        snapshot(providers={**OWN, "two": OWN["ann-openai"]}, **PEOPLE)
    with pytest.raises(InvalidSpec, match="own credential; name 'openai'"):
        snapshot(providers=OWN, models={"m": {"targets": [target("ann-openai/x")]}}, **PEOPLE)


def test_the_callers_own_credential_goes_only_where_it_may():
    hub = snapshot(
        providers=OWN, models={"m": {"targets": [target("anthropic/claude-haiku"), target("openai/a", 1)]}}, **PEOPLE
    )
    call = said("m", credential=("authorization", "Bearer sk-ant-own"))
    planned = plan(hub, grant(), call)
    assert [(d.target, d.own, d.secret) for d in planned.attempts] == [
        ("anthropic/claude-haiku", "caller", ""),
        ("openai/a", "", "env:HUB"),
    ]


def test_a_provider_may_refuse_credentials_of_callers():
    closed = {**PROVIDERS, "anthropic": {**PROVIDERS["anthropic"], "passthrough": False}}
    both = {"m": {"targets": [target("anthropic/claude-haiku"), target("openai/a", 1)]}}
    own = said("m", credential=("authorization", "Bearer sk-ant-own"))
    planned = plan(snapshot(providers=closed, models=both), grant(), own)
    assert [(d.target, d.own) for d in planned.attempts] == [("openai/a", "")]
    assert "no credentials of callers" in planned.dropped[0].reason
    one = snapshot(providers=closed, models={"m": {"targets": both["m"]["targets"][:1]}})
    with pytest.raises(Forbidden, match="without your own beside it"):
        plan(one, grant(), own)
    assert [d.target for d in plan(one, grant(), said("m")).attempts] == ["anthropic/claude-haiku"]


def test_weights_hold_over_many_sessions():
    hub = hub_of(target("openai/a", 0, 70), target("openai/b", 0, 30))
    went = Counter(order(hub, said("m", session=str(n)))[0] for n in range(2000))
    assert abs(went["openai/a"] / 2000 - 0.7) < 0.05


def test_the_clocks_of_a_route_are_its_targets():
    hub = snapshot(
        models={"m": {"targets": [A]}}, routes={"slow": {"timeouts": {"total": 900}}},
        keys={"ci": {"team": "t", "route": "slow"}}, teams={"t": {}},
    )  # fmt: skip
    assert plan(hub, grant(), said("m")).attempts[0].timeouts.total == 900
    other = KeyGrant("x", replace(grant().principal, key="x"))
    assert plan(hub, other, said("m")).attempts[0].timeouts.total == 600
