"""Plans: who may call what, in which order, and why a target is left out."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.calls import Dialect
from hub.core.refusal import Forbidden, NotFound, Unavailable
from hub.routing import Conditions, plan
from tests.unit.routing.hubs import ADMIN, call, grant, snapshot, target


def targets(planned):
    return [deployment.target for deployment in planned.attempts]


def refused(kind, *args):
    with pytest.raises(kind) as caught:
        plan(*args)
    return caught.value


def test_a_virtual_model_goes_to_its_target():
    hub = snapshot(models={"fast": {"targets": [target("openai/gpt-5-mini")]}})
    planned = plan(hub, grant("fast"), call("fast"))
    assert planned.model == "fast"
    assert targets(planned) == ["openai/gpt-5-mini"]
    assert planned.attempts[0].base_url == "https://api.openai.com/v1"
    assert planned.dropped == ()


def test_a_providers_model_can_be_called_by_its_own_name():
    hub = snapshot()
    assert targets(plan(hub, grant("local/*"), call("local/x-7b"))) == ["local/x-7b"]
    assert refused(NotFound, hub, grant(), call("local/other")).code == "model_not_found"
    assert refused(NotFound, hub, grant(), call("nowhere/qwen3")).code == "model_not_found"
    assert refused(NotFound, hub, grant(), call("off/gpt-5")).code == "model_not_found"


def test_no_grant_no_call():
    hub = snapshot(models={"fast": {"targets": [target("openai/gpt-5-mini")]}})
    assert refused(Forbidden, hub, grant("slow"), call("fast")).code == "model_not_allowed"
    assert refused(NotFound, hub, grant("*"), call("slow")).code == "model_not_found"


def test_names_from_outside_are_not_repeated_at_length():
    refusal = refused(NotFound, snapshot(), grant(), call("x" * 100_000))
    assert len(refusal.message) < 300


def test_the_lowest_priority_comes_first():
    hub = snapshot(
        models={"fast": {"targets": [target("local/qwen3", 2), target("openai/gpt-5-mini", 0), target("openai/b", 1)]}}
    )
    assert targets(plan(hub, grant(), call("fast"))) == ["openai/gpt-5-mini", "openai/b", "local/qwen3"]


def test_weights_split_a_priority():
    hub = snapshot(models={"fast": {"targets": [target("openai/a", 0, 80), target("openai/b", 0, 20)]}})
    pick = random.Random(7).random
    first = Counter(targets(plan(hub, grant(), call("fast"), Conditions(pick=pick)))[0] for _ in range(4000))
    assert 0.77 < first["openai/a"] / 4000 < 0.83


def test_weight_zero_takes_no_traffic_and_says_so():
    hub = snapshot(models={"fast": {"targets": [target("openai/a", 0, 0), target("openai/b", 1, 1)]}})
    planned = plan(hub, grant(), call("fast"))
    assert targets(planned) == ["openai/b"]
    assert [(drop.target, drop.reason) for drop in planned.dropped] == [("openai/a", "its weight is 0")]


@given(st.text(min_size=1, max_size=30), st.integers(1, 1000), st.integers(1, 1000))
def test_a_session_keeps_its_target(session, one, two):
    hub = snapshot(models={"fast": {"targets": [target("openai/a", 0, one), target("openai/b", 0, two)]}})
    plans = [targets(plan(hub, grant(), call("fast", session=session))) for _ in range(3)]
    assert plans[0] == plans[1] == plans[2]


def test_sessions_split_like_weights_and_survive_the_loss_of_a_target():
    both = snapshot(
        models={"fast": {"targets": [target("openai/a", 0, 3), target("openai/b", 0, 1), target("openai/c", 0, 4)]}}
    )
    fewer = snapshot(models={"fast": {"targets": [target("openai/a", 0, 3), target("openai/b", 0, 1)]}})
    first = {f"s{n}": targets(plan(both, grant(), call("fast", session=f"s{n}"))) for n in range(800)}
    share = Counter(order[0] for order in first.values())
    assert 0.45 < share["openai/c"] / 800 < 0.55
    for session, order in first.items():
        left = [name for name in order if name != "openai/c"]
        assert targets(plan(fewer, grant(), call("fast", session=session))) == left


@given(st.floats(0, 1, exclude_max=True))
def test_any_draw_orders(drawn):
    hub = snapshot(models={"fast": {"targets": [target("openai/a", 0, 1_000_000), target("openai/b", 0, 1)]}})
    assert len(targets(plan(hub, grant(), call("fast"), Conditions(pick=lambda: drawn)))) == 2


def test_targets_of_another_dialect_are_kept_for_translation():
    hub = snapshot(models={"fast": {"targets": [target("anthropic/claude-haiku"), target("openai/gpt-5-mini", 1)]}})
    planned = plan(hub, grant(), call("fast"))
    assert targets(planned) == ["anthropic/claude-haiku", "openai/gpt-5-mini"]
    assert targets(plan(hub, grant(), call("openai/gpt-5-mini", Dialect.ANTHROPIC_MESSAGES))) == ["openai/gpt-5-mini"]


def test_a_model_without_a_working_provider_is_not_ready():
    hub = snapshot(models={"fast": {"targets": [target("off/gpt-5")]}})
    refusal = refused(Unavailable, hub, grant(), call("fast"))
    assert (refusal.code, refusal.status, refusal.retry_after) == ("model_not_ready", 503, 30)


ROUTED = {
    "models": {"fast": {"targets": [target("openai/gpt-5-mini")]}, "routed": {"route": "cheap"}},
    "routes": {"cheap": {"targets": [target("local/qwen3")], "timeouts": {"first_byte": 3}}},
}


def test_a_route_can_be_named_by_a_key_that_may():
    hub = snapshot(**ROUTED)
    planned = plan(hub, grant("fast", routes=["che*"]), call("fast", route="cheap"))
    assert planned.model == "fast"
    assert targets(planned) == ["local/qwen3"]
    assert planned.attempts[0].timeouts.first_byte == 3
    assert targets(plan(hub, grant("fast", role=ADMIN), call("fast", route="cheap"))) == ["local/qwen3"]
    assert targets(plan(hub, grant("routed"), call("routed"))) == ["local/qwen3"]


def test_a_route_needs_a_grant_and_must_exist():
    hub = snapshot(**ROUTED)
    assert refused(Forbidden, hub, grant("fast"), call("fast", route="cheap")).code == "forbidden"
    assert refused(NotFound, hub, grant("fast", routes=["*"]), call("fast", route="none")).code == "not_found"
    # The route is no way around the model's own grant.
    assert (
        refused(Forbidden, hub, grant("other", routes=["*"]), call("fast", route="cheap")).code == "model_not_allowed"
    )
