"""Tools on the server's side: the official SDKs name a profile, the hub calls its tools, whatever dialect the model has."""

import itertools
import json
import re
from functools import partial

import anthropic
import openai
import pytest

from tests.support import model_answers
from tests.support.hubs import ROOT, STDIO_SERVER, running_hub, servers_ready, wait_for
from tests.support.model_answers import chat
from tests.support.scripted import UPSTREAMS, scripted_upstream

ANSWERED = ('"tool_result"', '"tool_call_id"', "call_output", '"functionResponse"', '"toolResult"')
ARGUMENTS = {
    "old__echo": {"text": "grüße"},
    "old__add": {"a": 2, "b": 3},
    "old__fail": {},
    "old__sleep": {"ms": 30_000},
    "mine": {"city": "Paris"},
}
NUMBERS = itertools.count()
DEV_KEY = "dev-key-0123456789-0123456789-0123456"


def answer(received):
    """Call the tools that the prompt plans, one a turn, then say how often an answer came."""
    kind = next(name for name in UPSTREAMS if received.path.startswith(f"/{name}/"))
    said = json.dumps(received.json)
    plan = re.search(r"plan: ([a-z_,]+)", said)
    steps = plan[1].split(",") if plan else []
    done = max(said.count(word) for word in ANSWERED)
    make = chat if received.path.endswith("/chat/completions") else UPSTREAMS[kind][2]
    if make is model_answers.responses:  # as with a real provider, nothing is called the same twice
        make = partial(make, ids=f"{next(NUMBERS)}")
    if done < len(steps):
        return make(tool=(steps[done], ARGUMENTS[steps[done]]))
    return make(f"Done after {done} calls.")


@pytest.fixture(scope="module")
def scripted():
    with scripted_upstream(answer) as thread:
        yield thread


@pytest.fixture(scope="module")
def hub(tmp_path_factory, scripted):
    resources = {
        "providers": scripted.providers(),
        "models": {
            f"m-{name}": {"targets": [{"model": f"{name}/gpt-up"}], "price": {"input": "1", "output": "1"}}
            for name in UPSTREAMS
        },
        "servers": {"old": {"command": [*STDIO_SERVER, "--era", "2025"], "cwd": str(ROOT)}},
        "profiles": {"work": {"servers": {"old": {}}}, "other": {"servers": {"old": {}}}},
        "teams": {"dev": {"models": ["*"], "profiles": ["work"], "tools": ["old/echo", "old/add", "old/fail"]}},
        "keys": {"dev": {"team": "dev", "secret": "env:DEV_KEY"}},
    }
    with running_hub(tmp_path_factory.mktemp("loop"), resources, {"UPSTREAM_KEY": "up", "DEV_KEY": DEV_KEY}) as started:
        servers_ready(started, "old")
        yield started


@pytest.fixture(params=UPSTREAMS)
def model(request):
    return f"m-{request.param}"


@pytest.fixture(scope="module")
def responses(hub):
    with openai.OpenAI(base_url=f"{hub.url}/v1", api_key=DEV_KEY, max_retries=0) as client:
        yield client.responses


@pytest.fixture(scope="module")
def messages(hub):
    with anthropic.Anthropic(base_url=hub.url, api_key=DEV_KEY, max_retries=0) as client:
        yield client.beta.messages


def tool(**more):
    return {"type": "mcp", "server_label": "hub", "profile": "work", **more}


def kinds(items):
    """The kinds of what was said about tools; some models say or think something beside it."""
    return [item.type for item in items if item.type not in ("message", "reasoning", "text", "thinking")]


def calls(items):
    return [item for item in items if item.type in ("mcp_call", "mcp_tool_use", "mcp_tool_result")]


# -- Responses ---------------------------------------------------------------------------------------------------------


