"""The scriptable MCP upstreams speak both eras as the SDK's client understands them, and misbehave as told."""

import asyncio
import json
import os

import aiohttp
import mcp_types as types
import pytest
from mcp import Client, MCPError, StdioServerParameters

from tests.support.mcp_upstreams import McpUpstream, stdio_command
from tests.support.upstream import until

pytestmark = pytest.mark.anyio
HELLO = {"jsonrpc": "2.0", "id": 1, "method": "initialize"}
HELLO["params"] = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
VERSIONS = {"2025": "2025-11-25", "2026": "2026-07-28", "both": "2026-07-28"}


async def _answer_me(_context, params):
    return types.ElicitResult(action="accept", content={"answer": params.message.upper()})


async def _walk(client, era):
    """Every tool, through the SDK's own client."""
    assert client.protocol_version == VERSIONS[era]
    tools = {tool.name for tool in (await client.list_tools()).tools}
    assert tools >= {"echo", "add", "fail", "big", "sleep", "env", "progress", "headers", "ask"}
    assert (await client.call_tool("echo", {"text": "grüße"})).content[0].text == "grüße"
    assert (await client.call_tool("add", {"a": 1, "b": 2.5})).structured_content == {"sum": 3.5}
    assert (await client.call_tool("fail", {})).is_error
    assert len((await client.call_tool("big", {"n": 100_000})).content[0].text) == 100_000
    seen = []

    async def progress(done, total, message):
        seen.append((done, total, message))

    await client.call_tool("progress", {"n": 3}, progress_callback=progress)
    assert seen[-1] == (3, 3, "step 3")
    asked = json.loads((await client.call_tool("ask", {"question": "why"})).content[0].text)
    assert asked["content"] == {"answer": "WHY"}
    with pytest.raises(MCPError):
        await client.call_tool("no-such-tool", {})


@pytest.mark.parametrize("answers", ["json", "sse"])
@pytest.mark.parametrize("era", ["2025", "2026", "both"])
async def test_http_serves_the_sdks_client(era, answers):
    async with McpUpstream(era, answers=answers) as server:
        async with Client(server.url, elicitation_callback=_answer_me) as client:
            await _walk(client, era)
        assert server.calls[0] == ("echo", {"text": "grüße"})


@pytest.mark.parametrize("era", ["2025", "2026"])
async def test_stdio_serves_the_sdks_client(era):
    command, *arguments = stdio_command(era, "--noise", "3")
    parameters = StdioServerParameters(command=command, args=arguments, env={"HELLO": "there"})
    async with Client(parameters, elicitation_callback=_answer_me) as client:
        await _walk(client, era)
        assert (await client.call_tool("env", {"name": "HELLO"})).content[0].text == "there"


async def _post(session, url, message, **headers):
    headers = {"accept": "application/json, text/event-stream", **{k.replace("_", "-"): v for k, v in headers.items()}}
    async with session.post(url, json=message, headers=headers) as reply:
        return reply.status, reply.headers, await reply.read()


@pytest.fixture
async def http():
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(3)) as session:
        yield session


def _request(method, **params):
    return {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}


async def test_unknown_fields_and_numbers_reach_the_wire(http):
    async with McpUpstream("2025") as server:
        _, headers, _ = await _post(http, server.url, HELLO)
        session = headers["mcp-session-id"]
        _, _, tools = await _post(http, server.url, _request("tools/list"), mcp_session_id=session)
        for part in (b'"x-custom":{"kept":true}', b'"deep":[1,null,1.50]', b'"x-big":12345678901234567890', b'"$defs"'):
            assert part in tools
        server.set(page=4, tools=3)
        _, _, page = await _post(http, server.url, _request("tools/list", cursor="8"), mcp_session_id=session)
        assert [tool["name"] for tool in json.loads(page)["result"]["tools"]] == [
            "ask",
            "tool_000",
            "tool_001",
            "tool_002",
        ]
        server.forget_sessions()
        status, _, _ = await _post(http, server.url, _request("tools/list"), mcp_session_id=session)
        assert status == 404
        status, _, _ = await _post(http, server.url, _request("server/discover"))
        assert status == 400


