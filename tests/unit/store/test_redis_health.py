"""Replicas that tell each other, through a real Redis, which targets fail and which are well again."""

from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from redis.asyncio import Redis

from hub.core.health import Change, Circuit, Failure, Observation, Turn
from hub.core.plan import Deployment
from hub.routing.health import IN_A_ROW, Health
from hub.store.shared import RedisHealth
from tests.support.ledger import until
from tests.support.redis import own_redis

pytestmark = pytest.mark.anyio
A = Deployment("a", "m", "openai", secret="env:ONE")
KEY = b"k" * 32


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with own_redis(tmp_path_factory.mktemp("redis")) as (port, _):
        yield f"redis://127.0.0.1:{port}/0"


@asynccontextmanager
async def replicas(url, *keys):
    """A replica for each key, all of them listening."""
    async with AsyncExitStack() as stack:
        found = []
        for key in keys:
            health = Health()
            link = await stack.enter_async_context(RedisHealth(url, key, health.learn))
            health.share(link.tell)
            found.append(health)
            await until(link.listening.is_set)
        yield found


def fail(health, failure=Failure.DOWN, times=IN_A_ROW):
    for _ in range(times):
        health.began("a/m")
        health.ended(Observation("a/m", secret="env:ONE", failure=failure))


async def test_a_circuit_opens_and_closes_at_every_replica(redis):
    async with replicas(redis, KEY, KEY) as (first, second):
        fail(first)
        await until(lambda: second.of(A).circuit is Circuit.OPEN)
        second.began("a/m")  # the probe of the other one succeeds
        second.ended(Observation("a/m"))
        await until(lambda: first.of(A).circuit is Circuit.CLOSED)
        fail(first, times=1)
        assert first.of(A).circuit is Circuit.CLOSED, "it begins anew"


async def test_a_throttled_credential_rests_at_every_replica(redis):
    async with replicas(redis, KEY, KEY) as (first, second):
        first.began("a/m")
        first.ended(Observation("a/m", secret="env:ONE", failure=Failure.KEY_THROTTLED, retry_after=30.0))
        await until(lambda: second.of(A).rests > 20)
        fail(first, Failure.KEY_DEAD, times=1)
        other = Deployment("a", "other", "openai", secret="env:ONE")
        await until(lambda: second.of(other).rests > 50)  # a dead one is dead at every target


async def test_another_hub_on_the_same_redis_is_told_nothing(redis):
    async with replicas(redis, KEY, KEY, b"other") as (first, second, stranger):
        fail(first)
        await until(lambda: second.of(A).circuit is Circuit.OPEN)
        fail(first, Failure.KEY_DEAD, times=1)
        await until(lambda: second.of(A).rests > 0)
        assert stranger.of(A).circuit is Circuit.CLOSED
        assert stranger.of(A).rests == 0


async def test_what_is_no_change_is_nobodys_word(redis):
    learnt = []
    async with RedisHealth(redis, KEY, learnt.append) as link, Redis.from_url(redis) as client:
        await until(link.listening.is_set)
        (channel,) = await client.pubsub_channels("hub:health:*")
        for junk in (
            b"",
            b"{",
            b"[]",
            b"\xff",
            b'{"by":1}',
            b'{"by":"x","change":{"turn":"no","target":"a/m"}}',
            b"x" * 9000,
        ):
            await client.publish(channel, junk)
        await client.publish(channel, b'{"by":"x","change":{"turn":"opened","target":"a/m","seconds":5}}')
        await until(lambda: learnt)
    assert learnt == [Change(Turn.OPENED, "a/m", seconds=5)]


async def test_without_redis_nothing_waits_and_nothing_fails(tmp_path):
    with own_redis(tmp_path) as (port, process):
        process.kill()
        process.wait()
        health = Health()
        async with RedisHealth(f"redis://127.0.0.1:{port}/0", KEY, health.learn) as link:
            health.share(link.tell)
            for _ in range(3000):  # more than are kept
                link.tell(Change(Turn.CLOSED, "a/m"))
            fail(health)
            assert health.of(A).circuit is Circuit.OPEN
            assert not link.listening.is_set()