def test_responses_calls_until_it_has_answered(responses, model):
    asked = {"model": model, "input": "plan: old__echo,old__add", "tools": [tool()], "store": False}
    whole = responses.create(**asked)
    assert kinds(whole.output) == ["mcp_list_tools", "mcp_call", "mcp_call"]
    listed, (echo, add) = whole.output[0], calls(whole.output)
    assert {one.name for one in listed.tools} == {"old__echo", "old__add", "old__fail"}
    assert (echo.name, echo.server_label, json.loads(echo.arguments)) == ("old__echo", "hub", {"text": "grüße"})
    assert (echo.output, add.output, echo.status, echo.error) == ("grüße", "5", "completed", None)
    assert (whole.output[-1].content[0].text, whole.status) == ("Done after 2 calls.", "completed")
    assert whole.tools[0].type == "mcp"
    assert whole.usage.output_tokens > 10
    with responses.stream(**asked) as stream:
        told = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds(final.output) == kinds(whole.output)
    assert final.output_text == whole.output_text
    assert [one.output for one in calls(final.output)] == ["grüße", "5"]
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert told.count("response.created") == told.count("response.completed") == 1
    assert told.count("response.mcp_call.completed") == told.count("response.mcp_call.in_progress") == 2
    assert "response.mcp_list_tools.completed" in told
    assert "response.mcp_call_arguments.done" in told


