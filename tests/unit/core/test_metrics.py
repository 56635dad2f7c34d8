"""What is counted stays bounded whatever callers send, and reads as Prometheus reads it."""

import re

import pytest

from hub.core.entry import AttemptRecord
from hub.core.metrics import Metrics
from hub.core.usage import Usage
from tests.support.ledger import entry

LINE = re.compile(r'[a-z_]+(\{[a-z_]+="(?:[^"\\\n]|\\.)*"(,[a-z_]+="(?:[^"\\\n]|\\.)*")*\})? [0-9.e+-]+')


def test_a_hundred_thousand_names_make_few_series():
    metrics = Metrics()
    for number in range(100_000):
        attempts = (AttemptRecord(f"p{number}/m", f"odd_{number}"),)
        metrics.observe(entry(1, model=f"model-{number}", provider=f"p{number}", tool=f"t{number}", attempts=attempts))
    lines = metrics.render().splitlines()
    assert len(lines) < 1500
    assert sum('provider="other"' in line for line in lines) >= 2
    assert not any("model-" in line or 't99999"' in line for line in lines)


def test_every_line_is_one_that_prometheus_reads():
    metrics = Metrics()
    metrics.observe(
        entry(1, provider='a"b\\c\nd', cost_micro_usd=5, attempts=(AttemptRecord("x/y", "ok"),), ttft_ms=3.0)
    )
    metrics.gauge("hub_now", "Now.", lambda: 1.5)
    for line in metrics.render().splitlines():
        assert line.startswith(("# HELP ", "# TYPE ")) or LINE.fullmatch(line), line


@pytest.mark.parametrize(
    ("told", "pace"),
    [
        ({"stream": True, "ttft_ms": 1000.0}, 100.0),
        ({"stream": True, "ttft_ms": 1990.0}, 50.0),  # it came at once
        ({"ttft_ms": 1000.0}, 50.0),
        ({}, 50.0),
        ({"usage": Usage(input=9)}, None),
        ({"cache": "hit"}, None),
        ({"call": "tool"}, None),
    ],
)
def test_how_fast_an_answer_was_written(told, pace):
    said = {"call": "model", "usage": Usage(output=90, reasoning=10), "duration_ms": 2000.0, "provider": "p"}
    one = entry(1, **{**said, **told})
    assert one.tokens_per_second == pace
    metrics = Metrics()
    metrics.observe(one)
    counted = [line for line in metrics.render().splitlines() if line.startswith("hub_output_token_seconds_sum")]
    assert counted == ([] if pace is None else [f'hub_output_token_seconds_sum{{provider="p"}} {1 / pace!r}'])


def test_estimated_usage_is_counted_by_provider():
    metrics = Metrics()
    for estimated in (True, False, True):
        metrics.observe(entry(1, provider="p", usage=Usage(input=1, estimated=estimated)))
    assert 'hub_estimated_calls_total{provider="p"} 2' in metrics.render().splitlines()
