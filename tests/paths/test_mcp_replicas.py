"""Two replicas over one database: a call or a session of one of them is gone on with at the other."""

import asyncio
import contextlib
import itertools
import json
import shutil
import signal

import httpx2
import pytest

from tests.support.addresses import free_port
from tests.support.databases import postgres_url
from tests.support.hubs import ADMIN_KEY, RESOURCES, running_hub, servers_ready, wait_for
from tests.support.mcp_talkers import NewTalker, OldTalker

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ABLE = {"elicitation": {"form": {}}}


def replica(folder, database):
    """A hub that other replicas reach at its address."""
    port = free_port()
    settings = {"HUB_DATABASE_URL": database, "HUB_REPLICA_URL": f"http://127.0.0.1:{port}/"}
    return running_hub(folder, environment=settings, arguments=("--port", str(port)))


@pytest.fixture
async def pair(tmp_path):
    """Two replicas with the same key ring, and the key of somebody else."""
    async with postgres_url() as database:
        with contextlib.ExitStack() as stack:
            one = stack.enter_context(replica(tmp_path / "one", database.replace("+asyncpg", "")))
            one.put("servers", "old", RESOURCES["servers"]["old"])
            one.put("profiles", "p", {"title": "P", "servers": {"old": {}}})
            (tmp_path / "two" / "data").mkdir(parents=True)
            shutil.copy(one.data / "vault.key", tmp_path / "two" / "data")
            two = stack.enter_context(replica(tmp_path / "two", database.replace("+asyncpg", "")))
            for hub in (one, two):
                servers_ready(hub, "old")
            yield one, two


async def asked(hub, key=ADMIN_KEY):
    """Begin a call that asks something; the interim result."""
    async with NewTalker(f"{hub.url}/mcp/p", ABLE, key=key) as client:
        return await posted(client, {})


async def posted(client, rounds):
    """One round of the call: status and message."""
    body, headers = client.body("tools/call", {"name": "old__ask", "arguments": {"question": "Who?"}, **rounds})
    response = await client.http.post(client.url, json=body, headers={**client._headers, **headers})
    *_, last = [line[5:] for line in response.text.splitlines() if line.startswith("data:")] or [response.text]
    return response.status_code, json.loads(last)


def answering(result):
    (key,) = result["inputRequests"]
    answer = {"action": "accept", "content": {"answer": "Ann"}}
    return {"inputResponses": {key: answer}, "requestState": result["requestState"]}


async def test_an_answer_at_another_replica_goes_on_with_the_call(pair):
    one, two = pair
    for begun, resumed in ((one, two), (two, one), (one, one)):
        _, told = await asked(begun)
        assert told["result"]["resultType"] == "input_required"
        async with NewTalker(f"{resumed.url}/mcp/p", ABLE, key=ADMIN_KEY) as client:
            status, said = await posted(client, answering(told["result"]))
            assert (status, "Ann" in said["result"]["content"][0]["text"]) == (200, True)
            _, again = await posted(client, answering(told["result"]))
        assert "does not wait any more" in again["error"]["message"]


async def test_a_call_at_a_replica_that_is_gone_is_told_to_be_sent_anew(pair):
    one, two = pair
    _, told = await asked(one)
    one.process.send_signal(signal.SIGKILL)
    one.process.wait(10)
    async with NewTalker(f"{two.url}/mcp/p", ABLE, key=ADMIN_KEY) as client:
        _, said = await posted(client, answering(told["result"]))
        assert "does not wait any more" in said["error"]["message"]
        _, anew = await posted(client, {})
    assert anew["result"]["resultType"] == "input_required"


async def test_nobody_else_goes_on_with_it_and_a_state_that_is_changed_goes_nowhere(pair):
    one, two = pair
    one.put("teams", "crew", {"profiles": ["p"]})
    other = one.put("keys", "other", {"team": "crew"})["secret"]
    with two.client(other) as http:
        wait_for(lambda: http.get("/v1/models").status_code == 200)  # the other replica knows the key
    _, told = await asked(one)
    rounds = answering(told["result"])
    async with NewTalker(f"{two.url}/mcp/p", ABLE, key=other) as client:
        status, said = await posted(client, rounds)
        assert (status, said["error"]["code"]) == (400, -32602)
    async with NewTalker(f"{two.url}/mcp/p", ABLE, key=ADMIN_KEY) as client:
        status, said = await posted(client, {**rounds, "requestState": rounds["requestState"][:-2] + "AA"})
        assert (status, said["error"]["code"]) == (400, -32602)
        _, said = await posted(client, rounds)
    assert "Ann" in said["result"]["content"][0]["text"]


# -- approvals ---------------------------------------------------------------------------------------------------------


def document(folder, summary):
    path = folder / f"{abs(hash(summary))}.json"
    paths = {"/a": {"get": {"operationId": "a", "summary": summary}}}
    path.write_text(json.dumps({"openapi": "3.1.0", "info": {"title": "Changing"}, "paths": paths}))
    return str(path)


