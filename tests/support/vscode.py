"""VS Code, served to a browser, and what a person does in it by keys and by mouse."""

import contextlib
import re
import subprocess
from pathlib import Path

from playwright import sync_api

from tests.support.hubs import wait_for

_HERE = Path(__file__).parents[1] / "clients"
_CODE = _HERE / "vscode" / "node_modules" / "code-server" / "lib" / "vscode"
COPILOT = _CODE / "extensions" / "copilot" / "package.json"
_NODE = _HERE / "node" / "node_modules" / ".bin" / "node"
_BOUND = re.compile(r"Server bound to 127\.0\.0\.1:(\d+)")
SECONDS = 60_000  # in milliseconds: VS Code starts many things, on a machine that does more besides


@contextlib.contextmanager
def serving(home):
    """Where VS Code answers. It asks for no token, tells nobody anything, and keeps its files where VS Code does on Linux."""
    command = [
        str(_NODE), str(_CODE / "out" / "server-main.js"), "--host", "127.0.0.1", "--port", "0", "--without-connection-token",
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
        self.output = page.locator(".part.panel .view-lines")
        self.trust = page.locator(".monaco-dialog-box").get_by_role("button", name=re.compile("Trust")).first

    def until(self, seen, *steps):
        """Take steps, again if need be, until something is seen: what is done while VS Code is still starting may be lost."""
        for _ in range(10):
            with contextlib.suppress(sync_api.TimeoutError):
                for step in steps:
                    step()
                seen.first.wait_for()
                return
            self.page.keyboard.press("Escape")
        seen.first.wait_for()

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
        """Run a command. A key that is pressed while another list closes is lost, and VS Code learns commands as it starts."""
        typed = self.page.locator(".quick-input-widget input[aria-label^='Type the name of a command']")
        row = self.page.locator(".quick-input-list .monaco-list-row", has_text=name)
        for _ in range(30):
            with contextlib.suppress(sync_api.TimeoutError):
                self.page.keyboard.press("F1")
                typed.wait_for(timeout=1_000)
                typed.fill(f">{name}")
                row.first.wait_for(timeout=5_000)
                break
            self.page.keyboard.press("Escape")
        self.pick(name)

    def server(self, name, action, seen):
        """Do something with a server, until something is seen of it."""
        self.until(seen, lambda: self.command("MCP: List Servers"), lambda: self.pick(name), lambda: self.pick(action))

    def start(self, name, key):
        """Start a server, and give what it asks for."""
        self.server(name, "Start Server", self.password.or_(self.trust))
        self.answer(key)

    def answer(self, key):
        """Trust what the folder says, if that is asked, and give the key that its file asks for."""
        self.password.or_(self.trust).first.wait_for()
        if not self.password.is_visible():
            self.trust.click()
        self.password.wait_for()
        self.password.fill(key)
        self.page.keyboard.press("Enter")

    def told(self, pattern):
        """What VS Code says of a server: the output opens by itself when somebody starts it."""
        said = self.output.get_by_text(pattern).first
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

    def models(self):
        """The models that VS Code lists. It looks for them when their page is opened for the first time."""
        shown = self.page.locator(".monaco-modal-editor-block")
        self.until(shown.get_by_text("Add Models"), lambda: self.command("Chat: Manage Language Models"))
        rows = shown.locator(".models-widget .monaco-list-row")
        rows.first.wait_for()
        names = [row.split("\n")[0] for row in rows.all_inner_texts()]
        shown.get_by_label("Close").first.click()
        return names

    def choose_tools(self, of):
        """Leave the chat the tools of one of the person's sets and no other; returns how many they are."""
        picker = self.page.locator(".quick-input-widget")
        rows = picker.locator(".monaco-list-row")
        sets, one = rows.filter(has_text="User Defined Tool Sets"), rows.filter(has_text=of)
        self.until(sets, self.page.locator("a.action-label[aria-label^='Configure Tools']").first.click)
        sets.locator(".monaco-tl-twistie").click()
        one.locator(".monaco-tl-twistie").click()
        found = picker.locator("[aria-level='3']").first.get_attribute("aria-setsize")
        picker.locator(".quick-input-header .monaco-checkbox").first.click()
        one.locator(".monaco-checkbox").click()
        picker.get_by_text(f"{found} Selected").wait_for()
        picker.get_by_role("button", name="OK").click()
        return int(found)

    def ask(self, text, answer):
        """Send a message to the chat, and wait for an answer with these words."""
        self.page.locator(".interactive-input-part .monaco-editor").first.click()
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")
        self.page.locator(".interactive-response", has_text=answer).wait_for(timeout=SECONDS)
