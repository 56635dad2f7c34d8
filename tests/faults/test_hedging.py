"""Two targets asked for one answer: who answers, what is left of the other, and when nobody else is asked."""

import asyncio

import pytest

from tests.support import upstream as up
from tests.support.sending import call, deployment, plan, send, sender

pytestmark = pytest.mark.anyio
HEDGED = {"hedge": 0.05, "same_target": 0}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_late_target_is_hedged_by_the_next_and_given_up(stream):
    async with up.Upstream() as slow, up.Upstream() as quick, sender() as models:
        slow.default = up.hang()
        quick.default = up.chat("from the other one")
        planned = plan(deployment(slow.url, "a"), deployment(quick.url, "b"), **HEDGED)
        status, body, record, headers = await send(models, planned, call(stream=stream))
        assert (status, record.target) == (200, "b/m")
        assert sorted(record.tried) == [("a/m", "cancelled"), ("b/m", "ok")]
        assert b"other" in body
        assert (record.lane, record.response_bytes, record.failure) == ("passthrough", len(body), None)
        assert headers["x-hub-attempts"] == "2"
        await (await slow.request(0)).closed(1.0)
        assert models.health.of(planned.attempts[0]).in_flight == models.health.of(planned.attempts[1]).in_flight == 0


async def test_nobody_is_asked_beside_a_target_that_answers_in_time_or_is_the_last():
    async with up.Upstream() as first, up.Upstream() as second, sender() as models:
        first.default = up.chat("quick").delayed(0.2)
        targets = deployment(first.url, "a"), deployment(second.url, "b")
        for planned in (plan(*targets, hedge=30), plan(targets[0], **HEDGED), plan(*targets, **HEDGED, tries=1)):
            _, _, record, _ = await send(models, planned)
            assert record.tried == [("a/m", "ok")]
        assert not second.requests


async def test_the_first_one_answers_when_the_one_beside_it_fails():
    async with up.Upstream() as slow, up.Upstream() as broken, sender() as models:
        slow.default = up.chat("late").delayed(0.4)
        broken.default = up.openai_error(503)
        planned = plan(deployment(slow.url, "a"), deployment(broken.url, "b"), **HEDGED)
        status, body, record, _ = await send(models, planned)
        assert (status, record.target, record.tried) == (200, "a/m", [("b/m", "overloaded"), ("a/m", "ok")])
        assert b"late" in body


async def test_when_both_of_two_fail_the_third_is_asked_and_all_are_told():
    async with up.Upstream() as slow, up.Upstream() as broken, up.Upstream() as third, sender() as models:
        slow.default = up.openai_error(500).delayed(0.2)
        broken.default = up.openai_error(503).delayed(0.1)
        targets = [deployment(one.url, name) for one, name in ((slow, "a"), (broken, "b"), (third, "c"))]
        status, _, record, headers = await send(models, plan(*targets, **HEDGED))
        assert (status, record.target, headers["x-hub-attempts"]) == (200, "c/m", "3")
        assert sorted(record.tried) == [("a/m", "down"), ("b/m", "overloaded"), ("c/m", "ok")]


async def test_the_callers_own_fault_ends_a_race():
    async with up.Upstream() as first, up.Upstream() as second, sender() as models:
        first.default = up.openai_error(400, "temperature is too high").delayed(0.2)
        second.default = up.hang()
        status, body, record, _ = await send(
            models, plan(deployment(first.url, "a"), deployment(second.url, "b"), **HEDGED)
        )
        assert status == 400
        assert b"temperature" in body
        assert record.tried == [("b/m", "cancelled"), ("a/m", "caller")]


async def test_a_caller_who_leaves_a_race_leaves_both():
    async with up.Upstream() as first, up.Upstream() as second, sender() as models:
        first.default = second.default = up.hang()
        targets = deployment(first.url, "a"), deployment(second.url, "b")
        running = asyncio.ensure_future(send(models, plan(*targets, **HEDGED)))
        asked = [await one.request(0) for one in (first, second)]
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        for one in asked:
            await one.closed(1.0)
        assert [models.health.of(target).in_flight for target in targets] == [0, 0]


async def test_a_provider_that_is_slow_for_all_is_not_met_by_twice_the_calls():
    async with up.Upstream() as slow, up.Upstream() as beside, sender() as models:
        slow.default = up.chat("slow").delayed(0.15)
        beside.default = up.hang()
        for _ in range(10):
            await send(models, plan(deployment(slow.url, "a"), deployment(beside.url, "b"), **HEDGED))
        assert len(slow.requests) == 10
        assert 1 <= len(beside.requests) <= 3
