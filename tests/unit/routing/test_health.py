"""Circuits, resting credentials and what is told of a provider, with the clock in hand."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hub.core.health import FRESH, Change, Circuit, Failure, Observation, Turn
from hub.core.plan import Deployment
from hub.routing.health import AT_LEAST, IN_A_ROW, LONGEST_PAUSE, PAUSE, SPAN, Health

A = Deployment("a", "m", "openai", secret="env:ONE", spares=("env:TWO",))


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def made():
    clock = Clock()
    return Health(clock, clock), clock


def report(health, failure=None, target="a/m", **seen):
    health.began(target)
    health.ended(Observation(target, failure=failure, **seen))


def test_nothing_is_known_at_first():
    health, _ = made()
    assert health.of(A) is FRESH
    assert health.provider("a").reachable is None


def test_a_circuit_opens_after_failures_in_a_row_and_a_probe_closes_it():
    health, clock = made()
    for _ in range(IN_A_ROW - 1):
        report(health, Failure.DOWN)
    assert health.of(A).circuit is Circuit.CLOSED
    report(health, Failure.OVERLOADED)
    assert health.of(A).circuit is Circuit.OPEN
    clock.now += PAUSE
    assert health.of(A).circuit is Circuit.HALF_OPEN
    health.began("a/m")
    assert health.of(A).circuit is Circuit.OPEN, "one probe at a time"
    health.ended(Observation("a/m"))
    assert health.of(A).circuit is Circuit.CLOSED


def test_a_failed_probe_doubles_the_pause_up_to_its_end():
    health, clock = made()
    for _ in range(IN_A_ROW):
        report(health, Failure.DOWN)
    for _ in range(5):
        clock.now += LONGEST_PAUSE
        assert health.of(A).circuit is Circuit.HALF_OPEN
        report(health, Failure.DOWN)
        assert health.of(A).circuit is Circuit.OPEN
    clock.now += LONGEST_PAUSE
    report(health)
    assert health.of(A).circuit is Circuit.CLOSED


def test_a_probe_whose_caller_left_leaves_room_for_another():
    health, clock = made()
    for _ in range(IN_A_ROW):
        report(health, Failure.DOWN)
    clock.now += PAUSE
    report(health, abandoned=True)
    assert health.of(A).circuit is Circuit.HALF_OPEN


def test_what_fails_and_what_is_left_of_limits_is_known_for_a_while():
    health, clock = made()
    report(health, room=0.25)
    assert (health.of(A).failing, health.of(A).room) == (0.0, 0.25)
    report(health, Failure.DOWN)
    report(health, Failure.KEY_THROTTLED, room=0.0)  # that is no failure of the target
    assert (0 < health.of(A).failing < 1, health.of(A).room) == (True, 0.0)
    clock.now += 60
    assert health.of(A).room == 1.0
    for _ in range(50):
        report(health)
    assert health.of(A).failing < 0.01


def test_half_of_the_tries_failing_opens_the_circuit():
    health, _ = made()
    for number in range(AT_LEAST):
        report(health, Failure.DOWN if number % 2 else None)
    assert health.of(A).circuit is Circuit.OPEN


@given(st.lists(st.sampled_from([Failure.CALLER, Failure.CONTEXT_WINDOW, Failure.CONTENT_POLICY]), max_size=40))
def test_faults_of_callers_never_rest_anything(failures):
    health, _ = made()
    for failure in failures:
        report(health, failure, secret="env:ONE")
    state = health.of(A)
    assert (state.circuit, state.rests) == (Circuit.CLOSED, 0.0)
    assert health.provider("a").failures == 0


def test_a_throttled_credential_rests_at_its_target_and_a_dead_one_everywhere():
    health, clock = made()
    other = replace(A, model="n")
    report(health, Failure.KEY_THROTTLED, secret="env:ONE", retry_after=9.0)
    assert health.credential("a/m", ("env:ONE", "env:TWO"), "") == "env:TWO"
    assert health.of(A).rests == 0.0
    assert {health.credential("a/n", ("env:ONE", "env:TWO"), "") for _ in range(4)} == {"env:ONE", "env:TWO"}
    report(health, Failure.KEY_DEAD, secret="env:TWO")
    assert health.of(A).rests == 9.0, "the first of them is due again in nine seconds"
    assert health.credential("a/n", ("env:ONE", "env:TWO"), "") == "env:ONE"
    assert health.of(other).rests == 0.0
    clock.now += 9.0
    assert health.of(A).rests == 0.0


def test_a_session_keeps_its_credential():
    health, _ = made()
    secrets = ("env:1", "env:2", "env:3")
    for session in map(str, range(20)):
        assert len({health.credential("a/m", secrets, session) for _ in range(5)}) == 1
    assert {health.credential("a/m", secrets, "") for _ in range(6)} == set(secrets)


def test_speed_is_smoothed():
    health, _ = made()
    report(health, ttft=0.2, duration=1.2, output_tokens=10)
    state = health.of(A)
    assert (state.ttft, round(state.per_token, 6)) == (0.2, 0.1)
    report(health, ttft=1.2, duration=1.2, output_tokens=0)
    assert round(health.of(A).ttft, 6) == 0.4


def test_what_is_told_of_a_provider_is_the_last_five_minutes():
    health, clock = made()
    report(health, Failure.DOWN, code="upstream_timeout", reached=False)
    state = health.provider("a")
    assert (state.reachable, state.observed, state.failures) == (False, 1, 1)
    assert (state.last_failure_at, state.last_failure_code) == (1000.0, "upstream_timeout")
    report(health)
    assert health.provider("a").reachable is True
    clock.now += SPAN + 1
    assert health.provider("a").reachable is None
    report(health, Failure.OVERLOADED, code="503")
    assert (health.provider("a").observed, health.provider("a").failures) == (1, 1)
    assert health.provider("a").reachable is True


def test_sessions_are_remembered_for_an_hour():
    health, clock = made()
    health.keep("x", "a/m")
    assert health.kept("x") == "a/m"
    clock.now += 3601
    assert health.kept("x") == ""


def test_what_is_remembered_is_bounded():
    health, _ = made()
    for number in range(5000):
        report(health, Failure.KEY_DEAD, target=f"a/{number}", secret=f"env:{number}")
        health.keep(str(number), "a/m")
    assert len(health._targets) <= 4096
    assert len(health._rests) <= 4096
    assert len(health._sessions) <= 4096


def test_what_others_shall_know_is_told_once():
    told, clock = [], Clock()
    health = Health(clock, clock)
    health.share(told.append)
    for _ in range(IN_A_ROW + 3):
        report(health, Failure.DOWN)
    assert told == [Change(Turn.OPENED, "a/m", seconds=PAUSE)]
    clock.now += PAUSE
    report(health, Failure.DOWN)
    assert told[1:] == [Change(Turn.OPENED, "a/m", seconds=2 * PAUSE)]
    clock.now += 2 * PAUSE
    report(health)
    report(health)
    assert told[2:] == [Change(Turn.CLOSED, "a/m", seconds=PAUSE)]
    report(health, Failure.KEY_THROTTLED, secret="env:ONE", retry_after=7.0)
    assert told[3:] == [Change(Turn.RESTS, "a/m", "env:ONE", 7.0)]
    report(health, Failure.CALLER)
    assert len(told) == 4


def test_what_another_replica_found_out_holds_here_and_is_probed_here():
    health, clock = made()
    health.learn(Change(Turn.OPENED, "a/m", seconds=1e9))
    assert health.of(A).circuit is Circuit.OPEN
    assert health.provider("a").circuits == (("a/m", Circuit.OPEN),)
    clock.now += LONGEST_PAUSE  # no longer than it can be
    assert health.of(A).circuit is Circuit.HALF_OPEN
    report(health)
    assert health.of(A).circuit is Circuit.CLOSED
    health.learn(Change(Turn.CLOSED, "a/m"))
    for _ in range(IN_A_ROW - 1):
        report(health, Failure.DOWN)
    assert health.of(A).circuit is Circuit.CLOSED
    health.learn(Change(Turn.RESTS, "", "env:ONE", 1e9))
    health.learn(Change(Turn.RESTS, "a/m", "env:TWO", 5.0))
    assert 0 < health.of(A).rests <= 5
