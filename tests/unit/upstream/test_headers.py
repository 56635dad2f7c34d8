"""What is read of a provider's headers."""

import dataclasses

import pytest
from msgspec.structs import replace

from hub.core.calls import Dialect
from hub.upstream.headers import request_headers, room_of
from tests.support.sending import call, deployment


def left(*pairs, prefix="x-ratelimit-"):
    return {f"{prefix}{name}": value for name, value in pairs}


@pytest.mark.parametrize(
    ("headers", "room"),
    [
        ({}, None),
        (left(("remaining-requests", "25"), ("limit-requests", "100")), 0.25),
        (
            left(
                ("remaining-requests", "90"),
                ("limit-requests", "100"),
                ("remaining-tokens", "10"),
                ("limit-tokens", "1000"),
            ),
            0.01,
        ),
        (left(("requests-remaining", "0"), ("requests-limit", "50"), prefix="anthropic-ratelimit-"), 0.0),
        (left(("input-tokens-remaining", "9"), ("input-tokens-limit", "10"), prefix="anthropic-ratelimit-"), 0.9),
        (left(("remaining-requests", "200"), ("limit-requests", "100")), 1.0),
        (left(("remaining-requests", "25")), None),
        (left(("remaining-requests", "25"), ("limit-requests", "0")), None),
        (left(("remaining-requests", "-1"), ("limit-requests", "100")), None),
        (left(("remaining-requests", "²"), ("limit-requests", "²")), None),
        (left(("remaining-requests", "9" * 5000), ("limit-requests", "9" * 5000)), None),
    ],
)
def test_what_is_left_of_the_tightest_limit(headers, room):
    assert room_of(headers) == room


@pytest.mark.parametrize(
    ("betas", "kept"),
    [
        (("*",), "claude-code-2025, effort-2025"),
        (("*", "!claude-code-*"), "effort-2025"),
        (("effort-*",), "effort-2025"),
        (("!*",), None),
        ((), None),
    ],
)
def test_betas_that_a_provider_would_refuse_are_held_back(betas, kept):
    headers = (("anthropic-beta", "claude-code-2025, effort-2025"), ("anthropic-version", "2023-06-01"))
    asked = replace(call(dialect=Dialect.ANTHROPIC_MESSAGES), headers=headers)
    sent = dict(request_headers(asked, deployment("https://a.test", betas=betas), Dialect.ANTHROPIC_MESSAGES, ""))
    assert (sent.get("anthropic-beta"), sent["anthropic-version"]) == (kept, "2023-06-01")


@pytest.mark.parametrize("own", ["", "team", "caller"])
def test_whose_account_is_charged_goes_with_the_credential(own):
    said = (("openai-organization", "org-1"), ("openai-project", "p-1"), ("openai-beta", "x=v1"))
    made = replace(call(), headers=said, credential=("authorization", "Bearer sk-mine"))
    target = dataclasses.replace(deployment("http://127.0.0.1"), own=own, secret="")
    sent = dict(request_headers(made, target, Dialect.OPENAI_CHAT, ""))
    assert ("openai-organization" in sent, "openai-project" in sent) == ((own == "caller",) * 2)
    assert sent["openai-beta"] == "x=v1"
    assert ("authorization" in sent) is (own == "caller")
