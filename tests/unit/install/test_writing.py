"""Every client's files, written and taken away again: to the byte, with comments, and never a key where it is shared."""

import json
import re
import stat
import tomllib
from dataclasses import replace

import pytest
import yaml

from hub.core.refusal import Conflict, Refusal
from hub.install.clients import clients
from hub.install.facts import Facts, Model
from hub.install.owned import Owned, load
from hub.install.writing import Where, apply, condition, plan, undo

KEY = "hub_0123456789ab_" + "s" * 49
MODELS = (
    Model("fast", "Fast", 128_000, 16_000, ("tools", "reasoning"), True, 0.1, ("openai/gpt-5-mini",)),
    Model("slow", "", None, None, (), False, 5.0, ("local/x",)),
)
FACTS = Facts("demo", "demo", "http://127.0.0.1:8484", "Demo", "Tools to try", KEY, True, MODELS)
FILES = [
    pytest.param(client, file, id=f"{client.name}-{file.what}-{file.scope}")
    for client in clients().values()
    for file in client.files
]
EXISTING = {
    "json": '// mine\n{\n\t"theme": "dark", // at night\n\t"mcpServers": {"other": {"command": "x", "args": []}},\n}\n',
    "yaml": "# mine\nname: Mine   # spaced\nversion: 1.0.0\nschema: v1\nmcpServers:\n    - name: other\n      command: 'x'\n",
    "toml": '# mine\nmodel_reasoning_effort = "high"   # spaced\n\n[mcp_servers.other]\ncommand = "x"\n',
    "env": "# mine\nexport FOO='bar'\n",
}


@pytest.fixture
def where(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "project").mkdir()
    return Where(tmp_path / "home", {}, "linux", tmp_path / "project")


def tree(where):
    root = where.home.parent
    return {str(p.relative_to(root)): p.read_bytes() if p.is_file() else None for p in root.rglob("*")}


def without_state(where):
    return {name: data for name, data in tree(where).items() if ".config/hub" not in name and name != "home/.config"}


def existing(file):
    text = EXISTING[file.format]
    return "[]\n" if not isinstance(file.edits[0].at[0], str) else text


@pytest.mark.parametrize(("client", "file"), FILES)
@pytest.mark.parametrize("there", [False, True])
def test_written_and_undone_to_the_byte(client, file, there, where):
    path = where.path(file, "demo")
    if there:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(existing(file), newline="")
        path.chmod(0o640)
    before = without_state(where)
    made = plan(client, file.what, file.scope, FACTS, where, Owned())
    assert made.changes
    assert without_state(where) == before
    known = apply(made, Owned(), where.state)
    text = path.read_text()
    assert text == made.after
    assert stat.S_IMODE(path.stat().st_mode) == (0o600 if file.scope == "user" else 0o640 if there else 0o644)
    assert stat.S_IMODE(where.state.stat().st_mode) == 0o600
    assert condition(known.files[str(path)], known.files[str(path)].entries[0]) == "ok"
    if file.scope == "project":
        assert KEY not in text
    again = plan(client, file.what, file.scope, FACTS, where, load(where.state))
    assert not again.changes
    known, reports = undo(load(where.state), lambda entry: True, where.state)
    assert [report.outcome for report in reports] == ["restored" if there else "deleted"]
    assert without_state(where) == before
    assert known.files == {}
    if there:
        assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize(("client", "file"), FILES)
def test_what_somebody_added_later_survives_the_undoing(client, file, where):
    path = where.path(file, "demo")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(existing(file), newline="")
    known = apply(plan(client, file.what, file.scope, FACTS, where, Owned()), Owned(), where.state)
    added = {"json": "// added\n", "yaml": "added: 1\n", "toml": "[added]\nx = 1\n", "env": "ADDED=1\n"}[file.format]
    path.write_text(path.read_text() + added, newline="")
    known, (report,) = undo(known, lambda entry: True, where.state)
    assert (report.outcome, report.kept, known.files) == ("cleaned", (), {})
    text = path.read_text()
    assert added.strip() in text
    assert KEY not in text
    assert "8484" not in text
    assert [line for line in existing(file).splitlines() if line in text.splitlines()] == [
        line for line in existing(file).splitlines() if line != "[]" and "mcpServers\": {" not in line
    ] or file.format == "json"  # fmt: skip


@pytest.mark.parametrize(("client", "file"), FILES)
def test_a_profile_that_needs_no_key_is_written_without_one(client, file, where):
    if file.what != "tools":
        return
    made = plan(client, file.what, file.scope, replace(FACTS, key="", needs_key=False), where, Owned())
    for word in ("Authorization", "HUB_KEY", "hub_key", "Bearer"):
        assert word not in made.after, made.after
    assert "http://127.0.0.1:8484/mcp/demo" in made.after


