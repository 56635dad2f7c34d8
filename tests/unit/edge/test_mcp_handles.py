"""Ids of legacy sessions, which say what the session needs to go on elsewhere."""

import pytest

from hub.core.seals import Seals, only
from hub.edge.mcp.handles import LONGEST, SECONDS, Handle, Handles

KEY = b"k" * 32
HOME = "http://10.0.0.5:8484"
ABLE = b'{"elicitation":{},"roots":{"listChanged":true}}'


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


def made(handles, capabilities=ABLE):
    return handles.make("key:ci", "demo", "2025-11-25", capabilities)


def test_an_id_is_read_by_another_replica_with_the_same_key():
    identifier = made(Handles(Seals(only(KEY)), HOME))
    assert Handles(Seals(only(KEY))).read(identifier, "key:ci", "demo") == Handle("2025-11-25", ABLE, HOME)
    assert identifier.isascii()
    assert identifier.isprintable()
    assert len(identifier) < 250


def test_no_two_are_the_same_and_none_shows_what_it_says():
    handles = Handles(Seals(only(KEY)), HOME)
    assert len({made(handles) for _ in range(100)}) == 100
    assert "roots" not in made(handles)


@pytest.mark.parametrize(("principal", "profile"), [("key:ann", "demo"), ("key:ci", "other"), ("key:ci\0demo", "")])
def test_it_is_good_for_one_principal_at_one_profile(principal, profile):
    handles = Handles(Seals(only(KEY)))
    assert handles.read(made(handles), principal, profile) is None


@pytest.mark.parametrize("identifier", ["", "x", "é" * 40, "A" * 67, "A" * (LONGEST + 1), "\0", "../../etc"])
def test_what_is_no_id_says_nothing(identifier):
    assert Handles(Seals(only(KEY))).read(identifier, "key:ci", "demo") is None


def test_one_that_was_changed_or_sealed_with_another_key_says_nothing():
    identifier = made(Handles(Seals(only(KEY))))
    assert Handles(Seals(only(b"x" * 32))).read(identifier, "key:ci", "demo") is None
    for place in (0, 20, len(identifier) - 1):
        other = "A" if identifier[place] != "A" else "B"
        changed = identifier[:place] + other + identifier[place + 1 :]
        assert Handles(Seals(only(KEY))).read(changed, "key:ci", "demo") is None


def test_it_ends_after_a_week():
    clock = Clock()
    handles = Handles(Seals(only(KEY), clock))
    identifier = made(handles)
    clock.now += SECONDS - 1
    assert handles.read(identifier, "key:ci", "demo")
    clock.now += 2
    assert handles.read(identifier, "key:ci", "demo") is None


@pytest.mark.parametrize("capabilities", [b'{"x":"\xff\xfe"}', '{"x":"\u2028é"}'.encode(), b'{"x":"\\n"}', b"{\n}"])
def test_capabilities_come_back_byte_for_byte(capabilities):
    handles = Handles(Seals(only(KEY)))
    assert handles.read(made(handles, capabilities), "key:ci", "demo").capabilities == capabilities


def test_capabilities_that_are_too_long_for_an_id_are_left_out():
    handles = Handles(Seals(only(KEY)), HOME)
    identifier = made(handles, b'{"x":"%b"}' % (b"x" * 5000))
    assert handles.read(identifier, "key:ci", "demo") == Handle("2025-11-25", b"", HOME)
