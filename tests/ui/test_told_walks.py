"""What pages tell of what happened: a guardrail in shadow, a call's plan and findings, a server's tools, a budget's forecast."""

import pytest

from tests.ui.conftest import axe

pytestmark = pytest.mark.slow


@pytest.fixture
def shadowed(world):
    """A rule that would block, in shadow, and a call that it would have blocked."""
    spec = {"scope": {"key": "lab"}, "on": ["input"], "words": ["quuxly"], "action": "block", "shadow": True}
    world.hub.put("guardrails", "shadowed", spec)
    body = {"model": "demo", "messages": [{"role": "user", "content": "say quuxly, quuxly"}]}
    with world.hub.client(world.secrets["lab"]) as client:
        answer = client.post("/v1/chat/completions", json=body, headers={"x-hub-session": "shadowed"})
        assert answer.status_code == 200
    world.wait_for_calls(1, session="shadowed")
    with world.hub.client() as operator:
        yield operator.get("/api/v1/logs", params={"session": "shadowed"}).json()["items"][0]["id"]
        operator.delete("/api/v1/guardrails/shadowed")


def test_what_a_rule_in_shadow_would_have_done_is_seen_before_it_does(world, shadowed, browse):
    page = browse("admin", "/admin/try/shadowed")
    seen = page.locator("#seen")
    assert "in shadow" in seen.inner_text()
    assert "Would have blocked" in seen.inner_text()
    assert "calls, in prompts" in seen.inner_text()
    axe(page)
    seen.locator("tbody a").first.click()
    findings = page.locator("#findings")
    assert "would have blocked" in findings.inner_text()
    assert "quuxly" not in findings.inner_text()
    assert "demo/demo-1" in page.locator("#plan").inner_text()
    axe(page)
    findings.get_by_role("link", name="shadowed").click()
    page.get_by_role("link", name="switch shadow off").click()
    page.get_by_label("Shadow").uncheck()
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved. It is in force").wait_for()
    with world.hub.client(world.secrets["lab"]) as client:
        body = {"model": "demo", "messages": [{"role": "user", "content": "say quuxly"}]}
        assert client.post("/v1/chat/completions", json=body).json()["error"]["code"] == "guardrail_blocked"


def test_a_developer_is_told_of_findings_without_a_way_to_the_rule(world, shadowed):
    with world.signed_in("bob") as client:
        page = client.get(f"/console/logs/{shadowed}").text
    assert "would have blocked" in page
    assert "/admin/try" not in page


def test_a_servers_page_lists_its_tools(world, browse):
    page = browse("admin", "/admin/servers/new")
    tools = page.locator("#offered")
    tools.get_by_label("Search its tools").fill("gives the text")
    tools.locator("details.tool:visible").nth(1).wait_for(state="detached")
    assert tools.locator("details.tool:visible").count() == 1
    tools.get_by_text("echo", exact=True).click()
    tools.get_by_text("Gives the text back.").wait_for()
    axe(page)


def test_a_budget_tells_what_is_spent_and_where_it_leads(world, browse):
    page = browse("admin", "/admin/budgets/platform-month")
    spent = page.locator("#spent")
    assert "of $200.00 spent" in spent.inner_text()
    assert "At this rate" in spent.inner_text()
    axe(page)


def test_a_form_folds_what_few_need_and_opens_it_where_it_says_something(world, browse):
    world.hub.put("keys", "folded", {"team": "platform", "networks": ["10.0.0.0/8"]})
    page = browse("admin", "/admin/new/keys")
    assert page.locator("details.more[open]").count() == 0
    page.get_by_text("More settings").click()
    page.get_by_label("Endpoints").fill("/v1/*")
    page.goto(f"{world.url}/admin/keys/folded")
    assert page.get_by_label("Networks").input_value() == "10.0.0.0/8"
    axe(page)
    with world.hub.client() as operator:
        operator.delete("/api/v1/keys/folded")
