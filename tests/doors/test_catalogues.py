"""Catalogues, marketplaces and the registry of a running hub: each caller sees what they may use, and no more."""

import base64
import json
import subprocess

import pytest

from hub.identity import catalogue_token
from tests.support.hubs import running_hub


@pytest.fixture(scope="module")
def keys(hub):
    hub.put("profiles", "shown", {"title": "Shown", "security": "none", "servers": {"hub": {}}})
    hub.put("profiles", "hidden", {"title": "Hidden", "servers": {"old": {}}})
    hub.put("keys", "catalogue-reader", {"profiles": ["both"], "models": []})
    hub.put("keys", "half", {"profiles": ["both"], "tools": ["new/*"]})
    with hub.client() as admin:
        return {
            name: admin.post(f"/api/v1/keys/{name}/rotate", json={}).json()["secret"]
            for name in ("catalogue-reader", "half")
        }


def test_a_catalogue_shows_what_its_reader_may_use(hub, keys):
    with hub.client(None) as nobody, hub.client(keys["catalogue-reader"]) as reader, hub.client(keys["half"]) as half:
        assert nobody.get("/catalog/shown.json").json()["security"] == "none"
        assert [nobody.get(f"/catalog/{name}.json").status_code for name in ("both", "nothing")] == [401, 401]
        assert [reader.get(f"/catalog/{name}.json").status_code for name in ("hidden", "nothing")] == [404, 404]
        whole = reader.get("/catalog/both.json")
        names = {tool["name"] for tool in whole.json()["tools"]}
        assert {"old__echo", "new__echo", "hub__whoami"} <= names
        assert {tool["server"] for tool in half.get("/catalog/both.json").json()["tools"]} == {"new"}
        assert reader.get("/catalog/both.json", headers={"if-none-match": whole.headers["etag"]}).status_code == 304
        assert reader.get("/catalog/both.md").text.startswith("# Both eras\n")
        assert reader.get("/catalog/both.txt").status_code == 404
        assert "/catalog/shown.md" in nobody.get("/llms.txt").text
        assert "/catalog/both.md" not in nobody.get("/llms.txt").text
        assert "/catalog/both.md" in reader.get("/llms.txt").text


def test_bare_configurations_hold_no_key(hub, keys):
    with hub.client(keys["catalogue-reader"]) as reader:
        answer = reader.get("/install/both/cursor")
        assert answer.headers["x-hub-file"] == ".cursor/mcp.json"
        assert "${env:HUB_KEY}" in answer.text
        assert "YOUR_HUB_KEY" in reader.get("/install/both/zed").text
        assert keys["catalogue-reader"] not in answer.text
        assert reader.get("/install/both/nothing").status_code == 404


def clone(hub, folder, *options, password=None, kind="claude"):
    credentials = f"x:{password}@" if password else ""
    url = hub.url.replace("http://", f"http://{credentials}")
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder.parent),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    return subprocess.run(
        ["git", *options, "clone", "-q", "--depth", "1", f"{url}/marketplace/{kind}.git", str(folder)],
        capture_output=True, text=True, check=False, env=environment, timeout=60,
    )  # fmt: skip


def heads(folder):
    return (folder / ".git" / "refs" / "heads" / "main").read_text()


@pytest.mark.parametrize("version", ["0", "1", "2"])
def test_git_clones_a_marketplace(hub, keys, tmp_path, version):
    token = catalogue_token(keys["catalogue-reader"])
    done = clone(hub, tmp_path / "one", "-c", f"protocol.version={version}", password=token)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "one/plugins/both/.claude-plugin/plugin.json").exists()
    assert (tmp_path / "one/plugins/shown/.mcp.json").exists()
    assert not (tmp_path / "one/plugins/hidden").exists()
    assert "${user_config.hub_token}" in (tmp_path / "one/plugins/both/.mcp.json").read_text()
    assert keys["catalogue-reader"] not in "".join(
        p.read_text() for p in (tmp_path / "one/plugins").rglob("*") if p.is_file()
    )
    again = clone(hub, tmp_path / "two", password=keys["catalogue-reader"])
    assert again.returncode == 0, again.stderr
    assert heads(tmp_path / "one") == heads(tmp_path / "two")


def test_git_is_asked_for_credentials_where_something_is_private(hub, keys, tmp_path):
    refused = clone(hub, tmp_path / "nobody")
    assert "could not read Username" in refused.stderr
    assert clone(hub, tmp_path / "wrong", password="hubcat_wrong").returncode != 0
    assert "not found" in clone(hub, tmp_path / "kind", kind="word", password=keys["half"]).stderr


