"""What a profile makes of what its servers offer: other words, other hints, arguments hidden or filled in, globs."""

import json

import pytest

from hub.core.refusal import InvalidSpec
from hub.profile import Kind, client_key, client_names
from hub.profile.choosing import weigh_tool
from hub.profile.clients import CLIENTS, budget
from hub.resources import compile_snapshot, parse
from hub.resources.model_catalog import ModelCatalog
from hub.upstream import PromptDefinition, ResourceDefinition
from tests.support.mcp_desk import offers, tool
from tests.unit.profile.test_compose import ALL, listed, profile, view

READ = {"annotations": {"readOnlyHint": True}}
WRITE = {"annotations": {"readOnlyHint": False, "destructiveHint": False}}


# -- choosing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("only", "chosen"),
    [
        ({"read_only": True}, ["reads"]),
        ({"read_only": False}, ["says_nothing", "writes"]),
        ({"destructive": False}, ["reads", "writes"]),
        ({"idempotent": True}, ["reads"]),
        ({"read_only": False, "destructive": True}, ["says_nothing"]),
        ({"open_world": False}, []),
        ({}, ["reads", "says_nothing", "writes"]),
    ],
    ids=str,
)
def test_tools_are_chosen_by_what_their_annotations_say(only, chosen):
    offered = offers(tool("reads", **READ), tool("writes", **WRITE), "says_nothing")
    for spec in ({"servers": {"s": {"only": only}}}, {"servers": {"s": {}}, "only": only}):
        made = view({**spec, "prefix": "never"}, s=offered)
        assert sorted(made.tools) == chosen


def test_what_a_profile_says_of_a_tool_counts_for_choosing_it():
    spec = {"servers": {"s": {"only": {"read_only": True}, "annotate": {"x": {"read_only": True, "title": "X!"}}}}}
    made = view(spec, s=offers(tool("x", title="x", annotations={"title": "x", "odd": 1}), "y"))
    assert [entry["name"] for entry in listed(made)] == ["s__x"]
    assert listed(made)[0]["annotations"] == {"title": "X!", "odd": 1, "readOnlyHint": True}
    assert listed(made)[0]["title"] == "X!"


def test_what_is_hidden_cannot_be_called_by_any_name():
    made = view({"servers": {"s": {"tools": ["*"], "hide": ["*_admin"]}}}, s=offers("x", "x_admin"))
    assert sorted(made.tools) == ["s__x"]
    assert made.find("x_admin") is None
    assert made.find("s__x_admin") is None


def test_every_rule_says_where_it_stands_and_why():
    spec = profile(servers={"s": {"tools": ["x*", "!xx"], "hide": ["xh"]}}, only={"read_only": True})
    offered = {one.name: one for one in offers(tool("x", **READ), "xx", "xh", "y", tool("xw", **WRITE)).tools}

    def refused(name):
        return [v.rule for v in weigh_tool("p", spec, "s", offered[name]) if not v.allowed]

    assert refused("x") == []
    assert refused("xx") == ["profiles.p.servers.s.tools", "profiles.p.only.read_only"]
    assert refused("xh") == ["profiles.p.servers.s.hide", "profiles.p.only.read_only"]
    assert refused("y")[0] == "profiles.p.servers.s.tools"
    assert refused("xw") == ["profiles.p.only.read_only"]


# -- arguments ---------------------------------------------------------------------------------------------------------

SCHEMA = {
    "type": "object",
    "properties": {"region": {"type": "string"}, "n": {"type": "integer"}, "odd": True},
    "required": ["region", "n"],
}


def test_defaults_fill_in_what_the_caller_leaves_out_and_pins_overrule_it():
    spec = {"servers": {"s": {"defaults": {"x": {"n": 5, "odd": 1}}, "arguments": {"x": {"region": "eu"}}}}}
    made = view(spec, s=offers(tool("x", inputSchema=SCHEMA)))
    shown = listed(made)[0]["inputSchema"]
    assert shown["properties"] == {"n": {"type": "integer", "default": 5}, "odd": True}
    assert shown["required"] == []
    x = made.tools["s__x"]
    assert json.loads(x.filled(b"{}")) == {"region": "eu", "n": 5, "odd": 1}
    assert json.loads(x.filled(b'{"n":null,"region":"us","more":[1]}')) == {
        "region": "eu",
        "n": None,
        "odd": 1,
        "more": [1],
    }
    plain = view({"servers": {"s": {}}}, s=offers("x")).tools["s__x"]
    assert plain.filled(b'{"a" :1}') == b'{"a" :1}'


# -- prompts and resources ---------------------------------------------------------------------------------------------


def prompt(name, **fields):
    return PromptDefinition(name, json.dumps({"name": name, **fields}).encode())


def resource(uri, member="uri", **fields):
    return ResourceDefinition(uri, json.dumps({member: uri, "name": "n", **fields}).encode())