def test_two_profiles_in_one_file_come_and_go_by_themselves(where):
    client = clients()["vscode"]
    known = Owned()
    for profile in ("one", "two"):
        facts = replace(FACTS, name=profile, profile=profile)
        known = apply(plan(client, "tools", "project", facts, where, known), known, where.state)
    path = where.project / ".vscode" / "mcp.json"
    assert set(json.loads(path.read_text())["servers"]) == {"one", "two"}
    known, _ = undo(known, lambda entry: entry.profile == "one", where.state)
    left = json.loads(path.read_text())
    assert (set(left["servers"]), [one["id"] for one in left["inputs"]]) == ({"two"}, ["hub_key"])
    undo(known, lambda entry: True, where.state)
    assert not (where.project / ".vscode").exists()


def test_a_foreign_entry_of_the_same_name_is_not_replaced(where):
    path = where.home / ".cursor" / "mcp.json"
    path.parent.mkdir()
    path.write_text('{"mcpServers": {"demo": {"url": "https://other.example"}}}')
    with pytest.raises(Conflict, match="--name"):
        plan(clients()["cursor"], "tools", "user", FACTS, where, Owned())


@pytest.mark.parametrize("text", ['{"mcpServers": ', "{'a': 1}", "not json"])
def test_a_file_that_cannot_be_read_is_left_alone(text, where):
    path = where.home / ".cursor" / "mcp.json"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(Refusal, match="left as it is"):
        plan(clients()["cursor"], "tools", "user", FACTS, where, Owned())
    assert path.read_text() == text


def test_claude_code_keeps_other_header_lines_and_gets_its_own_credential_back(where):
    path = where.home / ".claude" / "settings.json"
    path.parent.mkdir()
    text = json.dumps({"env": {"ANTHROPIC_CUSTOM_HEADERS": "x-team: a", "ANTHROPIC_API_KEY": "sk-mine"}}, indent=2)
    path.write_text(text)
    known = apply(plan(clients()["claude-code"], "passthrough", "user", FACTS, where, Owned()), Owned(), where.state)
    env = json.loads(path.read_text())["env"]
    assert env["ANTHROPIC_CUSTOM_HEADERS"] == f"x-team: a\nx-hub-key: {KEY}"
    assert "ANTHROPIC_API_KEY" not in env
    env["ANTHROPIC_CUSTOM_HEADERS"] += "\nx-more: b"
    path.write_text(json.dumps({"env": env}))
    undo(known, lambda entry: True, where.state)
    env = json.loads(path.read_text())["env"]
    assert env == {"ANTHROPIC_CUSTOM_HEADERS": "x-team: a\nx-more: b", "ANTHROPIC_API_KEY": "sk-mine"}


@pytest.mark.parametrize("client", ["vscode", "zed", "opencode"])
def test_a_model_of_which_nothing_is_known_is_not_hidden_from_agents(client, where):
    models = (Model("unknown"), Model("draws", abilities=("streaming",)), Model("calls", abilities=("tools",)))
    made = plan(clients()[client], "models", "user", replace(FACTS, models=models), where, Owned())
    said = re.findall(r'"(?:toolCalling|tools|tool_call)": (true|false)', made.after)
    assert said == ["true", "false", "true"]


