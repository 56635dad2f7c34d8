"""The window never lets more through than its limit in any 60 seconds, and its wait is right."""

import copy

from hypothesis import given
from hypothesis import strategies as st

from hub.policy.window import Window

STEPS = st.lists(st.floats(min_value=0, max_value=20, allow_nan=False), min_size=1, max_size=200)
STARTS = st.floats(min_value=1_700_000_000, max_value=1_900_000_000)


@given(STARTS, STEPS, st.integers(min_value=1, max_value=20))
def test_no_minute_holds_more_than_the_limit(now, steps, limit):
    window, admitted = Window(), []
    for step in steps:
        now += step
        window.advance(now)
        if window.total + 1 <= limit:
            window.add(1, now)
            admitted.append(now)
    for start in admitted:
        assert sum(0 <= at - start < 60 for at in admitted) <= limit


@given(STARTS, STEPS, st.integers(min_value=1, max_value=5))
def test_after_the_wait_there_is_room_and_a_second_before_there_is_not(now, steps, limit):
    window = Window()
    for step in steps:
        now += step
        window.advance(now)
        if window.total + 1 <= limit:
            window.add(1, now)
            continue
        wait = window.wait(limit - 1, now)
        assert 1 <= wait <= 60
        assert wait <= window.rest(now) <= 60
        later = copy.deepcopy(window)
        later.advance(now + wait - 1.001)
        assert later.total + 1 > limit
        later.advance(now + wait + 0.001)
        assert later.total + 1 <= limit


def test_a_correction_reaches_its_second_only_while_it_counts():
    window = Window()
    window.advance(100)
    second = window.add(50, 100)
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
    window.add(1, 100)
    window.advance(50)
    assert window.total == 1
