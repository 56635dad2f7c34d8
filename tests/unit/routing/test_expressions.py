"""Conditions in CEL: compiled when saved, refused by place, bounded, and never able to fail a call."""

import importlib

import pytest

from hub.core.principal import EVERYTHING, Access, Principal
from hub.core.refusal import InvalidSpec
from hub.resources import expressions
from hub.resources.snapshot import KeyGrant
from hub.routing import Conditions, explain, plan
from tests.unit.routing.hubs import grant, said
from tests.unit.routing.test_rules import PICTURE, first, ruled

ANN = KeyGrant("x", Principal("key:x", "key", key="x", user="ann", team="core", access=(Access(models=EVERYTHING),)))


def because(text, call, who=None, at=None):
    planned = plan(ruled({"cel": text}), who or grant(), call, at or Conditions())
    return planned.rules[0].because


@pytest.fixture
def cel():
    return pytest.importorskip("cel_expr_python.cel", reason="an extra, without wheels for every system")


TRUE = [
    ("model == 'routed' && key == 'x' && user == 'ann' && team in ['core', 'web']", said("routed")),
    ("headers['x-tier'].startsWith('gold') || tokens > 100000", said("routed", {"x-tier": "gold-1"})),
    ("has(headers.accept) && !has(headers.cookie)", said("routed", {"accept": "*/*", "cookie": "a=b"})),
    ("'project' in tags && tags.project.matches('^ap+ollo$')", said("routed", tags={"project": "apollo"})),
    ("tools && !images && !stream", said("routed", tools=[{"type": "function"}])),
    ("images ? tokens > 10 : false", said("routed", messages=PICTURE)),
    ("stream && size(headers) == 0", said("routed", stream=True)),
    ("now.getHours('Europe/Berlin') == 11 || now < timestamp('2100-01-01T00:00:00Z')", said("routed")),
]


@pytest.mark.parametrize(("text", "call"), TRUE, ids=[text[:24] for text, _ in TRUE])
def test_an_expression_looks_at_what_the_other_conditions_look_at(cel, text, call):
    assert because(text, call, ANN) == ""
    assert because(f"!({text})", call, ANN) == "cel"
    assert first(ruled({"cel": text}), call, ANN) == "local/qwen3"
    assert first(ruled({"cel": f"!({text})"}), call, ANN) == "openai/gpt-5-mini"


def test_an_expression_knows_how_much_of_a_budget_is_used(cel):
    at = Conditions(budget_used=lambda principal, model: 79.9 if (principal.key, model) == ("x", "routed") else 0.0)
    assert because("budget_used == 79", said("routed"), ANN, at) == ""
    assert because("budget_used > 79", said("routed"), ANN, at) == "cel"


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "x-hub-key", "x-goog-api-key", "cookie"])
def test_an_expression_never_sees_a_credential(cel, name):
    assert because(f"'{name}' in headers", said("routed", {name: "secret"})) == "cel"


FAULTS = [
    ("model == 3", "line 1, column 7: found no matching overload for '_==_' applied to '(string, int)'"),
    ("tokens >\n  nope", "line 2, column 3: undeclared reference to 'nope'"),
    ("model +", "line 1, column 8: Syntax error"),
    ("tokens + 1", "a condition is true or false, this is int"),
    ("dyn(tools)", "a condition is true or false, this is dyn"),
    ("(" * 200 + "true" + ")" * 200, "this is not an expression"),
    ("true\0", "Syntax error"),
    ("x" * 1001, "1000 characters"),
    ("", "1 character"),
    *(
        (text, "undeclared reference")
        for text in (
            "headers.exists(h, true)",
            "['a'].map(x, x + x).size() > 0",
            "['a'].map//\n(x, x + x).size() > 0",
            "[1, 2].all(x, x > 0)",
            "[1, 2].filter(x, x > 0) == []",
            "[1].exists_one(x, x > 0)",
        )
    ),
]


@pytest.mark.parametrize(("text", "told"), FAULTS, ids=range(len(FAULTS)))
def test_what_does_not_compile_is_refused_by_its_place(cel, text, told):
    with pytest.raises(InvalidSpec) as refused:
        ruled({"cel": text})
    assert "main.rules.0.when.cel" in str(refused.value)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("headers['x-tier'] == 'gold'", "cel: the call has no such header or tag"),
        ("tags.project == 'apollo'", "cel: the call has no such header or tag"),
        ("tokens / 0 == 1", "cel: INVALID_ARGUMENT"),
        ("int(model) == 1", "cel: INVALID_ARGUMENT"),
        ("model.matches('(')", "cel: INVALID_ARGUMENT"),
    ],
)
def test_an_expression_that_fails_on_a_call_does_not_hold_and_says_why(cel, text, told):
    hub = ruled({"cel": text})
    planned = plan(hub, grant(), said("routed"), Conditions())
    assert planned.attempts[0].target == "openai/gpt-5-mini"
    assert explain(hub, planned, 1)["rules"] == [{"rule": "main/it", "holds": False, "because": told}]


def test_what_the_library_throws_does_not_reach_the_call_nor_its_words_the_ledger(cel):
    class Broken:
        def eval(self, data):
            raise MemoryError(data["model"])

    assert expressions.Expression(Broken(), cel.Type.ERROR).failing({"model": "private"}) == "cel: it failed"


def test_text_that_cannot_be_encoded_does_not_fail_a_call(cel):
    assert because("'t' in tags && tags.t == 'a'", said("routed", tags={"t": "\ud800"})).startswith("cel: ")


def test_all_conditions_must_hold_beside_an_expression(cel):
    hub = ruled({"cel": "tokens > 0", "tools": True})
    assert [seen.because for seen in plan(hub, grant(), said("routed")).rules] == ["tools"]


def test_without_the_extra_it_is_named_and_rules_without_expressions_work(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(InvalidSpec, match=r"pip install 'agent-tool-hub\[cel\]'"):
        ruled({"cel": "tokens > 4321"})
    assert first(ruled({"tokens_over": 100_000}), said("routed")) == "openai/gpt-5-mini"
