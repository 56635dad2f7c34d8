"""What `hub install` and `hub catalog` write, judged by what each client itself checks its files with.

Each check is also shown a file with one fault, so that none passes because nothing was looked at.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.programs import run_program

pytestmark = [pytest.mark.clients, pytest.mark.slow]
NODE = Path(__file__).parent / "node" / "node_modules"
BIN = NODE / ".bin"
SAY = 'please use new__echo with the text "hello-from-an-agent"'


@dataclass(frozen=True)
class Check:
    """A client's own check: which file it reads, and what it says of one with a `fault` (a text, and what replaces it)."""

    client: str
    file: str
    command: tuple[str, ...]
    complaint: str
    models: bool = False
    fault: tuple[str, str] = ('"ADDRESS"', "5")


CHECKS = (
    Check("claude-code", ".claude.json", ("claude", "mcp", "list"), "[Has warnings]"),
    Check("codex", ".codex/config.toml", ("codex", "exec", "--strict-config", "--profile", "hub", "--skip-git-repo-check", "--yolo", SAY),
          "Error loading config.toml", models=True),
    Check("gemini-cli", ".gemini/settings.json", ("node", str(BIN / "gemini"), "mcp", "list"), "Invalid configuration in", models=True),
    Check("opencode", ".config/opencode/opencode.json", ("opencode", "debug", "config"), "Configuration is invalid", models=True,
          fault=('"mcp": {', '"mcp": 5, "else": {')),
    Check("cline", ".cline/data/settings/cline_mcp_settings.json", ("cline", "config", "mcp"), "Invalid MCP settings"),
    Check("continue", ".continue/config.yaml", ("cn", "--config", "$HOME/.continue/config.yaml", "--auto", "-p", SAY),
          "Failed to parse config", models=True, fault=("ADDRESS", "5")),
)  # fmt: skip


def said(home, *command):
    """All that a program says, run in the project of this home, offline as far as it lets itself be told."""
    offline = {
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CONTINUE_CLI_AUTO_UPDATED": "1",  # else it may install a newer one of itself and start that in its place
        "CONTINUE_CLI_ENABLE_TELEMETRY": "0",
        "CI": "1",
    }
    offline |= {"OPENCODE_DISABLE_MODELS_FETCH": "1", "GEMINI_CLI_TRUST_WORKSPACE": "true", "PWD": str(home.project)}
    environment = home.environment(**offline, HUB_KEY=home.hub.admin_key)
    environment["PATH"] = f"{BIN}{os.pathsep}{environment['PATH']}"
    parts = [part.replace("$HOME", str(home.folder)) for part in command]
    done = run_program(parts, cwd=home.project, environment=environment, seconds=90)
    return done.stdout + done.stderr


@pytest.mark.timeout(600)  # some start all of themselves to read a file
@pytest.mark.parametrize("check", CHECKS, ids=[check.client for check in CHECKS])
def test_a_client_finds_nothing_wrong_with_its_files(home, hub, check):
    models = ("--models", "--model", "demo") if check.models else ()
    home.cli("install", check.client, "--profile", "both", *models)
    assert check.complaint not in said(home, *check.command)
    file = home.folder / check.file
    right, wrong = (text.replace("ADDRESS", f"{hub.url}/mcp/both") for text in check.fault)
    assert right in file.read_text()
    file.write_text(file.read_text().replace(right, wrong, 1))
    assert check.complaint in said(home, *check.command)


def test_copilot_takes_the_entry_and_would_drop_a_wrong_one(home, hub):
    home.cli("install", "copilot-cli", "--profile", "both")
    listed = json.loads(said(home, "copilot", "mcp", "list", "--json"))
    assert listed["mcpServers"]["both"]["url"] == f"{hub.url}/mcp/both"
    file = home.folder / ".copilot" / "mcp-config.json"
    file.write_text(file.read_text().replace(f'"{hub.url}/mcp/both"', "5"))
    assert json.loads(said(home, "copilot", "mcp", "list", "--json"))["mcpServers"] == {}


def test_clients_take_the_files_of_a_project(home, hub):
    home.cli("catalog", "both", "--out", str(home.project))
    extension = home.project / "gemini-extension" / "hub-both"
    gemini = ("node", str(BIN / "gemini"))
    assert "successfully validated" in said(home, *gemini, "extensions", "validate", str(extension))
    assert "Invalid configuration" not in said(home, *gemini, "mcp", "list")
    resolved = json.loads(said(home, "opencode", "debug", "config"))
    assert resolved["mcp"]["both"]["url"] == f"{hub.url}/mcp/both"
    assert "Authorization" in resolved["mcp"]["both"]["headers"]
    listed = said(home, "claude", "mcp", "list")
    assert f"{hub.url}/mcp/both" in listed
    assert "[Has warnings]" not in listed
    manifest = extension / "gemini-extension.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "name": ""}))
    assert "successfully validated" not in said(home, *gemini, "extensions", "validate", str(extension))
