"""The MCP Inspector's command line, as a client of either era."""

import json
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.clients
BIN = Path(__file__).parent / "node" / "node_modules" / ".bin"


def inspect(hub, era, *arguments):
    done = subprocess.run(
        [
            BIN / "node", BIN / "mcp-inspector", "--cli", f"{hub.url}/mcp/both", "--transport", "http", "--protocol-era", era,
            "--header", f"Authorization: Bearer {hub.admin_key}", *arguments,
        ],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("era", ["legacy", "auto", "modern"])
def test_it_lists_and_calls(hub, era):
    listed = inspect(hub, era, "--method", "tools/list")
    assert {"old__echo", "new__echo", "hub__whoami"} <= {tool["name"] for tool in listed["tools"]}
    called = inspect(hub, era, "--method", "tools/call", "--tool-name", "new__echo", "--tool-arg", "text=hello")
    assert called["content"][0]["text"] == "hello"
