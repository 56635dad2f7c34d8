"""Programs as published that sign in through the hub: the `mcp` client's own OAuth, and Codex's sign-in to a gateway."""

import json
import os
import re
import shutil
import subprocess
import threading
from urllib.parse import parse_qs, urlsplit

import httpx2
import mcp
import pytest
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

from tests.clients.test_agents import BIN, SAY
from tests.support.homes import Home
from tests.support.hubs import RESOURCES, running_hub, servers_ready, wait_for
from tests.support.programs import run_program
from tests.support.terminals import Terminal

PASSWORD = "a long enough password"
PUSHED = {"profile": "both", "settings": {"permissions": {"allow": ["mcp__plugin_both_hub"]}}}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    resources = {
        **RESOURCES,
        "teams": {"dev": {"models": ["demo"], "profiles": ["both"], "tools": ["*"], "clients": PUSHED}},
        "users": {"ann": {"teams": {"dev": "developer"}}},
    }
    with running_hub(tmp_path_factory.mktemp("sign-in"), resources) as started:
        servers_ready(started, "old", "new")
        with started.client() as http:
            assert http.put("/api/v1/users/ann/password", json={"password": PASSWORD}).is_success
        yield started


class Browser:
    """A browser in which ann is signed in, and which says yes."""

    def __init__(self, client):
        self._client = client
        assert self._client.post("/login", data={"user": "ann", "password": PASSWORD}).status_code == 303

    def confirm(self, code):
        """Enter the code that a device shows, and allow."""
        assert "Signed in" in self._client.post("/oauth/verify", data={"user_code": code, "do": "allow"}).text

    def approve(self, url):
        """Open an authorization page and allow; where the browser is sent back to."""
        shown = self._client.get(url)
        sealed = re.search(r'name="request" value="([^"]+)"', shown.text)[1]
        return self._client.post("/oauth/authorize", data={"request": sealed, "do": "allow"}).headers["location"]


@pytest.fixture
def browser(hub):
    with httpx2.Client(base_url=hub.url, trust_env=False, timeout=30) as client:
        yield Browser(client)


class Storage:
    """What the client keeps, in memory."""

    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_mcp_client_finds_the_way_by_itself(hub, browser, mode):
    storage, back = Storage(), {}

    async def redirected(url):
        back.update({name: values[0] for name, values in parse_qs(urlsplit(browser.approve(url)).query).items()})

    async def called_back():
        return AuthorizationCodeResult(code=back["code"], state=back["state"], iss=back["iss"])

    metadata = OAuthClientMetadata(client_name="Testing", redirect_uris=["http://127.0.0.1:3030/callback"])
    auth = OAuthClientProvider(f"{hub.url}/mcp/both", metadata, storage, redirected, called_back)
    async with httpx2.AsyncClient(auth=auth, timeout=30, trust_env=False) as http:
        transport = streamable_http_client(f"{hub.url}/mcp/both", http_client=http)
        async with mcp.Client(transport, mode=mode) as client:
            result = await client.call_tool("new__echo", {"text": "signed in"})
    assert result.content[0].text == "signed in"
    assert storage.tokens.refresh_token


ENTER, UP = b"\r", b"\x1b[A"


@pytest.fixture
def managed(home, hub):
    """Begins a command to which /etc holds what an administrator puts there; nobody else sees it."""
    if shutil.which("unshare") is None or os.geteuid() != 0:
        pytest.skip("the file that an administrator puts into /etc needs a mount of its own")
    upper, work = home.folder.parent / "upper", home.folder.parent / "work"
    work.mkdir()
    (upper / "claude-code").mkdir(parents=True)
    shown = home.cli("install", "claude-code", "--managed")
    (upper / "claude-code" / "managed-settings.json").write_text(shown.stdout)
    mount = f"mount -t overlay overlay -o lowerdir=/etc,upperdir={upper},workdir={work} /etc"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], check=False, capture_output=True).returncode:
        pytest.skip("this machine mounts nothing over /etc")
    return ["unshare", "-m", "sh", "-c", f'{mount} && exec "$@"', "sh"]


@pytest.mark.clients
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_claude_code_signs_in_to_the_gateway_and_has_everything(home, hub, browser, managed):
    environment = home.environment(NO_BROWSER="1", BROWSER="true", DISABLE_AUTOUPDATER="1", DISABLE_TELEMETRY="1")
    environment["PATH"] = f"{BIN}{os.pathsep}{environment['PATH']}"
    asked = {
        r"looks best with your terminal": [ENTER],
        r"Enter to connect": [ENTER],
        r"Yes, trust this gateway": [UP, ENTER],
        r"Code: ([A-Z]{4}-[A-Z]{4})": lambda found: browser.confirm(found[1]),
        r"Signed in to Cloud gateway as ann.*Yes, continue": [UP, ENTER],
        r"Connected to Cloud gateway": [ENTER],
        r"Security notes": [ENTER],
        r"Managed settings require approval": [ENTER],
        r"Yes, I trust this folder": [UP, ENTER],
    }
    with Terminal([*managed, "claude"], home.project, environment) as terminal:
        terminal.until("demo · Cloud gateway", asked)
    command = [
        *managed,
        "claude",
        "-p",
        SAY,
        "--tools",
        "",
        "--allowedTools",
        "mcp__plugin_both_hub",
        "--output-format",
        "json",
    ]
    for _ in range(3):  # its first run without a person brings the plugin, and begins before it is there
        done = run_program(command, cwd=home.project, environment=environment, seconds=60)
        if "The tool answered" in done.stdout:
            break
    assert "hello-from-an-agent" in json.loads(done.stdout)["result"], done.stdout + done.stderr
    with hub.client() as http:
        called = http.get("/api/v1/logs?user=ann&tool=echo").json()["items"]
        models = http.get("/api/v1/logs?user=ann&call=model").json()["items"]
    assert (called[0]["profile"], called[0]["outcome"]) == ("both", "ok")
    assert {one["model"] for one in models} == {"demo"}  # also for what it does behind the scenes


@pytest.mark.clients
@pytest.mark.slow
def test_codex_signs_in_to_the_gateway(hub, browser, tmp_path):
    home = Home(tmp_path, hub)
    folder = home.folder / ".codex"
    folder.mkdir()
    (folder / "config.toml").write_text(
        f'''model = "demo"
model_provider = "hub"
[model_providers.hub]
name = "Hub"
base_url = "{hub.url}/v1"
wire_api = "responses"
[model_providers.hub.gateway_oauth]
authorization_url = "{hub.url}/oauth/authorize"
token_url = "{hub.url}/oauth/token"
client_id = "codex"
scopes = ["hub"]
credentials_store = "file"
delivery = {{kind = "header", name = "Authorization", scheme = "Bearer"}}
'''
    )
    program = subprocess.Popen(
        [str(BIN / "codex"), "exec", "--skip-git-repo-check", "say hello"],
        cwd=home.project, env=home.environment(NO_BROWSER="1", BROWSER="true"), text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said = []

    def read():
        for line in program.stdout:
            said.append(line)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        page = wait_for(lambda: re.search(rf"{re.escape(hub.url)}/oauth/authorize\S+", "".join(said)), 60)[0]
        back = browser.approve(page)
        with httpx2.Client(trust_env=False, timeout=30) as client:
            client.get(back)
        assert program.wait(90) == 0, "".join(said)
    finally:
        program.kill()
        program.wait()
        reader.join(5)
        program.stdout.close()
    with hub.client() as http:
        entries = wait_for(lambda: http.get("/api/v1/logs?user=ann&call=model").json()["items"])
    assert entries[0]["outcome"] == "ok", "".join(said)
