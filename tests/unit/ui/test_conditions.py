"""The conditions of a rule as rows: typed text stays, and an empty condition is never saved as none."""

import pytest

from hub.core.refusal import Fault, InvalidSpec
from hub.resources.kinds import parse
from hub.resources.rules import WhenSpec
from hub.ui.conditions import KINDS, missed, read_conditions, rows_of, shown, told, unfinished, with_condition
from hub.ui.forms import faults_within, fields, with_when
from hub.ui.shapes import shapes_of
from hub.ui.typed import ABSENT
from hub.ui.words import targets_told, tiers


def form(*rows):
    sent = {"when.@row": [str(place) for place in range(len(rows))]}
    for place, (kind, typed) in enumerate(rows):
        sent[f"when.{place}.@kind"] = [kind]
        for name, value in typed.items():
            sent[f"when.{place}.{name}"] = value if isinstance(value, list) else [value]
    return sent


def header(name, value):
    return "header", {"name": name, "@value": value}


def test_what_is_typed_twice_or_by_half_stays_on_the_page():
    made = read_conditions(
        "when", form(header("x-a", "1"), header("x-a", "2"), header("", "lost?"), ("tokens", {"over": "many"})), {}
    )
    assert [row.value for row in made.rows] == [("x-a", "1"), ("x-a", "2"), ("", "lost?"), ("many", "")]
    told = {fault.path: fault.message for fault in unfinished({"rules": [{"when": made}]})}
    assert list(told) == ["rules.0.when.@1", "rules.0.when.@2"]
    assert "already" in told["rules.0.when.@1"]
    assert made["tokens_over"] == "many"  # for the API to say what is wrong with it


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_kind_of_condition_begins_as_something_that_is_asked_or_ready(kind):
    made = with_condition({}, kind.name)
    faults = list(unfinished(made))
    if kind.input in ("yes", "hours"):
        assert faults == []
        assert parse("routes", "r", {"rules": [{"name": "a", "when": dict(made), "route": "b"}]})
    else:
        assert len(faults) == 1
        assert "remove this condition" in faults[0].message


def test_one_of_a_kind_stands_once_and_headers_as_often_as_wanted():
    assert len(rows_of(with_condition({"models": ["a"]}, "model"))) == 1
    assert len(rows_of(with_condition({"headers": {"x": "y"}}, "header"))) == 2
    assert with_condition({"models": ["a"]}, "no-such-kind") == {"models": ["a"]}
    grown = with_when({"rules": [{"name": "a"}, {"name": "b"}]}, "spec.rules.1.when", "tools")
    assert grown == {"rules": [{"name": "a"}, {"name": "b", "when": {"tools": True}}]}


def test_no_condition_is_nothing_and_what_was_said_outright_stays():
    assert read_conditions("when", {}, ABSENT) is ABSENT
    assert read_conditions("when", {}, {"models": [], "share": None}) == {"models": [], "share": None}
    assert read_conditions("when", {}, {"models": ["a"], "share": 5}) == {}


def test_a_fault_of_the_api_stands_at_its_row():
    when = {
        "headers": {"x-a": "1", "authorization": "2"},
        "hours": {"days": ["mon"], "start": "25:00"},
        "tokens_over": -1,
        "share": 500,
    }
    raw = {"rules": [{"name": "a", "when": when, "route": "b"}]}
    with pytest.raises(InvalidSpec) as refused:
        parse("routes", "r", raw)
    own, _ = faults_within("routes", "r", refused.value.faults)
    (rules,) = (field for field in fields(shapes_of("routes"), raw, own) if field.shape.name == "rules")
    (conditions,) = (field for field in rules.rows[0][1] if field.shape.name == "when")
    wrong = {row.kind.name for row in conditions.value if row.wrong}
    assert wrong == {"header", "tokens", "time", "share"}
    assert rules.wrong == conditions.wrong == ()


def test_a_fault_of_no_row_is_told_of_the_whole():
    rows, whole = shown({"tools": True}, [Fault("when", "odd"), Fault("when.models", "odder")], "when")
    assert whole == ("odd", "odder")
    assert rows[0].wrong == ()


def test_tiers_of_what_is_being_typed_leave_out_what_is_no_number_yet():
    typed = [
        {"model": "a/x", "weight": 3},
        {"model": "", "weight": 1},
        {"model": "b/y", "priority": 2},
        {"model": "c/z", "weight": "many"},
        {"model": "d/w", "weight": 0, "priority": 5},
        {},
    ]
    drawn = [[(one["target"], one["share"]) for one in tier] for tier in tiers(typed)]
    assert drawn == [[("a/x", 0.6), ("…", 0.2), ("…", 0.2)], [("b/y", 1.0)]]
    assert tiers("nonsense") == []


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, ""),
        ({"headers": {"x-env": "prod-*"}, "teams": ["a", "b"]}, "header x-env is prod-* and team is a or b"),
        ({"tokens_over": 1000}, "the prompt has more than 1000 tokens"),
        ({"tokens_over": 1, "tokens_under": 9}, "the prompt has more than 1 and fewer than 9 tokens"),
        ({"tools": True, "images": False}, "the call offers tools and the call holds none"),
        ({"hours": {"start": "20:00"}}, "it is any day from 20:00 to 24:00 (UTC)"),
        ({"hours": {"days": ["mon", "tue"]}}, "it is Mon, Tue from 00:00 to 24:00 (UTC)"),
        ({"budget_used_over": 80}, "more than 80 % of a budget is used"),
        ({"share": 5}, "it is among 5 % of the calls, by session"),
    ],
)
def test_conditions_are_told_as_a_sentence(spec, said):
    assert told(spec) == told(rows_of(spec)) == said


@pytest.mark.parametrize(
    ("because", "said"),
    [
        ("headers.x-env", "the header x-env is not as it asks"),
        ("tags.of.two", "the tag of.two is not as it asks"),
        ("models", "the model asked for is not one of those it names"),
        ("tokens_over", "the prompt has too few tokens"),
        ("stream", "the call is not as it asks about streaming"),
        ("cel", "its expression is not true"),
        ("cel: the call has no such header or tag", "its expression fails: the call has no such header or tag"),
    ],
)
def test_what_kept_a_rule_from_deciding_is_told_in_plain_words(because, said):
    assert missed(because) == said


@pytest.mark.parametrize("condition", WhenSpec.model_fields)
def test_no_condition_that_is_missed_is_told_by_the_name_of_its_field(condition):
    assert missed(condition).startswith(("the ", "it ", "its "))


def test_targets_are_told_in_a_line():
    targets = [{"model": "a/x", "weight": 3}, {"model": "a/y"}, {"model": "b/z", "priority": 1}]
    assert targets_told(targets) == "a/x 75 % and a/y 25 %, then b/z"
    assert targets_told([]) == "nowhere yet"


def test_an_expression_is_a_row_of_its_own_and_its_fault_stands_there():
    text = "tokens > 5 && model == 'a'"
    made = read_conditions("when", form(("cel", {"@value": f" {text} "}), ("tools", {"@value": "yes"})), {})
    assert made == {"cel": text, "tools": True}
    assert told({"cel": text}) == f"this is true: {text}"
    (row, _), whole = shown(made, [Fault("when.cel", "line 1, column 1: no")], "when")
    assert (row.wrong, whole) == (("line 1, column 1: no",), ())
