"""The agents that people use, as published: set up by one command, listing and calling a tool through the hub, undone."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.homes import home_of
from tests.support.hubs import running_hub, wait_for
from tests.support.programs import run_program

pytestmark = [pytest.mark.clients, pytest.mark.slow]
BIN = Path(__file__).parent / "node" / "node_modules" / ".bin"
SAY = 'please use new__echo with the text "hello-from-an-agent"'


def run(home, *command, seconds=90, **variables):
    """Run a program in this home, offline as far as it lets itself be told."""
    offline = {
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1", "DISABLE_TELEMETRY": "1",
        "GEMINI_TELEMETRY_ENABLED": "false", "NO_UPDATE_NOTIFIER": "1", "CI": "1",
        "CONTINUE_CLI_AUTO_UPDATED": "1", "CONTINUE_CLI_ENABLE_TELEMETRY": "0",
    }  # fmt: skip
    environment = home.environment(**offline, **variables)
    environment["PATH"] = f"{BIN}{os.pathsep}{environment['PATH']}"
    return run_program([str(part) for part in command], cwd=home.project, environment=environment, seconds=seconds)


def calls_of(hub, client):
    """The tool calls that the key of a client made."""
    with hub.client() as admin:
        items = admin.get("/api/v1/logs", params={"profile": "both", "limit": 50}).json()["items"]
    return [item for item in items if item["key"].startswith(client) and item["tool"] == "echo"]


def test_claude_code_with_tools_and_models(home, hub):
    settings = home.folder / ".claude" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{\n  // mine\n  "env": {"FOO": "bar"}\n}\n')
    before = settings.read_bytes()
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    home.cli("install", "claude-code", "--profile", "both", "--models", "--model", "demo", PATH=path)
    assert "firstStartTime" in (home.folder / ".claude.json").read_text()  # its own command wrote it, not we
    listed = run(home, "claude", "mcp", "list")
    assert "both" in listed.stdout, listed.stderr
    assert "Connected" in listed.stdout
    settings.write_bytes(settings.read_bytes().replace(b"  // mine\n", b""))  # it reads plain JSON only
    done = run(home, "claude", "-p", SAY, "--allowedTools", "mcp__both", "--output-format", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hello-from-an-agent" in json.loads(done.stdout)["result"]
    assert wait_for(lambda: calls_of(hub, "claude-code"))[0]["outcome"] == "ok"
    settings.write_bytes(settings.read_bytes().replace(b'{\n  "env"', b'{\n  // mine\n  "env"'))
    own = json.loads((home.folder / ".claude.json").read_text())
    home.cli("uninstall", "claude-code", PATH=path)
    assert settings.read_bytes() == before
    own.pop("mcpServers")
    left = json.loads((home.folder / ".claude.json").read_text())
    assert left == {**own, **{name: left[name] for name in left if name not in own}}  # what Claude Code wrote stays
    assert "mcpServers" not in left


def test_claude_codes_file_comes_back_to_the_byte(home):
    before = seed(home, ".claude.json", '{\t"mine": [1,2],   "numStartups": 3 }')
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    home.cli("install", "claude-code", "--profile", "both", PATH=path)
    written = json.loads((home.folder / ".claude.json").read_text())
    assert {"firstStartTime", "mcpServers", "mine"} <= set(written)
    home.cli("uninstall", "claude-code", PATH=path)
    assert unchanged(home, before)


def test_claude_code_validates_and_installs_the_plugin(home, hub):
    with hub.client() as admin:
        hub.put("keys", "plugins", {"profiles": ["both"], "models": ["*"]})
        key = admin.post("/api/v1/keys/plugins/rotate", json={}).json()["secret"]
    marketplace = f"{hub.url.replace('://', f'://x:{key}@')}/marketplace/claude.git"
    clone = home.project / "market"
    subprocess.run(["git", "clone", "-q", marketplace, str(clone)], check=True, timeout=60)
    for folder in (clone, clone / "plugins" / "both"):
        checked = run(home, "claude", "plugin", "validate", "--strict", folder)
        assert checked.returncode == 0, checked.stdout
    made = run(
        home, "claude", "plugin", "install", "both", "--marketplace", marketplace, "--config", f"hub_token={key}"
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert "Connected" in run(home, "claude", "mcp", "list").stdout
    models = {
        "ANTHROPIC_BASE_URL": hub.url,
        "ANTHROPIC_AUTH_TOKEN": key,
        "ANTHROPIC_MODEL": "demo",
        "ENABLE_TOOL_SEARCH": "false",
    }
    done = run(home, "claude", "-p", SAY, "--allowedTools", "mcp__plugin_both_hub", "--output-format", "json", **models)
    assert "hello-from-an-agent" in json.loads(done.stdout)["result"], done.stdout + done.stderr
    version = json.loads((clone / "plugins/both/.claude-plugin/plugin.json").read_text())["version"]
    assert version in run(home, "claude", "plugin", "list").stdout


def test_claude_code_takes_the_address_of_an_open_marketplace(tmp_path):
    resources = {
        "servers": {"hub": {"builtin": "hub"}},
        "profiles": {"open": {"security": "none", "servers": {"hub": {}}}},
    }
    with running_hub(tmp_path / "hub", resources) as hub, home_of(tmp_path / "home", hub) as home:
        index = f"{hub.url}/marketplace/claude/marketplace.json"
        added = run(home, "claude", "plugin", "marketplace", "add", index)
        assert added.returncode == 0, added.stdout + added.stderr
        made = run(home, "claude", "plugin", "install", "open@hub")
        assert made.returncode == 0, made.stdout + made.stderr
        assert "Connected" in run(home, "claude", "mcp", "list").stdout


def test_codex_takes_the_configuration_and_the_plugin(home, hub):
    config = home.folder / ".codex" / "config.toml"
    config.parent.mkdir()
    config.write_text('# mine\nmodel_reasoning_effort = "low" # why\n')
    before = home.files()
    home.cli("install", "codex", "--profile", "both", "--models", "--model", "demo")
    listed = json.loads(run(home, "codex", "mcp", "list", "--json").stdout)
    assert [(one["name"], one["enabled"]) for one in listed] == [("both", True)]
    shown = json.loads(run(home, "codex", "mcp", "get", "both", "--json").stdout)
    assert shown["transport"]["url"] == f"{hub.url}/mcp/both"
    done = run(home, "codex", "exec", "--profile", "hub", "--skip-git-repo-check", "--json", "--yolo", SAY)
    assert "hello-from-an-agent" in done.stdout, done.stdout + done.stderr
    assert wait_for(lambda: calls_of(hub, "codex"))[0]["outcome"] == "ok"
    home.cli("uninstall", "codex")
    assert {name: data for name, data in home.files().items() if name in before} == before
    assert not (home.folder / ".codex" / "hub.config.toml").exists()
    marketplace = f"{hub.url.replace('://', f'://x:{hub.admin_key}@')}/marketplace/codex.git"
    added = run(home, "codex", "plugin", "marketplace", "add", marketplace)
    assert added.returncode == 0, added.stderr
    installed = run(home, "codex", "plugin", "add", "both@hub")
    assert installed.returncode == 0, installed.stderr
    assert "hub" in [one["name"] for one in json.loads(run(home, "codex", "mcp", "list", "--json").stdout)]


def test_gemini_cli_lists_and_calls(home, hub):
    settings = home.folder / ".gemini" / "settings.json"
    settings.parent.mkdir()
    settings.write_text('{\n  // mine\n  "ui": {"theme": "Default"}\n}\n')
    before = home.files()
    home.cli("install", "gemini-cli", "--profile", "both", "--models", "--model", "demo")
    listed = run(home, "node", BIN / "gemini", "mcp", "list", GEMINI_CLI_TRUST_WORKSPACE="true")
    assert "both" in listed.stdout + listed.stderr
    assert "Connected" in listed.stdout + listed.stderr
    flags = ("--yolo", "-m", "demo", "--output-format", "json", "--skip-trust")
    done = run(home, "node", BIN / "gemini", "-p", SAY, *flags, GEMINI_CLI_TRUST_WORKSPACE="true")
    assert called(home, hub, "gemini-cli", done)
    home.cli("uninstall", "gemini-cli")
    assert unchanged(home, before)


def made_key(home, path):
    """The key that was written into a file of this home."""
    return re.search(r"hub_[0-9a-z]{12}_\w{49}", (home.folder / path).read_text()).group()


def seed(home, path, text):
    """A file that was there before; returns all files of the home."""
    file = home.folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return home.files()


def unchanged(home, before):
    """Whether every file that was there before is as it was, to the byte."""
    return {name: data for name, data in home.files().items() if name in before} == before


def called(home, hub, client, done):
    """Whether the program told the tool's answer, and the hub wrote the call down under the client's key."""
    assert "hello-from-an-agent" in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]
    return wait_for(lambda: calls_of(hub, client))[0]["outcome"] == "ok"


def test_copilot_cli_lists_and_calls(home, hub):
    path = ".copilot/mcp-config.json"
    before = seed(home, path, '{\n  "mcpServers": {}\n}\n')
    home.cli("install", "copilot-cli", "--profile", "both")
    listed = json.loads(run(home, "copilot", "mcp", "list", "--json").stdout)
    assert listed["mcpServers"]["both"]["url"] == f"{hub.url}/mcp/both"
    models = {
        "COPILOT_OFFLINE": "true", "COPILOT_ALLOW_ALL": "true", "COPILOT_MODEL": "demo",
        "COPILOT_PROVIDER_BASE_URL": f"{hub.url}/v1", "COPILOT_PROVIDER_API_KEY": hub.admin_key,
    }  # fmt: skip
    done = run(home, "copilot", "-p", SAY, "--allow-all-tools", **models)
    assert called(home, hub, "copilot-cli", done)
    home.cli("uninstall", "copilot-cli")
    assert unchanged(home, before)


def test_copilot_cli_installs_the_plugin(home, hub):
    marketplace = f"{hub.url.replace('://', f'://x:{hub.admin_key}@')}/marketplace/copilot.git"
    for command in (("marketplace", "add", marketplace), ("install", "both@hub")):
        done = run(home, "copilot", "plugin", *command)
        assert done.returncode == 0, done.stdout + done.stderr
    listed = run(home, "copilot", "mcp", "list", "--json", HUB_KEY=hub.admin_key)
    assert f"{hub.url}/mcp/both" in listed.stdout, listed.stdout + listed.stderr


def test_opencode_lists_and_calls(home, hub):
    path = ".config/opencode/opencode.json"
    before = seed(
        home, path, '{\n  "$schema": "https://opencode.ai/config.json",\n  // mine\n  "share": "disabled"\n}\n'
    )
    home.cli("install", "opencode", "--profile", "both", "--models", "--model", "demo")
    offline = {"OPENCODE_DISABLE_MODELS_FETCH": "1", "PWD": str(home.project)}
    listed = run(home, "opencode", "mcp", "list", **offline)
    assert "connected" in listed.stdout + listed.stderr
    done = run(home, "opencode", "run", "--format", "json", "-m", "hub/demo", SAY.replace('"', ""), **offline)
    assert called(home, hub, "opencode", done)
    home.cli("uninstall", "opencode")
    assert unchanged(home, before)


def test_cline_lists_and_calls(home, hub):
    path = ".cline/data/settings/cline_mcp_settings.json"
    before = seed(home, path, '{\n  "mcpServers": {\n  }\n}\n')
    home.cli("install", "cline", "--profile", "both")
    key = made_key(home, path)
    signed = run(home, "cline", "auth", "-p", "openai", "-k", hub.admin_key, "-b", f"{hub.url}/v1", "-m", "demo")
    assert signed.returncode == 0, signed.stdout + signed.stderr
    done = run(home, "cline", "-P", "openai", "-m", "demo", "--json", SAY)
    assert called(home, hub, "cline", done)
    assert made_key(home, path) == key
    home.cli("uninstall", "cline")
    assert unchanged(home, before)


def test_continue_lists_and_calls(home, hub):
    path = ".continue/config.yaml"
    before = seed(home, path, "# mine\nname: Mine   # spaced\nversion: 1.0.0\nschema: v1\n")
    home.cli("install", "continue", "--profile", "both", "--models", "--model", "demo")
    done = run(home, "cn", "--config", home.folder / path, "--auto", "-p", SAY)
    assert called(home, hub, "continue", done)
    home.cli("uninstall", "continue")
    assert unchanged(home, before)


def test_qwen_code_lists_the_server_and_uses_the_model(home, hub):
    """It shows MCP tools to a model only after the model searched for them, which the demo model does not."""
    before = seed(home, ".qwen/settings.json", '{\n  // mine\n  "ui": {"theme": "Default"},\n  "$version": 4\n}\n')
    home.cli("install", "qwen-code", "--profile", "both", "--models", "--model", "demo")
    listed = run(home, "qwen", "mcp", "list")
    assert "Connected" in listed.stdout + listed.stderr
    done = run(home, "qwen", "-p", "Hello there", "-o", "json")
    assert "demo model" in done.stdout, done.stdout[-3000:] + done.stderr[-3000:]
    with hub.client() as admin:
        items = admin.get("/api/v1/logs", params={"limit": 50}).json()["items"]
    assert any(item["key"].startswith("qwen-code") and item["model"] == "demo" for item in items)
    home.cli("uninstall", "qwen-code")
    assert unchanged(home, before)
