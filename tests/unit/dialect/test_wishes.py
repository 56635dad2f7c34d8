"""What a Responses call wishes of OpenAI's own servers is named when it goes elsewhere, and only then."""

import pytest

from hub.dialect.given import Notes
from hub.dialect.responses_to_neutral import read_request


@pytest.mark.parametrize(
    ("said", "dropped"),
    [
        ({"store": True, "truncation": "auto", "background": True}, {"store", "truncation", "background"}),
        ({"store": False, "truncation": "disabled", "background": False}, set()),
        ({"store": None, "truncation": None}, set()),
        ({}, set()),
    ],
)
def test_a_wish_that_nobody_fulfils_is_named(said, dropped):
    notes = Notes()
    read_request({"model": "m", "input": "hello", **said}, notes)
    assert set(notes.names) == dropped
