"""`hub install` and `hub uninstall` against a running hub: keys with the least rights, and homes as they were before."""

import json
import re

import httpx2
import pytest

from tests.support.homes import Home


@pytest.fixture
def home(hub, tmp_path):
    hub.put("profiles", "open", {"title": "Open", "security": "none", "servers": {"hub": {}}})
    hub.put("profiles", "closed", {"servers": {"hub": {}}})
    return Home(tmp_path, hub)


def written_key(home, path=".cursor/mcp.json"):
    return re.search(r"hub_[0-9a-z]{12}_\w{49}", (home.folder / path).read_text()).group()


def test_a_client_gets_a_key_that_can_do_this_and_no_more(home, hub):
    before = home.files()
    shown = home.cli("install", "cursor", "--profile", "both", "--dry-run").stdout
    assert "+" in shown
    assert "/mcp/both" in shown
    assert home.files() == before
    home.cli("install", "cursor", "--profile", "both")
    key = written_key(home)
    with hub.client(key) as client:
        me = client.get("/api/v1/me").json()
        assert me["key"].startswith("cursor-")
        assert me["roles"] == {}
        assert client.get("/v1/models").json()["data"] == []
        assert client.get("/api/v1/keys").status_code == 403
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "hub__whoami", "arguments": {}}}
        assert client.post("/mcp/both", json=call).json()["result"]["structuredContent"]["key"] == me["key"]
        assert client.post("/mcp/closed", json=call).status_code == 404
    again = home.cli("install", "cursor", "--profile", "both").stdout
    assert "Already there" in again
    assert written_key(home) == key
    home.cli("install", "cursor", "--profile", "open", "--name", "second")
    assert "headers" not in json.loads((home.folder / ".cursor/mcp.json").read_text())["mcpServers"]["second"]
    home.cli("uninstall", "cursor")
    assert home.files() == before
    with hub.client(key) as client:
        assert client.get("/api/v1/me").status_code == 401


def test_a_client_without_a_file_for_models_still_gets_the_tools(home, hub):
    done = home.cli("install", "cursor", "--profile", "both", "--models")
    assert "note: Cursor has no file for models." in done.stderr
    with hub.client(written_key(home)) as client:
        assert client.get("/v1/models").json()["data"] == []


def test_the_models_that_go_with_a_profile_are_set_up_with_it(home, hub):
    hub.put("models", "second", {"targets": [{"model": "demo/demo-1"}]})
    hub.put("profiles", "narrow", {"servers": {"hub": {}}, "models": ["sec*"]})
    home.cli("install", "opencode", "--profile", "narrow", "--models")
    data = json.loads((home.folder / ".config/opencode/opencode.json").read_text())
    assert set(data["provider"]["hub"]["models"]) == {"second"}
    wrong = home.cli("install", "opencode", "--profile", "narrow", "--models", "--model", "demo", check=False)
    assert (wrong.returncode, "does not go with" in wrong.stderr) == (1, True)


def test_one_key_serves_what_a_client_gets_later(home, hub):
    hub.put("profiles", "later", {"servers": {"hub": {}}})
    home.cli("install", "opencode", "--profile", "both")
    path = ".config/opencode/opencode.json"
    key = written_key(home, path)
    home.cli("install", "opencode", "--profile", "later", "--models", "--model", "demo")
    data = json.loads((home.folder / path).read_text())
    assert set(data["mcp"]) == {"both", "later"}
    assert data["provider"]["hub"]["options"]["apiKey"] == key
    assert set(data["provider"]["hub"]["models"]) >= {"demo"}
    with hub.client(key) as client:
        assert [model["id"] for model in client.get("/v1/models").json()["data"]]
    home.cli("uninstall", "opencode", "--profile", "both")
    assert set(json.loads((home.folder / path).read_text())["mcp"]) == {"later"}
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    with hub.client(key) as client:  # what was taken away is taken from the key too, and nothing else
        assert client.post("/mcp/both", json=listing).status_code == 404
        assert client.post("/mcp/later", json=listing).status_code == 200
        assert client.get("/v1/models").json()["data"]
    home.cli("uninstall", "opencode", "--models")
    with hub.client(key) as client:
        assert client.get("/v1/models").json()["data"] == []
        assert client.post("/mcp/later", json=listing).status_code == 200
    home.cli("uninstall", "opencode")
    assert home.files() == {}


def test_status_tells_what_is_where_and_how_it_fares(home, hub):
    assert "Nothing is installed" in home.cli("install", "--status").stdout
    home.cli("install", "cursor", "--profile", "both")
    home.cli("install", "zed", "--profile", "both")
    (one, two) = json.loads(home.cli("install", "--status", "--json").stdout)["installed"]
    assert (one["state"], one["key_state"], two["state"]) == ("ok", "ok", "ok")
    hub.cli("key", "revoke", one["key"])
    (home.folder / ".config/zed/settings.json").write_text("{ broken")
    done = home.cli("install", "--status", check=False)
    assert done.returncode == 1
    assert "stale" in done.stdout
    assert "unparseable" in done.stdout
    home.cli("install", "cursor", "--profile", "both")
    assert (
        json.loads(home.cli("install", "--status", "--json", check=False).stdout)["installed"][-1]["key_state"] == "ok"
    )
    elsewhere = home.cli("install", "--status", HUB_URL="http://127.0.0.1:9", check=False).stdout
    assert "other endpoint" in elsewhere
    assert "not checked" in elsewhere


