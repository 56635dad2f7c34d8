"""Announcements from their making to their end: scheduled, for some teams only, put away by those who have read them."""

import re

import pytest

from tests.support.hubs import wait_for
from tests.ui.conftest import axe

pytestmark = pytest.mark.slow


def test_a_reader_dismisses_a_notice_until_it_changes(world, browse):
    world.hub.put("announcements", "moving", {"title": "We move on Friday", "body": "Keys stay **valid**."})
    page = browse("dev")
    notice = page.locator(".notice", has_text="We move on Friday")
    axe(page)
    notice.get_by_role("button", name="Dismiss").click()
    page.get_by_text("Dismissed. It shows again if it changes").wait_for()
    assert notice.count() == 0
    other = browse("dev")
    assert other.locator(".notice", has_text="We move on Friday").count() == 0
    other.get_by_role("link", name=re.compile("1 notice that you have dismissed")).click()
    other.locator(".notice", has_text="We move on Friday").get_by_role("button", name="Show it again").click()
    other.wait_for_url(re.compile("notices=all"))
    other.goto(f"{world.url}/console")
    notice = other.locator(".notice", has_text="We move on Friday")
    notice.get_by_role("button", name="Dismiss").click()
    world.hub.put("announcements", "moving", {"title": "We move on Monday"})
    other.goto(f"{world.url}/console")
    other.locator(".notice", has_text="We move on Monday").wait_for()
    with world.hub.client() as operator:
        operator.delete("/api/v1/announcements/moving")


def test_it_works_without_scripts_and_never_for_a_critical_one(world, browse):
    world.hub.put("announcements", "leak", {"title": "Rotate your keys", "severity": "critical"})
    world.hub.put("announcements", "lunch", {"title": "Lunch is at noon"})
    page = browse("dev", java_script_enabled=False, allowed=("409",))
    assert page.locator(".notice", has_text="Rotate your keys").get_by_role("button").count() == 0
    world.hub.put("announcements", "lunch", {"title": "Lunch is at one"})
    page.locator(".notice", has_text="Lunch").get_by_role("button", name="Dismiss").click()
    page.get_by_text("has changed since you read it").wait_for()
    page.locator(".notice", has_text="Lunch is at one").get_by_role("button", name="Dismiss").click()
    page.get_by_text("Dismissed. It shows again").wait_for()
    assert page.locator(".notice", has_text="Lunch").count() == 0
    with world.hub.client() as operator:
        operator.delete("/api/v1/announcements/leak")
        operator.delete("/api/v1/announcements/lunch")


def test_a_notice_is_scheduled_ahead_for_one_team(world, browse):
    page = browse("admin", "/admin/new/announcements", allowed=("422",))
    page.get_by_label("Name").fill("window")
    page.get_by_label("Title").fill("The cluster rests")
    page.get_by_label("Severity").select_option("warning")
    page.get_by_label("Starts at").fill("2999-03-01T08:00Z")
    page.get_by_label("Ends at").fill("2999-02-01T08:00Z")
    page.get_by_label("Teams").fill("research")
    page.get_by_role("button", name="Create").click()
    page.get_by_text("ends_at lies after starts_at").wait_for()
    assert page.get_by_label("Teams").input_value() == "research"
    page.get_by_label("Ends at").fill("2999-04-01T08:00Z")
    page.get_by_role("button", name="Create").click()
    page.get_by_text("Created.").wait_for()
    axe(page)
    with world.hub.client() as operator:
        spec = operator.get("/api/v1/announcements/window").json()["spec"]
    assert spec["teams"] == ["research"]
    reader = browse("bob")
    assert reader.get_by_text("The cluster rests").count() == 0
    page.get_by_label("Starts at").fill("2020-01-01T08:00Z")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved. It is in force").wait_for()
    reader.goto(f"{world.url}/console")
    reader.locator(".notice.warning", has_text="The cluster rests").wait_for()
    outsider = browse("dev")
    assert outsider.get_by_text("The cluster rests").count() == 0
    page.get_by_label("Archived").check()
    page.get_by_role("button", name="Save").click()
    with world.hub.client() as operator:
        wait_for(lambda: operator.get("/api/v1/announcements/window").json()["spec"].get("archived"))
    reader.goto(f"{world.url}/console")
    assert reader.get_by_text("The cluster rests").count() == 0
    with world.hub.client() as operator:
        operator.delete("/api/v1/announcements/window")
