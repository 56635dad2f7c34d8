"""Two replicas over one database: a call that waits at one of them is gone on with at the other."""

import contextlib
import json
import shutil
import signal
import socket

import pytest

from tests.support.databases import postgres_url
from tests.support.hubs import ADMIN_KEY, RESOURCES, running_hub, servers_ready, wait_for
from tests.support.mcp_talkers import NewTalker

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
ABLE = {"elicitation": {"form": {}}}


def free_port():
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


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
