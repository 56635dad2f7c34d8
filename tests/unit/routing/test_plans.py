"""Remembered plans: what comes out is what `plan` gives, for whoever asks and whatever was asked before."""

import random
from dataclasses import replace as replace_field

import pytest
from msgspec.structs import replace

from hub.core.refusal import Forbidden
from hub.routing import Conditions, Plans, plan
from tests.unit.routing.hubs import call, grant, snapshot, target


def test_a_remembered_plan_is_the_same_but_for_the_size_of_the_prompt():
    hub = snapshot(models={"fast": {"targets": [target("openai/gpt-5-mini")]}})
    plans = Plans(Conditions())
    for body in (b'{"model":"fast"}', b'{"model":"fast","messages":[' + b"1," * 400 + b"1]}"):
        asked = replace(call("fast"), body=body)
        assert plans.of(hub, grant("fast"), asked) == plan(hub, grant("fast"), asked)
        assert plans.of(hub, grant("fast"), asked).tokens == len(body) // 4 + 1


def test_a_plan_is_remembered_for_the_one_who_may_have_it():
    hub = snapshot(models={"fast": {"targets": [target("openai/gpt-5-mini")]}})
    plans = Plans(Conditions())
    plans.of(hub, grant("fast"), call("fast"))
    other = replace_field(grant("slow"), principal=replace_field(grant("slow").principal, id="key:other"))
    with pytest.raises(Forbidden):
        plans.of(hub, other, call("fast"))


def test_a_new_snapshot_forgets():
    plans = Plans(Conditions())
    old = snapshot(models={"fast": {"targets": [target("openai/gpt-5-mini")]}})
    new = snapshot(models={"fast": {"targets": [target("openai/gpt-5")]}})
    first, second = (plans.of(hub, grant(), call("fast")).attempts[0].model for hub in (old, new))
    assert (first, second) == ("gpt-5-mini", "gpt-5")


def test_where_chance_decides_nothing_is_remembered():
    hub = snapshot(models={"fast": {"targets": [target("openai/gpt-5-mini"), target("local/qwen3")]}})
    plans = Plans(Conditions(pick=random.Random(7).random))
    firsts = {plans.of(hub, grant(), call("fast")).attempts[0].target for _ in range(50)}
    assert firsts == {"openai/gpt-5-mini", "local/qwen3"}