def test_claude_code_uses_the_hubs_models_for_each_of_its_jobs(where):
    made = plan(clients()["claude-code"], "models", "user", FACTS, where, Owned())
    env = json.loads(made.after)["env"]
    assert env["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:8484"
    assert (env["ANTHROPIC_MODEL"], env["ANTHROPIC_DEFAULT_HAIKU_MODEL"]) == ("fast", "fast")
    assert env["ANTHROPIC_CUSTOM_MODEL_OPTION"] == "fast"
    assert env["ENABLE_TOOL_SEARCH"] == "false"
    claude = (Model("claude-opus-5", abilities=("tools",)), Model("claude-haiku-4-5"), *MODELS)
    made = plan(clients()["claude-code"], "models", "user", replace(FACTS, models=claude), where, Owned())
    env = json.loads(made.after)["env"]
    assert (env["ANTHROPIC_DEFAULT_OPUS_MODEL"], env["ANTHROPIC_DEFAULT_HAIKU_MODEL"]) == (
        "claude-opus-5",
        "claude-haiku-4-5",
    )
    assert "ANTHROPIC_MODEL" not in env
    assert "ENABLE_TOOL_SEARCH" not in env


@pytest.mark.parametrize(("window", "longest"), [(131_072, 131_072), (4_096, None), (8_192, 9_000), (None, 128_000)])
def test_vs_code_keeps_most_of_the_window_for_what_it_asks(where, window, longest):
    known = replace(FACTS, models=(Model("m", context=window, output=longest),))
    (group,) = json.loads(plan(clients()["vscode"], "models", "user", known, where, Owned()).after)
    (model,) = group["models"]
    assert model["contextWindow"] == (window or 128_000)
    assert 0 < model["maxOutputTokens"] <= model["contextWindow"] / 4


def test_folders_that_variables_name_win(tmp_path, where):
    moved = replace(where, environment={"CLAUDE_CONFIG_DIR": str(tmp_path / "c"), "CODEX_HOME": str(tmp_path / "x")})
    for name, expected in (("claude-code", tmp_path / "c" / ".claude.json"), ("codex", tmp_path / "x" / "config.toml")):
        assert moved.path(clients()[name].file("tools", "user"), "demo") == expected


def test_a_file_that_changes_under_the_editor_is_not_overwritten(where):
    made = plan(clients()["cursor"], "tools", "user", FACTS, where, Owned())
    made.path.parent.mkdir()
    made.path.write_text("{}")
    with pytest.raises(Conflict, match="changed while"):
        apply(made, Owned(), where.state)
    assert made.path.read_text() == "{}"


def test_links_stay_links(where, tmp_path):
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    path = where.home / ".cursor" / "mcp.json"
    path.parent.mkdir()
    path.symlink_to(real)
    known = apply(plan(clients()["cursor"], "tools", "user", FACTS, where, Owned()), Owned(), where.state)
    assert path.is_symlink()
    assert "demo" in real.read_text()
    undo(known, lambda entry: True, where.state)
    assert (path.is_symlink(), real.read_text()) == (True, "{}")


def test_status_tells_drift(where):
    client = clients()["cursor"]
    known = apply(plan(client, "tools", "user", FACTS, where, Owned()), Owned(), where.state)
    (file,) = known.files.values()
    path = where.home / ".cursor" / "mcp.json"
    good = path.read_text()
    for text, state in (
        (good, "ok"), (good.replace("8484", "9999"), "changed"), ("{}", "missing"), ("{", "unparseable"),
    ):  # fmt: skip
        path.write_text(text)
        assert condition(file, file.entries[0]) == state
    path.unlink()
    assert condition(file, file.entries[0]) == "no file"


def test_the_diff_does_not_show_the_key(where):
    made = plan(clients()["cursor"], "tools", "user", FACTS, where, Owned())
    assert KEY in made.after
    assert KEY not in made.diff(KEY)
    assert "+" in made.diff(KEY)


@pytest.mark.parametrize(("client", "file"), FILES)
def test_what_is_written_is_what_the_format_is(client, file, where):
    text = plan(client, file.what, file.scope, FACTS, where, Owned()).after
    match file.format:
        case "json":
            json.loads(text)
        case "toml":
            tomllib.loads(text)
        case "yaml":
            assert yaml.safe_load(text)


@pytest.mark.parametrize("client", clients().values(), ids=lambda one: one.name)
def test_the_rows_are_texts_where_texts_belong(client):
    texts = [client.title, client.vendor, client.after, client.after_project, client.after_models, client.no_models]
    assert all(isinstance(text, str) for text in (*texts, *client.commands, *client.warnings))
    assert all(text.endswith(".") for text in client.warnings), "a warning is a whole sentence; quote it"
    assert client.file("tools", "user") is not None
    assert "<tool>" in client.tool_name
    assert client.file("models", "user") or client.no_models


OWN = "# mine\nmodels:\n  # the best\n  - name: Own\n    model: own  # spaced\n  - {name: Other, model: other}\nversion: 1.0.0\n"


@pytest.mark.parametrize(
    "text", ["", "models: []\n", "models: [{name: Own, model: own}]\n", OWN, OWN.replace("version", "more")]
)
def test_many_models_come_and_go_together(text, where, monkeypatch):
    client = clients()["continue"]
    path = where.path(client.file("models", "user"), "demo")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    many = tuple(replace(MODELS[0], id=f"provider/model-{number}") for number in range(40))
    composed = []
    compose = yaml.compose
    monkeypatch.setattr(yaml, "compose", lambda *args, **options: composed.append(1) or compose(*args, **options))
    known = apply(
        plan(client, "models", "user", replace(FACTS, models=many[:30]), where, Owned()), Owned(), where.state
    )
    known = apply(plan(client, "models", "user", replace(FACTS, models=many), where, known), known, where.state)
    assert len(composed) < 10, "each edit reads the whole file"
    written = yaml.safe_load(path.read_text())["models"]
    own = yaml.safe_load(text)["models"] if text else []
    assert written[: len(own)] == own
    assert [one["model"] for one in written[len(own) :]] == [model.id for model in many]
    changed = path.read_text() + "after: 1\n"
    path.write_text(changed)
    _, (undone,) = undo(known, lambda entry: True, where.state)
    assert undone.outcome == "cleaned"
    assert len(composed) < 20
    left = path.read_text()
    assert yaml.safe_load(left).get("models", []) == own
    if text == OWN:
        assert left == OWN + "after: 1\n"


def test_what_somebody_put_between_the_models_stays(where):
    client = clients()["continue"]
    path = where.path(client.file("models", "user"), "demo")
    known = apply(plan(client, "models", "user", FACTS, where, Owned()), Owned(), where.state)
    first, rest = path.read_text().split("  - name: Hub", 1)[0], path.read_text().split("- name: Hub", 2)
    assert len(rest) == len(MODELS) + 1
    path.write_text(f"{rest[0]}- name: Hub{rest[1]}- name: Between\n  model: own\n- name: Hub{rest[2]}")
    undo(known, lambda entry: True, where.state)
    assert first
    assert yaml.safe_load(path.read_text())["models"] == [{"name": "Between", "model": "own"}]
