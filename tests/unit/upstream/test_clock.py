"""The clock: each wait ends in time or not at all, and a cancellation from outside stays one."""

import asyncio

import pytest

from hub.upstream.clock import Clock, Elapsed

pytestmark = pytest.mark.anyio


async def test_a_wait_in_time_gives_its_result():
    clock = Clock(10)
    assert await clock.wait(asyncio.sleep(0, "x"), 10) == "x"
    clock.close()


async def test_a_late_wait_is_cancelled():
    clock = Clock(10)
    stopped = asyncio.Event()

    async def slow():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.set()
            raise

    with pytest.raises(Elapsed):
        await clock.wait(slow(), 0.01)
    assert stopped.is_set()
    assert not clock.over
    assert asyncio.current_task().cancelling() == 0
    assert await clock.wait(asyncio.sleep(0, "on"), 1) == "on", "the task goes on"
    clock.close()


async def test_the_total_ends_all_waits():
    clock = Clock(0.02)
    with pytest.raises(Elapsed):
        await clock.wait(asyncio.Event().wait(), 10)
    assert clock.over


async def test_short_waits_set_one_timer():
    clock = Clock(60)
    timers = set()
    for _ in range(50):
        await clock.wait(asyncio.sleep(0), 10)
        timers.add(id(clock._timer))
    assert len(timers) == 1
    clock.close()


async def test_a_shorter_wait_after_a_longer_one_rings_in_time():
    clock = Clock(60)
    await clock.wait(asyncio.sleep(0), 30)
    began = clock.now()
    with pytest.raises(Elapsed):
        await clock.wait(asyncio.Event().wait(), 0.02)
    assert clock.now() - began < 5
    clock.close()


async def test_a_timer_that_fires_early_is_set_again():
    clock = Clock(60)
    await clock.wait(asyncio.sleep(0), 0.01)
    assert await clock.wait(asyncio.sleep(0.05, "late but allowed"), 5) == "late but allowed"
    clock.close()


async def test_an_exception_passes():
    clock = Clock(60)

    async def fail():
        raise KeyError("x")

    with pytest.raises(KeyError):
        await clock.wait(fail(), 1)
    clock.close()


async def test_a_cancellation_from_outside_stays_a_cancellation():
    clock = Clock(60)
    task = asyncio.ensure_future(clock.wait(asyncio.Event().wait(), 30))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    clock.close()


async def test_a_cancellation_that_meets_the_bell_stays_a_cancellation():
    clock = Clock(60)
    task = asyncio.ensure_future(clock.wait(asyncio.Event().wait(), 30))
    await asyncio.sleep(0)
    clock._due = 0
    clock._ring()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    clock.close()
