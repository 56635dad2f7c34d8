"""The official SDKs, unchanged, against a hub in front of providers of every dialect: each caller with each upstream."""

import json

import anthropic
import botocore.session
import openai
import pytest
from botocore.config import Config
from google import genai
from google.genai import types

from tests.support.hubs import running_hub
from tests.support.model_answers import chat
from tests.support.script import json_reply
from tests.support.scripted import UPSTREAMS, scripted_upstream

pytestmark = pytest.mark.slow

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ANSWERED = ('"tool_result"', '"tool_call_id"', "call_output", "functionResponse", "toolResult")
CALLED = ("get_weather", {"city": "Paris", "note": "grüße"})


def answer(received):
    kind = next(name for name in UPSTREAMS if received.path.startswith(f"/{name}/"))
    body = received.json
    if received.path.endswith("count_tokens") or received.path.endswith(":countTokens"):
        return json_reply({"input_tokens": 3, "totalTokens": 3})
    make = chat if received.path.endswith("/chat/completions") else UPSTREAMS[kind][2]
    offered = "tools" in body or "toolConfig" in body
    answered = any(word in json.dumps(body) for word in ANSWERED)
    return make(tool=CALLED) if offered and not answered else make(f"Grüße 👋 from {kind}, in words.")


@pytest.fixture(scope="module")
def scripted():
    with scripted_upstream(answer) as thread:
        yield thread


@pytest.fixture(scope="module")
def pairs(tmp_path_factory, scripted):
    resources = {
        "providers": scripted.providers(),
        "models": {f"m-{name}": {"targets": [{"model": f"{name}/gpt-up"}]} for name in UPSTREAMS},
    }
    for model in resources["models"].values():
        model["price"] = {"input": "1", "output": "1"}
    with running_hub(tmp_path_factory.mktemp("pairs"), resources, environment={"UPSTREAM_KEY": "up-key"}) as hub:
        yield hub


@pytest.fixture(params=UPSTREAMS)
def model(request):
    return f"m-{request.param}"


def text_of(model):
    return f"Grüße 👋 from {model.removeprefix('m-')}, in words."


# -- OpenAI: Chat Completions ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def openai_client(pairs):
    with openai.OpenAI(base_url=f"{pairs.url}/v1", api_key=pairs.admin_key, max_retries=0) as client:
        yield client


CHAT_TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}]
ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]