def test_a_project_file_has_no_key(home, hub):
    for client, path, word in (
        ("claude-code", ".mcp.json", "${HUB_KEY}"),
        ("vscode", ".vscode/mcp.json", "${input:hub_key}"),
        ("codex", ".codex/config.toml", "HUB_KEY"),
    ):
        home.cli("install", client, "--profile", "both", "--scope", "project")
        text = (home.project / path).read_text()
        assert word in text
        assert not re.search(r"hub_[0-9a-z]{12}_", text)
    refused = home.cli("install", "zed", "--profile", "both", "--scope", "project", check=False)
    assert refused.returncode == 1
    assert "could not hold a key safely" in refused.stderr
    for client in ("claude-code", "vscode", "codex"):
        home.cli("uninstall", client)
    assert home.files() == {}


def test_a_developer_makes_a_key_of_their_own_and_others_are_told_how(home, hub):
    hub.put("teams", "installers", {"profiles": ["both"], "models": ["demo"]})
    hub.put("users", "dev", {"teams": {"installers": "developer"}})
    hub.put("keys", "dev-key", {"user": "dev", "team": "installers"})
    hub.put("keys", "service", {"profiles": ["both"], "models": []})
    with hub.client() as admin:
        keys = {n: admin.post(f"/api/v1/keys/{n}/rotate", json={}).json()["secret"] for n in ("dev-key", "service")}
    home.cli("install", "cursor", "--profile", "both", key=keys["dev-key"])
    with hub.client(written_key(home)) as client:
        assert client.get("/api/v1/me").json()["user"] == "dev"
    home.cli("uninstall", "cursor", key=keys["dev-key"])
    refused = home.cli("install", "cursor", "--profile", "both", key=keys["service"], check=False)
    assert refused.returncode == 1
    assert "--use-key" in refused.stderr
    assert home.files() == {}
    home.cli("install", "cursor", "--profile", "both", "--use-key", key=keys["service"])
    assert written_key(home) == keys["service"]
    home.cli("uninstall", "cursor")
    assert (
        httpx2.get(f"{hub.url}/api/v1/me", headers={"x-hub-key": keys["service"]}, trust_env=False).status_code == 200
    )


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["install", "nothing", "--profile", "both"], "Clients: claude-code"),
        (["install", "cursor", "--profile", "nothing"], "no profile"),
        (["install", "cursor"], "--profile"),
        (["install", "cursor", "--models"], "by hand"),
        (["install", "claude-code", "--profile", "both", "--name", "workspace"], "--name"),
        (["install", "opencode", "--models", "--model", "nothing"], "no model"),
        (["uninstall", "cursor"], "Nothing of Cursor"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_remedy(home, arguments, word):
    done = home.cli(*arguments, check=False)
    assert done.returncode == 1
    assert word in done.stderr
    assert home.files() == {}


def test_an_existing_configuration_is_taken_over(home, hub):
    file = home.project / "mcp.json"
    entry = {"command": "echo", "args": ["--token", "s3cret-of-mine"], "env": {"KEY": "k1"}}
    file.write_text(json.dumps({"mcpServers": {"taken-over": entry}}))
    shown = home.cli("import", str(file), "--profile", "taken")
    assert "would change" in shown.stdout
    assert "s3cret" not in shown.stdout + shown.stderr
    printed = home.cli("import", str(file), "--yaml").stdout
    assert "vault:taken-over.key" in printed
    home.cli("import", str(file), "--profile", "taken", "--apply")
    with hub.client() as admin:
        assert set(admin.get("/api/v1/profiles/taken").json()["spec"]["servers"]) == {"taken-over"}
        names = {one["name"] for one in admin.get("/api/v1/secrets").json()["items"]}
        assert {"taken-over.key", "taken-over.argument-2"} <= names
    assert "Nothing differs" in home.cli("import", str(file), "--profile", "taken").stdout
    hub.cli("delete", "profiles", "taken")
    hub.cli("delete", "servers", "taken-over")


def test_the_file_for_managed_machines_is_shown_and_not_written(home, hub):
    before = home.files()
    shown = home.cli("install", "claude-code", "--managed")
    assert json.loads(shown.stdout) == {
        "forceLoginMethod": "gateway", "forceLoginGatewayUrl": hub.url, "parentSettingsBehavior": "merge",
    }  # fmt: skip
    assert "/etc/claude-code/managed-settings.json" in shown.stderr
    assert home.files() == before
    assert home.cli("install", "cursor", "--managed", check=False).returncode != 0
