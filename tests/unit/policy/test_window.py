"""The window never lets more through than its limit in any 60 seconds, and its wait is right."""

from hypothesis import given
from hypothesis import strategies as st

from hub.policy.window import Window

STEPS = st.lists(st.floats(min_value=0, max_value=20, allow_nan=False), min_size=1, max_size=200)


@given(STEPS, st.integers(min_value=1, max_value=20))
def test_no_minute_holds_more_than_the_limit(steps, limit):
    window, now, admitted = Window(), 1_000.0, []
    for step in steps:
        now += step
        window.advance(now)
        if window.total + 1 <= limit:
            window.add(1)
            admitted.append(now)
    for start in admitted:
        assert sum(start <= at < start + 60 for at in admitted) <= limit


@given(STEPS, st.integers(min_value=1, max_value=5))
def test_after_the_wait_there_is_room_and_a_second_before_there_is_not(steps, limit):
    window, now = Window(), 1_000.0
    for step in steps:
        now += step
        window.advance(now)
        if window.total + 1 <= limit:
            window.add(1)
            continue
        wait = window.wait(limit - 1, now)
        assert 1 <= wait <= 61
        before = window.total
        later = Window()
        later._buckets, later._second, later.total = list(window._buckets), window._second, before
        later.advance(now + wait - 1.001)
        assert later.total + 1 > limit
        later.advance(now + wait)
        assert later.total + 1 <= limit


def test_a_correction_reaches_its_second_only_while_it_counts():
    window = Window()
    window.advance(100)
    second = window.add(50)
    window.advance(110)
    window.correct(second, -30)
    assert window.total == 20
    window.correct(second, -100)
    assert window.total == 0
    window.advance(170)
    window.correct(second, 40)
    assert window.total == 0


def test_a_clock_that_goes_back_stands_still():
    window = Window()
    window.advance(100)
    window.add(1)
    window.advance(50)
    assert window.total == 1
