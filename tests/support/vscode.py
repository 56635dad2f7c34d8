"""VS Code, served to a browser, and what a person does in it by keys and by mouse."""

import contextlib
import re
import subprocess
from pathlib import Path

from playwright import sync_api

from tests.support.hubs import wait_for

_HERE = Path(__file__).parents[1] / "clients"
_SERVER = _HERE / "vscode" / "node_modules" / "code-server" / "lib" / "vscode" / "out" / "server-main.js"
_NODE = _HERE / "node" / "node_modules" / ".bin" / "node"
_BOUND = re.compile(r"Server bound to 127\.0\.0\.1:(\d+)")
SECONDS = 60_000  # in milliseconds: VS Code starts many things, on a machine that does more besides


@contextlib.contextmanager
def serving(home):
    """Where VS Code answers. It asks for no token, tells nobody anything, and keeps its files where VS Code does on Linux."""
    command = [
        str(_NODE), str(_SERVER), "--host", "127.0.0.1", "--port", "0", "--without-connection-token",
        "--accept-server-license-terms", "--telemetry-level", "off", "--server-data-dir", str(home.folder / "server"),
        "--user-data-dir", str(home.folder / ".config" / "Code"),
    ]  # fmt: skip
    log = home.folder / "vscode.log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, cwd=home.project, env=home.environment(), stdout=said, stderr=said, start_new_session=True
        )
    try:
        found = wait_for(lambda: _BOUND.search(log.read_text()), seconds=60)
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        process.kill()
        process.wait()


class Window:
    """What a person does in VS Code by its command palette."""

    def __init__(self, page, url):
        self.page = page
        page.goto(url, timeout=SECONDS)
        page.wait_for_selector(".monaco-workbench .statusbar", timeout=SECONDS)
        self.password = page.locator(".quick-input-widget input[type=password]")
        self.trust = page.locator(".monaco-dialog-box").get_by_role("button", name=re.compile("Trust")).first

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
        for _ in range(10):  # what is chosen while VS Code is still starting may come to nothing
            with contextlib.suppress(sync_api.TimeoutError):
                self.command("MCP: List Servers")
                self.pick(name)
                self.pick("Start Server")
                self.password.or_(self.trust).first.wait_for()
                break
            self.page.keyboard.press("Escape")
        self.answer(key)

    def answer(self, key):
        """Trust the folder, if that is asked, and give the key."""
        self.password.or_(self.trust).first.wait_for()
        if not self.password.is_visible():
            self.trust.click()
        self.password.wait_for()
        self.password.fill(key)
        self.page.keyboard.press("Enter")

    def show(self, name):
        """Open what a server that runs already has said."""
        self.command("MCP: List Servers")
        self.pick(name)
        self.pick("Show Output")

    def told(self, pattern):
        """What VS Code says of the server that was started, whose output opens by itself, or shown."""
        said = self.page.locator(".part.panel .view-lines").get_by_text(pattern).first
        said.wait_for(timeout=SECONDS)
        return pattern.search(said.inner_text())

    def listed(self, search, title):
        """What the Extensions view finds: one row."""
        self.page.keyboard.press("Control+Shift+X")
        self.page.locator(".extensions-viewlet .monaco-editor").first.click()
        self.page.keyboard.type(search)
        row = self.page.locator(".extensions-viewlet .monaco-list-row", has_text=title).first
        row.wait_for(timeout=SECONDS)
        return row

    def details(self):
        """The page of what was clicked in the Extensions view."""
        return self.page.frame_locator("iframe.webview.ready").frame_locator("#active-frame")
