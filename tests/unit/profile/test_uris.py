"""URIs in a profile: legal, reversible, the same in lists and in results; and not a byte else of a result is touched."""

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.principal import EVERYTHING, NOTHING, Access, Globs, Principal
from hub.profile import Address, Kind, compose
from hub.profile.uris import UriSpace, template_matcher
from hub.resources import parse
from tests.support.mcp_desk import tool

ALL = Principal("key:all", "key", access=(Access(EVERYTHING, EVERYTHING, EVERYTHING),))
SPACE = UriSpace(frozenset({"alpha", "beta", "a_1"}))


@dataclass
class Raw:
    raw: bytes
    name: str = ""
    uri: str = ""
    mirrored: tuple = ()


@dataclass
class Offer:
    """What a server offers, with more than tools."""

    tools: tuple = ()
    prompts: tuple = ()
    resources: tuple = ()
    templates: tuple = ()
    instructions: str = ""
    state: str = "ready"
    since: float = 0.0
    error: str = ""


def offer(*, tools=(), prompts=(), resources=(), templates=()):
    return Offer(
        tools=tuple(Raw(bytes(tool(**one)), one["name"]) for one in tools),
        prompts=tuple(Raw(json.dumps({"name": one}).encode(), one) for one in prompts),
        resources=tuple(Raw(json.dumps({"uri": one, "name": "r"}).encode(), uri=one) for one in resources),
        templates=tuple(Raw(json.dumps({"uriTemplate": one, "name": "t"}).encode(), uri=one) for one in templates),
    )


def view(spec, **offers):
    return compose("p", parse("profiles", "p", spec), offers)


def listed(made, kind, principal=ALL):
    return json.loads(made.listing(principal, kind))


BOTH = {"servers": {"alpha": {}, "beta": {}}}


@pytest.mark.parametrize(
    ("own", "public"),
    [
        ("demo://status", "demo://alpha/status"),
        ("demo://", "demo://alpha/"),
        ("file:///home/a b", "file://alpha//home/a b"),
        ("ui://widget/x.html", "ui://alpha/widget/x.html"),
        ("urn:isbn:1", "urn:alpha/isbn:1"),
        ("demo://x/{id}{?q}", "demo://alpha/x/{id}{?q}"),
        ("https://example.com/a", "https://example.com/a"),
        ("no scheme", "no scheme"),
        ("{+uri}", "{+uri}"),
    ],
)
def test_a_uri_gets_its_servers_name_under_its_own_scheme(own, public):
    assert SPACE.public("alpha", own) == public
    if public != own:
        assert SPACE.split(public) == ("alpha", own)
        assert urlsplit(public).scheme == urlsplit(own).scheme


@given(st.sampled_from(["alpha", "beta", "a_1"]), st.from_regex(r"[a-z][a-z0-9+.-]{0,8}:(//)?.{0,30}", fullmatch=True))
def test_every_namespaced_uri_finds_its_way_back(server, own):
    public = SPACE.public(server, own)
    assert public == own or SPACE.split(public) == (server, own)


def test_the_same_uri_of_two_servers_leads_to_each():
    made = view(BOTH, alpha=offer(resources=["demo://s"]), beta=offer(resources=["demo://s", "demo://only"]))
    assert [entry["uri"] for entry in listed(made, Kind.RESOURCES)] == [
        "demo://alpha/s",
        "demo://beta/only",
        "demo://beta/s",
    ]
    assert made.find_resource("demo://alpha/s") == Address("alpha", "demo://s")
    assert made.find_resource("demo://beta/s") == Address("beta", "demo://s")
    assert made.find_resource("demo://s") is None  # whose?
    assert made.find_resource("demo://only") == Address("beta", "demo://only")
    assert made.find_resource("demo://gamma/s") is None


def test_unlisted_uris_and_expansions_of_templates_are_read_too():
    made = view(BOTH, alpha=offer(templates=["demo://doc/{id}"]), beta=offer(resources=["demo://s"]))
    assert listed(made, Kind.TEMPLATES)[0]["uriTemplate"] == "demo://alpha/doc/{id}"
    assert made.find_resource("demo://alpha/doc/7") == Address("alpha", "demo://doc/7")
    assert made.find_resource("demo://doc/7") == Address("alpha", "demo://doc/7")
    assert made.find_resource("demo://doc/7/8") is None
    assert made.find_resource("demo://beta/never/listed") == Address("beta", "demo://never/listed")


