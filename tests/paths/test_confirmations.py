"""Tools that ask their caller's user first: with clients and servers of either era, and never without a word."""

import json

import pytest

from tests.paths.test_mcp_matrix import CLIENTS
from tests.support.hubs import running_hub, servers_ready
from tests.support.mcp_full_running import full_servers

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ABLE = {"elicitation": {"form": {}}}
CONFIRM = ["test_*", "!test_image_content"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with full_servers(old="2025", new="2026") as servers:
        profiles = {
            name: {"security": "none", "prefix": "never", "servers": {name: {"confirm": CONFIRM}}} for name in servers
        }
        # One that its servers' owner guards, whoever composes a profile of it, and one made without the demand.
        servers["guarded"] = {**servers["old"], "confirm": ["test_simple_text"]}
        profiles["composed"] = {"security": "none", "prefix": "never", "servers": {"guarded": {}}}
        profiles["around"] = {"security": "none", "include": ["old"], "prefix": "never", "servers": {"old": {}}}
        with running_hub(tmp_path_factory.mktemp("confirm"), {"servers": servers, "profiles": profiles}) as started:
            servers_ready(started, *servers)
            yield started


@pytest.fixture(params=["old", "new"])
def server(request):
    return request.param


@pytest.fixture(params=["old", "new"])
def client(hub, server, request):
    """Makes a client of one era at a profile of one server of the other, or of the same."""
    return lambda capabilities=ABLE, mode="": CLIENTS[request.param](f"{hub.url}/mcp/{server}{mode}", capabilities)


async def times(one, tool):
    """How often the server was called with a tool."""
    return json.loads((await one.call("journal")).text)["calls"].count(tool)


def saying(action):
    return lambda method, params: {"action": action, "content": {}}


async def test_a_call_goes_on_once_its_user_has_agreed(client):
    async with client() as one:
        before = await times(one, "test_simple_text")
        said = await one.call("test_simple_text", {"why": "so"}, answer=saying("accept"))
        assert said.text == "This is a simple text response for testing."
        ((method, asked),) = said.questions
        assert (method, asked["requestedSchema"]["properties"]) == ("elicitation/create", {})
        assert asked["message"] == 'Call test_simple_text with {"why": "so"}?'
        assert await times(one, "test_simple_text") == before + 1


@pytest.mark.parametrize("action", ["decline", "cancel", "odd"])
async def test_a_call_that_nobody_agreed_to_does_not_reach_its_server(client, action):
    async with client() as one:
        before = await times(one, "test_simple_text")
        said = await one.call("test_simple_text", answer=saying(action))
        assert (said.result["isError"], "did not agree" in said.text) == (True, True)
        assert await times(one, "test_simple_text") == before


async def test_a_client_that_cannot_ask_is_told_so(client):
    async with client({}) as one:
        before = await times(one, "test_simple_text")
        said = await one.call("test_simple_text")
        assert (said.result["isError"], "cannot ask them" in said.text) == (True, True)
        assert await times(one, "test_simple_text") == before
        assert (await one.call("test_image_content")).result["content"][0]["type"] == "image"


async def test_a_server_may_ask_more_once_its_user_has_agreed(client):
    async with client() as one:
        said = await one.call(
            "test_elicitation",
            {"message": "Who?"},
            answer=lambda _, params: {"action": "accept", "content": {"username": "ann", "email": "a@b"}},
        )
        first, second = (params["message"] for _, params in said.questions)
        assert (first, second) == ('Call test_elicitation with {"message": "Who?"}?', "Who?")
        assert '"username": "ann"' in said.text


async def test_progress_comes_to_the_caller_who_agreed(client):
    async with client() as one:
        said = await one.call("test_tool_with_progress", answer=saying("accept"), token="t")
        assert [note["params"]["progressToken"] for note in said.notes if "progress" in note["params"]][-1:] == ["t"]


@pytest.mark.parametrize("profile", ["composed", "around"])
async def test_a_profile_that_leaves_the_demand_out_is_still_bound_by_it(hub, profile):
    """What the server says, and a profile that is included, holds in each profile that is made of them."""
    async with CLIENTS["old"](f"{hub.url}/mcp/{profile}", ABLE) as one:
        said = await one.call("test_simple_text", answer=saying("decline"))
        assert "did not agree" in said.text


async def test_no_other_way_leads_around_the_question(client):
    async with client(mode="?mode=search") as one:
        said = await one.call("call_tool", {"name": "test_simple_text"}, answer=saying("decline"))
        assert "did not agree" in said.text
    async with client({}, "?mode=code") as one:
        said = await one.call("run_program", {"program": "test_simple_text()"})
        assert "cannot ask them" in said.text
    async with client({}) as one:
        forged = {"name": "test_simple_text", "arguments": {}, "requestState": "x", "inputResponses": {}}
        said = await one.request("tools/call", forged)
        assert "simple text response" not in json.dumps([said.result, said.error])
