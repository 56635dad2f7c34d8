"""A real model server on this CPU as the upstream: llama.cpp, in the three dialects that it speaks, for every SDK.

Its answers mean nothing. But the tokens, the counts, the fragments of a stream and the grammar that makes a tool call are
nobody's script.
"""

import contextlib
import json
import subprocess
import threading

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from tests.support.hubs import ROOT, running_hub, wait_for

pytestmark = [pytest.mark.clients, pytest.mark.slow]
PYTHON = ROOT / ".servers" / "model" / "bin" / "python"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Paris"]}},
    "required": ["city"],
    "additionalProperties": False,
}
# How a provider is named that speaks a dialect, and below which path llama.cpp speaks it.
SPOKEN = {"chat": ("openai-compatible", "/v1"), "messages": ("anthropic", ""), "responses": ("azure-openai", "/v1")}
WORDS = 12
QUESTION = "What is the weather in Paris? 👋"


@contextlib.contextmanager
def model_servers(folder):
    """The addresses of the servers by the names of their models."""
    assert PYTHON.exists(), "llama.cpp is not installed; run `make test`"
    program = [str(PYTHON), str(ROOT / "tests" / "support" / "tiny_model.py"), str(folder)]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        told, found = [], {}
        for line in process.stdout:
            told.append(line)
            name, served, address = line.strip().partition(" is served at ")
            if served:
                found[name] = address
            if len(found) == 2:
                break
        assert len(found) == 2, "".join(told)
        reading = threading.Thread(target=process.stdout.read, daemon=True)  # so that it never waits to say something
        reading.start()
        yield found
        process.terminate()
        reading.join(10)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    with model_servers(tmp_path_factory.mktemp("models")) as servers:
        resources = {"providers": {}, "models": {}}
        for name, address in servers.items():
            for dialect, (kind, path) in SPOKEN.items():
                provider = {"kind": kind, "base_url": f"{address}{path}", "allow_private": True, "api_key": "env:ANY"}
                resources["providers"][f"{name}-{dialect}"] = provider
                model = {"targets": [{"model": f"{name}-{dialect}/{name}"}], "price": {"input": "1", "output": "2"}}
                model["price"] |= {"cache_read": "0.5"}
                resources["models"][f"{name}-{dialect}"] = model
        with running_hub(tmp_path_factory.mktemp("real"), resources, {"ANY": "not-asked-for"}) as hub:
            yield hub


@pytest.fixture(params=SPOKEN)
def dialect(request):
    return request.param


# -- callers: each asks in its own dialect, whole or streamed, for words or for a tool ------------------------------------


def chat(hub, model, *, stream, tool):
    asked = {"model": model, "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 400 if tool else WORDS}
    if tool:
        function = {"name": "get_weather", "parameters": SCHEMA}
        asked |= {"tools": [{"type": "function", "function": function}], "tool_choice": "required"}
    with openai.OpenAI(base_url=f"{hub.url}/v1", api_key=hub.admin_key, max_retries=0) as client:
        if stream and tool:
            with client.chat.completions.stream(**asked) as events:
                done = events.get_final_completion()
        elif stream:
            parts = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
            text = "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
            return text, parts[-1].usage.prompt_tokens, parts[-1].usage.completion_tokens
        else:
            done = client.chat.completions.create(**asked)
    message, used = done.choices[0].message, done.usage
    if tool:
        assert done.choices[0].finish_reason == "tool_calls"
        return [(one.function.name, json.loads(one.function.arguments)) for one in message.tool_calls]
    return message.content, used.prompt_tokens, used.completion_tokens


def responses(hub, model, *, stream, tool):
    asked = {"model": model, "input": QUESTION, "max_output_tokens": 400 if tool else WORDS, "store": False}
    if tool:
        asked |= {"tools": [{"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": True}]}
        asked |= {"tool_choice": "required"}
    with openai.OpenAI(base_url=f"{hub.url}/v1", api_key=hub.admin_key, max_retries=0) as client:
        if stream:
            last = list(client.responses.create(**asked, stream=True))[-1]
            assert last.type in ("response.completed", "response.incomplete")
            done = last.response
        else:
            done = client.responses.create(**asked)
    if tool:
        return [(one.name, json.loads(one.arguments)) for one in done.output if one.type == "function_call"]
    return done.output_text, done.usage.input_tokens, done.usage.output_tokens


def messages(hub, model, *, stream, tool):
    asked = {"model": model, "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 400 if tool else WORDS}
    if tool:
        asked |= {"tools": [{"name": "get_weather", "input_schema": SCHEMA}], "tool_choice": {"type": "any"}}
    with anthropic.Anthropic(base_url=hub.url, api_key=hub.admin_key, max_retries=0) as client:
        if stream:
            with client.messages.stream(**asked) as events:
                done = events.get_final_message()
        else:
            done = client.messages.create(**asked)
    if tool:
        assert done.stop_reason == "tool_use"
        return [(block.name, block.input) for block in done.content if block.type == "tool_use"]
    prompt = done.usage.input_tokens + (done.usage.cache_read_input_tokens or 0)
    return "".join(block.text for block in done.content), prompt, done.usage.output_tokens


def gemini(hub, model, *, stream, tool):
    config = types.GenerateContentConfig(max_output_tokens=400 if tool else WORDS)
    if tool:
        city = types.Schema(type="STRING", enum=["Paris"])
        parameters = types.Schema(type="OBJECT", properties={"city": city}, required=["city"])
        declared = types.FunctionDeclaration(name="get_weather", parameters=parameters)
        config.tools = [types.Tool(function_declarations=[declared])]
        config.tool_config = types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode="ANY"))
        config.automatic_function_calling = types.AutomaticFunctionCallingConfig(disable=True)
    client = genai.Client(api_key=hub.admin_key, http_options=types.HttpOptions(base_url=hub.url))
    asked = {"model": model, "contents": QUESTION, "config": config}
    try:
        models = client.models
        parts = list(models.generate_content_stream(**asked)) if stream else [models.generate_content(**asked)]
    finally:
        client.close()
    if tool:
        return [(call.name, dict(call.args)) for part in parts for call in part.function_calls or []]
    used = parts[-1].usage_metadata
    return "".join(part.text or "" for part in parts), used.prompt_token_count, used.candidates_token_count


