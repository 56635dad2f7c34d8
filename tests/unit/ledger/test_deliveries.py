"""Destinations that fail: bounded, dropped and counted, tried again with pauses, and never the ledger's business."""

import pytest

from hub.core.refusal import UpstreamFailed
from hub.ledger.deliveries import BATCH, MOST_WAITING, Deliveries
from hub.ledger.messages import Messages
from hub.resources.kinds import parse
from tests.support.ledger import entry

pytestmark = pytest.mark.anyio


class Snapshot:
    def __init__(self, **exports):
        self.exports = {name: parse("exports", name, spec) for name, spec in exports.items()}


class Trail:
    """No audit rows."""

    async def after(self, export, limit):
        return []


class World:
    """A destination that answers as it is told, and a clock that is turned by hand."""

    def __init__(self, **spec):
        self.answers = []
        self.posted = []
        self.time = 1000.0
        self.snapshot = Snapshot(hook={"format": "webhook", "endpoint": "https://example.com/x", **spec})

        async def resolve(reference):
            return "secret"

        async def kept(entry):
            return None

        self.deliveries = Deliveries(
            self.post, Messages(resolve, kept), Trail(), lambda: self.snapshot, None, clock=lambda: self.time
        )

    async def post(self, url, headers, body, private):
        self.posted.append(body)
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def health(self):
        return self.deliveries.health("hook")


async def test_batches_go_out_in_order():
    world = World()
    await world.deliveries([entry(n) for n in range(BATCH + 5)])
    await world.deliveries.flush()
    assert [body.count(b'"id":') for body in world.posted] == [BATCH, 5]
    assert (world.health.status, world.health.sent, world.health.waiting) == ("connected", BATCH + 5, 0)


@pytest.mark.parametrize("answer", [503, 429, UpstreamFailed("upstream_timeout", "It is late.")])
async def test_a_failure_rests_and_is_tried_again(answer):
    world = World()
    world.answers = [answer]
    await world.deliveries([entry(1)])
    await world.deliveries.flush()
    assert (world.health.status, world.health.waiting) == ("error", 1)
    await world.deliveries.flush()
    assert len(world.posted) == 1  # it rests
    world.time += 120
    await world.deliveries.flush()
    assert (world.health.status, world.health.error, world.health.sent) == ("connected", "", 1)


async def test_what_is_refused_for_good_makes_room():
    world = World()
    world.answers = [400]
    await world.deliveries([entry(1)])
    await world.deliveries.flush()
    assert (world.health.waiting, world.health.dropped) == (0, 1)
    assert world.deliveries.dropped == 1


async def test_what_waits_is_bounded_and_the_oldest_go():
    world = World()
    world.answers = [503]
    await world.deliveries([entry(n) for n in range(MOST_WAITING + 7)])
    assert (world.health.waiting, world.health.dropped) == (MOST_WAITING, 7)


async def test_a_batch_is_given_up_after_five_tries():
    world = World()
    world.answers = [503] * 5
    await world.deliveries([entry(1)])
    for _ in range(5):
        await world.deliveries.flush()
        world.time += 120
    assert (world.health.waiting, world.health.dropped) == (0, 1)


async def test_a_secret_that_is_missing_is_the_exports_trouble():
    world = World(auth="bearer", secret="env:GONE")

    async def resolve(reference):
        raise UpstreamFailed("secret_missing", "There is no GONE.")

    world.deliveries._messages._resolve = resolve
    await world.deliveries([entry(1)])
    await world.deliveries.flush()
    assert (world.health.status, world.health.error) == ("error", "There is no GONE.")


async def test_an_export_that_is_gone_is_forgotten():
    world = World()
    await world.deliveries([entry(1)])
    world.snapshot = Snapshot()
    await world.deliveries.flush()
    assert world.posted == []
    assert world.health is None


async def test_traces_are_taken_whole_or_not_at_all():
    world = World(format="otlp", sample=0.0)
    sampled = {"trace": "a" * 32, "sampled": True}
    await world.deliveries([entry(1, **sampled), entry(2, **sampled, parent="b" * 16), entry(3)])
    assert world.health.waiting == 1  # the one whose caller decided
    assert world.deliveries.traces == 0.0
