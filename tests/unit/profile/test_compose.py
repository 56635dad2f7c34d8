"""Composing a profile: which tools, under which names, with what hidden; and what is said when something is missing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.principal import EVERYTHING, NOTHING, Access, Globs, Principal
from hub.core.refusal import InvalidSpec
from hub.profile import MAX_NAME, compose, faults_in, public_names
from hub.resources import parse
from hub.upstream import ServerState
from tests.support.mcp_desk import offers, tool

ALL = Principal("key:all", "key", access=(Access(EVERYTHING, EVERYTHING, EVERYTHING),))


def profile(**spec):
    return parse("profiles", "p", spec)


def view(spec, **offered):
    return compose("p", profile(**spec), offered)


def listed(made, principal=ALL):
    return json.loads(made.listing(principal))


def only(*patterns):
    return Principal("key:some", "key", access=(Access(NOTHING, EVERYTHING, Globs(patterns)),))


# -- which -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("globs", "chosen"),
    [
        (["*"], ["a", "get_x", "get_y", "get_y_delete"]),
        (["get_*"], ["get_x", "get_y", "get_y_delete"]),
        (["get_*", "!*_delete*"], ["get_x", "get_y"]),
        (["!get_*", "*"], ["a"]),
        (["get_?"], ["get_x", "get_y"]),
        ([], []),
        (["!a"], []),
        (["A"], []),
    ],
)
def test_tools_are_chosen_by_globs(globs, chosen):
    made = view(
        {"servers": {"s": {"tools": globs}}, "prefix": "never"}, s=offers("a", "get_x", "get_y", "get_y_delete")
    )
    assert sorted(made.tools) == chosen


def test_the_order_is_that_of_the_public_names_whatever_the_servers_order():
    spec = {"servers": {"b": {}, "a": {"rename": {"x": "zz"}}}}
    one = view(spec, a=offers("y", "x"), b=offers("m"))
    two = view({"servers": {"a": {"rename": {"x": "zz"}}, "b": {}}}, a=offers("x", "y"), b=offers("m"))
    assert [entry["name"] for entry in listed(one)] == ["a__y", "b__m", "zz"]
    assert one.listing(ALL) == two.listing(ALL)
    assert one.digest == two.digest


def test_a_caller_sees_what_every_level_grants():
    made = view({"servers": {"a": {}, "b": {}}}, a=offers("x", "y"), b=offers("x"))
    assert [entry["name"] for entry in listed(made, only("a/*"))] == ["a__x", "a__y"]
    assert [entry["name"] for entry in listed(made, only("*", "!*/y"))] == ["a__x", "b__x"]
    assert listed(made, Principal("nobody", "key")) == []
    both = Principal("k", "key", access=(*only("a/*").access, *only("*/x").access))
    assert [entry["name"] for entry in listed(made, both)] == ["a__x"]


def test_lists_are_made_once_and_callers_who_see_the_same_share_them():
    made = view({"servers": {"a": {}}}, a=offers("x"))
    assert made.listing(ALL) is made.listing(ALL)
    assert made.listing(only("a/*")) is made.listing(only("a/x"))
    for number in range(600):
        made.listing(only(f"nothing{number}"))
    assert len(made._lists) <= 256


# -- names -------------------------------------------------------------------------------------------------------------


def test_prefixes():
    offered = {"a": offers("x", "y"), "b": offers("x")}
    servers = {"a": {}, "b": {}}
    assert sorted(view({"servers": servers, "prefix": "always"}, **offered).tools) == ["a__x", "a__y", "b__x"]
    assert sorted(view({"servers": servers, "prefix": "on-conflict"}, **offered).tools) == ["a__x", "b__x", "y"]
    never = view({"servers": servers, "prefix": "never"}, **offered)
    assert sorted(never.tools) == ["a__x", "b__x", "y"]
    assert sorted(never.conflicts) == [("x", "a/x"), ("x", "b/x")]


def test_a_public_name_leads_back_to_its_tool_and_so_does_its_own_where_it_is_the_only_one():
    made = view({"servers": {"a": {"rename": {"y": "why"}}, "b": {}}}, a=offers("x", "y"), b=offers("x", "z"))
    assert (made.find("a__x").server, made.find("a__x").own) == ("a", "x")
    assert (made.find("why").server, made.find("why").own) == ("a", "y")
    assert made.find("z") is made.find("b__z")
    assert made.find("y") is made.find("why")
    for name in ("x", "a__y", "", "A__X", "a", "nothing"):
        assert made.find(name) is None, name


def test_an_own_name_does_not_hide_a_public_one():
    made = view(
        {"servers": {"a": {"rename": {"x": "y"}}, "b": {}}, "prefix": "on-conflict"}, a=offers("x"), b=offers("y")
    )
    assert made.find("y").own == "x"
    assert made.find("b__y").own == "y"


def test_a_tool_that_was_not_chosen_cannot_be_called_by_any_name():
    made = view({"servers": {"a": {"tools": ["x"]}}, "prefix": "never"}, a=offers("x", "y"))
    assert made.find("y") is None
    assert made.find("a__y") is None


def test_long_and_odd_names_become_short_plain_ones_and_always_the_same():
    long, other = "x" * 120, "x" * 119 + "y"
    made = view({"servers": {"server": {}}}, server=offers(long, other, "dots.and-dashes"))
    assert len(made.tools) == 3
    assert all(len(name) <= MAX_NAME for name in made.tools)
    assert all(name.replace("_", "").replace("-", "").isalnum() for name in made.tools)
    again = view({"servers": {"server": {}}}, server=offers("a", other, long, "dots.and-dashes"))
    assert set(made.tools) < set(again.tools)
    assert again.find(long).own == long


def test_a_name_that_is_taken_loses_no_tool():
    """A server's own tool looks like a prefixed one; a rename takes a name that somebody has."""
    spec = {"servers": {"a": {}, "b": {"rename": {"z": "a__x"}}}}
    made = view(spec, a=offers("x"), b=offers("z"))
    assert len(made.tools) == 2
    assert made.find("a__x").own == "z"
    assert [wanted for _, wanted in made.conflicts] == ["a/x"]
    with pytest.raises(InvalidSpec, match="both renamed to 'n'"):
        profile(servers={"a": {"rename": {"x": "n", "y": "n"}}})
    renames = {"a": {"rename": {"x": "n"}}, "b": {"rename": {"y": "n"}}}
    twice = view({"servers": renames}, a=offers("x"), b=offers("y"))
    assert {tool.own for tool in twice.tools.values()} == {"x", "y"}
    assert [name for name, _ in twice.conflicts] == ["n"]


