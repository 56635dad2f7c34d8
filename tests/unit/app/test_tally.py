"""Several processes tell one thing: the sum of what all of them counted, that never goes back."""

import json
import time

import pytest

from hub.app.tally import FRESH_SECONDS, Tally
from hub.core.metrics import Metrics
from tests.support.ledger import entry

pytestmark = pytest.mark.anyio


def value(text, series):
    """The number of one series; None where it is not told."""
    found = [line.rpartition(" ")[2] for line in text.splitlines() if line.rpartition(" ")[0] == series]
    return float(found[0]) if found else None


def worker(folder, number, in_flight=0, lag=0.0, crew="crew"):
    metrics = Metrics()
    metrics.gauge("hub_in_flight", "Now.", lambda: in_flight)
    metrics.gauge("hub_loop_lag_seconds", "Worst.", lambda: lag, max)
    return metrics, Tally(metrics, folder / "counted", crew, number)


CALLS = 'hub_requests_total{call="model",outcome="ok"}'


async def test_whoever_is_asked_tells_of_all(tmp_path):
    (one, first), (two, second) = worker(tmp_path, 1, 3, 0.25), worker(tmp_path, 2, 4, 0.5)
    async with first, second:
        for number in range(5):
            one.observe(entry(number, duration_ms=20.0, provider="p", cost_micro_usd=100))
        two.observe(entry(9, duration_ms=40.0, provider="p", cost_micro_usd=1))
        await second.render()
        for tally in (first, second):
            text = await tally.render()
            assert value(text, CALLS) == 6
            assert value(text, 'hub_cost_usd_total{provider="p"}') == pytest.approx(0.000501)
            assert value(text, 'hub_request_seconds_bucket{call="model",le="0.025"}') == 5
            assert value(text, 'hub_request_seconds_count{call="model"}') == 6
            assert value(text, 'hub_request_seconds_sum{call="model"}') == pytest.approx(0.14)
            assert value(text, "hub_in_flight") == 7
            assert value(text, "hub_loop_lag_seconds") == 0.5


async def test_no_counter_goes_back_whoever_tells_next(tmp_path):
    (one, first), (two, second) = worker(tmp_path, 1), worker(tmp_path, 2)
    async with first, second:
        told = 0.0
        for number in range(20):
            (one, two)[number % 2].observe(entry(number))
            now = value(await (first, second)[number // 2 % 2].render(), CALLS)
            assert now >= told
            told = now
        await first.render()
        assert value(await second.render(), CALLS) == 20


async def test_the_successor_of_a_worker_goes_on_where_it_ended(tmp_path):
    (_, first), (two, second) = worker(tmp_path, 1), worker(tmp_path, 2)
    async with first:
        async with second:
            two.observe(entry(1))
        assert value(await first.render(), CALLS) == 1
        again, successor = worker(tmp_path, 2)
        async with successor:
            again.observe(entry(2))
            await successor.render()
            assert value(await first.render(), CALLS) == 2


async def test_gauges_of_whom_nobody_stands_behind_are_not_counted(tmp_path):
    (_, first), (two, second) = worker(tmp_path, 1, 3), worker(tmp_path, 2, 4)
    async with first:
        async with second:
            two.observe(entry(1))
        file = tmp_path / "counted" / "crew-2.json"
        left = json.loads(file.read_text())
        left["at"] = time.monotonic() - FRESH_SECONDS - 1
        file.write_text(json.dumps(left))
        text = await first.render()
        assert value(text, "hub_in_flight") == 3
        assert value(text, CALLS) == 1


async def test_files_of_an_earlier_crew_and_broken_ones_count_for_nothing(tmp_path):
    for number in (1, 2):
        old, tally = worker(tmp_path, number, crew="earlier")
        async with tally:
            old.observe(entry(number))
    one, first = worker(tmp_path, 1)
    async with first:
        (tmp_path / "counted" / "crew-2.json").write_text("{")
        one.observe(entry(3))
        assert value(await first.render(), CALLS) == 1
    assert sorted(file.name for file in (tmp_path / "counted").iterdir()) == ["crew-1.json", "crew-2.json"]
    assert (tmp_path / "counted" / "crew-1.json").stat().st_mode & 0o777 == 0o600
