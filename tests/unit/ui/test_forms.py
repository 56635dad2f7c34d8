import itertools
from html.parser import HTMLParser

import pytest
from jinja2 import Environment, PackageLoader, StrictUndefined

from hub.core.refusal import Fault, InvalidSpec
from hub.resources import KINDS
from hub.resources.kinds import dump, parse
from hub.ui.conditions import KINDS as CONDITIONS
from hub.ui.forms import ABSENT, faults_within, fields, is_plain_lines, number, read, with_row
from hub.ui.shapes import schema_shapes, shapes_of
from hub.ui.words import FILTERS

SPECS = {
    "providers": {"kind": "openai-compatible", "base_url": "http://127.0.0.1:9/v1", "allow_private": True, "headers": {"x-a": "b"}, "models": ["a", "b*"], "timeouts": {"connect": 2.5}},
    "models": {"title": "Fast", "targets": [{"model": "demo/a", "priority": 0, "weight": 80}, {"model": "demo/b", "weight": 20}], "price": {"input": "0.10"}, "max_output_tokens": 4096, "enabled": False},
    "routes": {"targets": [{"model": "demo/a"}], "timeouts": {"total": 30.0}, "rules": [
        {"name": "eu", "when": {"headers": {"x-env": "prod-*", "x-b": "*"}, "tags": {"env": "eu"}, "models": ["fast", "g*"], "teams": ["a"], "keys": ["ci"], "users": ["ann"], "tokens_over": 10}, "targets": [{"model": "demo/b"}]},
        {"name": "rest", "when": {"tools": False, "images": True, "stream": False, "tokens_under": 5, "hours": {"days": ["mon", "sun"], "start": "08:00"}, "share": 2.5}, "route": "other"},
        {"name": "all", "targets": [{"model": "demo/a", "weight": 3}], "enabled": False}]},
    "servers": {"command": ["python", "-c", "print(1)\nprint(2)", " x "], "env": {"A": "b c", "B": "two\nlines"}, "timeouts": {"call": 5.0}, "title": "T", "categories": ["code"]},
    "profiles": {"title": "Both", "security": "none", "servers": {"time": {}, "git": {"tools": ["get_*", "!*_delete*"], "rename": {"get.me": "whoami"}, "arguments": {"list": {"region": "eu"}}}}},
    "teams": {"models": ["fast", "demo/*"], "profiles": [], "title": "Platform"},
    "users": {"email": "ann@example.com", "role": "admin", "teams": {"platform": "owner"}, "enabled": False},
    "keys": {"team": "platform", "user": "ann", "secret": "env:KEY", "expires_at": "2027-01-31T00:00:00Z", "routes": ["r*"]},
    "budgets": {"scope": {"team": "platform"}, "usd": 200.5, "alerts": [50, 80], "period": "week"},
    "limits": {"scope": {"org": True}, "rpm": 600},
    "guardrails": {"scope": {"tool": "a/b"}, "on": ["input", "tool_call"], "patterns": ["a+$"], "words": ["x y"]},
    "announcements": {"title": "Hello", "body": "Two\nlines", "starts_at": "2027-01-31T00:00:00Z"},
    "exports": {"title": "Copy"},
}  # fmt: skip


class Inputs(HTMLParser):
    """What a browser would send of a form: names and values of its successful controls."""

    def __init__(self):
        super().__init__()
        self.sent = {}
        self._area = self._select = None
        self._text = ""
        self._option = None

    def _add(self, name, value):
        self.sent.setdefault(name, []).append(value)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "input" and given.get("name"):
            if given.get("type") != "checkbox" or "checked" in given:
                self._add(given["name"], given.get("value") or "")
        elif tag == "textarea":
            self._area, self._text = given["name"], ""
        elif tag == "select":
            self._select, self._chosen, self._first = given["name"], None, None
        elif tag == "option":
            self._close_option()
            self._option, self._text = given, ""

    def _close_option(self):
        if self._option is not None:
            value = self._option.get("value", self._text.strip())
            self._first = value if self._first is None else self._first
            if "selected" in self._option:
                self._chosen = value
            self._option = None

    def handle_endtag(self, tag):
        if tag == "textarea":
            self._add(self._area, self._text.removeprefix("\n"))
        elif tag in ("option", "select"):
            self._close_option()
            if tag == "select":
                self._add(self._select, self._first if self._chosen is None else self._chosen)

    def handle_data(self, data):
        self._text += data