def test_a_listed_web_address_is_its_servers_and_another_one_is_the_webs():
    made = view(BOTH, alpha=offer(resources=["https://a.example/x"]), beta=offer())
    assert listed(made, Kind.RESOURCES)[0]["uri"] == "https://alpha/a.example/x"
    result = b'{"content":[{"type":"resource_link","uri":"https://b.example/"}]}'
    assert made.incoming("alpha", result) == result


def test_an_identity_profile_shows_everything_as_it_is():
    made = view(
        {"servers": {"alpha": {}}, "prefix": "never"},
        alpha=offer(
            tools=[{"name": "t", "_meta": {"ui": {"resourceUri": "ui://w"}}}], resources=["demo://s", "ui://w"]
        ),
    )
    assert [entry["uri"] for entry in listed(made, Kind.RESOURCES)] == ["demo://s", "ui://w"]
    assert listed(made, Kind.TOOLS)[0]["_meta"]["ui"]["resourceUri"] == "ui://w"
    assert made.find_resource("demo://unlisted") == Address("alpha", "demo://unlisted")
    result = b'{"contents":[{"uri":"demo://s"}]}'
    assert made.incoming("alpha", result) is result


RESULT = b"""{ "content" : [
  {"type":"resource_link","uri":"demo://x", "name":"uri", "_meta":{"uri":"demo://x"}},
  {"type":"resource","resource":{"mimeType":"t","uri" : "demo:\\/\\/y","text":"{\\"uri\\":\\"demo://z\\"}"}},
  {"type":"text","text":"\\"uri\\": \\"demo://t\\" \\\\"} ],
 "structuredContent":{"uri":"demo://s","content":[{"uri":"demo://s"}]},
 "_meta":{"ui":{"resourceUri":"ui://w"},"ui/resourceUri":"ui://w","uri":"demo://m"}, "n": 1.50 }"""


def test_only_the_uris_of_a_result_change():
    made = view(BOTH, alpha=offer(), beta=offer())
    expected = (
        RESULT.replace(b'link","uri":"demo://x"', b'link","uri":"demo://alpha/x"')
        .replace(b'"demo:\\/\\/y"', b'"demo://alpha/y"')
        .replace(b"ui://w", b"ui://alpha/w")
    )
    assert made.incoming("alpha", RESULT) == expected
    prompt = b'{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"demo://x","text":""}}}]}'
    assert made.incoming("beta", prompt) == prompt.replace(b"demo://x", b"demo://beta/x")
    read = b'{"contents":[{"uri":"demo://x","blob":"%b"}]}' % (b"A" * 1000)
    assert made.incoming("beta", read) == read.replace(b"demo://x", b"demo://beta/x")
    plain = b'{"content":[{"type":"text","text":"uri"}]}'
    assert made.incoming("beta", plain) is plain


json_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=8) | st.sampled_from(["demo://x", "uri"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["uri", "content", "resource", "_meta", "ui", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["content", "contents", "messages", "uri", "x"]), json_values, max_size=4))
def test_any_result_stays_json_and_goes_back(value):
    data = json.dumps(value).encode()
    made = UriSpace(frozenset({"alpha"})).within("alpha", data)
    assert json.loads(made.replace(b"demo://alpha/x", b"demo://x")) == value


@pytest.mark.parametrize(
    ("template", "uri", "fits"),
    [
        ("a://{x}", "a://1", True),
        ("a://{x}", "a://1/2", False),
        ("a://{+x}", "a://1/2", True),
        ("a://b{/x,y}", "a://b/1/2", True),
        ("a://b{?q}", "a://b?q=1", True),
        ("a://b{?q}", "a://b", True),
        ("a://b.c/{x}", "a://bxc/1", False),
        ("a://{x", "a://{x", True),
        ("a://" + "{x}" * 900, "a://1", False),
    ],
)
def test_templates_match_their_expansions(template, uri, fits):
    assert template_matcher(template)(uri) is fits


def test_prompts_are_named_like_tools_and_need_a_grant_like_them():
    made = view(BOTH, alpha=offer(prompts=["p", "q"]), beta=offer(prompts=["p"]))
    assert [entry["name"] for entry in listed(made, Kind.PROMPTS)] == ["alpha__p", "alpha__q", "beta__p"]
    assert made.find_prompt("q") is made.find_prompt("alpha__q")
    assert made.find_prompt("p") is None
    assert (made.find_prompt("beta__p").server, made.find_prompt("beta__p").own) == ("beta", "p")
    narrow = Principal("k", "key", access=(Access(NOTHING, EVERYTHING, Globs(("alpha/p",))),))
    assert [entry["name"] for entry in listed(made, Kind.PROMPTS, narrow)] == ["alpha__p"]
