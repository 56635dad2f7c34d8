"""Answers that are given again: one call for a key, a team's cache, and bounds on all that is kept."""

import asyncio
import dataclasses

import pytest
from msgspec.structs import replace

from hub.core.calls import Arrival, Reply
from hub.core.refusal import Conflict, Malformed, UpstreamFailed
from hub.core.usage import Usage
from hub.upstream.answers import MOST_ANSWER, MOST_KEYS, Answers, Wish, idempotency_key
from hub.upstream.delivery import Delivery
from tests.support.sending import call

pytestmark = pytest.mark.anyio
KEYED = Wish("key:a", "k1")
SHELVED = Wish("key:a", "", "core", 60.0)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Source:
    """Sends: counts the calls, gives numbered answers, and waits where a test says so."""

    def __init__(self, status=200, body=b"answer", chunks=None, gate=None, failure=None):
        self.calls = 0
        self.status, self.body, self.chunks, self.gate, self.failure = status, body, chunks, gate, failure

    async def __call__(self):
        self.calls += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        if self.chunks is not None:
            stream = Stream(self.chunks)
            return Delivery(Reply(200, {"x-hub-model": "a/m"}, chunks=stream), "a/m", stream=stream)
        return Delivery(Reply(self.status, {"x-hub-attempts": "2"}, self.body), "a/m", Usage(input=3))


class Stream:
    """Chunks that end well, unless the last is None."""

    def __init__(self, chunks):
        self._chunks = list(chunks)
        self.complete = False
        self.usage = Usage(output=5)

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self._chunks:
            self.complete = True
            raise StopAsyncIteration
        chunk = self._chunks.pop(0)
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    def close(self):
        self._chunks = []


async def read(delivery):
    body = delivery.reply.body
    if delivery.reply.chunks is not None:
        body = b"".join([chunk async for chunk in delivery.reply.chunks])
    delivery.close()
    return body


async def test_without_a_wish_every_call_is_sent():
    answers, source = Answers(), Source()
    for _ in range(3):
        delivery = await answers.deliver(Wish("key:a"), call(), source)
        assert delivery.reply.headers == {"x-hub-attempts": "2"}
    assert source.calls == 3


@pytest.mark.parametrize("chunks", [None, [b"data: 1\n\n", b"data: [DONE]\n\n"]])
async def test_fifty_together_make_one_call_and_all_get_its_answer(chunks):
    answers, gate = Answers(), asyncio.Event()
    source = Source(chunks=chunks, gate=gate)

    async def one():
        return await read(await answers.deliver(KEYED, call(), source))

    running = [asyncio.ensure_future(one()) for _ in range(50)]
    await asyncio.sleep(0)
    gate.set()
    bodies = await asyncio.gather(*running)
    assert source.calls == 1
    assert set(bodies) == {b"answer" if chunks is None else b"".join(chunks)}
    again = await answers.deliver(KEYED, call(), source)
    assert (again.again, again.usage) == ("replay", Usage())
    assert again.reply.headers["x-hub-cache"] == "replay"
    assert again.reply.headers["x-hub-attempts"] == "0"


async def test_another_body_under_the_same_key_is_refused_and_another_owner_has_their_own():
    answers, source = Answers(), Source()
    await answers.deliver(KEYED, call(), source)
    with pytest.raises(Conflict) as caught:
        await answers.deliver(KEYED, call(temperature=1), source)
    assert caught.value.status == 422
    await answers.deliver(Wish("key:b", "k1"), call(temperature=1), source)
    assert source.calls == 2


async def test_a_failure_is_shared_by_those_who_wait_and_then_forgotten():
    answers, gate = Answers(), asyncio.Event()
    source = Source(gate=gate, failure=UpstreamFailed("upstream_error", "no"))
    running = [asyncio.ensure_future(answers.deliver(KEYED, call(), source)) for _ in range(5)]
    await asyncio.sleep(0)
    gate.set()
    ended = await asyncio.gather(*running, return_exceptions=True)
    assert {type(end) for end in ended} == {UpstreamFailed}
    assert source.calls == 1
    good = Source()
    await answers.deliver(KEYED, call(), good)
    assert good.calls == 1


