"""`make run` in a clean folder: what a newcomer types, and what they then paste."""

import os
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import httpx2
import pytest

from tests.support.hubs import ROOT, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def started(tmp_path):
    """`make run` in a copy of the checkout. The environments are the checkout's own: a test installs nothing."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, tracked.split("\0")):
        if (ROOT / name).exists():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tmp_path / name)
    for folder in (".venv", ".servers"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    for stamp in [*(ROOT / ".servers").glob("*/.done"), ROOT / ".venv" / ".run"]:
        stamp.touch()
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("HUB_") and not name.endswith("_API_KEY")
    }
    process = subprocess.Popen(
        ["make", "run", "ARGS=--port 0"], cwd=tmp_path, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(iter(process.stdout.readline, "")), daemon=True)
    reader.start()
    try:
        wait_for(lambda: any("OpenAI(" in line for line in lines) or process.poll() is not None, 60)
        yield tmp_path, "".join(lines)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(40)
        reader.join(5)
        process.stdout.close()


def test_a_newcomer_gets_everything_they_need(started):
    folder, text = started
    address = re.search(r"hub is ready at (\S+)", text).group(1)
    key = re.search(r"Admin key, shown once.*\n\s+(hub_\S+)", text).group(1)
    assert f"{address}/login?token=" in text
    assert f'claude mcp add --transport http demo {address}/mcp/demo --header "Authorization: Bearer {key}"' in text
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
