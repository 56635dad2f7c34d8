"""Attempts to sign in count wherever they are made: on each replica, and at the same moment."""

import asyncio
import contextlib
from collections import Counter

import pytest
from sqlalchemy import func, select

from hub.core.refusal import Throttled
from hub.identity import Passwords
from hub.store import Database, PasswordHashes, SignInAttempts
from hub.store.sign_in_attempts import AttemptRow

pytestmark = pytest.mark.anyio
GOOD = "correct horse battery"


class Clock:
    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
async def replicas(url, anyio_backend):
    """Two replicas over one database: a clock, and who checks passwords on each."""
    clock = Clock()
    async with contextlib.AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(Database.open(url)) for _ in range(2)]
        made = [Passwords(PasswordHashes(one).find, SignInAttempts(one, clock), clock) for one in engines]
        await PasswordHashes(engines[0]).put("ann", await made[0].hash(GOOD))
        yield clock, made, engines[0]


async def test_brute_force_over_two_replicas_is_stopped(replicas):
    clock, (one, other), _ = replicas
    tries = [replica.check("ann", "wrong", f"address {n}") for n, replica in enumerate([one, other] * 10)]
    ends = await asyncio.gather(*tries, return_exceptions=True)
    told = Counter("wrong" if end is False else end.code for end in ends)
    assert told == {"wrong": 5, "rate_limited": 15}
    assert all(end.retry_after == 60 for end in ends if isinstance(end, Throttled))
    clock.now += 59.5
    for replica in (one, other):
        with pytest.raises(Throttled) as refused:
            await replica.check("ann", GOOD, "home")
        assert refused.value.retry_after == 1
    clock.now += 0.5
    assert await one.check("ann", GOOD, "home"), "refused attempts do not close it for longer"
    assert await other.check("ann", GOOD, "home")


async def test_one_address_tries_many_accounts_over_two_replicas(replicas):
    clock, both, engine = replicas
    counted = 0
    for number in range(30):
        with contextlib.suppress(Throttled):
            assert not await both[number % 2].check(f"user{number}", "wrong", "here")
            counted += 1
        clock.now += 1
    assert counted == 20
    assert await both[0].check("ann", GOOD, "elsewhere")
    clock.now += 200
    assert await both[1].check("ann", GOOD, "here")
    async with engine.connect() as connection:
        rows = (await connection.execute(select(func.count()).select_from(AttemptRow.__table__))).scalar()
    assert rows == 2, "what does not count any more is gone"


async def test_good_attempts_do_not_count_on_any_replica(replicas):
    _, (one, other), _ = replicas
    for _ in range(4):
        assert await one.check("ann", GOOD, "home")
        assert await other.check("ann", GOOD, "home")
    assert not await one.check("ann", "wrong", "home")
