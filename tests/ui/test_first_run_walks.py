"""The first run: from the printed link over the five steps to the first call of a model and of a tool."""

import re

import pytest

from tests.support.hubs import running_hub, wait_for
from tests.ui.conftest import HELLO, World, axe, browsing

pytestmark = pytest.mark.slow


@pytest.fixture
def fresh(tmp_path, chromium):
    """A hub that nobody has used yet, and a browser for it."""
    with running_hub(tmp_path, admin_key=None) as hub:
        world = World(hub, {})
        with browsing(world, chromium) as open_as:
            yield world, open_as


@pytest.fixture
def tools(world):
    """An MCP server to begin with: a profile of another hub that is open to everybody."""
    world.hub.put("profiles", "open", {"security": "none", "servers": {"new": {"tools": ["echo"]}}})
    yield f"{world.url}/mcp/open"
    with world.hub.client() as operator:
        operator.delete("/api/v1/profiles/open")


def asked(client, method, **params):
    """What an MCP method answers in the profile."""
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = client.post("/mcp/daily", json=request, headers={"accept": "application/json, text/event-stream"})
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]


def test_a_fresh_hub_is_set_up_in_the_browser(fresh, tools):
    hub, open_as = fresh
    link = next(re.search(r"(/login\?token=\S+)", line)[1] for line in hub.hub.output if "/login?token=" in line)
    page = open_as(None, link, allowed=("422", "409"))
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Admin", exact=True).click()
    page.locator("main").get_by_role("heading", name="Organisation", exact=True).wait_for()
    axe(page)
    page.get_by_label("Name of the organisation or team").fill("Acme")
    page.get_by_label("Short name").fill("Acme!")
    page.get_by_role("button", name="Save and go on").click()
    page.get_by_role("alert").wait_for()
    assert page.get_by_label("Name of the organisation or team").input_value() == "Acme"
    page.get_by_label("Short name").fill("acme")
    page.get_by_role("button", name="Save and go on").click()
    page.locator("main").get_by_role("heading", name="Provider", exact=True).wait_for()
    page.get_by_label("Kind").select_option("demo")
    page.get_by_label("Short name").fill("demo")
    page.get_by_role("button", name="Save and go on").click()
    page.locator("main").get_by_role("heading", name="Models", exact=True).wait_for()
    axe(page)
    page.get_by_label("Public name").fill("fast")
    page.get_by_role("button", name="Ask the providers").click()
    page.get_by_text("No provider lists its models").wait_for()
    assert page.get_by_label("Public name").input_value() == "fast"
    page.get_by_label("Targets, best first").fill("demo/demo-1")
    page.get_by_role("button", name="Save and go on").click()
    page.locator("main").get_by_role("heading", name="Profile", exact=True).wait_for()
    page.get_by_label("Short name").first.fill("daily")
    page.get_by_label("Short name").nth(1).fill("echo")
    page.get_by_label("URL of an MCP server").fill(tools)
    page.get_by_label("It is on this machine or in a private network").check()
    page.get_by_role("button", name="Save and go on").click()
    page.locator("main").get_by_role("heading", name="Key", exact=True).wait_for()
    assert page.locator(".wizard .done").count() == 4
    page.get_by_label("Name of the key").fill("first")
    page.get_by_role("button", name="Make the key").click()
    page.get_by_role("heading", name="The secret of first").wait_for()
    axe(page)
    secret = page.locator(".secret code").first.inner_text()
    shown = page.locator("main").inner_text()
    assert f"{hub.url}/v1/chat/completions" in shown
    assert f"{hub.url}/mcp/daily" in shown
    with hub.hub.client(secret) as client:
        answer = client.post("/v1/chat/completions", json={"model": "fast", "messages": HELLO})
        assert answer.status_code == 200, answer.text
        (tool,) = wait_for(lambda: [one["name"] for one in asked(client, "tools/list")["tools"]])
        said = asked(client, "tools/call", name=tool, arguments={"text": "It works"})
        assert "It works" in str(said)
    page.get_by_role("link", name="I have stored it").click()
    page.get_by_role("heading", name="Overview").wait_for()
    assert secret not in page.content()
    page.get_by_role("link", name="Logs", exact=True).click()
    page.locator("#results tbody tr", has_text="fast").first.wait_for()
    page.locator("#results tbody tr", has_text="echo").first.wait_for()
    axe(page)