async def test_when_the_first_leaves_another_takes_over():
    answers, gate = Answers(), asyncio.Event()
    source = Source(gate=gate)
    first = asyncio.ensure_future(answers.deliver(KEYED, call(), source))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(answers.deliver(KEYED, call(), source))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    gate.set()
    assert await read(await second) == b"answer"
    assert source.calls == 2


async def test_a_waiter_who_leaves_takes_nothing_with_them():
    answers, gate = Answers(), asyncio.Event()
    source = Source(gate=gate)
    running = [asyncio.ensure_future(answers.deliver(KEYED, call(), source)) for _ in range(3)]
    await asyncio.sleep(0)
    running[1].cancel()
    gate.set()
    assert await read(await running[2]) == b"answer"
    assert source.calls == 1


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_what_a_retry_may_better_is_not_kept(status):
    answers, source = Answers(), Source(status=status)
    for _ in range(2):
        await answers.deliver(KEYED, call(), source)
    assert source.calls == 2


async def test_a_stream_that_is_cut_or_left_is_not_kept():
    answers = Answers()
    cut = Source(chunks=[b"data: 1\n\n", None])
    await read(await answers.deliver(KEYED, call(), cut))
    left = await answers.deliver(KEYED, call(), Source(chunks=[b"a", b"b"]))
    await anext(left.reply.chunks)
    left.close()
    whole = Source(chunks=[b"a", b"b"])
    assert await read(await answers.deliver(KEYED, call(), whole)) == b"ab"
    assert whole.calls == 1


async def test_a_teams_cache_hits_for_the_same_request_of_the_same_team_until_its_time_is_over():
    clock = Clock()
    answers, source = Answers(clock), Source()
    miss = await answers.deliver(SHELVED, call(), source)
    assert miss.reply.headers["x-hub-cache"] == "miss"
    hit = await answers.deliver(dataclasses.replace(SHELVED, owner="key:other"), call(), source)
    assert (hit.again, hit.reply.headers["x-hub-cache"], hit.spared) == ("hit", "hit", Usage(input=3))
    await answers.deliver(dataclasses.replace(SHELVED, shelf="other-team"), call(), source)
    await answers.deliver(SHELVED, call(temperature=1), source)
    assert source.calls == 3
    clock.now = 61.0
    assert (await answers.deliver(SHELVED, call(), source)).again == ""


async def test_a_cached_stream_is_the_same_bytes():
    answers = Answers()
    source = Source(chunks=[b"data: 1\n\n", b"data: [DONE]\n\n"])
    first = await read(await answers.deliver(SHELVED, call(stream=True), source))
    hit = await answers.deliver(SHELVED, call(stream=True), source)
    assert await read(hit) == first
    assert hit.spared == Usage(output=5)
    assert source.calls == 1


async def test_errors_are_never_cached():
    answers, source = Answers(), Source(status=400)
    for _ in range(2):
        await answers.deliver(SHELVED, call(), source)
    assert source.calls == 2


async def test_what_is_kept_is_bounded():
    answers = Answers(most_bytes=100_000)
    for number in range(60):
        await answers.deliver(SHELVED, call(n=number), Source(body=b"x" * 9_000))
        await answers.deliver(Wish("key:a", f"k{number}"), call(n=number), Source(body=b"x" * 9_000))
    assert answers._bytes <= 100_000
    assert answers._bytes == sum(k.size for k in answers._shelves.values()) + sum(
        s.kept.size for s in answers._slots.values() if s.kept
    )
    big = Source(body=b"x" * (MOST_ANSWER + 1))
    for _ in range(2):
        await answers.deliver(SHELVED, call(n=-1), big)
    assert big.calls == 2
    assert MOST_KEYS <= 10_000


def test_a_key_is_short_and_printable():
    def keyed(value):
        return replace(call(), arrival=Arrival(headers=[(b"idempotency-key", value)]))

    assert idempotency_key(call()) == ""
    assert idempotency_key(keyed(b"abc-1")) == "abc-1"
    for value in (b"x" * 256, b"a\x01b", "ä".encode()):
        with pytest.raises(Malformed):
            idempotency_key(keyed(value))
