"""HTTP+SSE, the transport of 2024-11-05: a server that knows nothing else, and a client that knows nothing else."""

import asyncio
import json

import httpx2
import mcp
import pytest
from mcp import types
from mcp.client.sse import sse_client

from tests.support.hubs import running_hub, servers_ready
from tests.support.mcp_full_running import full_servers
from tests.support.mcp_talkers import NewTalker, OldTalker

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
EVERYTHING = {"elicitation": {"form": {}}, "sampling": {}}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with full_servers(sse="2025", new="2026") as servers:
        servers["sse"]["url"] = servers["sse"]["url"].replace("/mcp", "/sse")
        profiles = {name: {"security": "none", "prefix": "never", "servers": {name: {}}} for name in servers}
        with running_hub(tmp_path_factory.mktemp("sse"), {"servers": servers, "profiles": profiles}) as started:
            servers_ready(started, *servers)
            yield started


@pytest.mark.parametrize("talker", [OldTalker, NewTalker])
async def test_a_server_that_speaks_http_and_sse_serves_clients_of_both_eras(hub, talker):
    async with talker(f"{hub.url}/mcp/sse", EVERYTHING) as one:
        assert (await one.call("echo", {"text": "hi"})).text == "hi"
        filled = await one.call(
            "test_elicitation", {"message": "?"}, answer=lambda *_: {"action": "accept", "content": {"username": "u"}}
        )
        assert '"username": "u"' in filled.text
        assert json.loads((await one.call("capabilities")).text) == EVERYTHING
        told = (await one.call("test_tool_with_progress", token="t")).noted("notifications/progress")
        assert [note["progress"] for note in told] == [0, 50, 100]


@pytest.mark.parametrize("profile", ["sse", "new"])
async def test_a_client_that_speaks_http_and_sse_reaches_servers_of_both_eras(hub, profile):
    async def fill_in(context, params):
        return types.ElicitResult(action="accept", content={"username": params.message, "email": "e"})

    async with (
        sse_client(f"{hub.url}/mcp/{profile}/sse") as (read, write),
        mcp.ClientSession(read, write, elicitation_callback=fill_in) as session,
    ):
        greeting = await session.initialize()
        assert greeting.server_info.name == profile
        names = {tool.name for tool in (await session.list_tools()).tools}
        assert {"echo", "test_elicitation"} <= names
        results = await asyncio.gather(*(session.call_tool("echo", {"text": f"{n}"}) for n in range(5)))
        assert [result.content[0].text for result in results] == ["0", "1", "2", "3", "4"]
        filled = await session.call_tool("test_elicitation", {"message": "who"})
        assert '"username": "who"' in filled.content[0].text
        assert (await session.read_resource("test://static-text")).contents


async def test_a_stream_takes_messages_of_its_own_client_only(hub):
    async with httpx2.AsyncClient(trust_env=False) as http:
        for query in ("session=nothing", "", "session="):
            answer = await http.post(
                f"{hub.url}/mcp/sse/messages?{query}", json={"jsonrpc": "2.0", "id": 1, "method": "ping"}
            )
            assert answer.status_code == 404
        assert (await http.post(f"{hub.url}/mcp/sse/sse", json={})).status_code == 405
        assert (await http.get(f"{hub.url}/mcp/sse/messages")).status_code == 405