def test_two_servers_that_want_one_prefixed_name_that_is_taken_get_two():
    tools = {("a", "a__a"), ("a__a", "a"), ("b", "x"), ("b", "y")}
    allocated, _ = public_names("always", tools, {("b", "x"): "a__a__a"})
    assert len(set(allocated.values())) == 4
    hashed, _ = {name for name in allocated.values() if name.startswith("a__a__a_")}
    allocated, _ = public_names("always", tools, {("b", "x"): "a__a__a", ("b", "y"): hashed})
    assert len(set(allocated.values())) == 4


names = st.text("ab_.-", min_size=1, max_size=4) | st.sampled_from(["x" * 64, "x" * 70, "a__a", "x" * 71])
keys = st.tuples(st.sampled_from(["a", "b", "a__a", "c" * 32]), names)


@given(st.sampled_from(["always", "on-conflict", "never"]), st.sets(keys, max_size=12), st.data())
def test_any_tools_get_names_that_are_short_distinct_and_independent_of_order(prefix, tools, data):
    renamed = {key: data.draw(st.sampled_from(["n", "m", "a__a"])) for key in tools if data.draw(st.booleans())}
    allocated, conflicts = public_names(prefix, tools, renamed)
    assert set(allocated) == tools
    assert len(set(allocated.values())) == len(tools)
    assert all(0 < len(name) <= MAX_NAME for name in allocated.values())
    assert public_names(prefix, sorted(tools, reverse=True), renamed) == (allocated, conflicts)
    if prefix == "always" and not renamed and not conflicts:
        assert all(name.startswith(server[:20]) for (server, _), name in allocated.items())


# -- presentation ------------------------------------------------------------------------------------------------------


def test_a_definition_passes_byte_for_byte_but_for_its_name():
    raw = b'{"name":"x","title":"T","inputSchema":{"type":"object","$defs":{"n":{"minimum":1.50}},"x":null},"_meta":{"a/b":[1]},'
    raw += b'"x-odd":{"deep":[null,12345678901234567890,"\\u00e9"]}}'
    made = view({"servers": {"a": {}}}, a=offers(raw))
    assert made.tools["a__x"].definition == raw.replace(b'"name":"x"', b'"name":"a__x"')
    assert made.tools["a__x"].tokens == len(made.tools["a__x"].definition) // 4


def test_descriptions_can_be_replaced():
    made = view({"servers": {"a": {"describe": {"x": 'Say "hi".'}}}}, a=offers("x", "y"))
    assert [entry["description"] for entry in listed(made)] == ['Say "hi".', "The y."]


SCHEMA = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "n": {"type": "integer", "x-mcp-header": "N"},
    },
    "required": ["region", "n"],
    "additionalProperties": False,
}