@pytest.fixture(scope="module")
def widgets():
    environment = Environment(
        loader=PackageLoader("hub.ui"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(FILTERS)
    environment.tests["plain_lines"] = is_plain_lines
    environment.globals["CONDITIONS"] = CONDITIONS
    environment.globals["kit"] = environment.get_template("kit.html").module
    return environment.get_template("fields.html").module


def posted(widgets, kind, spec):
    inputs = Inputs()
    inputs.feed(str(widgets.all(fields(shapes_of(kind), spec), {})))
    return inputs.sent


def test_there_is_a_sample_of_every_kind():
    assert set(SPECS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_form_that_is_sent_as_it_was_shown_changes_nothing(widgets, kind):
    for spec in (SPECS[kind], dump(parse(kind, "x", SPECS[kind]))):
        assert read(shapes_of(kind), posted(widgets, kind, spec), spec) == spec


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_form_says_nothing_that_is_not_needed(widgets, kind):
    said = read(shapes_of(kind), posted(widgets, kind, {}), {})
    needed = {shape.name for shape in shapes_of(kind) if not shape.optional}
    assert set(said) <= needed


def test_what_cannot_be_read_is_kept_as_it_was_typed():
    shapes = shapes_of("budgets")
    spec = read(
        shapes,
        {"spec.enabled": ["on"], "spec.usd": ["a lot"], "spec.scope.@kind": ["team"], "spec.scope.@name": ["x"]},
        {},
    )
    assert spec == {"usd": "a lot", "scope": {"team": "x"}}
    assert read(
        shapes_of("profiles"),
        {
            "spec.enabled": ["on"],
            "spec.servers.@row": ["0"],
            "spec.servers.0.@key": ["a"],
            "spec.servers.0.arguments": ["{no"],
        },
        {},
    ) == {"servers": {"a": {"arguments": "{no"}}}
    assert [number(text) for text in ("7", "7.5", "nan", "x", "1e400")] == [7, 7.5, "nan", "x", "1e400"]


def test_a_fault_stands_at_its_field():
    raw = {"targets": [{"model": "demo/a"}, {"model": "nonsense", "weight": -1}], "context_window": "many"}
    with pytest.raises(InvalidSpec) as refused:
        parse("models", "m.x", raw)
    own, others = faults_within("models", "m.x", refused.value.faults)
    shown = {field.shape.name: field for field in fields(shapes_of("models"), raw, own)}
    assert others == []
    assert shown["context_window"].wrong
    assert shown["context_window"].value == "many"
    first, second = shown["targets"].rows
    assert not any(field.wrong for field in first[1])
    assert [field.shape.name for field in second[1] if field.wrong] == ["model", "weight"]
    assert shown["targets"].wrong == ()


def test_a_fault_of_the_whole_is_told_at_the_top():
    own, others = faults_within("servers", "a", [Fault("servers.a", "exactly one"), Fault("keys.b.team", "gone")])
    assert (own, others) == ([], ["exactly one", "keys.b.team: gone"])


def test_a_team_that_is_added_to_a_person_begins_with_the_role_that_may_least(widgets):
    assert posted(widgets, "users", {})["spec.teams.@value"] == ["viewer"]
    assert posted(widgets, "users", {"teams": {"a": "owner"}})["spec.teams.@value"] == ["owner", "viewer"]


def test_a_name_that_is_typed_beside_add_counts_though_nobody_pressed_it_and_wipes_nothing():
    typed = {
        "spec.enabled": ["on"],
        "spec.servers.@row": ["0"],
        "spec.servers.0.@key": ["a"],
        "spec.servers.0.tools": ["t"],
    }
    for name, servers in (("b", {"a": {"tools": ["t"]}, "b": {}}), (" a ", {"a": {"tools": ["t"]}})):
        assert read(shapes_of("profiles"), {**typed, "spec.servers.@new": [name]}, {}) == {"servers": servers}


def test_rows_are_added_where_they_belong():
    assert with_row({"targets": [{"model": "a"}]}, "spec.targets") == {"targets": [{"model": "a"}, {}]}
    assert with_row({"rules": [{"targets": []}]}, "spec.rules.0.targets") == {"rules": [{"targets": [{}]}]}


def test_the_schema_of_any_tool_becomes_a_form():
    hostile = {
        "properties": {"a": {"type": "string"}, "b": {"$ref": "#/$defs/B"}, "c": {"anyOf": [{"type": "integer"}, {"type": "string"}]}, "d": True, "e": {"type": ["string", "null"]}, "loop": {"$ref": "#/$defs/Loop"}},
        "$defs": {"B": {"type": "object", "properties": {"x": {"type": "boolean"}}}, "Loop": {"$ref": "#/$defs/Loop"}},
    }  # fmt: skip
    assert [shape.widget for shape in schema_shapes(hostile)] == ["text", "group", "json", "json", "text", "json"]
    assert schema_shapes({}) == ()
    deep = {"type": "object"}
    for _ in range(500):
        deep = {"type": "object", "properties": {"x": deep}}
    assert schema_shapes(deep)


def test_absent_is_nothing_else():
    assert all(ABSENT is not value for value in (None, "", [], {}, 0))


def test_ids_of_a_form_are_unique(widgets):
    for kind, spec in SPECS.items():
        html = str(widgets.all(fields(shapes_of(kind), spec), {}))
        ids = [part.partition('"')[0] for part in html.split(' id="')[1:]]
        doubled = [one for one, group in itertools.groupby(sorted(ids)) if len(list(group)) > 1]
        assert doubled == [], (kind, doubled)
