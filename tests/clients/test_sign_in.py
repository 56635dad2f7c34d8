"""Programs as published that sign in through the hub: the `mcp` client's own OAuth, and Codex's sign-in to a gateway."""

import re
import subprocess
import threading
from urllib.parse import parse_qs, urlsplit

import httpx2
import mcp
import pytest
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata

from tests.clients.test_agents import BIN
from tests.support.homes import Home
from tests.support.hubs import RESOURCES, running_hub, servers_ready, wait_for

PASSWORD = "a long enough password"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    resources = {
        **RESOURCES,
        "teams": {"dev": {"models": ["demo"], "profiles": ["both"], "tools": ["*"]}},
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
