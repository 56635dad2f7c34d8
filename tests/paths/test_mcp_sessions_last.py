"""Sessions of old clients outlive the process: after a restart, on the same data, a client goes on as it was."""

import signal

import pytest

from tests.support.addresses import free_port
from tests.support.hubs import ADMIN_KEY, RESOURCES, running_hub, servers_ready
from tests.support.mcp_talkers import OldTalker

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
CHOSEN = {
    "servers": {"old": RESOURCES["servers"]["old"]},
    "profiles": {"p": {"title": "P", "servers": {"old": {}}}, "q": {"title": "Q", "servers": {"old": {}}}},
    "teams": {"crew": {"profiles": ["p"], "tools": ["*"]}},
    "keys": {"other": {"team": "crew", "secret": "env:OTHER_KEY"}},
}
OTHER = "another-key-0123456789-0123456789-0123"


def started(folder, port):
    return running_hub(folder, CHOSEN, {"OTHER_KEY": OTHER}, ("--port", str(port)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_session_outlives_a_restart(tmp_path, number):
    port = free_port()
    answer = {"action": "accept", "content": {"answer": "Ann"}}
    with started(tmp_path, port) as hub:
        servers_ready(hub, "old")
        client = await OldTalker(f"{hub.url}/mcp/p", {"elicitation": {}}, key=ADMIN_KEY).__aenter__()
        assert "hi" in (await client.call("old__echo", {"text": "hi"})).text
        await client.http.aclose()
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
