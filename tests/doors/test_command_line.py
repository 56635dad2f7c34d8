"""The command line against a running hub: what it does, what it says, how it ends."""

import json
from typing import get_args

import pytest
import yaml

from hub.cli.commands import GROUPS
from hub.cli.resource import Kind
from hub.resources.kinds import KINDS
from tests.support.hubs import RESOURCES, running_hub

GOOD = "teams:\n  readers: {models: [demo], profiles: [both]}\nkeys:\n  reader: {team: readers}\n"


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    with running_hub(tmp_path_factory.mktemp("cli"), RESOURCES) as hub:
        yield hub


def test_apply_says_what_changes_then_that_nothing_differs(own, tmp_path):
    file = tmp_path / "team.yaml"
    file.write_text(GOOD)
    assert own.cli("check", str(file)).stdout == "2 resources, no fault.\n"
    foreseen = own.cli("diff", str(file), check=False)
    assert (foreseen.returncode, "create   teams/readers" in foreseen.stdout) == (1, True)
    applied = own.cli("apply", str(file))
    assert "secret, shown once: hub_" in applied.stdout
    assert own.cli("diff", str(file)).stdout == "Nothing differs.\n"
    with own.client() as client:
        held = client.get("/api/v1/teams/readers").json()
        history = client.get("/api/v1/teams/readers/history").json()["items"]
    assert [(one["managed_by"], one["file"]) for one in (held, *history)] == [("file", str(file))] * 2
    refused = own.cli("put", "teams", "readers", '{"title": "x"}', check=False)
    assert (refused.returncode, "team.yaml" in refused.stderr, "managed_by_file" in refused.stderr) == (1, True, True)


