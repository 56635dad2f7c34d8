"""What replicas share in Redis: encrypted, claimed by one, changed only by who holds it, and gone after its time."""

import asyncio

import pytest
from redis.asyncio import Redis

from hub.core.shelf import ShelfAway
from hub.store.shared import RedisShelf
from tests.support.redis import own_redis

pytestmark = pytest.mark.anyio
KEY = b"k" * 32


@pytest.fixture
def url(tmp_path):
    with own_redis(tmp_path) as (port, _):
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture
async def shelf(url):
    async with RedisShelf(url, KEY) as opened:
        yield opened


async def test_what_is_put_is_found_by_all_until_its_time_is_over(shelf, url):
    assert await shelf.find("a") is None
    await shelf.put("a", b"secret words", 60)
    async with RedisShelf(url, KEY) as other:
        assert await other.find("a") == b"secret words"
        assert await other.find("b") is None
    await shelf.put("a", b"x", 0.01)
    async with asyncio.timeout(5):
        while await shelf.find("a") is not None:
            await asyncio.sleep(0.01)


async def test_redis_sees_neither_names_nor_data(shelf, url):
    await shelf.put("owner of the place", b"secret words", 60)
    async with Redis.from_url(url) as redis:
        (name,) = await redis.keys()
        assert b"owner" not in name
        assert b"secret" not in await redis.get(name)


async def test_what_another_key_sealed_is_nothing(shelf, url):
    await shelf.put("a", b"words", 60)
    async with RedisShelf(url, b"x" * 32) as other:
        assert await other.find("a") is None
        with pytest.raises(ShelfAway, match="cannot be read"):
            await other.claim("a", b"~mark", 60)


async def test_one_claims_and_only_who_holds_it_changes_it(shelf):
    claims = await asyncio.gather(*(shelf.claim("a", b"~%d" % number, 60) for number in range(10)))
    assert claims.count(None) == 1
    winner = b"~%d" % claims.index(None)
    assert {claim for claim in claims if claim is not None} == {winner}
    assert not await shelf.change("a", b"~else", b"answer", 60)
    assert await shelf.change("a", winner, winner, 60)
    assert await shelf.claim("a", b"~late", 60) == winner
    assert await shelf.change("a", winner, b"answer", 60)
    assert await shelf.claim("a", b"~late", 60) == b"answer"
    assert not await shelf.change("a", winner, None, 0)


async def test_a_claim_that_is_given_up_is_free(shelf):
    assert await shelf.claim("a", b"~1", 60) is None
    assert await shelf.change("a", b"~1", None, 0)
    assert await shelf.claim("a", b"~2", 0.02) is None
    async with asyncio.timeout(5):
        while await shelf.claim("a", b"~3", 60) is not None:
            await asyncio.sleep(0.01)


async def test_a_redis_that_is_away_is_told_from_nothing(tmp_path):
    with own_redis(tmp_path) as (port, process):
        async with RedisShelf(f"redis://127.0.0.1:{port}/0", KEY) as shelf:
            await shelf.put("a", b"x", 60)
            process.kill()
            process.wait()
            for ask in (
                shelf.find("a"),
                shelf.put("a", b"y", 60),
                shelf.claim("a", b"~", 60),
                shelf.change("a", b"~", None, 0),
            ):
                with pytest.raises(ShelfAway):
                    await ask