async def test_a_tool_that_is_approved_at_one_replica_is_shown_by_the_other(pair, tmp_path):
    one, two = pair

    def offer(summary):
        spec = {"openapi": document(tmp_path, summary), "base_url": one.url, "allow_private": True}
        one.put("servers", "changing", spec)

    def tools(http):
        return [tool["name"] for tool in http.get("/api/v1/profiles/locked/tools").json().get("tools", [])]

    offer("It was so")
    one.put("profiles", "locked", {"servers": {"changing": {}}, "lock": "enforce"})
    with one.client() as first, two.client() as second:
        wait_for(lambda: tools(first) == tools(second) == ["changing__a"])
        offer("It is new")
        wait_for(lambda: tools(first) == tools(second) == [])
        assert first.post("/api/v1/profiles/locked/approve", json={"tools": ["*"]}).is_success
        wait_for(lambda: tools(first) == tools(second) == ["changing__a"])


# -- sessions of old clients -------------------------------------------------------------------------------------------


class Between(OldTalker):
    """An old client behind a balancer: each request goes to the next replica."""

    def __init__(self, hubs, **options):
        self._urls = itertools.cycle([f"{hub.url}/mcp/p" for hub in hubs])
        super().__init__("", **options)

    @property
    def url(self):
        return next(self._urls)

    @url.setter
    def url(self, value):
        pass


async def test_a_session_is_at_home_at_every_replica(pair):
    async with Between(pair, capabilities={"elicitation": {}}, key=ADMIN_KEY) as client:
        for _ in range(4):
            listed = await client.request("tools/list")
            assert "old__ask" in [tool["name"] for tool in listed.result["tools"]]
            said = await client.call("old__echo", {"text": "hi"})
            assert "hi" in said.text
        for _ in range(3):  # the question comes on one replica's stream, the answer goes to the other one
            said = await client.call(
                "old__ask", {"question": "Who?"}, answer=lambda *_: {"action": "accept", "content": {"answer": "Ann"}}
            )
            assert "Ann" in said.text
            assert [method for method, _ in said.questions] == ["elicitation/create"]
        said = await client.call("old__progress", {"n": 3}, token="t")
        assert len(said.noted("notifications/progress")) == 3
        await client.set_level("error")


async def test_a_call_is_cancelled_and_a_stream_followed_through_another_replica(pair):
    one = pair[0]
    async with Between(pair, key=ADMIN_KEY) as client:
        running = asyncio.ensure_future(client.call("old__sleep", {"ms": 60_000}))  # the 3rd request: at `one`
        await asyncio.to_thread(wait_for, lambda: one_running(one))
        await client.notify("notifications/cancelled", {"requestId": 1})
        said = await asyncio.wait_for(running, 20)
        assert said.error["data"]["code"] == "cancelled"
        async with client.listening() as first, client.listening() as second:
            # The second stream replaces the first one, wherever it was opened.
            one.put("profiles", "p", {"title": "P", "servers": {"old": {"tools": ["echo"]}}})
            told = await asyncio.wait_for(second.get(), 20)
            assert told["method"] == "notifications/tools/list_changed"
            assert first.empty()


def one_running(hub):
    with hub.client() as http:
        lines = http.get("/metrics").text.splitlines()
    return any(line.startswith("hub_in_flight") and float(line.split()[-1]) >= 1 for line in lines)


async def test_a_session_ends_everywhere_and_outlives_the_replica_where_it_began(pair):
    one, two = pair
    async with (
        OldTalker(f"{one.url}/mcp/p", key=ADMIN_KEY) as ended,
        OldTalker(f"{one.url}/mcp/p", key=ADMIN_KEY) as kept,
    ):
        async with ended.http.stream("DELETE", f"{two.url}/mcp/p", headers=ended._headers) as response:
            assert response.status_code in (200, 204)
        for hub in pair:
            ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            gone = await ended.http.post(f"{hub.url}/mcp/p", json=ping, headers=ended._headers)
            assert (gone.status_code, gone.json()["error"]["data"]["code"]) == (404, "session_not_found")
        one.process.send_signal(signal.SIGKILL)
        one.process.wait(10)
        kept.url = f"{two.url}/mcp/p"
        assert "hi" in (await kept.call("old__echo", {"text": "hi"})).text
        async with kept.listening() as heard:
            two.put("profiles", "p", {"title": "P", "servers": {"old": {"tools": ["echo"]}}})
            told = await asyncio.wait_for(heard.get(), 20)
            assert told["method"] == "notifications/tools/list_changed"


async def test_an_sse_client_may_post_at_another_replica(pair):
    one, two = pair
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    http = httpx2.AsyncClient(timeout=30, trust_env=False)
    async with http, http.stream("GET", f"{one.url}/mcp/p/sse", headers=headers) as stream:
        lines = stream.aiter_lines()
        target = await anext(line[5:].strip() async for line in lines if line.startswith("data:"))
        body = {"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": {}}
        posted = await http.post(f"{two.url}{target}", json=body, headers=headers)
        assert posted.status_code == 202
        said = json.loads(await anext(line[5:] async for line in lines if line.startswith("data:")))
        assert (said["id"], bool(said["result"]["tools"])) == (7, True)
