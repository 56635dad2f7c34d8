"""Access: what patterns surely grant, from where, and that nobody hands on more than they have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.calls import Arrival
from hub.core.principal import EVERYTHING, NOTHING, Access, Globs, Principal, Reach, excess

NAMES = ["a", "b", "ab", "a/b", "a/bc", "b/a", "abc", "*"]
PATTERNS = st.text("ab/*?[]!c", min_size=1, max_size=4).filter(lambda text: text != "!")
GLOBS = st.lists(PATTERNS, max_size=3).map(lambda patterns: Globs(tuple(patterns)))


@given(GLOBS, GLOBS, st.lists(st.text("abc/", min_size=1, max_size=4), max_size=8))
def test_what_is_covered_grants_nothing_more(wide, narrow, names):
    if wide.covers(narrow):
        assert not [name for name in [*NAMES, *names] if narrow.allows(name) and not wide.allows(name)]


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        (["*"], ["openai/*"], True),
        (["openai/*"], ["openai/gpt-*", "openai/o1"], True),
        (["openai/*"], ["*"], False),
        (["fast"], [], True),
        (["*", "!openai/*"], ["anthropic/claude"], True),
        (["*", "!openai/*"], ["anthropic/*"], False),  # two globs are not compared, so it is not sure
        (["*", "!openai/*"], ["*", "!openai/*"], True),
        (["*", "!openai/x"], ["openai/*"], False),
        (["a?"], ["ab"], True),
        (["a?"], ["a*"], False),
        (["*]"], ["[*]"], False),  # which grants `*`
        (["openai/*"], ["openai/gpt-[45]"], True),
    ],
)
def test_cover(wide, narrow, covered):
    assert Globs(tuple(wide)).covers(Globs(tuple(narrow))) is covered


@pytest.mark.parametrize("reach", list(Reach))
def test_one_decision_for_everything_and_every_level_must_grant(reach):
    wide, narrow = Access(EVERYTHING, EVERYTHING), Access(**{each: Globs(("ok*",)) for each in Reach})
    both = Principal("k", "key", access=(wide, narrow))
    assert both.may(reach, "okay")
    assert not both.may(reach, "other")
    assert not Principal("k", "key").may(reach, "okay"), "nothing is granted to whom no level grants"


@pytest.mark.parametrize(
    ("access", "arrival", "let_in"),
    [
        ({"networks": ("10.0.0.0/8",)}, Arrival("10.1.2.3"), True),
        ({"networks": ("10.0.0.0/8",)}, Arrival("::ffff:10.1.2.3"), True),
        ({"networks": ("10.0.0.0/8",)}, Arrival("11.1.2.3"), False),
        ({"networks": ("10.0.0.0/8",)}, Arrival(""), False),
        ({"networks": ("10.0.0.0/8",)}, Arrival("not an address"), False),
        ({"networks": ("fd00::/8", "10.0.0.0/8")}, Arrival("fd00::1%eth0"), True),
        ({"endpoints": Globs(("/v1/*",))}, Arrival("::1", "/v1/messages"), True),
        ({"endpoints": Globs(("/v1/*",))}, Arrival("::1", "/mcp/demo"), False),
        ({"headers": (("x-env", "prod-*"),)}, Arrival(headers=[(b"x-env", b"prod-eu")]), True),
        ({"headers": (("x-env", "prod-*"),)}, Arrival(headers=[(b"x-env", b"test")]), False),
        ({"headers": (("x-env", "prod-*"),)}, Arrival(), False),
        ({"headers": (("x-env", "prod-*"),)}, Arrival(headers=[(b"x-env", b"prod-eu"), (b"x-env", b"x")]), False),
    ],
)
def test_a_level_asks_from_where_and_how(access, arrival, let_in):
    level = Access(EVERYTHING, EVERYTHING, **access)
    assert level.is_conditional
    assert (Principal("k", "key", access=(level,), conditions=(level,)).objection(arrival) == "") is let_in


@pytest.mark.parametrize(
    ("given", "own", "beyond"),
    [
        ([Access(Globs(("fast",)), NOTHING)], [Access(Globs(("*",)), EVERYTHING)], ""),
        ([Access(Globs(("*",)), NOTHING)], [Access(Globs(("fast",)), EVERYTHING)], "models"),
        ([Access(EVERYTHING, EVERYTHING), Access(Globs(("fast",)), NOTHING)], [Access(Globs(("fast",)))], ""),
        ([Access()], [Access(networks=("10.0.0.0/8",))], "networks"),
        ([Access(networks=("10.1.0.0/16",))], [Access(networks=("10.0.0.0/8", "fd00::/8"))], ""),
        ([Access(networks=("::/0",))], [Access(networks=("10.0.0.0/8",))], "networks"),
        ([Access()], [Access(headers=(("x", "y"),))], "headers"),
    ],
)
def test_excess_is_found(given, own, beyond):
    assert excess(given, own) == beyond