CALLERS = (chat, responses, messages, gemini)


@pytest.mark.parametrize("ask", CALLERS)
def test_words_come_whole_and_streamed_alike_with_true_counts(real, dialect, ask):
    text, prompt, made = ask(real, f"tiny-{dialect}", stream=False, tool=False)
    assert len(text.split()) == WORDS
    assert (made, prompt > len(QUESTION)) == (
        WORDS,
        True,
    )  # each letter of the question is a token, and a template stands around
    assert ask(real, f"tiny-{dialect}", stream=True, tool=False) == (text, prompt, made)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("ask", CALLERS)
def test_a_tool_is_called_as_the_grammar_makes_it(real, dialect, ask, stream):
    assert ask(real, f"caller-{dialect}", stream=stream, tool=True) == [("get_weather", {"city": "Paris"})]


def test_what_the_tool_said_is_understood(real, dialect):
    function = {"name": "get_weather", "arguments": '{"city":"Paris"}'}
    turns = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    ]
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}]
    with openai.OpenAI(base_url=f"{real.url}/v1", api_key=real.admin_key, max_retries=0) as client:
        asked = {"model": f"tiny-{dialect}", "max_tokens": WORDS, "tools": tools}
        first = client.chat.completions.create(**asked, messages=turns[:1])
        second = client.chat.completions.create(**asked, messages=turns)
    assert second.choices[0].message.content
    assert second.usage.prompt_tokens > first.usage.prompt_tokens + len("get_weather sunny")


def test_an_answer_that_is_cut_says_so(real):
    asked = {"model": "tiny-messages", "messages": [{"role": "user", "content": QUESTION}], "max_tokens": WORDS}
    with openai.OpenAI(base_url=f"{real.url}/v1", api_key=real.admin_key, max_retries=0) as client:
        assert client.chat.completions.create(**asked).choices[0].finish_reason == "length"
        parts = list(client.chat.completions.create(**asked, stream=True))
    assert [part.choices[0].finish_reason for part in parts][-1] == "length"


def test_an_answer_keeps_to_a_schema(real):
    form = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
    with openai.OpenAI(base_url=f"{real.url}/v1", api_key=real.admin_key, max_retries=0) as client:
        done = client.chat.completions.create(
            model="tiny-chat", messages=[{"role": "user", "content": QUESTION}], response_format=form, max_tokens=200
        )
    assert json.loads(done.choices[0].message.content) == {"city": "Paris"}
    assert done.choices[0].finish_reason == "stop"


def test_tokens_are_counted_by_the_server(real):
    with anthropic.Anthropic(base_url=real.url, api_key=real.admin_key, max_retries=0) as client:
        asked = {"model": "tiny-messages", "messages": [{"role": "user", "content": QUESTION}]}
        counted = client.messages.count_tokens(**asked).input_tokens
        used = client.messages.create(**asked, max_tokens=1).usage
    assert counted == used.input_tokens + (used.cache_read_input_tokens or 0)


def test_a_stream_that_is_left_stops_the_model_and_is_paid_as_far_as_it_came(real):
    asked = {"model": "tiny-chat", "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 3000}
    headers = {"x-request-id": "left-early"}
    with openai.OpenAI(base_url=f"{real.url}/v1", api_key=real.admin_key, max_retries=0) as client:
        stream = client.chat.completions.create(**asked, stream=True, extra_headers=headers)
        for number, _ in enumerate(stream):
            if number == 5:
                break
        stream.close()

    def found():
        with real.client() as plain:
            return plain.get("/api/v1/logs", params={"request_id": "left-early"}).json()["items"]

    (written,) = wait_for(found)
    assert written["outcome"] == "cancelled"
    assert 0 < written["usage"]["output"] < 3000
    assert written["usage"]["estimated"] is True


def test_every_call_is_charged_by_what_the_server_counted(real, dialect):
    name = f"charged-{dialect}"
    with openai.OpenAI(base_url=f"{real.url}/v1", api_key=real.admin_key, max_retries=0) as client:
        done = client.chat.completions.create(
            model=f"tiny-{dialect}", messages=[{"role": "user", "content": QUESTION}], max_tokens=WORDS,
            extra_headers={"x-request-id": name},
        )  # fmt: skip

    def found():
        with real.client() as plain:
            return plain.get("/api/v1/logs", params={"request_id": name}).json()["items"]

    (written,) = wait_for(found)
    usage = written["usage"]
    assert (usage["input"] + usage["cache_read"], usage["output"]) == (done.usage.prompt_tokens, WORDS)
    assert usage["estimated"] is False
    assert written["cost_micro_usd"] == round(usage["input"] + usage["cache_read"] / 2 + 2 * WORDS + 1e-9)