def test_cursors_marketplace_lies_where_cursor_looks(hub, keys, tmp_path):
    assert clone(hub, tmp_path / "one", password=keys["half"], kind="cursor").returncode == 0
    index = json.loads((tmp_path / "one/.cursor-plugin/marketplace.json").read_text())
    assert "./plugins/shown" in [one["source"] for one in index["plugins"]]
    made = {
        str(p.relative_to(tmp_path / "one/plugins/shown"))
        for p in (tmp_path / "one/plugins/shown").rglob("*")
        if p.is_file()
    }
    wanted = {".cursor-plugin/plugin.json", "mcp.json", "rules/hub-shown.mdc", "skills/shown/SKILL.md"}
    assert wanted <= made
    assert ".mcp.json" not in made


@pytest.mark.slow
def test_a_hub_that_is_open_to_everybody_asks_git_for_nothing(tmp_path):
    resources = {
        "servers": {"hub": {"builtin": "hub"}},
        "profiles": {"shown": {"security": "none", "servers": {"hub": {}}}},
    }
    with running_hub(tmp_path / "hub", resources) as open_hub:
        done = clone(open_hub, tmp_path / "open")
        assert done.returncode == 0, done.stderr
        assert [p.name for p in (tmp_path / "open/plugins").iterdir()] == ["shown"]


def test_git_may_not_push_and_gets_no_dumb_files(hub, keys):
    with hub.client(keys["catalogue-reader"]) as reader:
        assert reader.get("/marketplace/claude.git/info/refs?service=git-receive-pack").status_code == 403
        assert reader.post("/marketplace/claude.git/git-receive-pack").status_code == 404
        assert reader.get("/marketplace/codex/marketplace.json").status_code == 404
        for path in ("HEAD", "info/refs", "objects/info/packs"):
            assert reader.get(f"/marketplace/claude.git/{path}").status_code == 404
        assert reader.post("/marketplace/claude.git/git-upload-pack", content=b"x").status_code == 400
        bomb = {"content-type": "application/x-git-upload-pack-request", "content-encoding": "gzip"}
        assert reader.post("/marketplace/claude.git/git-upload-pack", content=b"x", headers=bomb).status_code == 400


def test_a_catalogue_token_reads_catalogues_and_nothing_else(hub, keys):
    token = catalogue_token(keys["catalogue-reader"])
    with hub.client(token) as holder:
        assert holder.get("/catalog/both.json").status_code == 200
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        assert [
            holder.get("/v1/models").status_code, holder.post("/mcp/both", json=call).status_code,
            holder.get("/api/v1/me").status_code,
        ] == [401, 401, 401]  # fmt: skip
    hub.put("keys", "short", {"profiles": ["both"]})
    with hub.client() as admin:
        key = admin.post("/api/v1/keys/short/rotate", json={}).json()["secret"]
        basic = base64.b64encode(f"x:{catalogue_token(key)}".encode()).decode()
        with hub.client(None, follow_redirects=False) as client:
            asked = {"authorization": f"Basic {basic}"}
            assert client.get("/catalog/both.json", headers=asked).status_code == 200
            admin.post("/api/v1/keys/short/revoke", json={})
            assert client.get("/catalog/both.json", headers=asked).status_code == 401


def test_the_registry_answers_as_vs_code_asks(hub, keys):
    with hub.client(None) as code:
        probe = code.get("/registry/v0.1/servers?limit=50", headers={"origin": "https://vscode.dev"})
        assert (probe.status_code, probe.headers["access-control-allow-origin"]) == (200, "*")
        titles = {s["server"]["title"] for s in probe.json()["servers"]}
        assert "Shown" in titles
        assert not titles & {"Hidden", "Both eras"}
        token = catalogue_token(keys["catalogue-reader"])
        listed = code.get(f"/registry/{token}/v0.1/servers?limit=50&version=latest&search=both").json()
        (found,) = listed["servers"]
        name = found["server"]["name"].replace("/", "%2F")
        one = code.get(f"/registry/{token}/v0.1/servers/{name}/versions/latest")
        assert one.json() == found
        assert code.get(f"/registry/{token}/v0.1/servers/{name}/versions").json()["metadata"]["count"] == 1
        unknown = code.get(f"/registry/v0.1/servers/{name}/versions/latest")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
        assert code.options("/registry/v0.1/servers", headers={"origin": "https://vscode.dev"}).status_code == 204
        assert code.get("/registry/hubcat_wrong/v0.1/servers").status_code == 401
        other = code.get("/catalog/shown.json", headers={"origin": "https://evil.example"})
        assert other.status_code == 403
