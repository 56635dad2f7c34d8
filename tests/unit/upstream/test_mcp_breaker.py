"""The breaker: trips after failures in a row, lets one call probe, and closes when that is answered."""

from hub.upstream.mcp.breaker import Breaker


def test_failures_in_a_row_open_it_and_one_probe_at_a_time_closes_it():
    now = [0.0]
    breaker = Breaker(3, 1.0, lambda: now[0])
    for _ in range(2):
        assert breaker.admit() == 0
        breaker.failed()
    breaker.succeeded()
    for _ in range(3):
        assert breaker.admit() == 0
        breaker.failed()
    assert breaker.is_open
    assert breaker.admit() == 1.0
    now[0] = 1.0
    assert breaker.admit() == 0  # the probe
    assert breaker.admit() > 0  # nobody beside it
    breaker.failed()
    assert breaker.admit() == 1.0
    now[0] = 2.0
    assert breaker.admit() == 0
    breaker.left()  # the prober went away: the next one probes
    assert breaker.admit() == 0
    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.admit() == 0
