"""Meters count exactly, in this process and in Redis: one suite for both."""

import asyncio
import contextlib
import random
import time

import pytest
from msgspec import json

from hub.core.calls import Dialect, ModelCall, Origin
from hub.core.meters import Ask, Claim, Kind, Level
from hub.core.principal import Principal
from hub.core.refusal import Throttled, Unavailable
from hub.core.usage import Usage
from hub.policy import LocalMeters, Policy
from hub.resources import Snapshot, parse
from hub.resources.model_catalog import ModelCatalog
from hub.store.redis_meters import LEASE
from hub.store.shared import RedisMeters, WhenDown
from tests.support.redis import any_redis, own_redis

pytestmark = pytest.mark.anyio
CI = Principal(id="key:ci", kind="key", key="ci", team="platform")
CENT = 10_000


class Clock:
    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory):
    with any_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(params=["local", "redis"])
async def world(request):
    """Meters and the clock that they go by."""
    clock = Clock()
    if request.param == "local":
        yield LocalMeters(clock), clock
        return
    url = request.getfixturevalue("redis_url")
    prefix = f"test:{random.getrandbits(64):x}:"
    async with RedisMeters(url, LocalMeters(clock), prefix=prefix, now=clock, deadline=10) as meters:
        yield meters, clock


def claim(number, *asks):
    return Claim(str(number), asks)


def rate(limit, amount=1, meter="r"):
    return Ask(meter, Kind.RATE, limit, amount)


def purse(limit, amount, meter="p", known=0):
    return Ask(meter, Kind.PURSE, limit, amount, known)


async def level(meters, meter, kind):
    """The level, after all that was settled has arrived."""
    await meters.take(Claim("look", (Ask(meter, kind, None, 0),)))
    return meters.level(meter, kind)


async def forget_all(meters):
    """Let Redis forget what these meters, and not those of other tests, have there."""
    await meters._redis.delete(*await meters._redis.keys(f"{meters._prefix}*"))


async def settled(meters):
    await meters.take(Claim("wait", (Ask("other", Kind.RATE, None, 0),)))


@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.95])
async def test_300_at_once_at_100_a_minute_are_exactly_100(world, fraction):
    meters, clock = world
    clock.now += fraction
    taken = await asyncio.gather(*(meters.take(claim(n, rate(100))) for n in range(300)))
    assert sum(t.refused is None for t in taken) == 100
    refused = next(t for t in taken if t.refused is not None)
    assert (refused.refused, refused.level.used, refused.wait) == (0, 100, 60)
    assert refused.level.rest == 60
    clock.now += 59.9
    early = await meters.take(claim("a", rate(100)))
    assert (early.wait, early.level.rest) == (1, 1)
    clock.now += 0.101
    assert (await meters.take(claim("b", rate(100)))).refused is None


async def test_the_wait_is_right_to_the_second(world):
    meters, clock = world
    for second in range(3):
        await meters.take(claim(second, rate(3)))
        clock.now += 10
    for _ in range(30):
        refused = await meters.take(claim("x", rate(3)))
        if refused.refused is None:
            break
        before = clock.now
        clock.now += refused.wait - 1
        assert (await meters.take(claim("early", rate(3)))).refused == 0
        clock.now = before + refused.wait
    assert refused.refused is None


async def test_an_estimate_is_corrected(world):
    meters, _ = world
    one = claim(1, rate(1000, 900))
    taken = await meters.take(one)
    assert (await meters.take(claim(2, rate(1000, 200)))).refused == 0
    meters.settle(one, taken, (100,))
    await settled(meters)
    assert (await meters.take(claim(3, rate(1000, 900)))).refused is None
    assert (await level(meters, "r", Kind.RATE)).used == 1000


async def test_all_or_nothing(world):
    meters, _ = world
    assert (await meters.take(claim(1, rate(5, meter="wide"), rate(0, meter="narrow")))).refused == 1
    assert (await level(meters, "wide", Kind.RATE)).used == 0


async def test_slots_are_given_back(world):
    meters, _ = world
    ask = Ask("s", Kind.SLOTS, 2, 1)
    calls = [claim(n, ask) for n in range(3)]
    taken = [await meters.take(call) for call in calls]
    assert [t.refused for t in taken] == [None, None, 0]
    meters.settle(calls[0], taken[0], (1,))
    await settled(meters)
    assert (await meters.take(calls[2])).refused is None


async def test_200_calls_of_a_cent_on_half_a_dollar_are_50(world):
    meters, _ = world
    calls = [claim(n, purse(500_000, CENT)) for n in range(200)]
    taken = await asyncio.gather(*(meters.take(call) for call in calls))
    admitted = [(call, t) for call, t in zip(calls, taken, strict=True) if t.refused is None]
    assert len(admitted) == 50
    for call, t in admitted:
        meters.settle(call, t, (CENT,))
    await settled(meters)
    assert (await meters.take(claim("more", purse(500_000, 1)))).refused == 0
    assert meters.level("p", Kind.PURSE) == Level(500_000, 0)