async def test_http_faults_are_made_as_told(http):
    async with McpUpstream("2025", hang={"tools/call"}, errors={"prompts/list": (-32601, "none")}) as server:
        _, headers, _ = await _post(http, server.url, HELLO)
        session = headers["mcp-session-id"]
        _, _, body = await _post(http, server.url, _request("prompts/list"), mcp_session_id=session)
        assert json.loads(body)["error"]["message"] == "none"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(
                _post(http, server.url, _request("tools/call", name="fail"), mcp_session_id=session), 0.1
            )
        for answers in ("json", "sse"):
            server.set(hang=set(), die={"tools/call"}, answers=answers)
            with pytest.raises(aiohttp.ClientError):
                await _post(http, server.url, _request("tools/call", name="fail"), mcp_session_id=session)
        server.set(status={"tools/call": 503})
        status, _, body = await _post(http, server.url, _request("tools/call", name="fail"), mcp_session_id=session)
        assert (status, body[:6]) == (503, b"<html>")
        server.set(token="secret-of-a-test")
        status, headers, _ = await _post(http, server.url, HELLO)
        assert (status, "resource_metadata" in headers["www-authenticate"]) == (401, True)
        with pytest.raises(TypeError, match="no option"):
            server.set(hangs={"tools/call"})


async def test_change_of_tools_reaches_a_legacy_listener(http):
    async with McpUpstream("2025") as server:
        _, headers, _ = await _post(http, server.url, HELLO)
        async with http.get(server.url, headers={"mcp-session-id": headers["mcp-session-id"]}) as stream:
            await until(lambda: server.listeners == 1)
            await server.change_tools(2)
            assert b"notifications/tools/list_changed" in await stream.content.readuntil(b"\n\n")
        await until(lambda: server.listeners == 0)


async def test_change_of_tools_reaches_a_modern_listener():
    async with McpUpstream("2026") as server, Client(server.url) as client:
        async with client.listen(tools_list_changed=True) as events:
            await until(lambda: server.listeners == 1)
            await server.change_tools(2)
            async with asyncio.timeout(3):
                event = await anext(aiter(events))
        assert type(event).__name__ == "ToolsListChanged"
        assert "tool_001" in {tool.name for tool in (await client.list_tools()).tools}


async def _spawn(*options):
    return await asyncio.create_subprocess_exec(
        *stdio_command("2025", *options), cwd="/", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


async def _say(process, message):
    process.stdin.write(json.dumps(message).encode() + b"\n")
    await process.stdin.drain()


async def _end(process):
    if process.returncode is None:
        os.killpg(process.pid, 9)
    await process.communicate()


async def test_stdio_crashes_and_stays_as_told(tmp_path):
    process = await _spawn("--crash-after", "2", "--noise-per-call", "1", "--garbage", "--list-changed-after", "1")
    try:
        await _say(process, HELLO)
        assert (await process.stdout.readline()).startswith(b"Starting")
        assert json.loads(await process.stdout.readline())["result"]["serverInfo"]["name"] == "scripted"
        await _say(process, _request("tools/call", name="echo", arguments={"text": "x"}))
        assert b'"x-custom"' in await process.stdout.readline()
        assert b"list_changed" in await process.stdout.readline()
        await _say(process, _request("tools/call", name="echo", arguments={"text": "x"}))
        assert await asyncio.wait_for(process.wait(), 5) == 1
        assert await process.stderr.read() == b"noise line 0\n"
    finally:
        await _end(process)
    pids = tmp_path / "pids"
    process = await _spawn(
        "--ignore-sigterm", "--ignore-eof", "--fork", "--pid-file", str(pids), "--hang", "tools/list"
    )
    try:
        await _say(process, _request("tools/list"))
        await _say(process, _request("tools/call", name="sleep", arguments={"ms": 1}))
        assert json.loads(await process.stdout.readline())["result"]["content"][0]["text"] == "slept 1 ms"
        assert len(pids.read_text().split()) == 2
        process.terminate()
        process.stdin.close()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(process.wait(), 0.2)
    finally:
        await _end(process)
