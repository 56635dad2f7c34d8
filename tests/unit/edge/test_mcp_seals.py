"""Seals: only for what they were made for, only in time, only unchanged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.seals import Broken, Seals


def test_a_seal_opens_for_the_same_purpose_until_it_ends():
    now = [100.0]
    seals = Seals(b"k" * 32, lambda: now[0])
    sealed = seals.seal(b"mine", "state ü \ud800", 10)
    assert seals.open(b"mine", sealed) == "state ü \ud800"
    for bound, text in (
        (b"yours", sealed),
        (b"mine", sealed + "A"),
        (b"mine", ""),
        (b"mine", "ü"),
        (b"mine", "=" * 40),
    ):
        with pytest.raises(Broken):
            seals.open(bound, text)
    with pytest.raises(Broken):
        Seals(b"x" * 32, lambda: now[0]).open(b"mine", sealed)
    now[0] = 111.0
    with pytest.raises(Broken):
        seals.open(b"mine", sealed)


def test_a_name_is_always_the_same_and_its_owners_alone():
    seals = Seals(b"k" * 32)
    assert seals.name(b"mine", "t-1") == seals.name(b"mine", "t-1")
    assert len({seals.name(b"mine", "t-1"), seals.name(b"yours", "t-1"), seals.name(b"mine", "t-2")}) == 3
    assert seals.named(b"mine", seals.name(b"mine", "t-1")) == "t-1"
    with pytest.raises(Broken):
        seals.named(b"yours", seals.name(b"mine", "t-1"))
    with pytest.raises(Broken):
        seals.open(b"mine", seals.name(b"mine", "t-1"))


@given(st.text(max_size=200))
def test_whatever_somebody_sends_is_a_seal_or_refused(text):
    with pytest.raises(Broken):
        Seals(b"k" * 32).open(b"mine", text)