def test_a_stream_is_in_order(hub):
    body = {"model": "m-chat", "input": "plan: old__echo", "tools": [tool()], "stream": True}
    with hub.client(DEV_KEY) as http, http.stream("POST", "/v1/responses", json=body) as response:
        events = [json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: ")]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    added = [event["output_index"] for event in events if event["type"] == "response.output_item.added"]
    done = [event["output_index"] for event in events if event["type"] == "response.output_item.done"]
    assert added == sorted(added) == list(range(len(added)))
    assert sorted(done) == added
    final = events[-1]["response"]["output"]
    items = {e["output_index"]: e["item"] for e in events if e["type"] == "response.output_item.done"}
    assert [items[n] for n in range(len(final))] == final


def test_a_conversation_goes_on_with_what_was_called(responses, scripted):
    first = responses.create(model="m-messages", input="plan: old__echo", tools=[tool()], store=False)
    before = [{"role": "user", "content": "plan: old__echo"}, *(item.to_dict() for item in first.output)]
    again = responses.create(
        model="m-messages", input=[*before, {"role": "user", "content": "and now?"}], tools=[tool()], store=False
    )
    assert kinds(again.output) == []  # the list is known, and the call is made
    assert again.output_text == "Done after 1 calls."


def test_a_failed_call_is_told_and_the_model_goes_on(responses):
    whole = responses.create(model="m-chat", input="plan: old__fail", tools=[tool()], store=False)
    assert (whole.output[1].status, whole.output[1].output) == ("failed", None)
    assert whole.output[1].error
    assert whole.output_text == "Done after 1 calls."


def test_only_the_tools_that_are_wanted_are_offered(responses):
    for allowed in (["old__add"], {"tool_names": ["old__add"]}):
        whole = responses.create(model="m-chat", input="hello", tools=[tool(allowed_tools=allowed)], store=False)
        assert [one.name for one in whole.output[0].tools] == ["old__add"]


def test_the_callers_own_function_is_left_to_the_caller(responses):
    mine = {"type": "function", "name": "mine", "parameters": {"type": "object", "properties": {}}}
    whole = responses.create(model="m-chat", input="plan: old__echo,mine", tools=[tool(), mine], store=False)
    assert kinds(whole.output) == ["mcp_list_tools", "mcp_call", "function_call"]
    assert whole.output[-1].name == "mine"
    with responses.stream(model="m-chat", input="plan: old__echo,mine", tools=[tool(), mine], store=False) as stream:
        assert kinds(stream.get_final_response().output) == kinds(whole.output)


@pytest.mark.parametrize("approve", [True, False])
def test_a_call_waits_for_approval_where_it_is_asked_for(responses, model, approve):
    tools = [tool(require_approval="always")]
    asked = {"role": "user", "content": "plan: old__echo"}
    first = responses.create(model=model, input=[asked], tools=tools, store=False)
    assert kinds(first.output) == ["mcp_list_tools", "mcp_approval_request"]
    request = first.output[-1]
    assert (request.name, json.loads(request.arguments)) == ("old__echo", {"text": "grüße"})
    said = {"type": "mcp_approval_response", "approval_request_id": request.id, "approve": approve}
    follow = {"model": model, "input": [asked, *(i.to_dict() for i in first.output), said], "tools": tools}
    second = responses.create(**follow, store=False)
    with responses.stream(**follow, store=False) as stream:
        streamed = stream.get_final_response()
    for answer in (second, streamed):
        assert answer.output_text == "Done after 1 calls."
        assert kinds(answer.output) == (["mcp_call"] if approve else [])
    if approve:
        assert second.output[0].output == "grüße"
        assert second.output[0].approval_request_id == request.id


def test_approval_is_asked_in_a_stream_too(responses):
    tools = [tool(require_approval={"never": {"tool_names": ["old__echo"]}})]
    with responses.stream(model="m-chat", input="plan: old__echo,old__add", tools=tools, store=False) as stream:
        final = stream.get_final_response()
    assert kinds(final.output) == ["mcp_list_tools", "mcp_call", "mcp_approval_request"]
    assert final.output[-1].name == "old__add"


def test_a_conversation_that_the_provider_keeps_goes_on_from_its_last_turn(responses, scripted):
    with responses.stream(
        model="m-responses",
        input="plan: old__echo,old__add",
        tools=[tool(require_approval={"always": {"tool_names": ["old__add"]}})],
    ) as stream:
        first = stream.get_final_response()
    assert kinds(first.output) == ["mcp_list_tools", "mcp_call", "mcp_approval_request"]
    said = {"type": "mcp_approval_response", "approval_request_id": first.output[-1].id, "approve": True}
    second = responses.create(model="m-responses", input=[said], previous_response_id=first.id, tools=[tool()])
    sent = scripted.upstream.requests[-1].json
    assert sent["previous_response_id"] != first.id  # that was the first turn; the provider's last one knows the rest
    assert [one["type"] for one in sent["input"]] == ["function_call_output"]
    assert calls(second.output)[0].output == "5"


def test_nobody_approves_what_was_not_asked(responses, hub):
    first = responses.create(
        model="m-chat", input="plan: old__echo", tools=[tool(require_approval="always")], store=False
    )
    said = {"type": "mcp_approval_response", "approval_request_id": first.output[-1].id, "approve": True}
    with openai.OpenAI(base_url=f"{hub.url}/v1", api_key=hub.admin_key, max_retries=0) as other:
        for given in (said, {**said, "approval_request_id": "mcpr_made-up"}):
            with pytest.raises(openai.BadRequestError, match="approval_request_id"):
                other.responses.create(model="m-chat", input=[given], tools=[tool()], store=False)


def test_the_number_of_calls_is_limited(responses):
    whole = responses.create(
        model="m-chat", input="plan: old__echo,old__echo,old__echo", tools=[tool()], max_tool_calls=2, store=False
    )
    assert kinds(whole.output) == ["mcp_list_tools", "mcp_call", "mcp_call"]
    assert (whole.status, whole.incomplete_details.reason) == ("incomplete", "max_tool_calls")


def test_a_model_that_never_ends_is_ended(responses, messages):
    endless = "plan: " + ",".join(["old__echo"] * 40)
    whole = responses.create(model="m-chat", input=endless, tools=[tool()], store=False)
    assert (whole.status, len(whole.output)) == ("incomplete", 17)
    told = messages.create(
        model="m-chat",
        max_tokens=100,
        messages=[{"role": "user", "content": endless}],
        mcp_servers=[{"type": "url", "name": "hub", "url": "/mcp/work"}],
        betas=["mcp-client-2025-04-04"],
    )
    assert told.stop_reason == "pause_turn"


def test_a_profile_that_may_not_be_used_is_refused(responses):
    with pytest.raises(openai.NotFoundError, match="other"):
        responses.create(model="m-chat", input="hi", tools=[tool(profile="other")], store=False)


def test_somebody_elses_server_is_not_touched(responses, scripted):
    foreign = {"type": "mcp", "server_label": "far", "server_url": "https://far.example/mcp/work"}
    responses.create(model="m-responses", input="hello", tools=[foreign], store=False)
    assert scripted.upstream.requests[-1].json["tools"] == [foreign]


def test_the_turns_and_calls_of_a_loop_stand_together(hub, responses):
    whole = responses.with_raw_response.create(
        model="m-chat",
        input="plan: old__echo",
        tools=[tool()],
        store=False,
        extra_headers={"x-hub-session": "the-loop", "idempotency-key": "once"},
    )
    assert float(whole.headers["x-hub-cost-usd"]) > 0
    with hub.client() as http:
        entries = wait_for(
            lambda: (e := http.get("/api/v1/logs?session=the-loop").json()["items"]) and len(e) == 3 and e
        )
    assert sorted((one["call"], one["outcome"]) for one in entries) == [
        ("model", "ok"),
        ("model", "ok"),
        ("tool", "ok"),
    ]
    total = sum(one["cost_micro_usd"] or 0 for one in entries if one["call"] == "model")
    assert round(float(whole.headers["x-hub-cost-usd"]) * 1e6) == total


# -- Messages ----------------------------------------------------------------------------------------------------------


SERVERS = [{"type": "url", "name": "hub", "url": "/mcp/work"}]
BETA = ["mcp-client-2025-04-04"]


def test_messages_calls_until_it_has_answered(messages, model):
    asked = {
        "model": model,
        "max_tokens": 200,
        "messages": [{"role": "user", "content": "plan: old__echo,old__add"}],
        "mcp_servers": SERVERS,
        "betas": BETA,
    }
    whole = messages.create(**asked)
    wanted = ["mcp_tool_use", "mcp_tool_result", "mcp_tool_use", "mcp_tool_result"]
    assert kinds(whole.content) == wanted
    use, result = calls(whole.content)[:2]
    assert (use.name, use.server_name, use.input) == ("old__echo", "hub", {"text": "grüße"})
    assert (result.tool_use_id, result.is_error, result.content[0].text) == (use.id, False, "grüße")
    assert (whole.content[-1].text, whole.stop_reason) == ("Done after 2 calls.", "end_turn")
    with messages.stream(**asked) as stream:
        told = [event.type for event in stream]
        final = stream.get_final_message()
    assert kinds(final.content) == wanted
    assert calls(final.content)[0].input == {"text": "grüße"}
    assert final.content[-1].text == whole.content[-1].text
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert told.count("message_start") == told.count("message_stop") == 1


def test_a_messages_conversation_goes_on(messages, model):
    asked = {"model": model, "max_tokens": 200, "mcp_servers": SERVERS, "betas": BETA}
    first = messages.create(messages=[{"role": "user", "content": "plan: old__echo"}], **asked)
    turns = [
        {"role": "user", "content": "plan: old__echo"},
        {"role": "assistant", "content": [block.to_dict() for block in first.content]},
        {"role": "user", "content": "and now?"},
    ]
    again = messages.create(messages=turns, **asked)
    assert (kinds(again.content), again.content[-1].text) == ([], "Done after 1 calls.")


@pytest.mark.parametrize(
    "given",
    [
        {"mcp_servers": [{**SERVERS[0], "tool_configuration": {"allowed_tools": ["old__add"]}}]},
        {
            "mcp_servers": SERVERS,
            "tools": [
                {
                    "type": "mcp_toolset",
                    "mcp_server_name": "hub",
                    "default_config": {"enabled": False},
                    "configs": {"old__add": {"enabled": True}},
                }
            ],
        },
    ],
)
def test_messages_offers_the_tools_that_are_wanted(hub, scripted, given):
    body = {"model": "m-messages", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}], **given}
    with hub.client(DEV_KEY) as http:
        assert http.post("/v1/messages", json=body).status_code == 200
    sent = scripted.upstream.requests[-1].json
    assert [one["name"] for one in sent["tools"]] == ["old__add"]
    assert "mcp_servers" not in sent


def test_an_approval_in_messages_is_refused_rather_than_forgotten(hub):
    servers = [{"profile": "work", "require_approval": "always"}]
    body = {"model": "m-chat", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], "mcp_servers": servers}
    with hub.client(DEV_KEY) as http:
        response = http.post("/v1/messages", json=body)
    assert response.status_code == 400
    assert "/v1/responses" in response.json()["error"]["message"]


def test_who_leaves_ends_the_loop(hub, scripted):
    body = {"model": "m-chat", "input": "plan: old__sleep", "tools": [tool()], "stream": True}
    with (
        hub.client() as http,
        http.stream("POST", "/v1/responses", json=body, headers={"x-hub-session": "left"}) as response,
    ):
        for line in response.iter_lines():
            if "mcp_call.in_progress" in line:
                break
    with hub.client() as http:
        entries = wait_for(
            lambda: (e := http.get("/api/v1/logs?session=left&call=tool").json()["items"]) and len(e) == 1 and e, 10
        )
    assert entries[0]["outcome"] == "cancelled"
