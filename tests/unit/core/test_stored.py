"""Which response an answer is, and which one a call goes on with."""

import json

import pytest

from hub.core.stored import before, made
from tests.support.translating import CHAT, RESPONSES, call_of

ITEM = {"id": "msg_1", "type": "message"}


def test_an_answer_is_known_by_its_own_id():
    whole = {"id": "resp_1", "output": [ITEM]}
    assert made(json.dumps(whole).encode(), stream=False) == "response\0resp_1"
    event = {"type": "response.created", "sequence_number": 0, "response": {"object": "response", **whole}}
    for separators in ((",", ":"), (", ", ": ")):
        told = b"event: response.created\ndata: " + json.dumps(event, separators=separators).encode() + b"\n\n"
        assert made(told, stream=True) == "response\0resp_1"


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"id":1}', b'{"id":"' + b"x" * 300 + b'"}', b'{"id":"\\u0000"}'])
def test_what_has_no_id_is_not_remembered(answer):
    assert made(answer, stream=False) == ""
    assert made(answer, stream=True) == ""


@pytest.mark.parametrize(
    ("told", "name"), [("resp_1", "response\0resp_1"), (None, ""), (7, ""), ("x" * 300, ""), (["resp_1"], "")]
)
def test_a_call_goes_on_with_what_it_names(told, name):
    body = {"model": "m", "input": "hi", "previous_response_id": told}
    assert before(call_of(RESPONSES, body)) == name
    assert before(call_of(CHAT, {**body, "messages": []})) == ""
