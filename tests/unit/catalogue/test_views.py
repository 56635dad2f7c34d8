"""The catalogue: a view is made once, made anew when something it depends on changes, and nobody waits for a server."""

from dataclasses import replace

import pytest

from hub.catalogue import Catalogue
from hub.catalogue.views import MOST_OWN
from hub.profile import compose
from hub.resources import compile_snapshot, parse
from hub.resources.model_catalog import ModelCatalog
from hub.upstream import ServerState
from tests.support.mcp_desk import offers


def snapshot(**resources):
    given = {"servers": {"a": {"command": ["a"]}, "b": {"command": ["b"]}}, "profiles": {"p": {"servers": {"a": {}}}}}
    given |= resources
    specs = {kind: {name: parse(kind, name, raw) for name, raw in named.items()} for kind, named in given.items()}
    return compile_snapshot(specs, secrets=[], catalogue=ModelCatalog([]), generation=1)


class Kept:
    """A catalogue, and how often it made a view."""

    def __init__(self):
        self.offered = {"a": offers("x"), "b": offers("y")}
        self.made = 0
        self.own = {}
        self.catalogue = Catalogue(
            self.offered.__getitem__, self._compose, own=lambda server, user: self.own.get((server, user))
        )

    def _compose(self, name, spec, offered, common):
        self.made += 1
        self.common = common
        return compose(name, spec, offered)


@pytest.fixture
def kept():
    return Kept()


def test_a_view_is_made_once(kept):
    now = snapshot()
    first = kept.catalogue.view(now, "p")
    assert kept.catalogue.view(now, "p") is first
    assert kept.catalogue.view(snapshot(), "p") is first  # another generation that says the same
    assert kept.made == 1


@pytest.mark.parametrize(
    "change",
    [{"revision": 2}, {"state": ServerState.STALE}, {"since": 5.0}, {"error": "refused"}],
    ids=str,
)
def test_a_server_that_changes_makes_the_view_anew(kept, change):
    now = snapshot()
    first = kept.catalogue.view(now, "p")
    kept.offered["a"] = replace(kept.offered["a"], **change)
    assert kept.catalogue.view(now, "p") is not first
    assert kept.made == 2


def test_a_server_of_another_profile_does_not(kept):
    now = snapshot()
    first = kept.catalogue.view(now, "p")
    kept.offered["b"] = replace(kept.offered["b"], revision=2)
    assert kept.catalogue.view(now, "p") is first


def test_a_profile_that_changes_is_made_anew_and_one_that_is_gone_is_none(kept):
    kept.catalogue.view(snapshot(), "p")
    changed = kept.catalogue.view(snapshot(profiles={"p": {"servers": {"a": {}, "b": {}}}}), "p")
    assert sorted(changed.tools) == ["a__x", "b__y"]
    assert kept.catalogue.view(snapshot(profiles={}), "p") is None
    assert kept.catalogue.view(snapshot(profiles={"p": {"servers": {}, "enabled": False}}), "p") is None
    assert kept.catalogue.view(snapshot(), "nothing") is None


def test_a_disabled_server_is_not_asked(kept):
    del kept.offered["a"]
    off = snapshot(servers={"a": {"command": ["a"], "enabled": False}, "b": {"command": ["b"]}})
    view = kept.catalogue.view(off, "p")
    assert [gap.state for gap in view.gaps] == ["disabled"]


def test_whoever_listens_is_told_until_they_stop(kept):
    now = snapshot()
    heard = []
    stops = [kept.catalogue.listen("p", lambda name=name: heard.append(name)) for name in ("one", "two")]
    kept.catalogue.refresh(now)
    assert heard == ["one", "two"]
    stops[0]()
    stops[0]()
    kept.catalogue.refresh(now)
    assert heard == ["one", "two", "two"]
    stops[1]()
    kept.catalogue.refresh(now)
    assert heard == ["one", "two", "two"]
    assert not kept.catalogue._listeners


def test_a_listener_may_stop_while_it_is_told(kept):
    heard = []

    def once():
        heard.append(1)
        stop()

    stop = kept.catalogue.listen("p", once)
    other = kept.catalogue.listen("p", lambda: heard.append(2))
    kept.catalogue.refresh(snapshot())
    kept.catalogue.refresh(snapshot())
    assert heard == [1, 2, 2]
    other()


def test_views_of_profiles_that_are_gone_are_forgotten(kept):
    kept.catalogue.view(snapshot(), "p")
    kept.catalogue.refresh(snapshot(profiles={}))
    assert not kept.catalogue._views


PERSONAL = frozenset({"a"})


def test_a_person_has_a_view_of_their_own_where_a_server_offers_them_something_else(kept):
    now = snapshot()
    everybodys = kept.catalogue.view(now, "p")
    assert kept.catalogue.view_of(now, "p", "ann", PERSONAL) is everybodys  # nothing is known of what is theirs
    kept.own["a", "ann"] = offers("x", "anns")
    anns = kept.catalogue.view_of(now, "p", "ann", PERSONAL)
    assert {tool.own for tool in anns.tools.values()} == {"x", "anns"}
    for user, servers in (("bob", PERSONAL), ("", PERSONAL), ("ann", frozenset()), ("ann", frozenset({"b"}))):
        assert kept.catalogue.view_of(now, "p", user, servers) is everybodys
    assert kept.catalogue.view_of(now, "nothing", "ann", PERSONAL) is None
    made = kept.made
    assert kept.catalogue.view_of(now, "p", "ann", PERSONAL) is anns
    assert kept.made == made


def test_a_persons_view_follows_both_what_is_everybodys_and_what_is_theirs(kept):
    now = snapshot(profiles={"p": {"servers": {"a": {}, "b": {}}}})
    kept.own["a", "ann"] = offers("x", "anns")

    def names():
        return {tool.own for tool in kept.catalogue.view_of(now, "p", "ann", PERSONAL).tools.values()}

    assert names() == {"x", "anns", "y"}
    kept.own["a", "ann"] = replace(offers("newer"), revision=2)
    assert names() == {"newer", "y"}
    kept.offered["b"] = replace(offers("other"), revision=2)
    assert names() == {"newer", "other"}
    del kept.own["a", "ann"]
    assert names() == {"x", "other"}


def test_so_many_views_of_persons_are_kept_and_none_of_a_profile_that_is_gone(kept):
    now = snapshot()
    for number in range(MOST_OWN + 3):
        kept.own["a", f"u{number}"] = offers(f"t{number}")
        kept.catalogue.view_of(now, "p", f"u{number}", PERSONAL)
    made = kept.made
    kept.catalogue.view_of(now, "p", f"u{MOST_OWN + 2}", PERSONAL)
    assert kept.made == made
    kept.catalogue.view_of(now, "p", "u0", PERSONAL)  # it rested longest
    assert kept.made == made + 1
    kept.catalogue.refresh(snapshot(profiles={}))
    kept.catalogue.view_of(now, "p", f"u{MOST_OWN + 2}", PERSONAL)
    assert kept.made == made + 3  # everybody's and theirs
