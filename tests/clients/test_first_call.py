"""From `make run` to the first tool call in a real Claude Code: two commands, under a minute."""

import os
import re
import subprocess
import time
from pathlib import Path

import httpx2
import pytest

from tests.support.hubs import wait_for
from tests.support.newcomers import make_run

pytestmark = [pytest.mark.clients, pytest.mark.slow]
BIN = Path(__file__).parent / "node" / "node_modules" / ".bin"
ASK = "please use hub__whoami"


def test_two_commands_lead_to_the_first_tool_call(tmp_path, record_property):
    for name in ("home", "hub"):
        (tmp_path / name).mkdir()
    environment = {
        "HOME": str(tmp_path / "home"), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "LANG": "C.UTF-8", "CI": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1", "DISABLE_TELEMETRY": "1",
    }  # fmt: skip
    with make_run(tmp_path / "hub") as (folder, text, typed):  # the first command
        line = next(line.strip() for line in text.splitlines() if " install claude-code " in line)
        shell = {"cwd": folder, "env": environment, "capture_output": True, "text": True, "timeout": 60}
        pasted = subprocess.run(["sh", "-c", line], check=False, **shell)  # the second
        assert pasted.returncode == 0, pasted.stdout + pasted.stderr
        asked = ["claude", "-p", ASK, "--allowedTools", "mcp__demo"]
        done = subprocess.run(asked, stdin=subprocess.DEVNULL, check=False, **shell)
        seconds = time.monotonic() - typed
        assert "claude-code-" in done.stdout, done.stdout + done.stderr  # the tool named the key that called it
        address, key = (re.search(rf"--{name} (\S+)", line).group(1) for name in ("url", "key"))
        headers = {"authorization": f"Bearer {key}"}

        def calls():
            logs = httpx2.get(f"{address}/api/v1/logs?limit=50", headers=headers, trust_env=False).json()["items"]
            return [one for one in logs if one.get("tool") == "whoami" and one["outcome"] == "ok"]

        assert wait_for(calls)
        print(f"make run to the first tool call: {seconds:.1f} s")
        record_property("seconds", seconds)
        assert seconds < 60
