"""What each client's file is, letter by letter: client x scope x what, with a key and without. Checked against clients.md.

A change of a template shows as a change of a file below `tests/golden/clients`; `HUB_GOLDEN=write` writes them anew.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from hub.install.clients import clients
from hub.install.facts import Facts, Model, render_link
from hub.install.owned import Owned
from hub.install.writing import Where, plan

GOLDEN = Path(__file__).parents[2] / "golden" / "clients"
KEY = "hub_0123456789ab_" + "s" * 49
MODELS = (
    Model("fast", "Fast", 128_000, 16_000, ("tools", "reasoning"), True, 0.1, ("openai/gpt-5-mini",)),
    Model("slow", "", None, None, ("reasoning",), False, 5.0, ("local/x",)),
)
FACTS = Facts("demo", "demo", "http://127.0.0.1:8484", "Demo", "Tools to try", KEY, True, MODELS)
PLATFORMS = ("linux", "macos", "windows")


def told(client, tmp_path):
    """All of a client's files and links, as one text."""
    parts = []
    for file in client.files:
        facts = replace(FACTS, key="") if file.scope == "project" else FACTS
        places = [f"{platform}: {' or '.join(file.path[platform])}" for platform in PLATFORMS]
        for title, one in (("with a key", facts), ("open", replace(facts, key="", needs_key=False))):
            if title == "open" and file.what != "tools":
                continue
            made = plan(client, file.what, file.scope, one, Where(tmp_path, {}, "linux", tmp_path), Owned())
            parts += [f"== {file.what}, {file.scope}, {title}", *(places if title != "open" else []), "", made.after]
    parts += [f"== link: {link.title}\n{render_link(link.url, link.config, FACTS)}\n" for link in client.links]
    return "\n".join(parts).replace(KEY, "THE_KEY")


@pytest.mark.parametrize("client", clients().values(), ids=list(clients()))
def test_a_clients_files_are_exactly_these(client, tmp_path):
    file = GOLDEN / f"{client.name}.txt"
    text = told(client, tmp_path)
    if os.environ.get("HUB_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert text == file.read_text(), f"{file} differs; HUB_GOLDEN=write writes it anew"


def test_every_client_of_the_list_has_a_folder():
    wanted = (
        "claude-code cursor vscode vscode-insiders codex gemini-cli copilot-cli opencode cline continue zed windsurf "
        "claude-desktop goose kiro lm-studio jetbrains qwen-code"
    )
    assert set(clients()) >= set(wanted.split())
    folder = Path(__file__).parents[3] / "ide-configs"
    for name in clients():
        assert (folder / name / "README.md").read_text().strip()
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(clients())
