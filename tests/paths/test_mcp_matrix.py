"""The era matrix: clients of both eras at servers of both eras, through the hub, with everything the protocol has."""

import asyncio
import contextlib
import json

import pytest

from tests.support.hubs import running_hub, servers_ready
from tests.support.mcp_full_running import full_servers
from tests.support.mcp_talkers import META, NewTalker, OldTalker, heard

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

EVERYTHING = {"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {}}
CLIENTS = {"old": OldTalker, "new": NewTalker}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with full_servers(old="2025", new="2026") as servers:
        one = {"security": "none", "prefix": "never"}
        profiles = {name: {**one, "servers": {name: {}}} for name in servers}
        profiles["both"] = {"security": "none", "servers": {name: {} for name in servers}}
        resources = {"servers": servers, "profiles": profiles}
        with running_hub(tmp_path_factory.mktemp("matrix"), resources) as started:
            servers_ready(started, *servers)
            yield started


@pytest.fixture(params=["old", "new"])
def server(request):
    return request.param


@pytest.fixture(params=["old", "new"])
def era(request):
    return request.param


@pytest.fixture
def client(hub, era, server):
    """Makes a client of one era at a profile of one server of the other, or of the same."""
    return lambda capabilities=EVERYTHING: CLIENTS[era](f"{hub.url}/mcp/{server}", capabilities)


def accept(**content):
    return lambda method, params: {"action": "accept", "content": content}


def sample(method, params):
    assert method == "sampling/createMessage"
    content = {"type": "text", "text": f"heard {params['messages'][0]['content']['text']}"}
    return {"role": "assistant", "model": "m-1", "stopReason": "endTurn", "content": content}


async def journal(client, what, tool):
    """How often a tool stands in the server's journal."""
    return json.loads((await client.call("journal")).text)[what].count(tool)


async def until_more(client, what, tool, before):
    """Until the tool stands there once more than before."""
    async with asyncio.timeout(10):
        while await journal(client, what, tool) <= before:
            await asyncio.sleep(0.02)


async def test_the_profile_says_what_its_server_can(client, era):
    async with client() as one:
        told = one.greeting if era == "old" else (await one.request("server/discover")).result
    assert {"tools", "prompts", "resources", "completions", "logging"} <= set(told["capabilities"])
    assert told["instructions"] == "Everything is here."


async def test_every_tool_is_listed_with_all_its_fields(client):
    async with client() as one:
        tools = {tool["name"]: tool for tool in (await one.request("tools/list")).result["tools"]}
    assert {"echo", "test_elicitation", "test_sampling", "roots", "slow_compute"} <= set(tools)
    assert len(tools) >= 50
    assert tools["json_schema_2020_12_tool"]["inputSchema"]["$defs"]["address"]["$anchor"] == "addressDef"
    assert tools["app"]["_meta"]["ui"]["resourceUri"] == tools["app"]["_meta"]["ui/resourceUri"] == "ui://full/app"


async def test_a_call_has_its_result_with_unknown_fields_and_nulls(client):
    async with client() as one:
        assert (await one.call("echo", {"text": "grüß"})).text == "grüß"
        result = (await one.call("plain")).result
    assert (result["structuredContent"], result["x-kept"]) == (None, {"deep": [None, 1]})


async def test_a_tool_that_fails_is_a_result_and_an_unknown_one_an_error(client):
    async with client() as one:
        assert (await one.call("test_error_handling")).result["isError"] is True
        assert (await one.call("nothing")).error["code"] == -32602


async def test_prompts_are_listed_and_got(client):
    async with client() as one:
        names = [prompt["name"] for prompt in (await one.request("prompts/list")).result["prompts"]]
        given = {"name": "test_prompt_with_arguments", "arguments": {"arg1": "a", "arg2": "b"}}
        said = await one.request("prompts/get", given)
        unknown = await one.request("prompts/get", {"name": "nothing"})
    assert "test_simple_prompt" in names
    assert said.result["messages"][0]["content"]["text"] == "Prompt with arguments: arg1='a', arg2='b'"
    assert unknown.error["code"] == -32602


async def test_resources_and_templates_are_listed_and_read(client):
    async with client() as one:
        uris = [item["uri"] for item in (await one.request("resources/list")).result["resources"]]
        templates = (await one.request("resources/templates/list")).result["resourceTemplates"]
        content = (await one.request("resources/read", {"uri": "test://static-text"})).result["contents"][0]
        made = (await one.request("resources/read", {"uri": "test://template/7/data"})).result["contents"][0]
    assert {"test://static-text", "ui://full/app"} <= set(uris)
    assert [one["uriTemplate"] for one in templates] == ["test://template/{id}/data"]
    assert (content["uri"], content["x-kept"]) == ("test://static-text", 1)
    assert json.loads(made["text"])["id"] == "7"


async def test_a_missing_resource_is_told_as_the_clients_era_has_it(client, era):
    async with client() as one:
        error = (await one.request("resources/read", {"uri": "test://nothing"})).error
    assert (error["code"], error["data"]) == (-32002 if era == "old" else -32602, {"uri": "test://nothing"})


async def test_arguments_are_completed(client):
    async with client() as one:
        for ref, own in (
            ({"type": "ref/prompt", "name": "test_prompt_with_arguments"}, "test_prompt_with_arguments"),
            ({"type": "ref/resource", "uri": "test://template/{id}/data"}, "test://template/{id}/data"),
        ):
            said = await one.request("completion/complete", {"ref": ref, "argument": {"name": "arg1", "value": "pa"}})
            assert said.result["completion"]["values"] == ["paris", "park", own]


@pytest.mark.parametrize("token", ["mine", 7])
async def test_progress_comes_in_order_under_the_callers_token(client, token):
    async with client() as one:
        said = await one.call("test_tool_with_progress", token=token)
        silent = await one.call("test_tool_with_progress")
    told = said.noted("notifications/progress")
    assert [(note["progressToken"], note["progress"]) for note in told] == [(token, 0), (token, 50), (token, 100)]
    assert silent.notes == []


async def test_the_log_is_as_verbose_as_the_caller_wants_it(client):
    async with client({}) as one:
        await one.set_level("warning")
        told = (await one.call("log")).noted("notifications/message")
        await one.set_level("debug")
        more = (await one.call("log")).noted("notifications/message")
    assert [note["data"] for note in told] == [{"said": "warning"}, {"said": "error"}]
    assert [note["level"] for note in more] == ["debug", "info", "warning", "error"]


async def test_whoever_named_no_level_reads_what_an_old_server_tells_an_old_client(client, era, server):
    async with client({}) as one:
        told = (await one.call("log")).noted("notifications/message")
    assert [note["level"] for note in told][-2:] == (["warning", "error"] if era == server == "old" else [])


async def test_a_form_is_filled_in(client):
    async with client() as one:
        said = await one.call("test_elicitation", {"message": "Who?"}, answer=accept(username="ann", email="a@b"))
    ((method, params),) = said.questions
    assert (method, params["message"], params["requestedSchema"]["required"]) == (
        "elicitation/create", "Who?", ["username", "email"],
    )  # fmt: skip
    assert 'action=accept, content={"username": "ann", "email": "a@b"}' in said.text


async def test_a_form_is_declined(client):
    async with client() as one:
        said = await one.call("test_elicitation", {"message": "Who?"}, answer=lambda *_: {"action": "decline"})
    assert "action=decline" in said.text


async def test_defaults_and_choices_of_a_form_arrive(client):
    async with client() as one:
        defaults = await one.call("test_elicitation_sep1034_defaults", answer=accept(name="x"))
        choices = await one.call("test_elicitation_sep1330_enums", answer=accept(untitledSingle="option1"))
    assert defaults.questions[0][1]["requestedSchema"]["properties"]["score"] == {"type": "number", "default": 95.5}
    assert choices.questions[0][1]["requestedSchema"]["properties"]["legacyEnum"]["enumNames"][0] == "Option One"


async def test_the_callers_model_is_sampled_with_all_that_it_says(client):
    async with client() as one:
        said = await one.call("test_sampling", {"prompt": "hi"}, answer=sample)
    assert said.text == "LLM response: heard hi"
    assert said.result["structuredContent"]["stopReason"] == "endTurn"
    assert said.result["structuredContent"]["model"] == "m-1"


async def test_sampling_with_tools_keeps_the_tools_and_their_use(client):
    use = {"type": "tool_use", "id": "u", "name": "look", "input": {"at": 1}}
    answer = {"role": "assistant", "model": "m", "stopReason": "toolUse", "content": [use]}
    async with client() as one:
        said = await one.call("test_sampling_tools", answer=lambda *_: answer)
    assert said.questions[0][1]["tools"][0]["name"] == "look"
    assert json.loads(said.text) == answer


async def test_roots_are_asked_for(client):
    roots = {"roots": [{"uri": "file:///home/ann", "name": "home"}]}
    async with client() as one:
        said = await one.call("roots", answer=lambda method, params: roots)
    assert (said.questions[0][0], json.loads(said.text)) == ("roots/list", roots)


async def test_two_questions_at_once_get_each_its_own_answer(client):
    def answer(method, params):
        return {"action": "accept", "content": {"for": params["message"]}}

    async with client() as one:
        said = await one.call("two_questions", answer=answer)
    assert [one["content"]["for"] for one in json.loads(said.text)] == ["One?", "Two?"]


async def test_one_question_after_another(client):
    async with client() as one:
        said = await one.call(
            "test_input_required_result_multi_round",
            answer=lambda method, params: {"action": "accept", "content": {"step": params["message"][:6]}},
        )
    assert [params["message"][:6] for _, params in said.questions] == ["Step 1", "Step 2"]
    assert '"step": "Step 2"' in said.text


async def test_a_state_of_the_server_comes_back_to_it(client):
    async with client() as one:
        assert (await one.call("test_input_required_result_request_state", answer=accept(ok=True))).text == "state-ok"


async def test_the_user_is_sent_to_a_page(client, era):
    async with client() as one:
        said = await one.call("url", answer=lambda *_: {"action": "accept"})
    ((_, params),) = said.questions
    assert (params["mode"], params["url"]) == ("url", "https://example.com/sign-in")
    assert ("elicitationId" in params) is (era == "old")
    assert json.loads(said.text) == {"action": "accept"}


async def test_nobody_is_sent_where_no_page_is(client):
    async with client() as one:
        said = await one.call("trap")
    assert said.questions == []
    assert "no web page" in said.error["message"]


@pytest.mark.parametrize(
    "field",
    [
        {"secret": "password"},
        {"secret": "userApiKey"},
        {"secret": "x", "title": "Access token"},
        {"secret": "card_number"},
    ],
    ids=str,
)
async def test_nobody_is_asked_for_a_secret_in_a_form(client, field):
    """The client would see it, and with it the model's context: the specification has a page of the server's for that."""
    async with client() as one:
        said = await one.call("trap", field, answer=accept(ok=True))
    assert said.questions == []
    assert "in a form, which only a page of its own may" in said.error["message"]


@pytest.mark.parametrize("field", ["passwords_to_check", "token_count", "key", "discard"])
async def test_what_only_sounds_like_a_secret_may_be_asked(client, field):
    async with client() as one:
        said = await one.call("trap", {"secret": field}, answer=lambda *_: {"action": "decline"})
    assert json.loads(said.text) == {"action": "decline"}


async def test_a_page_that_is_needed_first_is_asked_for_and_the_call_goes_on(client, era, server):
    async with client() as one:
        said = await one.call("url_error", answer=lambda *_: {"action": "accept"})
        if said.error:  # an old client learns it from an old server's own error, once
            assert (era, server, said.error["code"]) == ("old", "old", -32042)
            assert said.error["data"]["elicitations"][0]["elicitationId"] == "e-2"
            said = await one.call("url_error")
    assert said.text == "signed in"


async def test_a_prompt_asks(client):
    async with client() as one:
        said = await one.request(
            "prompts/get", {"name": "test_input_required_result_prompt"}, answer=accept(context="here")
        )
    assert '"context": "here"' in said.result["messages"][0]["content"]["text"]


async def test_a_resource_asks(client):
    async with client() as one:
        said = await one.request("resources/read", {"uri": "test://who-asks"}, answer=accept(name="ann"))
    assert '"name": "ann"' in said.result["contents"][0]["text"]


@pytest.mark.parametrize(
    "declared", [{}, {"elicitation": {"form": {}}}, {"sampling": {}, "roots": {"listChanged": True}}]
)
async def test_a_server_is_told_exactly_what_the_caller_can_do(client, declared):
    async with client(declared) as one:
        assert json.loads((await one.call("capabilities")).text) == declared


async def test_a_tool_that_needs_what_the_client_lacks_says_so(client, era, server):
    async with client({}) as one:
        listed = [tool["name"] for tool in (await one.request("tools/list")).result["tools"]]
        error = (await one.call("test_missing_capability")).error
    assert "test_missing_capability" in listed
    assert "sampling" in error["message"]
    if era == server == "new":
        assert (error["code"], error["data"]) == (-32021, {"requiredCapabilities": {"sampling": {}}})


async def test_a_question_that_the_client_cannot_be_asked_is_refused_readably(client):
    async with client({}) as one:
        said = await one.call("url")
    assert said.questions == []
    told = said.error.get("message", "") + json.dumps(said.result)
    assert "elicitation" in told or "capability" in told


async def test_a_cancelled_call_ends_at_the_server(client):
    async with client() as one:
        begun, ended = await journal(one, "calls", "wait"), await journal(one, "cancelled", "wait")
        call = {"name": "wait", "arguments": {}}
        await one.cancel("tools/call", call, lambda: until_more(one, "calls", "wait", begun))
        await until_more(one, "cancelled", "wait", ended)


@pytest.mark.parametrize(
    ("kind", "trigger", "method", "member"),
    [
        ("tools", "test_trigger_tool_change", "tools/list", "name"),
        ("prompts", "test_trigger_prompt_change", "prompts/list", "name"),
        ("resources", "change_resources", "resources/list", "uri"),
    ],
)
async def test_changes_of_a_list_are_told_and_seen(client, kind, trigger, method, member):
    async with client({}) as one, one.listening() as queue:
        added = (await one.call(trigger)).text
        await heard(queue, f"notifications/{kind}/list_changed")
        assert added in [item[member] for item in (await one.request(method)).result[kind]]


async def test_updates_of_a_watched_resource_are_told(client):
    uri = "test://watched-resource"
    async with client({}) as one, one.listening((uri,)) as queue:
        async with asyncio.timeout(15):
            while True:  # a stream of changes is opened anew for it: an update in that moment is lost
                await one.call("touch")
                with contextlib.suppress(TimeoutError):
                    assert (await heard(queue, "notifications/resources/updated", 1))["uri"] == uri
                    break


@pytest.mark.parametrize(("method", "params"), [("tools/list", {}), ("resources/read", {"uri": "test://static-text"})])
async def test_hints_for_caches_and_the_kind_of_a_result_exist_in_the_modern_era_alone(client, era, method, params):
    async with client() as one:
        result = (await one.request(method, params)).result
    if era == "old":
        assert not {"resultType", "ttlMs", "cacheScope"} & set(result)
        assert f"{META}serverInfo" not in result.get("_meta", {})
    else:
        assert (result["resultType"], result["cacheScope"]) == ("complete", "private")
        assert 0 <= result["ttlMs"] <= 5000


async def test_results_name_the_profile_and_never_the_server_behind_it(client, era, server):
    async with client() as one:
        result = (await one.call("echo", {"text": "x"})).result
        info = one.greeting["serverInfo"] if era == "old" else result["_meta"][f"{META}serverInfo"]
    assert info["name"] == server


async def test_ping_is_answered_by_the_hub_in_the_old_era_and_unknown_in_the_new_one(client, era):
    async with client() as one:
        said = await one.request("ping")
    if era == "old":
        assert (said.status, said.result, said.error) == (200, {}, {})
    else:
        assert (said.status, said.error["code"]) == (404, -32601)


async def test_a_task_is_made_only_where_both_sides_know_tasks_and_else_the_call_just_takes_its_time(
    client, era, server
):
    able = {"extensions": {f"{META}tasks": {}}}
    async with client(able) as one:
        said = await one.call("slow_compute", {"seconds": 0.05, "label": "it"})
        if (era, server) != ("new", "new"):
            assert said.text == "computed it"
            assert said.result.get("resultType", "complete") == "complete"
            return
        assert said.result["resultType"] == "task"
        task = {"taskId": said.result["taskId"]}
        async with asyncio.timeout(10):
            while (now := (await one.request("tasks/get", task)).result)["status"] != "completed":
                await asyncio.sleep(0.02)
    assert now["result"]["content"][0]["text"] == "computed it"
    async with client({}) as other:  # without the extension the same tool answers by itself
        assert (await other.call("slow_compute", {"seconds": 0, "label": "b"})).text == "computed b"


async def test_in_a_profile_of_two_servers_everything_has_a_name_of_its_own(hub, era):
    async with CLIENTS[era](f"{hub.url}/mcp/both", EVERYTHING) as one:
        for name in ("old", "new"):
            assert (await one.call(f"{name}__echo", {"text": name})).text == name
            link = (await one.call(f"{name}__link")).result["content"][0]
            assert link["uri"] == f"test://{name}/static-text"
            content = (await one.request("resources/read", {"uri": link["uri"]})).result["contents"][0]
            assert content["uri"] == link["uri"]
            prompt = {"name": f"{name}__test_simple_prompt"}
            assert (await one.request("prompts/get", prompt)).result["messages"]
            ref = {"type": "ref/resource", "uri": f"test://{name}/template/{{id}}/data"}
            said = await one.request("completion/complete", {"ref": ref, "argument": {"name": "id", "value": ""}})
            assert said.result["completion"]["values"][2] == "test://template/{id}/data"
            filled = await one.call(
                f"{name}__test_elicitation", {"message": "?"}, answer=accept(username="u", email="e")
            )
            assert "action=accept" in filled.text
            assert [params["message"] for _, params in filled.questions] == [f"{name}: ?"]
            sampled = await one.call(f"{name}__test_sampling", {"prompt": "hi"}, answer=sample)
            assert sampled.questions[0][1]["messages"][0]["content"]["text"] == "hi"
