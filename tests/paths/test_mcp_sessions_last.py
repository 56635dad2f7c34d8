"""Sessions of old clients outlive the process: after a restart, on the same data, a client goes on as it was."""

import signal

import pytest

from tests.support.addresses import free_port
from tests.support.hubs import ADMIN_KEY, RESOURCES, running_hub, servers_ready
from tests.support.mcp_talkers import NewTalker, OldTalker, messages_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
CHOSEN = {
    "servers": {name: RESOURCES["servers"][name] for name in ("old", "new")},
    "profiles": {"p": {"title": "P", "servers": {"old": {}, "new": {}}}, "q": {"title": "Q", "servers": {"old": {}}}},
    "teams": {"crew": {"profiles": ["p"], "tools": ["*"]}},
    "keys": {"other": {"team": "crew", "secret": "env:OTHER_KEY"}},
}
OTHER = "another-key-0123456789-0123456789-0123"


def started(folder, port):
    return running_hub(folder, CHOSEN, {"OTHER_KEY": OTHER}, ("--port", str(port)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_session_outlives_a_restart_also_with_a_new_vault_key(tmp_path, number):
    port = free_port()
    answer = {"action": "accept", "content": {"answer": "Ann"}}
    with started(tmp_path, port) as hub:
        servers_ready(hub, "old")
        client = await OldTalker(f"{hub.url}/mcp/p", {"elicitation": {}}, key=ADMIN_KEY).__aenter__()
        assert "hi" in (await client.call("old__echo", {"text": "hi"})).text
        await client.http.aclose()
        hub.cli("secret", "rotate")
        hub.process.send_signal(number)
        hub.process.wait(20)
    with started(tmp_path, port) as hub:
        servers_ready(hub, "old")
        client.http = type(client.http)(timeout=30, trust_env=False)
        said = await client.call("old__ask", {"question": "Who?"}, answer=lambda *_: answer)
        assert "Ann" in said.text  # what the client can do is known still
        for key, profile in ((OTHER, "p"), (ADMIN_KEY, "q")):
            client._headers["authorization"] = f"Bearer {key}"
            client.url = f"{hub.url}/mcp/{profile}"
            ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
            assert (await client.http.post(client.url, json=ping, headers=client._headers)).status_code == 404
        await client.http.aclose()


async def test_a_call_that_waits_for_its_caller_outlives_a_restart_with_a_new_vault_key(tmp_path):
    """One of a modern server, whose own state says all that it needs."""
    port = free_port()
    with started(tmp_path, port) as hub:
        servers_ready(hub, "new")
        url = f"{hub.url}/mcp/p"
        async with NewTalker(url, {"elicitation": {"form": {}}}, key=ADMIN_KEY) as client:
            asked = await sent(client, {})
        hub.cli("secret", "rotate")
        hub.process.send_signal(signal.SIGKILL)
        hub.process.wait(20)
    with started(tmp_path, port) as hub:
        servers_ready(hub, "new")
        async with NewTalker(url, {"elicitation": {"form": {}}}, key=ADMIN_KEY) as client:
            (key,) = asked["result"]["inputRequests"]
            answers = {key: {"action": "accept", "content": {"answer": "Ann"}}}
            rounds = {"inputResponses": answers, "requestState": asked["result"]["requestState"]}
            assert "Ann" in (await sent(client, rounds))["result"]["content"][0]["text"]


async def sent(client, rounds):
    """One round of a call."""
    body, headers = client.body("tools/call", {"name": "new__ask", "arguments": {"question": "Who?"}, **rounds})
    response = await client.http.post(client.url, json=body, headers={**client._headers, **headers})
    return [message async for message in messages_of(response)][-1]
