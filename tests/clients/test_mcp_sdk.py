"""The `mcp` client in both eras against a running hub, over servers of both eras."""

import httpx2
import mcp
import pytest
from mcp.client.streamable_http import streamable_http_client

from tests.support.hubs import wait_for

pytestmark = pytest.mark.anyio


async def with_client(hub, mode, use, key=None, profile="both"):
    headers = {"authorization": f"Bearer {key or hub.admin_key}"}
    async with httpx2.AsyncClient(headers=headers, timeout=30, trust_env=False) as http:
        transport = streamable_http_client(f"{hub.url}/mcp/{profile}", http_client=http)
        async with mcp.Client(transport, mode=mode) as client:
            return await use(client)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_every_tool_is_listed_and_works(hub, mode):
    async def use(client):
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        results = [await client.call_tool(f"{server}__echo", {"text": f"hi {server}"}) for server in ("old", "new")]
        who = await client.call_tool("hub__whoami", {})
        return listed, results, who

    listed, results, who = await with_client(hub, mode, use)
    assert {"old__echo", "new__echo", "old__add", "new__add", "hub__whoami", "hub__usage"} <= set(listed)
    assert [result.content[0].text for result in results] == ["hi old", "hi new"]
    assert who.structured_content["key"] == "admin"


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_failing_tool_is_a_tool_error_and_an_unknown_one_is_not(hub, mode):
    async def use(client):
        failed = await client.call_tool("new__fail", {})
        with pytest.raises(mcp.MCPError) as unknown:
            await client.call_tool("new__nothing", {})
        return failed, unknown.value

    failed, unknown = await with_client(hub, mode, use)
    assert failed.is_error
    assert "no tool 'new__nothing'" in str(unknown)


async def test_both_kinds_of_call_have_one_entry_each_under_one_key(hub):
    hub.put("keys", "both-doors", {"models": ["demo"], "profiles": ["both"]})
    with hub.client() as admin:
        key = admin.post("/api/v1/keys/both-doors/rotate", json={}).json()["secret"]
        with hub.client(key) as client:
            client.post(
                "/v1/chat/completions", json={"model": "demo", "messages": [{"role": "user", "content": "x"}]}
            ).raise_for_status()
        await with_client(hub, "auto", lambda client: client.call_tool("new__add", {"a": 1, "b": 2}), key=key)
        items = wait_for(lambda: two(admin.get("/api/v1/logs", params={"key": "both-doors"}).json()["items"]))
    assert sorted(item["call"] for item in items) == ["model", "tool"]
    tool = next(item for item in items if item["call"] == "tool")
    assert (tool["profile"], tool["server"], tool["tool"], tool["outcome"]) == ("both", "new", "add", "ok")


def two(items):
    return items if len(items) == 2 else None


async def test_a_key_without_the_profile_does_not_learn_that_it_exists(hub):
    hub.put("keys", "modelist", {"models": ["demo"]})
    with hub.client() as admin:
        key = admin.post("/api/v1/keys/modelist/rotate", json={}).json()["secret"]
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {key}"}, trust_env=False) as http:
        for profile in ("both", "nothing"):
            answer = await http.post(
                f"{hub.url}/mcp/{profile}", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
            )
            assert (answer.status_code, answer.json()["error"]["data"]["code"]) == (404, "profile_not_found")
