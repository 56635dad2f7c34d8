"""The lag of the event loop is there for everybody who asks."""

import time

import pytest

from hub.edge import LoopLag
from tests.support.ledger import until

pytestmark = pytest.mark.anyio


async def test_the_worst_lag_is_told_as_often_as_it_is_asked_for():
    async with LoopLag(every=0.001) as lag:
        await until(lambda: lag.last > 0)
        time.sleep(0.05)  # noqa: ASYNC251 - the loop is blocked: that is what is measured
        await until(lambda: lag.worst() >= 0.04)
        assert lag.worst() == lag.worst() >= 0.04
