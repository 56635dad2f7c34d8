"""Calls that wait for room: in their order, by class, bounded in number and time, and ended when their key is."""

import asyncio

import pytest

from hub.core.principal import Principal
from hub.core.refusal import Forbidden, Throttled
from hub.resources import KeyGrant, Snapshot, parse
from hub.resources.model_catalog import ModelCatalog
from hub.resources.snapshot import Stop
from tests.unit.policy.test_admission import model_call, policy, refused

pytestmark = pytest.mark.anyio
RANKS = {"high": 0, "normal": 1, "low": 2}


def limited(most=10, seconds=5, parallel=1, **more):
    spec = {"scope": {"org": True}, "parallel": parallel, "queue": {"most": most, "seconds": seconds}, **more}
    return policy(limits={"l": spec})


def who(rank="normal", name="k"):
    return Principal(id=f"key:{name}", kind="key", key=name, priority=RANKS[rank])


class Calls:
    """Calls that begin at once and end when they are told to."""

    def __init__(self, subject):
        self.subject = subject
        self.began = []
        self.tasks = []
        self.ends = asyncio.Event()

    async def begin(self, name, rank="normal"):
        async def run():
            async with self.subject.admit(who(rank), model_call()):
                self.began.append(name)
                await self.ends.wait()
                self.ends.clear()

        self.tasks.append(asyncio.create_task(run()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def end_one(self):
        before = len(self.began)
        self.ends.set()
        for _ in range(100):
            await asyncio.sleep(0)
            if len(self.began) > before:
                return


def waiting(subject):
    return subject.limit_status("l").waiting


async def test_who_waits_goes_on_in_order_higher_classes_first():
    subject = limited()
    calls = Calls(subject)
    for name, rank in (("a", "low"), ("b", "low"), ("c", "normal"), ("d", "high"), ("e", "normal"), ("f", "low")):
        await calls.begin(name, rank)
    assert (calls.began, waiting(subject)) == (["a"], 5)
    for _ in range(5):
        await calls.end_one()
    assert calls.began == ["a", "d", "c", "e", "b", "f"]
    calls.ends.set()
    await asyncio.gather(*calls.tasks)
    status = subject.limit_status("l")
    assert (status.parallel, status.waiting) == (0, 0)


async def test_nobody_overtakes_who_waits():
    subject = limited(parallel=1)
    calls = Calls(subject)
    await calls.begin("a")
    await calls.begin("b")
    calls.ends.set()
    await asyncio.sleep(0)  # a has ended, and b has not yet looked
    await calls.begin("c")
    assert calls.began == ["a", "b"]
    await calls.end_one()
    assert calls.began == ["a", "b", "c"]
    calls.ends.set()
    await asyncio.gather(*calls.tasks)


async def test_a_full_queue_refuses_and_a_higher_class_takes_the_last_place_of_a_lower_one():
    subject = limited(most=2)
    calls = Calls(subject)
    for name, rank in (("a", "normal"), ("b", "normal"), ("c", "low")):
        await calls.begin(name, rank)
    refusal = await refused(subject.admit(who("low"), model_call()), Throttled)
    assert (refusal.code, refusal.retry_after) == ("too_many_parallel", 5)
    assert "2 can wait for 5 s, and 2 do" in refusal.message
    await calls.begin("d", "high")
    with pytest.raises(Throttled):
        await calls.tasks[2]  # c gave up its place
    assert waiting(subject) == 2
    await calls.end_one()
    await calls.end_one()
    assert calls.began == ["a", "d", "b"]
    calls.ends.set()
    await asyncio.gather(*calls.tasks[:2], calls.tasks[3])


async def test_who_waits_too_long_is_refused_and_holds_nothing():
    subject = limited(seconds=0.05)
    async with subject.admit(who(), model_call()):
        assert (await refused(subject.admit(who(), model_call()), Throttled)).code == "too_many_parallel"
        assert waiting(subject) == 0
    async with subject.admit(who(), model_call()):
        assert subject.limit_status("l").parallel == 1


async def test_who_leaves_waits_no_more():
    subject = limited()
    calls = Calls(subject)
    for name in "abc":
        await calls.begin(name)
    calls.tasks[1].cancel()
    await asyncio.gather(calls.tasks[1], return_exceptions=True)
    assert waiting(subject) == 1
    await calls.end_one()
    assert calls.began == ["a", "c"]
    calls.ends.set()
    await asyncio.gather(calls.tasks[0], calls.tasks[2])


async def test_a_wait_ends_when_the_caller_is_stopped():
    subject = limited()
    calls = Calls(subject)
    await calls.begin("a")
    await calls.begin("b")
    keys = {b"k": KeyGrant("k", who())}
    limits = {"l": parse("limits", "l", {"scope": {"org": True}, "parallel": 1, "queue": {}})}
    stops = {("key", "k"): Stop("no", "ann", "2026-01-01T00:00:00")}
    subject.reconfigure(Snapshot(2, "", ModelCatalog([]), keys=keys, limits=limits, stops=stops))
    for task in calls.tasks:
        with pytest.raises(Forbidden):
            await task
    assert (waiting(subject), subject.limit_status("l").parallel) == (0, 0)


async def test_another_limit_that_has_no_room_refuses_at_once():
    subject = limited(rpm=1, parallel=5)
    async with subject.admit(who(), model_call()):
        assert (await refused(subject.admit(who(), model_call()), Throttled)).code == "rate_limited"


async def test_room_that_nobody_tells_of_is_found():
    subject = limited()
    claim = subject.admit(who(), model_call())
    await claim.take()
    waits = asyncio.create_task(subject.admit(who(), model_call()).take())
    await asyncio.sleep(0)
    subject.meters._counters.clear()  # as another replica makes room in shared meters
    await asyncio.wait_for(waits, 5)
