"""The bundle for Claude Desktop: valid by its maker's program, and its own program carries real messages to the hub."""

import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest
from jsonschema.validators import validator_for

from tests.support.hubs import wait_for

pytestmark = [pytest.mark.clients, pytest.mark.slow]
NODE = Path(__file__).parent / "node" / "node_modules"
BIN = NODE / ".bin"
SCHEMAS = NODE / "@anthropic-ai" / "mcpb" / "schemas"
INITIALIZE = {
    "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "Claude Desktop", "version": "1"},
}  # fmt: skip
BUNDLED = {"title": "Bundled", "servers": {"old": {}, "new": {}, "hub": {}}}
MODERN = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "x", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}


@pytest.fixture
def bundle(hub, tmp_path):
    hub.put("profiles", "bundled", BUNDLED)
    with hub.client() as client:
        answer = client.get("/catalog/bundled.mcpb")
        assert answer.status_code == 200
        assert client.get("/catalog/bundled.mcpb").content == answer.content
    file = tmp_path / "bundled.mcpb"
    file.write_bytes(answer.content)
    zipfile.ZipFile(file).extractall(tmp_path / "bundle")
    return tmp_path / "bundle"


class Bridge:
    """The bundle's program, spoken to line by line."""

    def __init__(self, folder, key, url=None):
        config = json.loads((folder / "manifest.json").read_text())["server"]["mcp_config"]
        program, address = (part.replace("${__dirname}", str(folder)) for part in config["args"])
        assert config["env"] == {"HUB_KEY": "${user_config.hub_key}"}
        self.process = subprocess.Popen(
            [BIN / "node", program, url or address], env={"PATH": os.environ["PATH"], "HUB_KEY": key},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        assert self.process.wait(20) == 0
        self.process.stdout.close()

    def send(self, method, params=None, **more):
        message = {"jsonrpc": "2.0", **more, "method": method, **({"params": params} if params is not None else {})}
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def answer(self, method, params=None, number=1):
        self.send(method, params, id=number)
        while True:
            message = json.loads(self.process.stdout.readline())
            if message.get("id") == number:
                return message


def test_its_makers_program_takes_it(bundle):
    environment = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HOME": str(bundle)}
    checked = subprocess.run(
        ["mcpb", "validate", "manifest.json"], cwd=bundle, env=environment, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert {"old__echo", "new__echo"} <= {tool["name"] for tool in manifest["tools"]}
    assert manifest["user_config"]["hub_key"]["sensitive"] is True
    published = SCHEMAS / f"mcpb-manifest-v{manifest['manifest_version']}.schema.json"
    schema = json.loads(published.read_text())
    validator_for(schema)(schema).validate(manifest)
    assert (bundle / "LICENSE").exists()


def test_it_lists_and_calls_in_the_older_era(bundle, hub):
    with Bridge(bundle, hub.admin_key) as bridge:
        assert bridge.answer("initialize", INITIALIZE)["result"]["protocolVersion"] == "2025-06-18"
        bridge.send("notifications/initialized")
        names = {tool["name"] for tool in bridge.answer("tools/list", number=2)["result"]["tools"]}
        assert {"old__echo", "new__echo"} <= names
        call = {"name": "old__echo", "arguments": {"text": "Grüße 🌍"}, "_meta": {"progressToken": 7}}
        result = bridge.answer("tools/call", call, number=3)["result"]
        assert "Grüße 🌍" in json.dumps(result, ensure_ascii=False)
        hub.put("profiles", "bundled", {**BUNDLED, "servers": {"old": {}}})  # and it hears of a change
        heard = wait_for(lambda: json.loads(bridge.process.stdout.readline()).get("method"))
        assert heard == "notifications/tools/list_changed"


def test_it_carries_the_new_era(bundle, hub):
    with Bridge(bundle, hub.admin_key) as bridge:
        assert "2026-07-28" in json.dumps(bridge.answer("server/discover", MODERN)["result"])
        call = {**MODERN, "name": "new__echo", "arguments": {"text": "hello"}}
        assert "hello" in json.dumps(bridge.answer("tools/call", call, number="two")["result"])


def test_what_fails_is_told_in_words(bundle, hub):
    with Bridge(bundle, "hub_wrong") as bridge:
        assert "does not take this key" in bridge.answer("initialize", INITIALIZE)["error"]["message"]
        bridge.process.stdin.write("no json\n")
        assert (
            json.loads((bridge.process.stdin.flush(), bridge.process.stdout.readline())[1])["error"]["code"] == -32700
        )
    with Bridge(bundle, "k", "http://127.0.0.1:9/mcp/both") as bridge:
        assert "cannot be reached" in bridge.answer("tools/list")["error"]["message"]
