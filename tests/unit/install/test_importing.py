"""Configurations of real clients become servers and a profile, and no secret stays in them."""

import json
import re

import pytest

from hub.core.refusal import Malformed
from hub.install.importing import proposal
from hub.resources import compile_snapshot
from hub.resources.kinds import parse
from hub.resources.model_catalog import load_catalogue

SECRET = "ghp_" + "a1B2" * 9
CLAUDE = {
    "numStartups": 3,
    "mcpServers": {
        "GitHub": {
            "type": "http",
            "url": "https://api.example.com/mcp/",
            "headers": {"Authorization": f"Bearer {SECRET}"},
        },
        "files": {
            "command": "npx",
            "args": ["-y", "server-files", "/srv"],
            "env": {"LOG": "info", "API_KEY": "abc", "T": "${TOK}"},
        },
    },
    "projects": {
        "/x": {"mcpServers": {"db": {"command": "db-mcp", "args": ["--password", "hunter2", "--dsn=postgres://x"]}}}
    },
}
CURSOR = '{ // mine\n "mcpServers": {"local": {"url": "http://127.0.0.1:9000/mcp", "headers": {"X-Api-Key": "${env:LOCAL_KEY}", "X-Team": "a"}}} }'
VSCODE = {
    "servers": {
        "ask": {"type": "http", "url": "https://a.example/mcp", "headers": {"Authorization": "Bearer ${input:tok}"}}
    },
    "inputs": [{"id": "tok", "type": "promptString"}],
}
CODEX = '[mcp_servers.docs]\nurl = "https://docs.example/mcp"\nbearer_token_env_var = "DOCS_TOKEN"\n[mcp_servers.off]\ncommand = "x"\nenabled = false\n'


def whole(found):
    specs = {
        kind: {name: parse(kind, name, spec) for name, spec in named.items()}
        for kind, named in found.resources("mine").items()
    }
    return compile_snapshot(specs, secrets=(), catalogue=load_catalogue(), generation=0)


def test_claude_code(tmp_path):
    found = proposal({".claude.json": json.dumps(CLAUDE)})
    assert set(found.servers) == {"github", "files", "db"}
    assert found.servers["github"]["auth"] == {"type": "bearer", "secret": "vault:github.token"}
    assert found.secrets["github.token"] == SECRET
    assert found.servers["files"]["env"] == {"LOG": "info", "API_KEY": "vault:files.api_key", "T": "env:TOK"}
    assert found.servers["db"]["command"] == [
        "sh",
        "-c",
        "exec db-mcp --password ''\"$HUB_IMPORTED_2\" --dsn=postgres://x",
    ]
    assert found.servers["db"]["env"] == {"HUB_IMPORTED_2": "vault:db.argument-2"}
    text = json.dumps(found.resources("mine"))
    assert not re.search("hunter2|ghp_|abc", text)
    assert set(whole(found).profiles) == {"mine"}


def test_cursor_vs_code_and_codex_together():
    found = proposal({"mcp.json": CURSOR, "vscode/mcp.json": json.dumps(VSCODE), "config.toml": CODEX})
    assert found.servers["local"] == {
        "url": "http://127.0.0.1:9000/mcp", "allow_private": True, "headers": {"X-Team": "a"},
        "auth": {"type": "header", "header": "X-Api-Key", "secret": "env:LOCAL_KEY"},
    }  # fmt: skip
    assert found.servers["ask"]["auth"]["secret"] == "vault:ask.token"
    assert any("hub secret set ask.token" in note for note in found.notes)
    assert found.servers["docs"]["auth"]["secret"] == "env:DOCS_TOKEN"
    assert found.servers["off"]["enabled"] is False
    whole(found)


def test_the_same_server_twice_is_one_and_another_of_its_name_is_kept():
    one, other = (
        {"mcpServers": {"a": {"url": "https://a.example"}}},
        {"mcpServers": {"a": {"url": "https://b.example"}}},
    )
    found = proposal({"1.json": json.dumps(one), "2.json": json.dumps(one), "3.json": json.dumps(other)})
    assert set(found.servers) == {"a", "a-2"}


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [("a.json", "{", "not JSON"), ("a.json", "{}", "no MCP server"), ("a.toml", "x = ", "not TOML"), ("a.json", "[1]", "no MCP")],
)  # fmt: skip
def test_what_is_no_configuration_is_refused(name, text, word):
    with pytest.raises(Malformed, match=word):
        proposal({name: text})


@pytest.mark.parametrize("entry", [{}, {"command": 3}, {"command": []}, {"url": 3}, {"args": ["x"]}])
def test_what_is_no_server_is_told(entry):
    found = proposal({"a.json": json.dumps({"mcpServers": {"x": entry}})})
    assert (found.servers, len(found.notes)) == ({}, 1)
