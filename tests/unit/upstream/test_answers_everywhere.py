"""Answers that replicas share: one sends for a key, all have its answer; a team's cache is one."""

import asyncio

import pytest
from msgspec.structs import replace

from hub.core.refusal import Conflict, UpstreamFailed
from hub.core.shelf import ShelfAway
from hub.upstream.answers import Answers, Wish
from hub.upstream.answers_everywhere import Everywhere
from tests.support.sending import call
from tests.unit.upstream.test_answers import Source

pytestmark = pytest.mark.anyio
KEYED = Wish("key:a", "k1")
SHELVED = Wish("key:a", "", "core", 60.0)


class Shelf:
    """As Redis does it, in memory."""

    def __init__(self):
        self.held = {}
        self.away = False

    def _there(self):
        if self.away:
            raise ShelfAway("away")

    async def find(self, place):
        self._there()
        return self.held.get(place)

    async def put(self, place, data, seconds):
        self._there()
        self.held[place] = data

    async def claim(self, place, mark, seconds):
        self._there()
        if place in self.held:
            return self.held[place]
        self.held[place] = mark
        return None

    async def change(self, place, mark, data, seconds):
        self._there()
        if self.held.get(place) != mark:
            return False
        if data is None:
            del self.held[place]
        else:
            self.held[place] = data
        return True


@pytest.fixture
async def replicas():
    """The shelf, and two replicas."""
    shelf = Shelf()
    async with Everywhere(shelf) as one, Everywhere(shelf) as two:
        yield shelf, Answers(everywhere=one), Answers(everywhere=two)


async def settled(shelf):
    async with asyncio.timeout(5):
        while any(value[:1] == b"~" for value in shelf.held.values()):
            await asyncio.sleep(0.005)


async def test_an_answer_of_one_replica_is_given_again_by_another(replicas):
    shelf, one, two = replicas
    first, second = Source(), Source(body=b"never")
    assert (await one.deliver(KEYED, call(), first)).reply.body == b"answer"
    await settled(shelf)
    again = await two.deliver(KEYED, call(), second)
    assert (again.reply.body, again.again, second.calls) == (b"answer", "replay", 0)
    assert again.spared.input == 3
    with pytest.raises(Conflict):
        await two.deliver(KEYED, replace(call(), body=b'{"model":"m","x":1}'), second)


async def test_calls_that_come_together_wait_for_the_one_that_is_sent(replicas):
    _, one, two = replicas
    gate = asyncio.Event()
    first, second = Source(gate=gate), Source()
    running = asyncio.ensure_future(one.deliver(KEYED, call(), first))
    async with asyncio.timeout(5):
        while not first.calls:
            await asyncio.sleep(0.005)
    waiting = [asyncio.ensure_future(two.deliver(KEYED, call(), second)) for _ in range(5)]
    with pytest.raises(Conflict):
        await two.deliver(Wish("key:a", "k1"), replace(call(), body=b'{"model":"m","x":1}'), second)
    gate.set()
    assert (await running).reply.body == b"answer"
    assert {one.again for one in await asyncio.gather(*waiting)} == {"replay"}
    assert second.calls == 0


async def test_what_failed_is_sent_anew_elsewhere(replicas):
    shelf, one, two = replicas
    with pytest.raises(UpstreamFailed):
        await one.deliver(KEYED, call(), Source(failure=UpstreamFailed("upstream_error", "no")))
    await settled(shelf)
    assert not shelf.held
    assert (await two.deliver(KEYED, call(), Source())).reply.body == b"answer"
    busy = Source(status=429)
    other = Wish("key:a", "k2")
    await one.deliver(other, call(), busy)
    await settled(shelf)
    assert (await two.deliver(other, call(), Source())).reply.status == 200


async def test_a_stream_is_kept_when_it_is_whole(replicas):
    shelf, one, two = replicas
    delivery = await one.deliver(KEYED, call(), Source(chunks=[b"a", b"b"]))
    assert [chunk async for chunk in delivery.reply.chunks] == [b"a", b"b"]
    await settled(shelf)
    again = await two.deliver(KEYED, call(), Source())
    assert [chunk async for chunk in again.reply.chunks] == [b"a", b"b"]


async def test_a_teams_cache_is_one(replicas):
    shelf, one, two = replicas
    await one.deliver(SHELVED, call(), Source())
    async with asyncio.timeout(5):
        while not shelf.held:
            await asyncio.sleep(0.005)
    never = Source()
    assert (await two.deliver(SHELVED, call(), never)).again == "hit"
    assert never.calls == 0
    assert (await two.deliver(Wish("key:a", "", "other", 60.0), call(), never)).again == ""


async def test_without_the_shelf_each_answers_for_itself(replicas):
    shelf, one, two = replicas
    shelf.away = True
    first, second = Source(), Source()
    assert (await one.deliver(KEYED, call(), first)).again == ""
    assert (await one.deliver(KEYED, call(), first)).again == "replay"
    assert (await two.deliver(KEYED, call(), second)).again == ""
    assert (await two.deliver(SHELVED, call(), second)).reply.body == b"answer"
