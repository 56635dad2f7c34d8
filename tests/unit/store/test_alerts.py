"""Alerts of budgets: each told once, posted until it is taken, and never lost with the process that found it."""

import asyncio
import json

import pytest
from sqlalchemy import select

from hub.app.alerts import Alerts
from hub.core.refusal import UpstreamFailed
from hub.policy import Alert
from hub.policy.budgets import BudgetRule
from hub.resources import parse
from hub.store import AlertLog
from hub.store.alerts import AlertRow

pytestmark = pytest.mark.anyio
ALERT = Alert("budget:b:key/ci:0:10:80", "b", 80, 10_000_000, 8_000_000, 0.0, None)


class Hooks:
    """Webhooks that take nothing as long as they are `away`."""

    def __init__(self):
        self.away = True
        self.posted = []
        self.tries = 0

    async def post(self, delivery):
        self.tries += 1
        if self.away:
            raise UpstreamFailed("upstream_error", "The webhook answered with status 503.")
        self.posted.append(delivery)
        return b""


class Letters:
    """A mail server that nobody here writes to."""

    async def send(self, to, subject, text, letter):
        raise AssertionError("nobody asked for a letter")


def budget(**more):
    notify = {"url": "https://hooks.example.com/hub", "secret": "env:HOOK"}
    return parse("budgets", "b", {"scope": {"key": "ci"}, "usd": 10, "alerts": [80], "notify": notify, **more})


class World:
    """One database, and the processes that use it one after the other. `now` passes as it is told."""

    def __init__(self, engine):
        self.engine = engine
        self.hooks = Hooks()
        self.now = 1000.0
        self.budgets = {"b": budget()}

    def process(self):
        return Alerts(self.hooks, Letters(), AlertLog(self.engine), lambda: self.budgets, lambda: self.now)

    def tell(self, alerts, alert=ALERT):
        alerts.tell(alert, BudgetRule("b", self.budgets["b"], self.now))

    async def left(self):
        """What is still to be posted."""
        async with self.engine.connect() as connection:
            return [row.id for row in await connection.execute(select(AlertRow.id).where(AlertRow.due.is_not(None)))]

    async def emptied(self):
        """Wait until nothing is left to be posted."""
        async with asyncio.timeout(20):
            while await self.left():
                await asyncio.sleep(0.02)


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
def world(store):
    return World(store.engine)


async def test_what_one_process_could_not_post_the_next_one_does(world):
    async with world.process() as first:
        world.tell(first)
        await until(lambda: world.hooks.tries)
    world.hooks.away, world.now = False, world.now + 60
    async with world.process():
        await until(lambda: world.hooks.posted)
        await world.emptied()
    (delivery,) = world.hooks.posted
    assert (delivery.id, delivery.event, delivery.url) == (ALERT.id, "budget.alert", "https://hooks.example.com/hub")
    assert json.loads(delivery.body)["percent"] == 80


async def test_what_was_told_while_leaving_is_written_down(world):
    async with world.process() as first:
        world.tell(first)
    assert await world.left() == [ALERT.id]


async def test_an_alert_that_was_told_before_is_not_told_again(world):
    world.hooks.away = False
    for _ in range(3):
        async with world.process() as alerts:
            world.tell(alerts)
            await until(lambda: world.hooks.posted)
            await world.emptied()
    async with world.process() as alerts:
        world.tell(alerts, Alert("budget:b:key/ci:0:10:100", "b", 100, 10_000_000, 10_000_000, 0.0, None))
        await until(lambda: len(world.hooks.posted) > 1)
    assert [delivery.id[-3:] for delivery in world.hooks.posted] == [":80", "100"]


async def test_two_replicas_do_not_post_the_same_alert(world):
    world.hooks.away = False
    async with world.process() as one, world.process() as other:
        world.tell(one)
        world.tell(other)
        await until(lambda: world.hooks.posted)
        await world.emptied()
    assert len(world.hooks.posted) == 1


async def test_nobody_is_told_who_asks_for_it_no_more_and_an_old_one_is_given_up(world):
    async with world.process() as alerts:
        world.tell(alerts)
        await until(lambda: world.hooks.tries)
    tries, world.budgets = world.hooks.tries, {"b": budget(notify=None)}
    world.now += 60
    async with world.process():
        await world.emptied()
    assert world.hooks.tries == tries
    world.budgets = {"b": budget()}
    async with world.process() as alerts:
        world.tell(alerts, Alert("old", "b", 80, 1, 1, 0.0, None))
        await until(lambda: world.hooks.tries > tries)
        world.now += 2 * 86_400
        await world.emptied()
