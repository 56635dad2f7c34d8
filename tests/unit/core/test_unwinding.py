"""Unwinding: every step runs, last first, and what the call ends with is what the last one said."""

import pytest

from hub.core.unwinding import Unwinding


def test_steps_run_once_and_last_first():
    told = []
    held = Unwinding(lambda error: told.append(("record", error)))
    held.push(lambda error: told.append(("bill", error)))
    held.unwind()
    held.unwind()
    assert told == [("bill", None), ("record", None)]


def test_what_the_call_ends_with_is_told_and_not_raised_again():
    told = []
    error = ValueError("it failed")
    Unwinding(told.append).unwind(error)
    assert told == [error]


def test_what_a_step_raises_takes_the_place_and_the_others_run():
    told = []
    ended = RuntimeError("stopped from outside")

    def give_back(error):
        told.append(error)
        raise ended

    held = Unwinding(told.append, give_back)
    first = ValueError("it failed")
    with pytest.raises(RuntimeError) as caught:
        held.unwind(first)
    assert caught.value is ended
    assert told == [first, ended]
