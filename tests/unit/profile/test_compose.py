"""A profile: chosen, renamed, pinned, never ambiguous, and always the same."""

from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.principal import EVERYTHING, Access, Globs, Principal
from hub.profile import MAX_NAME, compose, public_names
from hub.resources import parse

ADMIN = Principal("a", "key", access=(Access(EVERYTHING, EVERYTHING, EVERYTHING),))


@dataclass
class Tool:
    name: str
    raw: bytes


@dataclass
class Offer:
    tools: list = field(default_factory=list)
    instructions: str = ""
    state: str = "ready"
    since: float = 1.0
    error: str = ""


def tool(name, **more):
    definition = {
        "name": name,
        "description": f"does {name}",
        "inputSchema": {"type": "object", "properties": {}},
        **more,
    }
    return Tool(name, msgspec.json.encode(definition))


def view(spec, **offers):
    return compose(
        "p", parse("profiles", "p", spec), {name: Offer([tool(n) for n in tools]) for name, tools in offers.items()}
    )


def test_tools_are_prefixed_sorted_and_reversible():
    found = view({"servers": {"b": {}, "a": {}}}, a=["x", "y"], b=["x"])
    assert list(found.tools) == ["a__x", "a__y", "b__x"]
    assert [(t.server, t.own) for t in found.tools.values()] == [("a", "x"), ("a", "y"), ("b", "x")]
    assert found.find("y").server == "a"
    assert found.find("x") is None
    assert found.find("nothing") is None


@pytest.mark.parametrize(
    ("prefix", "names"),
    [
        ("always", ["a__x", "a__y", "b__x"]),
        ("on-conflict", ["a__x", "b__x", "y"]),
        ("never", ["a__x", "b__x", "y"]),
    ],
)
def test_prefixes(prefix, names):
    found = view({"prefix": prefix, "servers": {"a": {}, "b": {}}}, a=["x", "y"], b=["x"])
    assert list(found.tools) == names
    assert bool(found.conflicts) == (prefix == "never")


def test_globs_choose_and_take_away():
    found = view({"servers": {"a": {"tools": ["get_*", "!get_secret"]}}}, a=["get_it", "get_secret", "delete_it"])
    assert list(found.tools) == ["a__get_it"]


def test_a_rename_is_used_as_it_is_and_described_anew():
    found = view({"servers": {"a": {"rename": {"x": "whoami"}, "describe": {"x": "Who am I?"}}}}, a=["x"])
    definition = msgspec.json.decode(found.tools["whoami"].definition)
    assert (definition["name"], definition["description"]) == ("whoami", "Who am I?")


def test_pinned_arguments_are_hidden_and_kept_for_the_call():
    schema = {
        "type": "object",
        "properties": {"region": {}, "id": {}},
        "required": ["region", "id"],
        "$defs": {"x": {"a": None}},
    }
    offer = Offer([tool("list", inputSchema=schema, **{"x-vendor": [1, None]})])
    found = compose(
        "p", parse("profiles", "p", {"servers": {"a": {"arguments": {"list": {"region": "eu"}}}}}), {"a": offer}
    )
    definition = msgspec.json.decode(found.tools["a__list"].definition)
    assert definition["inputSchema"] == {
        "type": "object",
        "properties": {"id": {}},
        "required": ["id"],
        "$defs": {"x": {"a": None}},
    }
    assert definition["x-vendor"] == [1, None]
    assert found.tools["a__list"].pinned == {"region": b'"eu"'}


def test_what_is_not_touched_stays_byte_for_byte():
    raw = b'{"name":"x","inputSchema":{"type":"object","z":1.50,"a":"\\u00e9"},"annotations":{"readOnlyHint":true},"_meta":{"k":null}}'
    found = compose("p", parse("profiles", "p", {"servers": {"a": {}}}), {"a": Offer([Tool("x", raw)])})
    assert found.tools["a__x"].definition == raw.replace(b'"x"', b'"a__x"', 1)


def test_a_server_that_is_not_well_is_named_and_hides_no_other():
    offers = {"a": Offer([tool("x")]), "b": Offer([tool("y")], state="stale", since=5.0, error="it exited")}
    found = compose("p", parse("profiles", "p", {"servers": {"a": {}, "b": {}, "c": {}}}), offers)
    assert list(found.tools) == ["a__x", "b__y"]
    assert [(gap.server, gap.state, gap.message) for gap in found.gaps] == [
        ("b", "stale", "it exited"),
        ("c", "disabled", "this server is disabled"),
    ]


def test_a_list_shows_what_its_reader_may_call():
    found = view({"servers": {"a": {}, "b": {}}}, a=["x"], b=["y"])
    narrow = Principal("n", "key", access=(Access(EVERYTHING, EVERYTHING, Globs(("a/*",))),))
    assert [t["name"] for t in msgspec.json.decode(found.listing(ADMIN))] == ["a__x", "b__y"]
    assert [t["name"] for t in msgspec.json.decode(found.listing(narrow))] == ["a__x"]
    assert found.listing(narrow) is found.listing(narrow)


def test_the_digest_follows_the_visible_list():
    one = view({"servers": {"a": {}}}, a=["x"])
    assert one.digest == view({"servers": {"a": {}}}, a=["x"]).digest
    assert one.digest != view({"servers": {"a": {}}}, a=["x", "y"]).digest


def test_the_profiles_instructions_come_first():
    offers = {"a": Offer([], instructions="I am a.")}
    found = compose("p", parse("profiles", "p", {"instructions": "Mine.", "servers": {"a": {}}}), offers)
    assert found.instructions == "Mine.\n\na: I am a."


NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=128)
KEYS = st.lists(st.tuples(st.from_regex(r"[a-z]([a-z0-9_-]{0,30}[a-z0-9])?", fullmatch=True), NAMES), max_size=20)


@given(KEYS, st.sampled_from(["always", "on-conflict", "never"]))
def test_names_are_unique_short_plain_and_the_same_each_time(keys, prefix):
    names, faults = public_names(prefix, keys, {})
    assert len(set(names.values())) == len(names)
    assert len(names) + len([f for f in faults if prefix != "never"]) >= len(set(keys)) - len(faults)
    assert all(
        (len(name) <= MAX_NAME and name.replace("_", "").replace("-", "").isalnum() and name.isascii()) or not name
        for name in names.values()
    )
    assert public_names(prefix, list(reversed(keys)), {})[0] == names
