"""Whose a question is stands before what people read; everything else passes as it came."""

import json

import pytest

from hub.profile import named_question, named_questions


def test_a_form_and_a_page_are_named_and_all_else_of_them_stays():
    params = b'{"message":"Who?","requestedSchema":{"x":1.50},"mode":"url"}'
    assert named_question("git", "elicitation/create", params) == params.replace(b"Who?", b"git: Who?")


@pytest.mark.parametrize("params", [b"{}", b'{"message":5}', b'{"message":""}', b"[]"])
def test_a_question_without_words_stays(params):
    assert named_question("git", "elicitation/create", params) == params


def test_a_question_for_a_model_is_not_changed():
    params = b'{"messages":[],"message":"Who?"}'
    assert named_question("git", "sampling/createMessage", params) is params


def test_the_questions_of_a_round_are_named_each():
    asks = {name: {"method": "elicitation/create", "params": {"message": name}} for name in ("a", "b")}
    asks["c"] = {"method": "roots/list"}
    result = {"resultType": "input_required", "inputRequests": asks, "requestState": "s"}
    named = json.loads(named_questions("git", json.dumps(result).replace(": ", ":").encode()))
    assert [named["inputRequests"][name]["params"]["message"] for name in ("a", "b")] == ["git: a", "git: b"]
    assert (named["requestState"], named["inputRequests"]["c"]["method"]) == ("s", "roots/list")


@pytest.mark.parametrize(
    "result",
    [
        b'{"content":[{"text":"\\"input_required\\""}]}',
        b'{"resultType":"input_required","requestState":"s"}',
        b'{"resultType":"complete","x":"input_required","inputRequests":{"a":{}}}',
        b'{"resultType":"input_required","inputRequests":5}',
    ],
)
def test_what_asks_nothing_is_not_touched(result):
    assert named_questions("git", result) is result