def test_chat_whole_and_streamed(openai_client, model):
    whole = openai_client.chat.completions.create(model=model, messages=ASKED)
    assert whole.choices[0].message.content == text_of(model)
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage.completion_tokens == 7
    stream = list(
        openai_client.chat.completions.create(
            model=model, messages=ASKED, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(c.choices[0].delta.content or "" for c in stream if c.choices) == text_of(model)
    assert stream[-1].usage.completion_tokens == 7


def test_chat_makes_a_tool_round(openai_client, model):
    turns = [{"role": "user", "content": "What is the weather?"}]
    first = openai_client.chat.completions.create(model=model, messages=turns, tools=CHAT_TOOLS)
    (call,) = first.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == CALLED
    assert first.choices[0].finish_reason == "tool_calls"
    with openai_client.chat.completions.stream(model=model, messages=turns, tools=CHAT_TOOLS) as stream:
        streamed = stream.get_final_completion().choices[0].message.tool_calls
    assert [(c.function.name, json.loads(c.function.arguments)) for c in streamed] == [CALLED]
    turns += [
        first.choices[0].message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "21 C"},
    ]
    second = openai_client.chat.completions.create(model=model, messages=turns, tools=CHAT_TOOLS)
    assert second.choices[0].message.content == text_of(model)


# -- OpenAI: Responses -------------------------------------------------------------------------------------------------

RESPONSES_TOOLS = [{"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}]


def test_responses_whole_and_streamed(openai_client, model):
    whole = openai_client.responses.create(model=model, instructions="Be brief.", input="Hello", store=False)
    assert (whole.status, whole.output_text) == ("completed", text_of(model))
    assert whole.usage.output_tokens == 7
    with openai_client.responses.stream(model=model, input="Hello", store=False) as stream:
        seen = list(stream)
        final = stream.get_final_response()
    assert final.output_text == text_of(model)
    numbers = [event.sequence_number for event in seen]
    assert numbers == sorted(set(numbers))


def test_responses_make_a_tool_round(openai_client, model):
    turns = [{"role": "user", "content": "What is the weather?"}]
    first = openai_client.responses.create(model=model, input=turns, tools=RESPONSES_TOOLS, store=False)
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert (call.name, json.loads(call.arguments)) == CALLED
    with openai_client.responses.stream(model=model, input=turns, tools=RESPONSES_TOOLS, store=False) as stream:
        final = stream.get_final_response()
    assert [json.loads(item.arguments) for item in final.output if item.type == "function_call"] == [CALLED[1]]
    turns += [item.model_dump(exclude_none=True) for item in first.output]
    turns.append({"type": "function_call_output", "call_id": call.call_id, "output": "21 C"})
    second = openai_client.responses.create(model=model, input=turns, tools=RESPONSES_TOOLS, store=False)
    assert second.output_text == text_of(model)


# -- Anthropic ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def anthropic_client(pairs):
    with anthropic.Anthropic(base_url=pairs.url, api_key=pairs.admin_key, max_retries=0) as client:
        yield client


ANTHROPIC_TOOLS = [{"name": "get_weather", "input_schema": SCHEMA}]


def test_messages_whole_and_streamed(anthropic_client, model):
    asked = {
        "model": model,
        "max_tokens": 99,
        "messages": [{"role": "user", "content": "Hello"}],
        "system": "Be brief.",
    }
    whole = anthropic_client.messages.create(**asked)
    assert (whole.content[0].text, whole.stop_reason) == (text_of(model), "end_turn")
    assert whole.usage.output_tokens == 7
    with anthropic_client.messages.stream(**asked) as stream:
        assert "".join(stream.text_stream) == text_of(model)
        assert stream.get_final_message().usage.output_tokens == 7


def test_messages_make_a_tool_round(anthropic_client, model):
    asked = {"model": model, "max_tokens": 99, "tools": ANTHROPIC_TOOLS}
    turns = [{"role": "user", "content": "What is the weather?"}]
    first = anthropic_client.messages.create(**asked, messages=turns)
    (call,) = [block for block in first.content if block.type == "tool_use"]
    assert ((call.name, call.input), first.stop_reason) == (CALLED, "tool_use")
    with anthropic_client.messages.stream(**asked, messages=turns) as stream:
        final = stream.get_final_message()
    assert [block.input for block in final.content if block.type == "tool_use"] == [CALLED[1]]
    turns += [
        {"role": "assistant", "content": [block.model_dump() for block in first.content]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "21 C"}]},
    ]
    assert anthropic_client.messages.create(**asked, messages=turns).content[-1].text == text_of(model)
    assert anthropic_client.messages.count_tokens(model=model, messages=turns).input_tokens > 0


# -- Google ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def google_client(pairs):
    options = types.HttpOptions(base_url=pairs.url)
    client = genai.Client(api_key=pairs.admin_key, http_options=options)
    yield client
    client.close()


GOOGLE_TOOLS = types.GenerateContentConfig(
    tools=[
        types.Tool(
            function_declarations=[
                types.FunctionDeclaration(
                    name="get_weather",
                    parameters=types.Schema(
                        type="OBJECT", properties={"city": types.Schema(type="STRING")}, required=["city"]
                    ),
                )
            ]
        )
    ],
    automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
)


def test_gemini_whole_and_streamed(google_client, model):
    config = types.GenerateContentConfig(system_instruction="Be brief.")
    whole = google_client.models.generate_content(model=model, contents="Hello", config=config)
    assert whole.text == text_of(model)
    assert whole.usage_metadata.candidates_token_count == 7
    chunks = list(google_client.models.generate_content_stream(model=model, contents="Hello", config=config))
    assert "".join(chunk.text or "" for chunk in chunks) == text_of(model)
    assert chunks[-1].usage_metadata.candidates_token_count == 7
    assert google_client.models.count_tokens(model=model, contents="Hello").total_tokens > 0


def test_gemini_makes_a_tool_round(google_client, model):
    turns = [types.Content(role="user", parts=[types.Part(text="What is the weather?")])]
    first = google_client.models.generate_content(model=model, contents=turns, config=GOOGLE_TOOLS)
    (call,) = first.function_calls
    assert (call.name, dict(call.args)) == CALLED
    chunks = list(google_client.models.generate_content_stream(model=model, contents=turns, config=GOOGLE_TOOLS))
    assert [dict(c.args) for chunk in chunks for c in chunk.function_calls or []] == [CALLED[1]]
    answer = types.Part.from_function_response(name="get_weather", response={"output": "21 C"})
    turns += [first.candidates[0].content, types.Content(role="user", parts=[answer])]
    second = google_client.models.generate_content(model=model, contents=turns, config=GOOGLE_TOOLS)
    assert second.text == text_of(model)


# -- Amazon: Converse --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def amazon_client(pairs):
    client = botocore.session.Session().create_client(
        "bedrock-runtime", region_name="eu-west-1", endpoint_url=pairs.url, config=Config(retries={"max_attempts": 0}),
        aws_access_key_id="nobody", aws_secret_access_key="nothing",
    )  # fmt: skip
    with_key = {"x-hub-key": pairs.admin_key}  # the SDK sends a bearer token over TLS only
    client.meta.events.register("before-call.bedrock-runtime", lambda params, **_: params["headers"].update(with_key))
    yield client
    client.close()


AMAZON_TOOLS = {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": SCHEMA}}}]}
HELLO = [{"role": "user", "content": [{"text": "Hello"}]}]


def text_in(message):
    return "".join(block.get("text", "") for block in message["content"])


def test_converse_whole_and_streamed(amazon_client, model):
    asked = {"modelId": model, "messages": HELLO, "system": [{"text": "Be brief."}]}
    whole = amazon_client.converse(**asked)
    assert text_in(whole["output"]["message"]) == text_of(model)
    assert (whole["stopReason"], whole["usage"]["outputTokens"]) == ("end_turn", 7)
    events = list(amazon_client.converse_stream(**asked)["stream"])
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert "".join(delta["text"] for delta in deltas) == text_of(model)
    assert [next(iter(event)) for event in events[-2:]] == ["messageStop", "metadata"]
    assert events[-1]["metadata"]["usage"]["outputTokens"] == 7


def test_converse_makes_a_tool_round(amazon_client, model):
    turns = [{"role": "user", "content": [{"text": "What is the weather?"}]}]
    asked = {"modelId": model, "toolConfig": AMAZON_TOOLS}
    first = amazon_client.converse(**asked, messages=turns)
    (use,) = [block["toolUse"] for block in first["output"]["message"]["content"] if "toolUse" in block]
    assert ((use["name"], use["input"]), first["stopReason"]) == (CALLED, "tool_use")
    events = list(amazon_client.converse_stream(**asked, messages=turns)["stream"])
    (start,) = [event["contentBlockStart"]["start"]["toolUse"] for event in events if "contentBlockStart" in event]
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    said = "".join(delta["toolUse"]["input"] for delta in deltas if "toolUse" in delta)
    assert (start["name"], json.loads(said)) == CALLED
    result = {"toolUseId": use["toolUseId"], "content": [{"text": "21 C"}]}
    turns += [first["output"]["message"], {"role": "user", "content": [{"toolResult": result}]}]
    assert text_in(amazon_client.converse(**asked, messages=turns)["output"]["message"]) == text_of(model)
