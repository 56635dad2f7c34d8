"""Seals: only for what they were made for, only in time, only unchanged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.seals import Broken, Seals, only


def test_a_seal_opens_for_the_same_purpose_until_it_ends():
    now = [100.0]
    seals = Seals(only(b"k" * 32), lambda: now[0])
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
        Seals(only(b"x" * 32), lambda: now[0]).open(b"mine", sealed)
    now[0] = 111.0
    with pytest.raises(Broken):
        seals.open(b"mine", sealed)


def test_a_name_is_always_the_same_and_its_owners_alone():
    seals = Seals(only(b"k" * 32))
    assert seals.name(b"mine", "t-1") == seals.name(b"mine", "t-1")
    assert len({seals.name(b"mine", "t-1"), seals.name(b"yours", "t-1"), seals.name(b"mine", "t-2")}) == 3
    assert seals.named(b"mine", seals.name(b"mine", "t-1")) == "t-1"
    with pytest.raises(Broken):
        seals.named(b"yours", seals.name(b"mine", "t-1"))
    with pytest.raises(Broken):
        seals.open(b"mine", seals.name(b"mine", "t-1"))


def test_what_was_sealed_before_the_keys_changed_opens_until_its_key_leaves():
    old, new = b"o" * 32, b"n" * 32
    keys = [(old,)]
    seals = Seals(lambda: keys[-1])
    sealed, name = seals.seal(b"mine", "state", 10), seals.name(b"mine", "t-1")
    keys.append((new, old))
    assert (seals.open(b"mine", sealed), seals.named(b"mine", name)) == ("state", "t-1")
    assert seals.name(b"mine", "t-1") != name
    assert Seals(only(new)).open(b"mine", seals.seal(b"mine", "later", 10)) == "later"
    with pytest.raises(Broken):
        seals.open(b"yours", sealed)
    keys.append((new,))
    with pytest.raises(Broken):
        seals.open(b"mine", sealed)


@given(st.text(max_size=200))
def test_whatever_somebody_sends_is_a_seal_or_refused(text):
    with pytest.raises(Broken):
        Seals(only(b"k" * 32)).open(b"mine", text)
