"""`make run` in a clean folder: what a newcomer types, and what they then paste."""

import re
import shutil
import subprocess
from pathlib import Path

import httpx2
import pytest

from tests.support.hubs import wait_for
from tests.support.newcomers import make_run

pytestmark = pytest.mark.slow


@pytest.fixture
def started(tmp_path):
    with make_run(tmp_path) as (folder, text, _):
        yield folder, text


def test_a_newcomer_gets_everything_they_need(started):
    folder, text = started
    address = re.search(r"hub is ready at (\S+)", text).group(1)
    key = re.search(r"Admin key, shown once.*\n\s+(hub_\S+)", text).group(1)
    assert f"{address}/login?token=" in text
    assert f'claude mcp add --transport http demo {address}/mcp/demo --header "Authorization: Bearer {key}"' in text
    assert f"hub install claude-code --profile demo --models --url {address} --key {key}" in text
    assert f"curl {address}/v1/chat/completions" in text
    assert f'Anthropic(base_url="{address}", api_key="{key}")' in text
    line = next(line for line in text.splitlines() if line.startswith("  curl "))
    if shutil.which("curl"):
        pasted = subprocess.run(
            ["sh", "-c", line.replace("curl", "curl -s", 1)], capture_output=True, text=True, check=True
        )
        assert '"chat.completion"' in pasted.stdout
    assert (folder / ".hub").stat().st_mode & 0o777 == 0o700
    with httpx2.Client(
        base_url=address, headers={"authorization": f"Bearer {key}"}, timeout=30, trust_env=False
    ) as client:

        def ready():
            states = {server["name"]: server["state"] for server in client.get("/api/v1/instance").json()["servers"]}
            return states if set(states.values()) == {"ready"} else None

        assert set(wait_for(ready, 30)) == {"time", "git", "sqlite", "calculator", "hub"}
        for tool, arguments, word in [
            ("time__get_current_time", {"timezone": "Europe/Berlin"}, "Europe/Berlin"),
            ("git__git_log", {"repo_path": "."}, "Say hello"),
            ("calculator__calculate", {"expression": "6*7"}, "42"),
            ("hub__whoami", {}, "admin"),
        ]:
            call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
            assert word in client.post("/mcp/demo", json=call).text
        said = client.post(
            "/v1/chat/completions", json={"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}
        ).json()
        assert "demo" in said["choices"][0]["message"]["content"]
    assert Path(folder / ".hub" / "vault.key").stat().st_mode & 0o777 == 0o600
