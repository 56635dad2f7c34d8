"""Where a call goes: what a row leaves open in its address and its paths is filled in."""

import json

import pytest
from msgspec.structs import replace

from hub.resources.serving import ProviderSpec
from hub.resources.snapshot import provider_of
from hub.upstream.attempts import url_of
from tests.support.translating import BEDROCK, CHAT, GEMINI, MESSAGES, PLAIN, call_of

ACCOUNT = json.dumps({"client_email": "a@b", "private_key": "k", "project_id": "my-project"})
VERTEX = "europe-west1-aiplatform.googleapis.com/v1/projects/my-project/locations/europe-west1"


@pytest.mark.parametrize(
    ("spec", "model", "spoken", "stream", "url"),
    [
        (
            {"kind": "bedrock", "region": "eu-central-1"}, "eu.anthropic.claude-x:0", BEDROCK, True,
            "https://bedrock-runtime.eu-central-1.amazonaws.com/model/eu.anthropic.claude-x%3A0/converse-stream",
        ),
        (
            {"kind": "vertex", "region": "europe-west1"}, "claude-sonnet-4-6", MESSAGES, False,
            f"https://{VERTEX}/publishers/anthropic/models/claude-sonnet-4-6:rawPredict",
        ),
        (
            {"kind": "vertex", "region": "global"}, "gemini-3-pro", GEMINI, True,
            "https://aiplatform.googleapis.com/v1/projects/my-project/locations/global/publishers/google/models/gemini-3-pro"
            ":streamGenerateContent?alt=sse",
        ),
        (
            {"kind": "gemini"}, "gemini-3-pro", GEMINI, False,
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-pro:generateContent",
        ),
    ],
)  # fmt: skip
def test_the_address_of_a_call(spec, model, spoken, stream, url):
    deployment = provider_of("p", ProviderSpec(**spec)).deployment(model)
    assert spoken in deployment.paths
    assert url_of(deployment, call_of(CHAT, PLAIN[CHAT], stream=stream), spoken, ACCOUNT) == url


def test_a_model_of_vertex_speaks_the_dialect_of_its_vendor_only():
    vertex = provider_of("p", ProviderSpec(kind="vertex", region="global"))
    assert set(vertex.deployment("claude-opus-5").paths) == {MESSAGES}
    assert GEMINI in vertex.deployment("gemini-3-pro").paths
    assert MESSAGES not in vertex.deployment("gemini-3-pro").paths


def test_the_callers_query_goes_to_their_own_dialect_only():
    call = replace(call_of(MESSAGES, PLAIN[MESSAGES]), query="beta=true")
    anthropic = provider_of("p", ProviderSpec(kind="anthropic")).deployment("m")
    openai = provider_of("p", ProviderSpec(kind="openai")).deployment("m")
    assert url_of(anthropic, call, MESSAGES).endswith("/v1/messages?beta=true")
    assert url_of(openai, call, CHAT).endswith("/v1/chat/completions")
