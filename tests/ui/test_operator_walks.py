"""What operators look after: the audit trail, exports, and how much is kept of calls."""

import json
import re

from tests.support.hubs import wait_for


def test_the_audit_trail_is_filtered_read_and_exported(world, browse):
    with world.hub.client() as operator:
        operator.put("/api/v1/teams/audited", json={"spec": {"title": "Before"}})
        operator.put("/api/v1/teams/audited", json={"spec": {"title": "After"}})
    page = browse("admin", "/admin/audit")
    page.get_by_text("The chain is whole").wait_for()
    page.get_by_label("Kind", exact=True).select_option("teams")
    page.wait_for_url(re.compile("kind=teams"))
    page.get_by_label("Name", exact=True).fill("audited")
    page.get_by_label("Name", exact=True).press("Enter")
    page.wait_for_url(re.compile("name=audited"))
    page.wait_for_load_state("networkidle")  # both the field and the form ask
    changes = page.locator("#results tbody tr", has=page.get_by_role("link", name="teams/audited"))
    changes.nth(1).wait_for()
    assert changes.count() == 2
    page.locator("#results summary").first.click()
    page.locator("#results ins", has_text="After").wait_for()
    assert page.locator("#results del", has_text="Before").is_visible()
    page.get_by_role("link", name="teams/audited").first.click()
    page.wait_for_url(re.compile("view=history"))
    page.goto(f"{world.url}/admin/audit")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export", exact=True).click()
    rows = [json.loads(line) for line in download.value.path().read_bytes().splitlines()]
    assert any(row.get("name") == "audited" for row in rows)
    with world.hub.client() as operator:
        operator.delete("/api/v1/teams/audited")


def test_an_export_is_made_shows_its_state_and_is_switched_off(world, browse):
    page = browse("admin", "/admin/exports", allowed=("422",))
    page.get_by_role("link", name="New export").first.click()
    page.get_by_label("Name", exact=False).first.fill("kept")
    page.get_by_label("Format").select_option("webhook")
    page.get_by_role("button", name="Create").click()
    page.get_by_text("webhook needs an endpoint").wait_for()
    page.get_by_label("Format").select_option("jsonl")
    page.get_by_role("button", name="Create").click()
    page.get_by_text("Created. It is in force").wait_for()
    with world.hub.client(world.secrets["ci"]) as client:
        client.post("/v1/chat/completions", json={"model": "demo", "messages": [{"role": "user", "content": "Hi"}]})
    file = world.hub.data / "exports" / "kept.jsonl"
    wait_for(lambda: file.exists() and file.read_text())
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Switch off").click()
    page.get_by_role("heading", name="Switched off").wait_for()
    page.get_by_role("button", name="Delete export").click()
    page.get_by_text("kept is gone").wait_for()


def test_the_data_boundary_names_who_says_more_or_less(world, browse):
    with world.hub.client() as operator:
        team = operator.get("/api/v1/teams/research").json()["spec"]
        operator.put("/api/v1/teams/research", json={"spec": {**team, "capture": "metadata"}})
    page = browse("aud", "/admin/boundary")
    page.get_by_role("link", name="teams/research").wait_for()
    assert "metadata" in page.locator("main").inner_text()
    with world.hub.client() as operator:
        operator.put("/api/v1/teams/research", json={"spec": team})


def test_the_last_of_two_quick_filters_counts(world, browse):
    with world.hub.client() as operator:
        operator.put("/api/v1/keys/idle-one", json={"spec": {"team": "platform"}})
    page = browse("admin", "/admin/keys")
    page.get_by_label("Search", exact=True).press_sequentially("i")
    page.get_by_label("Not used for").select_option("7 days")
    page.wait_for_url(re.compile("unused=7"))
    page.locator("#results").get_by_role("link", name="idle-one").wait_for()
    assert page.locator("#results").get_by_role("link", name="ci", exact=True).count() == 0
    with world.hub.client() as operator:
        operator.delete("/api/v1/keys/idle-one")
