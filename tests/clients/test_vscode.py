"""VS Code itself, served to a browser: it takes the files that the hub writes, starts the server and finds its tools."""

import contextlib
import re
import subprocess
from pathlib import Path

import pytest
from playwright import sync_api

from tests.support.hubs import wait_for
from tests.ui.conftest import ARGUMENTS, CHROMIUM

pytestmark = [pytest.mark.clients, pytest.mark.slow]
HERE = Path(__file__).parent
SERVER = HERE / "vscode" / "node_modules" / "code-server" / "lib" / "vscode" / "out" / "server-main.js"
NODE = HERE / "node" / "node_modules" / ".bin" / "node"
BOUND = re.compile(r"Server bound to 127\.0\.0\.1:(\d+)")
DISCOVERED = re.compile(r"Discovered\s(\d+)\stools")  # words are parted by what is no plain space
NOT_THERE = re.compile(r"profile_not_found|There\sis\sno\sprofile|404")
SECONDS = 60_000  # in milliseconds: VS Code starts many things, on a machine that does more besides


@pytest.fixture
def address(home):
    """Where VS Code answers. It neither asks for a token nor tells anybody anything."""
    command = [
        str(NODE), str(SERVER), "--host", "127.0.0.1", "--port", "0", "--without-connection-token",
        "--accept-server-license-terms", "--telemetry-level", "off", "--server-data-dir", str(home.folder / "server"),
    ]  # fmt: skip
    log = home.folder / "vscode.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, cwd=home.project, env=home.environment(), stdout=said, stderr=said, start_new_session=True
        )
    try:
        found = wait_for(lambda: BOUND.search(log.read_text()), seconds=60)
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def window_of(address, home):
    """Opens a window of VS Code on the project, which reaches nothing but this machine."""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.route(lambda url: not url.startswith(address), lambda route: route.abort())
        page.set_default_timeout(SECONDS / 6)
        yield lambda: Window(page, f"{address}/?folder={home.project}")
        browser.close()


class Window:
    """What a person does in VS Code by its command palette."""

    def __init__(self, page, url):
        self.page = page
        page.goto(url, timeout=SECONDS)
        page.wait_for_selector(".monaco-workbench .statusbar", timeout=SECONDS)

    def pick(self, text):
        """Choose from the list that is open, by its keys: a click may meet a list that is still being drawn."""
        row = ".quick-input-list .monaco-list-row"
        self.page.locator(row, has_text=text).first.wait_for()
        for _ in range(30):
            if self.page.locator(f"{row}.focused", has_text=text).count():
                break
            self.page.keyboard.press("ArrowDown")
            self.page.wait_for_timeout(100)
        self.page.keyboard.press("Enter")

    def command(self, name):
        typed = self.page.locator(".quick-input-widget input[aria-label^='Type the name of a command']")
        for _ in range(20):  # a key that is pressed while another list closes is lost
            self.page.keyboard.press("F1")
            self.page.wait_for_timeout(500)
            if typed.is_visible():
                break
        typed.fill(f">{name}")
        self.pick(name)

    def start(self, name, key):
        """Start a server, trust what the folder says, and give the key that its file asks for."""
        password = self.page.locator(".quick-input-widget input[type=password]")
        trust = self.page.locator(".monaco-dialog-box").get_by_role("button", name=re.compile("Trust"))
        for _ in range(10):  # what is chosen while VS Code is still starting may come to nothing
            with contextlib.suppress(sync_api.TimeoutError):
                self.command("MCP: List Servers")
                self.pick(name)
                self.pick("Start Server")
                password.or_(trust).first.wait_for()
                break
            self.page.keyboard.press("Escape")
        if not password.is_visible():
            trust.first.click()
        password.first.wait_for()
        password.first.fill(key)
        self.page.keyboard.press("Enter")

    def told(self, pattern):
        """What VS Code says of the server that was started: its output opens by itself."""
        said = self.page.locator(".part.panel .view-lines").get_by_text(pattern).first
        said.wait_for(timeout=SECONDS)
        return pattern.search(said.inner_text())


def test_vs_code_starts_what_was_installed_and_finds_every_tool(home, hub, window_of):
    home.cli("install", "vscode", "--profile", "both", "--scope", "project")
    window = window_of()
    window.start("both", hub.admin_key)
    found = window.told(DISCOVERED)
    with hub.client() as client:
        tools = client.get("/catalog/both.json").json()["tools"]
    assert int(found[1]) == len(tools)


def test_vs_code_takes_the_file_of_a_catalogue_and_complains_of_an_address_that_is_wrong(home, hub, window_of):
    home.cli("catalog", "both", "--out", str(home.project))
    file = home.project / ".vscode" / "mcp.json"
    wrong = file.read_text().replace("/mcp/both", "/mcp/nobody")
    assert wrong != file.read_text()
    file.write_text(wrong)
    window = window_of()
    window.start("both", hub.admin_key)
    assert window.told(NOT_THERE)
