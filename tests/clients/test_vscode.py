"""VS Code itself, served to a browser: it takes what the hub writes and lists, finds the tools, and talks to the models."""

import json
import re

import pytest
from playwright import sync_api

from hub.identity import catalogue_token
from tests.support.vscode import SECONDS, Window, serving
from tests.ui.conftest import ARGUMENTS, CHROMIUM

pytestmark = [pytest.mark.clients, pytest.mark.slow]
DISCOVERED = re.compile(r"Discovered\s(\d+)\stools")  # words are parted by what is no plain space
NOT_THERE = re.compile(r"profile_not_found|There\sis\sno\sprofile|404")


@pytest.fixture
def window_of(home):
    """Opens a window of VS Code on the project, which reaches nothing but this machine."""
    with serving(home) as address, sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.route(lambda url: not url.startswith(address), lambda route: route.abort())
        page.set_default_timeout(SECONDS / 6)
        yield lambda: Window(page, f"{address}/?folder={home.project}")
        browser.close()


def user(home, name, text):
    """A file of the person's own, where VS Code keeps such."""
    file = home.folder / ".config" / "Code" / "User" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.fixture
def tools(hub):
    """The names of the tools of the profile."""
    with hub.client() as client:
        return [tool["name"] for tool in client.get("/catalog/both.json").json()["tools"]]


def test_vs_code_starts_what_was_installed_and_finds_every_tool(home, hub, tools, window_of):
    home.cli("install", "vscode", "--profile", "both", "--scope", "project")
    window = window_of()
    window.start("both", hub.admin_key)
    assert int(window.told(DISCOVERED)[1]) == len(tools)


def test_vs_code_takes_the_file_of_a_catalogue_and_complains_of_an_address_that_is_wrong(home, hub, window_of):
    home.cli("catalog", "both", "--out", str(home.project))
    file = home.project / ".vscode" / "mcp.json"
    wrong = file.read_text().replace("/mcp/both", "/mcp/nobody")
    assert wrong != file.read_text()
    file.write_text(wrong)
    window = window_of()
    window.start("both", hub.admin_key)
    assert window.told(NOT_THERE)


def test_the_gallery_shows_a_profile_with_its_tools_and_what_it_installs_starts(home, hub, tools, window_of):
    hub.put("keys", "gallery", {"profiles": ["both"]})
    with hub.client() as admin:
        key = admin.post("/api/v1/keys/gallery/rotate", json={}).json()["secret"]
    gallery = f"{hub.url}/registry/{catalogue_token(key)}/"
    user(home, "settings.json", json.dumps({"chat.mcp.gallery.serviceUrl": gallery}))
    window = window_of()
    window.listed("@mcp both", "Both eras").click()
    window.details().locator("table").first.wait_for()
    assert window.details().locator("td:first-child code").all_inner_texts() == tools
    window.page.get_by_role("button", name="Install in Workspace").first.click()
    window.answer(key)
    window.show("localhost/both")
    assert int(window.told(DISCOVERED)[1]) == len(tools)
    assert key not in (home.project / ".vscode" / "mcp.json").read_text()
