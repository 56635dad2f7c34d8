"""Targets side by side: shares by where calls began, failures by tries, times by what was answered, cost by call."""

import pytest

from hub.core.entry import AttemptRecord
from hub.core.usage import Usage
from hub.ledger import Fares, Filters, Queries
from hub.ledger.fares import between
from hub.ledger.latency import ERROR
from hub.ledger.sink import Sink
from tests.support.ledger import entry

USED = Usage(input=100, output=10)


def tried(target, outcome="ok", failure="", ms=100.0):
    return AttemptRecord(target, outcome, 200 if outcome == "ok" else 503, ms, failure=failure)


def call(number, *attempts, **fields):
    answered = attempts[-1].target if attempts[-1].outcome == "ok" else ""
    told = {
        "model": "split",
        "route": "ab",
        "target": answered,
        "usage": USED,
        "cost_micro_usd": 50,
        "attempts": attempts,
    }
    return entry(number, **(told | fields))


ENTRIES = [
    *(call(number, tried("a/m", ms=100)) for number in range(6)),
    *(call(number, tried("b/m", ms=400), cost_micro_usd=20) for number in range(6, 8)),
    # Began at b, which failed: the call is a's, the failure b's.
    call(8, tried("b/m", "overloaded", "overloaded"), tried("b/m", "upstream_timeout", "down"), tried("a/m")),
    # What the caller got wrong, and what the caller left, is nobody's failure.
    call(9, tried("b/m", "caller", "caller"), outcome="error", usage=Usage(), cost_micro_usd=None),
    call(10, tried("a/m", "cancelled"), outcome="cancelled", usage=Usage(), cost_micro_usd=None),
    call(11, tried("c/m"), door="shadow", principal="route:ab", cost_micro_usd=None, route=""),
    call(12, tried("a/m"), model="other", route=""),
    entry(13, call="tool", model="split", attempts=(tried("a/m"),)),
]  # fmt: skip


async def compared(engine, **filters):
    await Sink(engine, engine, ()).write(ENTRIES)
    return {fare.target: fare for fare in await Fares(engine, Queries(engine)).of(Filters(**filters))}


@pytest.mark.anyio
async def test_each_target_answers_for_its_own_tries(engine):
    found = await compared(engine, model="split", call="model")
    assert list(found) == ["a/m", "b/m", "c/m", ""]
    first, second, copy, nobody = found.values()
    assert (first.began, first.tries, first.failed, first.totals.calls) == (7, 7, 0, 7)
    assert (second.began, second.tries, second.failed, second.totals.calls) == (4, 5, 2, 2)
    assert second.failures == {"caller": 1, "down": 1, "overloaded": 1}
    assert (copy.began, copy.tries, copy.copies) == (0, 1, 1)
    assert (nobody.began, nobody.tries, nobody.totals.calls, nobody.failed_share) == (0, 0, 2, None)
    assert abs(first.took.p95 - 100) <= 100 * ERROR
    assert abs(second.took.p50 - 400) <= 400 * ERROR
    assert (first.totals.cost_micro_usd, second.totals.cost_micro_usd, copy.totals.unpriced) == (350, 40, 1)
    share, least, most = second.failed_share
    assert share == pytest.approx(0.4)
    assert least < 0.4 < most


@pytest.mark.anyio
async def test_a_routes_calls_are_told_from_those_of_others(engine):
    found = await compared(engine, route="ab")
    assert {target: fare.tries for target, fare in found.items()} == {"a/m": 7, "b/m": 5, "": 0}
    rows = await Queries(engine).usage(Filters(call="model"), group_by=("route",))
    assert {row.group["route"]: row.calls for row in rows} == {"ab": 11, "": 2}


def test_a_range_is_wilsons():
    assert between(2, 10) == (pytest.approx(0.0567, abs=1e-4), pytest.approx(0.5098, abs=1e-4))  # as in the literature
    assert between(0, 20)[0] == 0
    assert 0.15 < between(0, 20)[1] < 0.17
    assert between(20, 20)[1] == 1
