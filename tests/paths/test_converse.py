"""Amazon's Converse from the outside: names, errors, broken streams and guardrails, as Amazon's own SDK meets them."""

import contextlib
import json

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError

from tests.support.dialect_answers import bedrock
from tests.support.fault_answers import openai_error
from tests.support.hubs import running_hub, wait_for
from tests.support.model_answers import chat
from tests.support.script import CLOSE
from tests.support.scripted import scripted_upstream

ENVIRONMENT = {"UPSTREAM_KEY": "sk-up", "SEEN_KEY": "seen-key-0123456789-0123456789-0123456"}
HELLO = [{"role": "user", "content": [{"text": "Hello"}]}]


def answer(received):
    if "broken" in received.path:
        return bedrock("one two three four").cut(500, CLOSE)
    if received.path.endswith("/converse") or received.path.endswith("-stream"):
        return bedrock("The launch code is secret.")
    return openai_error(400, "temperature is too high") if received.json.get("temperature") else chat("Hi")


@pytest.fixture(scope="module")
def scripted():
    with scripted_upstream(answer) as thread:
        yield thread


@pytest.fixture(scope="module")
def hub(tmp_path_factory, scripted):
    resources = {
        "providers": scripted.providers(),
        "models": {"priced": {"targets": [{"model": "bedrock/m"}], "price": {"input": "1", "output": "2", "cache_read": "1"}}},
        "teams": {"seen": {"models": ["*"]}},
        "keys": {"seen": {"team": "seen", "secret": "env:SEEN_KEY"}},
        "guardrails": {"g": {"scope": {"team": "seen"}, "on": ["output"], "patterns": ["launch code"], "action": "redact"}},
    }  # fmt: skip
    with running_hub(tmp_path_factory.mktemp("converse"), resources, ENVIRONMENT) as started:
        yield started


@pytest.fixture
def amazon(hub):
    """Makes clients: with the admin's key, another one, or none."""
    made = []

    def client(key=hub.admin_key):
        one = botocore.session.Session().create_client(
            "bedrock-runtime", region_name="eu-west-1", endpoint_url=hub.url, config=Config(retries={"max_attempts": 0}),
            aws_access_key_id="nobody", aws_secret_access_key="nothing",
        )  # fmt: skip
        if key:
            add = lambda params, **_: params["headers"].update({"x-hub-key": key})  # noqa: E731
            one.meta.events.register("before-call.bedrock-runtime", add)
        made.append(one)
        return one

    yield client
    for one in made:
        one.close()


def test_a_model_is_named_as_everywhere_and_the_body_passes_as_it_is(hub, scripted):
    body = b'{ "messages": [{"role": "user", "content": [{"text": "Hi", "x-new": 1}]}], "x-unknown": 1.50 }'
    with hub.client() as client:
        said = client.post("/model/bedrock%2Feu.model:0/converse", content=body, headers={"x-request-id": "named"})
    assert (said.status_code, said.headers["x-hub-model"]) == (200, "bedrock/eu.model:0")
    assert scripted.upstream.requests[-1].path == "/bedrock/model/eu.model%3A0/converse"
    assert scripted.upstream.requests[-1].body == body


def test_a_bearer_token_is_a_key(hub):
    with hub.client(ENVIRONMENT["SEEN_KEY"]) as client:
        assert client.post("/model/bedrock%2Fm/converse", json={"messages": HELLO}).status_code == 200


def test_errors_are_amazons(amazon):
    client = amazon()
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="There is no model 'none'"):
        client.converse(modelId="none", messages=HELLO)
    with pytest.raises(client.exceptions.ValidationException, match="temperature is too high"):
        client.converse(modelId="chat/m", messages=HELLO, inferenceConfig={"temperature": 1})
    for key, told in (("", "AWS_BEARER_TOKEN_BEDROCK"), ("wrong", "key")):
        with pytest.raises(ClientError, match=told) as refused:
            amazon(key).converse(modelId="bedrock/m", messages=HELLO)
        assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def test_a_stream_that_breaks_off_ends_in_an_error(amazon):
    with contextlib.closing(amazon().converse_stream(modelId="bedrock/broken", messages=HELLO)["stream"]) as stream:
        events = iter(stream)
        assert "messageStart" in next(events)
        with pytest.raises(EventStreamError, match="modelStreamErrorException"):
            list(events)


def test_what_a_guardrail_takes_out_of_a_stream_leaves_frames_that_are_whole(amazon):
    stream = amazon(ENVIRONMENT["SEEN_KEY"]).converse_stream(modelId="bedrock/m", messages=HELLO)["stream"]
    deltas = [event["contentBlockDelta"]["delta"]["text"] for event in stream if "contentBlockDelta" in event]
    assert "launch" not in "".join(deltas)
    assert "".join(deltas).startswith("The [")


def test_a_call_has_an_entry_with_its_cost(hub, amazon):
    for name, called in (("converse", "output"), ("converse_stream", "stream")):
        said = getattr(amazon(), name)(modelId="priced", messages=HELLO)
        id_ = said["ResponseMetadata"]["HTTPHeaders"]["x-request-id"]
        list(said[called])

        def found(id_=id_):
            with hub.client() as client:
                return client.get("/api/v1/logs", params={"request_id": id_}).json()["items"]

        entry = wait_for(found)[0]
        assert (entry["outcome"], entry["lane"], entry["target"]) == ("ok", "passthrough", "bedrock/m")
        assert (entry["usage"]["input"], entry["usage"]["cache_read"], entry["usage"]["output"]) == (12, 4, 7)
        assert entry["cost_micro_usd"] == 12 + 4 + 2 * 7
        assert json.dumps(entry["raw_usage"]).count("12") >= 1
