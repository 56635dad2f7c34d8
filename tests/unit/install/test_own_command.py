"""A client's own command: used where it is there and works, and never in the way where it is not."""

import json
import stat
from dataclasses import replace

import pytest

from hub.install import own_command
from hub.install.clients import clients
from hub.install.facts import Facts
from hub.install.owned import Owned
from hub.install.writing import Where, apply, plan, undo

KEY = "hub_0123456789ab_" + "s" * 49
FACTS = Facts("demo", "demo", "http://127.0.0.1:8484", key=KEY)
NOTHING = Owned()
CLAUDE = clients()["claude-code"]
WORKS = """
import json, os, sys
open(os.environ["HOME"] + "/arguments", "a").write(" ".join(sys.argv[1:]) + "\\n")
path = os.environ["HOME"] + "/.claude.json"
data = json.load(open(path)) if os.path.exists(path) else {}
data["starts"] = data.get("starts", 0) + 1
if sys.argv[2] == "add-json":
    data.setdefault("mcpServers", {})[sys.argv[5]] = json.load(sys.stdin)
else:
    data["mcpServers"].pop(sys.argv[5])
json.dump(data, open(path, "w"))
"""


@pytest.fixture
def where(tmp_path):
    for name in ("home", "bin", "project"):
        (tmp_path / name).mkdir()
    environment = {"HOME": str(tmp_path / "home"), "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
    return Where(tmp_path / "home", environment, "linux", tmp_path / "project")


def program(where, body, start="/usr/bin/env python3"):
    file = where.project.parent / "bin" / "claude"
    file.write_text(f"#!{start}\n{body}")
    file.chmod(0o755)


def installed(where, facts=FACTS, known=NOTHING):
    made = plan(CLAUDE, "tools", "user", facts, where, known)
    return apply(made, known, where.state, own_command.way(CLAUDE, where))


def data(where):
    return json.loads((where.home / ".claude.json").read_text())


def test_the_entry_goes_in_and_out_by_the_clients_program(where):
    program(where, WORKS)
    known = installed(where)
    assert data(where)["mcpServers"]["demo"]["headers"] == {"Authorization": f"Bearer {KEY}"}
    assert data(where)["starts"] == 1
    assert stat.S_IMODE((where.home / ".claude.json").stat().st_mode) == 0o600
    said = (where.home / "arguments").read_text()
    assert said == "mcp add-json --scope user demo -\n"
    assert KEY not in said
    file = where.home / ".claude.json"
    file.write_text(json.dumps({**data(where), "seen": True}))
    own_command.remove(CLAUDE, known, lambda entry: True, where)
    known, (report,) = undo(known, lambda entry: True, where.state)
    assert (report.outcome, report.kept) == ("cleaned", ())
    assert data(where) == {"starts": 2, "seen": True}
    assert "mcp remove --scope user demo" in (where.home / "arguments").read_text()


def test_a_file_that_only_the_command_touched_is_as_it_was(where):
    file = where.home / ".claude.json"
    file.write_text('{\t"theme": "dark" }')
    program(where, WORKS)
    known = installed(where)
    own_command.remove(CLAUDE, known, lambda entry: True, where)
    known, (report,) = undo(known, lambda entry: True, where.state)
    assert report.outcome == "restored"
    assert file.read_text() == '{\t"theme": "dark" }'


def test_a_new_key_is_written_over_the_old_one(where):
    program(where, WORKS)
    known = installed(where)
    other = KEY.replace("s", "t")
    installed(where, replace(FACTS, key=other), known)
    assert data(where)["mcpServers"]["demo"]["headers"] == {"Authorization": f"Bearer {other}"}


@pytest.mark.parametrize(
    "body",
    [
        "exit 1",
        "echo '{}' > $HOME/.claude.json",
        "echo 'not json' > $HOME/.claude.json",
        "kill -9 $$",
        "rm -f $HOME/.claude.json",
    ],
)
def test_a_program_that_does_not_do_it_is_no_harm(where, body):
    (where.home / ".claude.json").write_text('{"theme": "dark"}')
    program(where, body, "/bin/sh")
    known = installed(where)
    assert data(where)["mcpServers"]["demo"]["url"] == FACTS.mcp_url
    undo(known, lambda entry: True, where.state)
    assert data(where) == {"theme": "dark"}


def test_what_somebody_took_out_by_hand_is_gone(where):
    file = where.home / ".claude.json"
    file.write_text('{"theme": "dark"}')
    known = installed(where)
    file.write_text('{"theme": "light", "mcpServers": {}}')
    known, (report,) = undo(known, lambda entry: True, where.state)
    assert (report.kept, data(where)) == ((), {"theme": "light"})