async def test_random_ends_never_pass_the_limit_and_leave_nothing_reserved(world):
    meters, _ = world
    dice = random.Random(7)

    async def call(number):
        mine = claim(number, purse(100_000, dice.randrange(30_000)), rate(50), Ask("s", Kind.SLOTS, 9, 1))
        taken = await meters.take(mine)
        if taken.refused is not None:
            return
        await asyncio.sleep(0)
        spent = dice.choice([0, mine.asks[0].amount, mine.asks[0].amount // 2])
        meters.settle(mine, taken, (spent, 1, 1))
        await settled(meters)
        now = meters.level("p", Kind.PURSE)
        assert now.used + now.reserved <= 100_000
        assert now.reserved >= 0

    for batch in range(6):
        await asyncio.gather(*(call(f"{batch}/{n}") for n in range(20)))
    assert (await level(meters, "p", Kind.PURSE)).reserved == 0
    assert (await level(meters, "s", Kind.SLOTS)).used <= 1  # the one that looks


async def test_what_was_spent_before_is_added_once(world):
    meters, _ = world
    meters.credit("p", 400_000)
    meters.credit("p", 400_000)
    await settled(meters)
    assert (await meters.take(claim(1, purse(500_000, 200_000)))).refused == 0
    assert (await meters.take(claim(2, purse(500_000, 100_000)))).refused is None


async def test_a_whole_policy_over_either(world):
    meters, clock = world
    policy = Policy(clock, meters)
    budget = parse("budgets", "b", {"scope": {"key": "ci"}, "usd": 0.5})
    limit = parse("limits", "l", {"scope": {"key": "ci"}, "rpm": 1000, "parallel": 60})
    policy.reconfigure(Snapshot(1, "", ModelCatalog([]), budgets={"b": budget}, limits={"l": limit}))
    admitted = 0

    async def call(number):
        nonlocal admitted
        made = ModelCall(str(number), Dialect.OPENAI_CHAT, "fast", False, b"{}", Origin("r"))
        with contextlib.suppress(Throttled, asyncio.CancelledError):
            async with policy.admit(CI, made, tokens=10, cost_micro_usd=CENT) as decision:
                await asyncio.sleep(0)
                decision.settle(Usage(input=10), CENT)
                admitted += 1

    for batch in range(4):
        tasks = [asyncio.ensure_future(call(f"{batch}/{n}")) for n in range(50)]
        await asyncio.gather(*tasks)
    await settled(meters)
    assert admitted == 50
    status = policy.budget_status("b")
    assert (status.spent, status.reserved) == (500_000, 0)


def random_claim(dice, number):
    asks = [
        rate(dice.choice([None, 5, 40]), dice.choice([0, 1, 1, 7]), meter=f"r{dice.randrange(2)}"),
        Ask(f"s{dice.randrange(2)}", Kind.SLOTS, dice.choice([None, 3]), 1),
        purse(dice.choice([None, 900, 2000]), dice.choice([0, 10, 300]), meter=f"p{dice.randrange(2)}"),
    ]
    dice.shuffle(asks)
    return claim(number, *asks[: dice.choice([1, 2, 3])])


async def test_redis_counts_as_this_process_does_whatever_comes(redis_url):
    """The same calls, corrections and pauses, to both: the same answers and levels."""
    clock, dice = Clock(), random.Random(11)
    prefix, local = f"test:{random.getrandbits(64):x}:", LocalMeters(clock)
    patient = f"{redis_url}?socket_timeout=30&socket_connect_timeout=30"  # Redis counts on a busy machine, too
    async with RedisMeters(patient, LocalMeters(clock), prefix=prefix, now=clock, deadline=30) as shared:
        running, refused = [], 0
        for number in range(600):
            match dice.choice(["take", "take", "take", "settle", "settle", "pause"]):
                case "take":
                    mine = random_claim(dice, number)
                    here, there = await local.take(mine), await shared.take(mine)
                    if here.refused is None:
                        assert (there.refused, there.second) == (None, here.second)
                        running.append((mine, here, there))
                    else:
                        refused += 1
                        assert (there.refused, there.level, there.wait) == (here.refused, here.level, here.wait)
                case "settle" if running:
                    mine, here, there = running.pop(dice.randrange(len(running)))
                    used = tuple(dice.choice([0, ask.amount, 3]) for ask in mine.asks)
                    local.settle(mine, here, used)
                    shared.settle(mine, there, used)
                case "pause":
                    clock.now += dice.choice([0.25, 1, 7, 30, 100])
        for meter, kind in (
            ("r0", Kind.RATE),
            ("r1", Kind.RATE),
            ("s0", Kind.SLOTS),
            ("p0", Kind.PURSE),
            ("p1", Kind.PURSE),
        ):
            here, there = await level(local, meter, kind), await level(shared, meter, kind)
            assert (here.used, here.reserved) == (there.used, there.reserved), meter
        assert refused > 50


# -- Redis alone ---------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def replicas(url, count=2, **more):
    prefix = f"test:{random.getrandbits(64):x}:"
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(RedisMeters(url, LocalMeters(), prefix=prefix, deadline=10, **more))
            for _ in range(count)
        ]


async def test_replicas_share_limits_and_budgets(redis_url):
    async with replicas(redis_url) as (one, other):
        taken = await asyncio.gather(
            *(
                node.take(claim(f"{name}{n}", rate(100), purse(500_000, CENT)))
                for n in range(150)
                for name, node in (("a", one), ("b", other))
            )
        )
        assert sum(t.refused is None for t in taken) == 50


async def test_cancelled_calls_mix_nothing_up_and_give_everything_back(redis_url):
    async with replicas(redis_url, 1) as (meters,):
        dice = random.Random(3)

        async def call(number):
            mine = claim(number, Ask("s", Kind.SLOTS, None, 1), purse(None, 1, meter=f"own-{number}"))
            taken = await meters.take(mine)
            assert meters.level(f"own-{number}", Kind.PURSE) == Level(0, 1)
            meters.settle(mine, taken, (1, 0))

        for _ in range(20):
            tasks = [asyncio.ensure_future(call(f"{_}-{n}")) for n in range(50)]
            await asyncio.sleep(0)
            for task in tasks:
                if dice.random() < 0.5:
                    task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(result is None or isinstance(result, asyncio.CancelledError) for result in done)
        await settled(meters)
        assert (await level(meters, "s", Kind.SLOTS)).used <= 1


async def test_what_a_replica_held_that_died_is_there_again_when_its_leases_end(redis_url):
    clock = Clock()
    async with replicas(redis_url, now=clock) as (dead, other):
        lost = claim("lost", purse(500_000, 400_000), Ask("s", Kind.SLOTS, 1, 1), rate(10))
        taken = await dead.take(lost)
        mine = claim("mine", purse(500_000, 300_000), Ask("s", Kind.SLOTS, 1, 1))
        clock.now += LEASE - 1
        assert (await other.take(mine)).refused == 0
        clock.now += 1
        assert (await other.take(mine)).refused is None
        assert other.level("p", Kind.PURSE) == Level(0, 300_000)
        # It was not dead, only late: what it spent counts, and what others hold now stays theirs.
        dead.settle(lost, taken, (100_000, 1, 1))
        await settled(dead)
        assert await level(other, "p", Kind.PURSE) == Level(100_000, 300_000)
        assert (await other.take(claim("more", Ask("s", Kind.SLOTS, 1, 1)))).refused == 0


async def test_what_comes_up_together_goes_in_one_script_and_only_so_much(redis_url):
    async with replicas(redis_url, 1) as (meters,):
        sent = []
        script = meters._script

        async def count(keys, args):
            sent.append(len(json.decode(args[1])))
            return await script(keys=keys, args=args)

        meters._script = count
        taken = await asyncio.gather(*(meters.take(claim(n, rate(200), purse(None, 5))) for n in range(300)))
        assert sum(t.refused is None for t in taken) == 200
        assert sum(sent) == 300
        assert len(sent) <= 5
        assert max(sent) <= 128
        assert (await level(meters, "p", Kind.PURSE)).reserved == 1000


async def test_what_redis_forgets_it_is_told_again(redis_url):
    async with replicas(redis_url, 1) as (meters,):
        mine = claim(1, purse(500_000, 400_000))
        meters.settle(mine, await meters.take(mine), (400_000,))
        await settled(meters)
        await forget_all(meters)
        assert (await meters.take(claim(2, purse(500_000, 200_000)))).refused == 0


async def test_without_redis_a_call_is_refused_at_once_or_counted_here(tmp_path):
    with own_redis(tmp_path) as (port, process):
        url = f"redis://127.0.0.1:{port}/0"
        async with replicas(url, 1) as (closed,), replicas(url, 1, when_down=WhenDown.LOCAL, replicas=4) as (local,):
            spent = claim("s", purse(1_000_000, 200_000))
            local.settle(spent, await local.take(spent), (200_000,))
            await settled(local)
            assert (await closed.take(claim(1, rate(10)))).refused is None
            process.kill()
            process.wait()
            with pytest.raises(Unavailable) as caught:
                await closed.take(claim(2, rate(10)))
            assert (caught.value.status, caught.value.retry_after) == (503, 2)
            taken = [await local.take(claim(f"l{n}", rate(40))) for n in range(20)]
            assert sum(t.refused is None for t in taken) == 10, "a quarter of the limit"
            money = [await local.take(claim(f"m{n}", purse(1_000_000, 100_000))) for n in range(5)]
            assert sum(t.refused is None for t in money) == 2, "a quarter of what is left"


@pytest.mark.parametrize("seed", range(12))
async def test_what_redis_told_stays_right_to_the_second_while_nobody_asks(redis_url, seed):
    chance, clock = random.Random(seed), Clock()
    own = LocalMeters(clock)
    prefix = f"test:{random.getrandbits(64):x}:"
    async with RedisMeters(redis_url, LocalMeters(clock), prefix=prefix, now=clock, deadline=10) as shared:
        open_calls = []
        for step in range(120):
            clock.now += chance.choice([0, 0, 1 / 64, 3 / 8, 1, 3.75, 17, 45])  # sums of these are exact
            one = claim(step, rate(1000, chance.choice([0, 1, 40, 200])))
            if open_calls and chance.random() < 0.5:
                done, taken, began = open_calls.pop(chance.randrange(len(open_calls)))
                amount = done.asks[0].amount
                used = (chance.choice([0, 0, amount, 15, 300]) if clock.now - began < 59 else amount,)
                for meters, answer in zip((own, shared), taken, strict=True):
                    meters.settle(done, answer, used)
            else:
                taken = [await meters.take(one) for meters in (own, shared)]
                mine, its = ((t.refused, t.wait, t.level.rest) for t in taken)
                assert mine == its
                if taken[0].refused is None:
                    open_calls.append((one, taken, clock.now))
            await settled(shared)
            for _ in range(3):
                assert shared.level("r", Kind.RATE).rest == own.level("r", Kind.RATE).rest, step
                clock.now += chance.choice([0, 0, 0.25, 2, 9])


async def test_a_burst_that_keeps_this_process_busy_is_no_fault_of_redis_s(redis_url):
    async with RedisMeters(redis_url, LocalMeters(), prefix=f"test:{random.getrandbits(64):x}:") as meters:
        ends = time.monotonic() + 1.0

        async def busy():
            while time.monotonic() < ends:
                time.sleep(0.03)  # noqa: ASYNC251 - more than a part of the deadline, in one go
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group:
            group.create_task(busy())
            tasks = [group.create_task(meters.take(claim(n, rate(100)))) for n in range(300)]
        assert sum(task.result().refused is None for task in tasks) == 100


async def test_a_redis_that_hangs_counts_as_away_after_a_few_deadlines(redis_url):
    prefix = f"test:{random.getrandbits(64):x}:"
    async with RedisMeters(redis_url, LocalMeters(), prefix=prefix, deadline=0.05) as meters:
        await meters.take(claim("first", rate(10)))

        async def hang(**_):
            await asyncio.sleep(60)

        meters._script = hang
        began = time.monotonic()
        for number in range(4):
            with pytest.raises(Unavailable):
                await meters.take(claim(number, rate(10)))
        assert time.monotonic() - began > 0.1, "each waited for its deadline"
        began = time.monotonic()
        for number in range(50):
            with pytest.raises(Unavailable):
                await meters.take(claim(f"after-{number}", rate(10)))
        assert meters.trouble
        assert time.monotonic() - began < 2, "nobody waits for it any more"


async def test_who_looks_sees_what_other_replicas_counted(redis_url):
    async with replicas(redis_url) as (one, other):
        mine = claim("m", rate(10), Ask("s", Kind.SLOTS, 5, 1), purse(500_000, CENT))
        taken = await one.take(mine)
        asked = [("r", Kind.RATE), ("s", Kind.SLOTS), ("p", Kind.PURSE), ("unknown", Kind.PURSE)]
        assert other.level("p", Kind.PURSE) == Level()
        await other.look(asked)
        assert other.level("r", Kind.RATE).used == 1
        assert other.level("s", Kind.SLOTS).used == 1
        assert other.level("p", Kind.PURSE) == Level(0, CENT)
        one.settle(mine, taken, (1, 1, CENT))
        await settled(one)
        await other.look(asked)
        assert other.level("p", Kind.PURSE) == Level(CENT, 0)
        assert other.level("s", Kind.SLOTS).used == 0


async def test_a_look_at_what_redis_forgot_changes_nothing(redis_url):
    async with replicas(redis_url, 1) as (meters,):
        mine = claim(1, purse(500_000, 400_000))
        meters.settle(mine, await meters.take(mine), (400_000,))
        await settled(meters)
        await forget_all(meters)
        await meters.look([("p", Kind.PURSE)])
        assert meters.level("p", Kind.PURSE).used == 400_000
        assert await meters._redis.keys(f"{meters._prefix}*") == []
        assert (await meters.take(claim(2, purse(500_000, 200_000)))).refused == 0
