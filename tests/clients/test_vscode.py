"""VS Code itself, served to a browser: it takes what the hub writes and lists, finds the tools, and talks to the models."""

import json
import re
import shutil

import pytest
from jsonschema.validators import validator_for
from playwright import sync_api

from hub.identity import catalogue_token
from tests.support.hubs import wait_for
from tests.support.vscode import COPILOT, SECONDS, Window, serving
from tests.ui.conftest import ARGUMENTS, CHROMIUM

pytestmark = [pytest.mark.clients, pytest.mark.slow, pytest.mark.timeout(400)]
DISCOVERED = re.compile(r"Discovered\s(\d+)\stools")  # words are parted by what is no plain space
NOT_THERE = re.compile(r"profile_not_found|There\sis\sno\sprofile|404")
# It may answer with its whole window, as many a model may: VS Code must keep some of that for what it asks.
WIDE = {"targets": [{"model": "demo/demo-1"}], "context_window": 32_000, "max_output_tokens": 32_000}


@pytest.fixture
def window_of(home):
    """Opens a window of VS Code on the project, which reaches nothing but this machine."""
    with serving(home) as address, sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        page.route(lambda url: not url.startswith(address), lambda route: route.abort())
        page.set_default_timeout(SECONDS / 3)
        yield lambda: Window(page, f"{address}/?folder={home.project}")
        browser.close()


def mine(home, **texts):
    """Files of the person's own, where VS Code keeps such; returns their folder."""
    folder = home.folder / ".config" / "Code" / "User"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.json").write_text(text)
    return folder


def key_of(hub, name, **rights):
    """The secret of a key that may use the profile and nothing else, but for its other rights."""
    hub.put("keys", name, {"profiles": ["both"], **rights})
    with hub.client() as admin:
        return admin.post(f"/api/v1/keys/{name}/rotate", json={}).json()["secret"]


def calls_of(hub, key):
    """The calls of a key that the hub noted: model, tool, outcome."""
    with hub.client() as admin:
        items = admin.get("/api/v1/logs", params={"key": key}).json()["items"]
    return {(call.get("model"), call.get("tool"), call["outcome"]) for call in items}


@pytest.fixture
def tools(hub):
    """The tools of the profile."""
    with hub.client() as client:
        return client.get("/catalog/both.json").json()["tools"]


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
    key = key_of(hub, "gallery")
    gallery = f"{hub.url}/registry/{catalogue_token(key)}/"
    mine(home, settings=json.dumps({"chat.mcp.gallery.serviceUrl": gallery}))
    window = window_of()
    window.listed("@mcp both", "Both eras").click()
    window.details().locator("table").first.wait_for()
    names = window.details().locator("td:first-child code").all_inner_texts()
    assert names == [tool["name"] for tool in tools]
    window.page.get_by_role("button", name="Install in Workspace").first.click()
    window.answer(key)
    window.server("localhost/both", "Show Output", window.output)
    assert int(window.told(DISCOVERED)[1]) == len(tools)
    assert key not in (home.project / ".vscode" / "mcp.json").read_text()


def test_the_models_are_as_vs_codes_own_schema_wants_them(home, hub):
    home.cli("install", "vscode", "--models")
    (group,) = json.loads((home.folder / ".config" / "Code" / "User" / "chatLanguageModels.json").read_text())
    providers = json.loads(COPILOT.read_text())["contributes"]["languageModelChatProviders"]
    (schema,) = [one["configuration"] for one in providers if one["vendor"] == group["vendor"]]
    validator_for(schema)(schema).validate(group)
    assert "demo" in [model["id"] for model in group["models"]]


def test_the_chat_asks_the_hubs_model_which_calls_a_tool_of_the_hubs_set_and_all_can_be_undone(home, hub, window_of):
    hub.put("models", "wide", WIDE)
    key = key_of(hub, "chat", models=["wide"])
    before = {"settings": '{"security.workspace.trust.enabled": false}', "chatLanguageModels": "[\n  // mine\n]\n"}
    folder = mine(home, **before)
    home.cli("install", "vscode", "--profile", "both", "--models", "--use-key", key=key)
    home.cli("catalog", "both", "--format", "vscode", "--out", str(home.folder), key=key)
    (folder / "prompts").mkdir()
    shutil.copy(home.folder / ".vscode" / "both.toolsets.jsonc", folder / "prompts")
    window = window_of()
    assert window.models() == ["wide"]
    window.server("both", "Start Server", window.output.get_by_text(DISCOVERED))
    with hub.client(key) as client:
        tools = client.get("/catalog/both.json").json()["tools"]
    assert window.choose_tools("both-read") == len([tool for tool in tools if tool.get("read_only")])
    window.ask('please use new__echo with the text "hello-from-vs-code"', 'The tool answered: "hello-from-vs-code"')
    wait_for(lambda: {("wide", None, "ok"), (None, "echo", "ok")} <= calls_of(hub, "chat"))
    home.cli("uninstall", "vscode", key=key)
    assert {name: (folder / f"{name}.json").read_text() for name in before} == before
    assert not (folder / "mcp.json").exists()
