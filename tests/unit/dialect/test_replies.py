"""Whole replies and error bodies, per dialect."""

import json

import pytest

from hub.core.calls import Dialect
from hub.core.refusal import (
    Forbidden,
    Malformed,
    NotFound,
    Throttled,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UpstreamFailed,
)
from hub.core.usage import Usage
from hub.dialect import WIRES, error_body, gemini_error
from tests.unit.dialect.recorded import OPENAI_USAGE

CHAT, MESSAGES = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES


def usage(dialect, body):
    return WIRES[dialect].usage(json.dumps(body).encode() if not isinstance(body, bytes) else body)


def test_usage_of_whole_replies():
    assert usage(CHAT, {"model": "m", "choices": [], "usage": OPENAI_USAGE}).prompt == 100
    assert usage(CHAT, {"usage": {"prompt_tokens": 3, "completion_tokens": 2}}) == Usage(input=3, output=2)
    told = {"input_tokens": 5, "output_tokens": 6, "cache_creation_input_tokens": 8, "cache_read_input_tokens": None}
    assert usage(MESSAGES, {"usage": told}) == Usage(input=5, output=6, cache_write_5m=8)


def test_replies_without_usage():
    for dialect in (CHAT, MESSAGES):
        assert usage(dialect, {"id": "x"}) is None
        assert usage(dialect, {"usage": None}) is None
        assert usage(dialect, {"usage": "many"}) is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"nope", b'"x"', b'{"usage":', b"data: {}\n\n", b"\xff"])
def test_what_is_no_json_object_is_a_broken_protocol(body):
    for dialect in (CHAT, MESSAGES):
        with pytest.raises(UpstreamFailed) as caught:
            usage(dialect, body)
        assert caught.value.code == "upstream_protocol"


def test_usage_that_does_not_add_up_never_goes_below_zero():
    odd = {"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}}
    assert usage(CHAT, {"usage": odd}).input == 0
    odd = {"input_tokens": 1, "output_tokens": 2, "output_tokens_details": {"thinking_tokens": 9}}
    assert usage(MESSAGES, {"usage": odd}).completion == 2


REFUSALS = [
    (
        Malformed("malformed", "The field 'model' is wrong."),
        "invalid_request_error",
        "invalid_request_error",
        "INVALID_ARGUMENT",
    ),
    (Unauthenticated("invalid_key", "No."), "authentication_error", "authentication_error", "UNAUTHENTICATED"),
    (Forbidden("model_not_allowed", "No."), "permission_error", "permission_error", "PERMISSION_DENIED"),
    (NotFound("model_not_found", "No."), "not_found_error", "not_found_error", "NOT_FOUND"),
    (TooLarge("body_too_large", "No."), "invalid_request_error", "request_too_large", "INVALID_ARGUMENT"),
    (Throttled("rate_limited", "No."), "rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED"),
    (Throttled("budget_exhausted", "No."), "insufficient_quota", "billing_error", "RESOURCE_EXHAUSTED"),
    (UpstreamFailed("upstream_error", "No."), "api_error", "api_error", "UNAVAILABLE"),
    (UpstreamFailed("upstream_timeout", "No.", status=504), "api_error", "timeout_error", "DEADLINE_EXCEEDED"),
    (Unavailable("overloaded", "No."), "overloaded_error", "overloaded_error", "UNAVAILABLE"),
]


@pytest.mark.parametrize(("refusal", "openai", "anthropic", "gemini"), REFUSALS)
def test_refusals_in_the_words_of_each_dialect(refusal, openai, anthropic, gemini):
    body = json.loads(error_body(CHAT, refusal, "req-1"))
    assert body["error"]["type"] == openai
    assert body["error"]["code"] == refusal.code
    assert body["error"]["message"] == refusal.message
    assert body["request_id"] == "req-1"
    body = json.loads(error_body(MESSAGES, refusal, "req-1"))
    assert (body["type"], body["error"]["type"], body["error"]["code"]) == ("error", anthropic, refusal.code)
    assert body["request_id"] == "req-1"
    body = json.loads(gemini_error(refusal, "req-1"))["error"]
    assert (body["code"], body["status"], body["message"]) == (refusal.status, gemini, refusal.message)
    assert body["details"][0]["reason"] == refusal.code
    assert body["details"][0]["metadata"]["request_id"] == "req-1"


def test_openai_names_the_field():
    assert json.loads(error_body(CHAT, REFUSALS[0][0], "r"))["error"]["param"] == "model"
    assert json.loads(error_body(CHAT, REFUSALS[3][0], "r"))["error"]["param"] is None