def test_a_fault_names_file_line_and_field(own, tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("teams:\n  one:\n    title: One\n    modls: []\n  two: {models: x}\n")
    for command in ("check", "apply", "diff"):
        done = own.cli(command, str(file), check=False)
        assert done.returncode == 1
        assert f"{file}:4: teams.one.modls" in done.stderr
        assert "did you mean 'models'" in done.stderr
        assert f"{file}:5: teams.two.models" in done.stderr


def test_a_fault_that_only_the_hub_sees_names_the_line_too(own, tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("keys:\n  k:\n    team: nobody\n")
    done = own.cli("apply", str(file), check=False)
    assert f"{file}:3: keys.k.team: there is no team 'nobody'" in done.stderr


def test_a_resource_comes_goes_and_comes_back(own):
    own.cli("put", "announcements", "hello", '{"title": "Hello"}')
    own.cli("put", "announcements", "hello", '{"title": "Hello again"}', "--version", "1")
    stale = own.cli("put", "announcements", "hello", '{"title": "x"}', "--version", "1", check=False)
    assert (stale.returncode, "version_conflict" in stale.stderr) == (1, True)
    own.cli("delete", "announcements", "hello")
    assert own.cli("get", "announcements", "hello", check=False).returncode == 1
    own.cli("restore", "announcements", "hello", "1")
    assert json.loads(own.cli("get", "announcements", "hello", "--json").stdout)["spec"] == {"title": "Hello"}
    assert len(json.loads(own.cli("history", "announcements", "hello", "--json").stdout)) == 4


def test_a_price_that_is_odd_is_saved_with_a_warning(own, tmp_path):
    spec = {"targets": [{"model": "local/m"}], "price": {"input": "1"}}
    file = tmp_path / "odd.yaml"
    provider = {"kind": "openai-compatible", "base_url": "http://127.0.0.1:9/v1", "allow_private": True}
    file.write_text(yaml.safe_dump({"providers": {"local": provider}, "models": {"odd": spec}}))
    assert "Warning: models/odd: The price has no output" in own.cli("check", str(file)).stdout
    assert "warning: The price has no output" in own.cli("apply", str(file)).stdout
    whole = {**spec, "price": {"input": "1", "output": "2"}}
    assert "Warning" not in own.cli("put", "models", "even", json.dumps(whole)).stdout
    assert "Warning: The price has no output" in own.cli("put", "models", "even", json.dumps(spec)).stdout
    wrong = own.cli("put", "models", "even", json.dumps({**spec, "price": {"input": "0.000002"}}), check=False)
    assert (wrong.returncode, 'write "2"' in wrong.stderr + wrong.stdout) == (1, True)
    own.cli("delete", "models", "even")
    file.write_text(GOOD)
    own.cli("apply", str(file), "--prune")


def test_a_key_is_shown_once_and_ends_at_once(own):
    secret = json.loads(own.cli("key", "create", "short", "--models", "demo", "--json").stdout)["secret"]
    assert "demo model" in own.cli("chat", "demo", "Hello", key=secret).stdout
    assert (
        secret
        not in own.cli("key", "list").stdout
        + own.cli("key", "list", "--json").stdout
        + own.cli("audit", "--json").stdout
    )
    newer = json.loads(own.cli("key", "rotate", "short", "--overlap", "60", "--json").stdout)["secret"]
    own.cli("chat", "demo", "Hello", key=secret)
    own.cli("key", "revoke", "short")
    for revoked in (secret, newer):
        refused = own.cli("chat", "demo", "Hello", key=revoked, check=False)
        assert (refused.returncode, "invalid_key" in refused.stderr) == (1, True)


def test_a_secret_goes_into_the_vault_and_never_out(own):
    own.cli("secret", "set", "openai", stdin="sk-canary-secret\n")
    assert own.cli("secret", "list").stdout == "openai\n"
    with own.client() as client:
        for path in ("/api/v1/secrets", "/api/v1/audit", "/api/v1/export", "/api/v1/instance"):
            assert "canary" not in client.get(path).text
    for file in own.data.rglob("*"):
        assert not file.is_file() or b"canary" not in file.read_bytes()
    assert "canary" not in "".join(own.output)


def test_tools_chat_logs_usage_and_audit(own):
    assert "new__echo" in own.cli("tools", "list", "both").stdout
    assert own.cli("tools", "call", "both", "old__add", '{"a": 1, "b": 2}').stdout.strip() == "3"
    assert own.cli("tools", "call", "both", "old__fail", check=False).returncode == 1
    assert "1. demo/demo-1" in own.cli("explain", "demo").stdout
    assert "demo" in own.cli("models").stdout
    assert "answered by" in own.cli("logs").stdout
    assert json.loads(own.cli("usage", "--by", "call,key", "--json").stdout)[0]["duration_p95_ms"] > 0
    assert "unknown" in own.cli("usage", "--by", "call").stdout  # no stream: no time to a first token
    assert "the chain is whole" in own.cli("audit", "verify").stdout
    assert own.cli("doctor", "--data", str(own.data)).returncode == 0


def test_an_export_applied_to_an_empty_hub_is_the_same_hub(own, tmp_path):
    exported = own.cli("export").stdout
    file = tmp_path / "all.yaml"
    file.write_text(exported)
    with own.client() as client:
        digest = client.get("/api/v1/instance").json()["digest"]
    with running_hub(tmp_path / "other") as other:
        other.cli("apply", str(file))
        with other.client() as client:
            assert client.get("/api/v1/instance").json()["digest"] == digest


def test_the_list_of_commands_says_what_each_does(own):
    listed = " ".join(own.cli("--help").stdout.split())
    for command in (command for commands in GROUPS.values() for command in commands):
        assert command.name in listed
        assert command.about.split()[0] in listed
    shown = own.cli("install", "--help").stdout
    assert "Write a client's own configuration for a profile." in listed
    assert "atomically, with a backup" in " ".join(shown.split())  # its own help says more than its line


def test_a_search_finds_models_that_no_provider_here_serves(own):
    found = json.loads(own.cli("models", "haiku 4-5", "--json").stdout)
    assert {"anthropic/claude-haiku-4-5"} <= {item["id"] for item in found}
    assert all(item["called"] == [] and item["context_window"] for item in found)
    assert json.loads(own.cli("models", "demo", "--json").stdout)[0]["called"] == ["demo"]
    assert "zzz" in own.cli("models", "zzz").stderr
    assert all("demo" in item["id"] for item in json.loads(own.cli("models", "--json").stdout))


def test_kinds_are_those_that_the_hub_has():
    assert get_args(Kind) == tuple(KINDS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["get"],
        ["get", "logs"],
        ["key", "rotate"],
        ["serve", "--port", "many"],
        ["chat", "demo", "x", "--nope"],
        ["apply"],
        ["check"],
    ],
)
def test_wrong_usage_ends_with_2(own, arguments):
    assert own.cli(*arguments, check=False).returncode == 2


def test_no_hub_no_traceback(own):
    done = own.cli("logs", "--url", "http://127.0.0.1:9", check=False)
    assert (done.returncode, "There is no hub at" in done.stderr, "Traceback" in done.stderr) == (1, True, False)


def test_the_schema_is_json(own):
    assert json.loads(own.cli("schema").stdout)["properties"]["profiles"]