def test_pinned_arguments_are_hidden_and_kept_for_the_call():
    spec = {"servers": {"a": {"arguments": {"x": {"region": "eu", "deep": {"k": [1, None]}}}}}}
    made = view(spec, a=offers(tool("x", inputSchema=SCHEMA), tool("y", ["text"])))
    (shown, other) = listed(made)
    assert shown["inputSchema"] == {
        "type": "object", "properties": {"n": SCHEMA["properties"]["n"]}, "required": ["n"], "additionalProperties": False,
    }  # fmt: skip
    assert other["inputSchema"]["required"] == ["text"]
    x = made.tools["a__x"]
    assert {name: json.loads(value) for name, value in x.pinned.items()} == {"region": "eu", "deep": {"k": [1, None]}}
    assert x.mirrored == ((("n",), "N"),)  # a client does not repeat what it does not know of
    assert made.tools["a__y"].pinned == {}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "properties": []},
        {"type": "object", "properties": None, "required": None},
        {"type": "object", "properties": {"region": True}, "required": "region"},
        {"type": "object", "required": [["region"], {"a": 1}, None, "region"]},
    ],
    ids=str,
)
def test_an_odd_schema_hides_no_other_tool(schema):
    spec = {"servers": {"a": {"arguments": {"x": {"region": "eu"}}}}}
    made = view(spec, a=offers(tool("x", inputSchema=schema), "y"))
    assert [entry["name"] for entry in listed(made)] == ["a__x", "a__y"]
    assert "region" not in (listed(made)[0]["inputSchema"].get("properties") or {})
    required = listed(made)[0]["inputSchema"].get("required")
    assert required == "region" or "region" not in (required or [])


def test_instructions_are_the_profiles_own_first_then_the_servers():
    spec = {"instructions": "Mine.", "servers": {"b": {}, "a": {}, "c": {}}}
    made = view(spec, a=offers("x", instructions="Of a."), b=offers("x", instructions="Of b."), c=offers("x"))
    assert made.instructions == "Mine.\n\nb: Of b.\n\na: Of a."
    long = view(spec, a=offers("x", instructions="a" * 20_000))
    assert long.instructions.startswith("Mine.")
    assert len(long.instructions) <= 8192


# -- what is missing ---------------------------------------------------------------------------------------------------


def test_a_server_that_is_not_well_is_a_gap_and_keeps_its_tools():
    made = view(
        {"servers": {"a": {}, "b": {}, "gone": {}}},
        a=offers("x"),
        b=offers("x", state=ServerState.STALE, since=5.0, error="refused"),
    )
    assert [(gap.server, gap.state, gap.since) for gap in made.gaps] == [("b", "stale", 5.0), ("gone", "disabled", 0.0)]
    assert sorted(made.tools) == ["a__x", "b__x"]
    assert not made.is_lost


@pytest.mark.parametrize(
    ("states", "lost"),
    [
        (["failed", "failed"], True),
        (["failed", "starting"], False),
        (["failed", "ready"], False),
        (["starting", "starting"], False),
    ],
)
def test_a_profile_is_lost_when_nothing_of_it_can_be_reached(states, lost):
    offered = {name: offers(state=ServerState(state)) for name, state in zip("ab", states, strict=True)}
    assert view({"servers": {"a": {}, "b": {}}}, **offered).is_lost == lost


def test_a_profile_without_servers_is_empty_and_not_lost():
    made = view({"servers": {}})
    assert (made.tools, made.gaps, made.is_lost) == ({}, (), False)
    assert made.listing(ALL) == b"[]"


def test_the_digest_changes_with_the_list_and_with_nothing_else():
    spec = {"servers": {"a": {}}}
    plain = view(spec, a=offers("x")).digest
    assert view(spec, a=offers("x", state=ServerState.STALE, since=9.0)).digest == plain
    assert view({**spec, "title": "T"}, a=offers("x")).digest == plain
    for other in (offers("x", "y"), offers(tool("x", description="Other.")), offers(tool("x", title="T"))):
        assert view(spec, a=other).digest != plain


# -- faults ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("selection", "path", "says"),
    [
        ({"tools": ["nothing_*"]}, "tools.0", "matches no tool"),
        ({"tools": ["*", "!nothing"]}, "tools.1", "matches no tool"),
        ({"confirm": ["nothing_*"]}, "confirm.0", "matches no tool"),
        ({"rename": {"wx": "n"}}, "rename.wx", "did you mean 'x'"),
        ({"describe": {"nothing": "n"}}, "describe.nothing", "there are: x, y"),
        ({"tools": ["y"], "rename": {"x": "n"}}, "rename.x", "no effect"),
        ({"arguments": {"x": {"txet": 1}}}, "arguments.x.txet", "no argument 'txet'"),
    ],
    ids=str,
)
def test_a_rule_without_effect_is_a_fault_that_names_its_place(selection, path, says):
    (fault,) = faults_in("p", profile(servers={"s": selection}), {"s": offers("x", "y")})
    assert fault.path == f"profiles.p.servers.s.{path}"
    assert says in fault.message


def test_a_name_taken_twice_is_a_fault():
    faults = faults_in("p", profile(servers={"a": {}, "b": {}}, prefix="never"), {"a": offers("x"), "b": offers("x")})
    assert [fault.path for fault in faults] == ["profiles.p.prefix"] * 2
    assert "'x' is taken" in faults[0].message


def test_good_profiles_and_unknown_servers_have_no_faults():
    spec = profile(
        servers={"a": {"tools": ["x"], "rename": {"x": "n"}, "arguments": {"x": {"text": "t"}}}, "b": {"tools": ["q"]}}
    )
    assert faults_in("p", spec, {"a": offers("x")}) == []
    assert faults_in("p", spec, {"a": offers("x"), "b": offers(state=ServerState.FAILED)}) == []