def test_prompts_are_chosen_renamed_described_and_pinned():
    rules = {"p": {"rename": "q", "describe": "New.", "arguments": {"lang": "en"}}}
    spec = {"servers": {"s": {"prompts": ["*", "!secret_*"], "prompt_rules": rules}}}
    offered = offers(
        prompts=(prompt("p", arguments=[{"name": "lang", "required": True}, {"name": "text"}]), prompt("secret_p"))
    )
    made = view(spec, s=offered)
    assert json.loads(made.listing(ALL, Kind.PROMPTS)) == [
        {"name": "q", "arguments": [{"name": "text"}], "description": "New."}
    ]
    assert made.find_prompt("secret_p") is None
    assert json.loads(made.find_prompt("q").filled(b'{"text":"t","lang":"de"}')) == {"text": "t", "lang": "en"}


def test_resources_are_chosen_for_listing_and_for_reading():
    rules = {"demo://a": {"rename": "A", "describe": "The A."}}
    spec = {"servers": {"s": {"resources": ["demo://*", "!demo://secret*"], "resource_rules": rules}}}
    offered = offers(
        resources=(resource("demo://a", title="a"), resource("demo://secret"), resource("other://x")),
        templates=(resource("other://{id}", "uriTemplate"),),
    )
    made = view(spec, s=offered)
    assert json.loads(made.listing(ALL, Kind.RESOURCES)) == [
        {"uri": "demo://s/a", "name": "n", "title": "A", "description": "The A."}
    ]
    assert made.listing(ALL, Kind.TEMPLATES) == b"[]"
    assert made.find_resource("demo://s/unlisted").own == "demo://unlisted"
    for uri in ("demo://s/secret", "demo://secret", "demo://s/secret/deep", "other://s/x", "other://x", "other://s/5"):
        assert made.find_resource(uri) is None, uri
    template = view({"servers": {"s": {"resources": ["other://{id}"]}}}, s=offered)
    assert template.find_resource("other://s/5").own == "other://5"
    assert template.find_resource("demo://s/a") is None


# -- profiles that include profiles ------------------------------------------------------------------------------------


def compiled(**profiles):
    given = {"servers": {name: {"command": [name]} for name in "abc"}, "profiles": profiles}
    specs = {kind: {name: parse(kind, name, raw) for name, raw in named.items()} for kind, named in given.items()}
    return compile_snapshot(specs, secrets=[], catalogue=ModelCatalog([]), generation=1).profiles


def test_a_profile_includes_others_as_they_present_themselves():
    made = compiled(
        one={"servers": {"a": {"tools": ["x"]}}, "instructions": "One.", "only": {"read_only": True}},
        two={"servers": {"b": {"only": {"idempotent": True}}}, "include": ["one"], "instructions": "Two."},
        three={"include": ["two"], "servers": {"b": {}}},
    )
    three = made["three"]
    assert list(three.servers) == ["a", "b"]
    assert three.servers["a"].tools == ["x"]
    assert three.servers["a"].only.read_only is True
    assert three.servers["b"].only is None  # as it stands here
    assert three.instructions == "Two.\n\nOne."
    assert list(made["one"].servers) == ["a"]


def test_a_disabled_profile_brings_nothing():
    made = compiled(one={"servers": {"a": {}}, "enabled": False}, two={"include": ["one"], "servers": {"b": {}}})
    assert list(made["two"].servers) == ["b"]


@pytest.mark.parametrize(
    ("profiles", "says"),
    [
        ({"p": {"include": ["p"]}}, "p -> p"),
        ({"p": {"include": ["q"]}, "q": {"include": ["r"]}, "r": {"include": ["p"]}}, "p -> q -> r -> p"),
        ({"p": {"include": ["nothing"]}}, "there is no profile 'nothing'"),
        (
            {"p": {"include": ["q", "r"]}, "q": {"servers": {"a": {}}}, "r": {"servers": {"a": {}}}},
            "'a' comes from both 'q' and 'r'",
        ),
        (
            {"p": {"only": {"read_only": True}, "servers": {"a": {"only": {"read_only": False}}}}},
            "'only.read_only' is True here and False there",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_composed_is_a_fault(profiles, says):
    with pytest.raises(InvalidSpec) as refused:
        compiled(**profiles)
    assert says in str(refused.value)


def test_two_includes_with_the_same_server_are_settled_by_saying_what_to_take():
    made = compiled(
        p={"include": ["q", "r"], "servers": {"a": {"tools": ["z"]}}},
        q={"servers": {"a": {}}},
        r={"servers": {"a": {}}},
    )
    assert made["p"].servers["a"].tools == ["z"]


# -- clients -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["p", "engineering", "a.b", "x" * 64, "y-" * 31 + "y"])
def test_every_client_gets_names_that_it_takes(name):
    made = view({"servers": {"a-server-with-a-long-name": {}}}, **{"a-server-with-a-long-name": offers("t" * 64, "x")})
    assert len(client_key(name)) <= 20
    most = budget(name)
    for public in made.tools:
        names = client_names(name, public[:most])
        assert all(len(names[client]) <= row.most for client, row in CLIENTS.items() if client != "claude-plugin")


def test_client_keys_differ_where_profiles_do():
    profiles = ["a.b", "a-b", "x" * 21, "x" * 22, "x" * 20]
    assert len({client_key(name) for name in profiles}) == len(profiles)
    assert client_key("engineering") == "engineering"
    assert client_names("demo", "a__x")["vscode"] == "mcp_demo_a__x"
