"""What is counted stays bounded whatever callers send, and reads as Prometheus reads it."""

import re

from hub.core.entry import AttemptRecord
from hub.core.metrics import Metrics
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
