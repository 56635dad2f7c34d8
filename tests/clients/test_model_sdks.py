"""The SDKs that people use, unchanged, against a running hub."""

import anthropic
import openai
import pytest

from tests.support.hubs import wait_for

TOOL = {
    "name": "get_weather",
    "description": "The weather in a city",
    "schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def openai_client(hub):
    with openai.OpenAI(base_url=f"{hub.url}/v1", api_key=hub.admin_key, max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_client(hub):
    with anthropic.Anthropic(base_url=hub.url, api_key=hub.admin_key, max_retries=0) as client:
        yield client


def test_openai_answers_whole_and_streamed_alike(openai_client):
    messages = [{"role": "user", "content": "Hello there"}]
    whole = openai_client.chat.completions.create(model="demo", messages=messages)
    assert "demo" in whole.choices[0].message.content.lower()
    assert whole.usage.prompt_tokens > 0
    stream = openai_client.chat.completions.create(
        model="demo", messages=messages, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_a_stream_without_a_wish_for_usage_has_no_usage_chunk(openai_client):
    chunks = list(
        openai_client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "Hi"}], stream=True)
    )
    assert all(chunk.choices for chunk in chunks)


def test_openai_tools_make_a_round(openai_client):
    tools = [
        {
            "type": "function",
            "function": {"name": TOOL["name"], "description": TOOL["description"], "parameters": TOOL["schema"]},
        }
    ]
    messages = [{"role": "user", "content": 'What is the weather in "Paris"?'}]
    first = openai_client.chat.completions.create(model="demo", messages=messages, tools=tools)
    (call,) = first.choices[0].message.tool_calls
    assert (call.function.name, "Paris" in call.function.arguments) == ("get_weather", True)
    messages += [
        first.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "sunny, 21 C"},
    ]
    second = openai_client.chat.completions.create(model="demo", messages=messages, tools=tools)
    assert "sunny" in second.choices[0].message.content


def test_anthropic_answers_whole_and_streamed_alike(anthropic_client):
    asked = {"model": "demo", "max_tokens": 200, "messages": [{"role": "user", "content": "Hello there"}]}
    whole = anthropic_client.messages.create(**asked)
    assert "demo" in whole.content[0].text.lower()
    with anthropic_client.messages.stream(**asked) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == whole.content[0].text
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert final.stop_reason == "end_turn"


def test_anthropic_tools_make_a_round(anthropic_client):
    tools = [{"name": TOOL["name"], "description": TOOL["description"], "input_schema": TOOL["schema"]}]
    messages = [{"role": "user", "content": 'What is the weather in "Paris"?'}]
    first = anthropic_client.messages.create(model="demo", max_tokens=200, messages=messages, tools=tools)
    call = next(block for block in first.content if block.type == "tool_use")
    assert (call.name, call.input, first.stop_reason) == ("get_weather", {"city": "Paris"}, "tool_use")
    messages += [
        {"role": "assistant", "content": [block.model_dump() for block in first.content]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny, 21 C"}]},
    ]
    second = anthropic_client.messages.create(model="demo", max_tokens=200, messages=messages, tools=tools)
    assert "sunny" in second.content[0].text


def test_both_list_models(openai_client, anthropic_client):
    assert "demo" in [model.id for model in openai_client.models.list()]
    assert "demo" in [model.id for model in anthropic_client.models.list()]


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_refusals_arrive_as_the_sdks_own_errors(hub, dialect):
    if dialect == "openai":
        with (
            openai.OpenAI(base_url=f"{hub.url}/v1", api_key="wrong", max_retries=0) as client,
            pytest.raises(openai.AuthenticationError) as wrong_key,
        ):
            client.chat.completions.create(model="demo", messages=[])
        with (
            openai.OpenAI(base_url=f"{hub.url}/v1", api_key=hub.admin_key, max_retries=0) as client,
            pytest.raises(openai.NotFoundError) as wrong_model,
        ):
            client.chat.completions.create(model="nope", messages=[])
    else:
        with (
            anthropic.Anthropic(base_url=hub.url, api_key="wrong", max_retries=0) as client,
            pytest.raises(anthropic.AuthenticationError) as wrong_key,
        ):
            client.messages.create(model="demo", max_tokens=1, messages=[{"role": "user", "content": "x"}])
        with (
            anthropic.Anthropic(base_url=hub.url, api_key=hub.admin_key, max_retries=0) as client,
            pytest.raises(anthropic.NotFoundError) as wrong_model,
        ):
            client.messages.create(model="nope", max_tokens=1, messages=[{"role": "user", "content": "x"}])
    assert "invalid_key" in str(wrong_key.value.body)
    assert "model_not_found" in str(wrong_model.value.body)


def test_each_call_stands_in_the_ledger_with_its_cost(hub, openai_client):
    answer = openai_client.with_options(
        default_headers={"x-request-id": "sdk-ledger-1", "x-hub-session": "run-7"}
    ).chat.completions.with_raw_response.create(model="demo", messages=[{"role": "user", "content": "What do I cost?"}])
    assert answer.headers["x-request-id"] == "sdk-ledger-1"
    usage = answer.parse().usage
    expected = round((usage.prompt_tokens * 100_000 + usage.completion_tokens * 400_000) / 1_000_000)
    with hub.client() as client:
        entry = wait_for(lambda: client.get("/api/v1/logs", params={"request_id": "sdk-ledger-1"}).json()["items"])
    assert len(entry) == 1
    assert entry[0]["cost_micro_usd"] == expected
    assert entry[0]["outcome"] == "ok"
    assert (entry[0]["key"], entry[0]["session"], entry[0]["target"]) == ("admin", "run-7", "demo/demo-1")
    assert entry[0]["usage"]["input"] == usage.prompt_tokens
    assert answer.headers["x-hub-cost-usd"] == f"{expected / 1e6:.6f}"
