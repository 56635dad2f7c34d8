"""Versions of a profile: what changed between them, and an old one made current, by operators and by its team."""

import re

import pytest

from tests.ui.conftest import axe

pytestmark = pytest.mark.slow


@pytest.fixture
def crew(world):
    """The team may use profiles of a name of its own."""
    with world.hub.client() as operator:
        team = operator.get("/api/v1/teams/platform").json()["spec"]
        more = {"profiles": [*team["profiles"], "platform-*"], "tools": ["hub/*", "new/*", "old/*"]}
        assert operator.put("/api/v1/teams/platform", json={"spec": {**team, **more}}).status_code == 200
        yield operator
        operator.delete("/api/v1/profiles/platform-old")
        operator.put("/api/v1/teams/platform", json={"spec": team})


def test_versions_of_a_profile_differ_visibly_and_are_restored(world, browse):
    world.hub.put("profiles", "versioned", {"title": "First", "servers": {"new": {"tools": ["echo"]}}})
    world.hub.put("profiles", "versioned", {"title": "Second", "servers": {"new": {"tools": ["echo", "fail"]}}})
    page = browse("admin", "/admin/profiles/versioned")
    page.get_by_role("link", name="History", exact=True).click()
    newest = page.locator("section.card", has=page.get_by_role("heading", name=re.compile("Version 2")))
    assert "First" in newest.locator("del").all_inner_texts()
    assert "Second" in newest.locator("ins").all_inner_texts()
    assert newest.get_by_role("button", name="Restore").count() == 0
    axe(page)
    oldest = page.locator("section.card", has=page.get_by_role("heading", name="Version 1"))
    oldest.get_by_text("Whole spec").click()
    oldest.locator("details[open] pre", has_text="title: First").wait_for()
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    oldest.get_by_role("button", name="Restore").click()
    page.get_by_text("Restored as a new version").wait_for()
    assert "version 1 of versioned" in asked[0]
    with world.hub.client() as operator:
        found = operator.get("/api/v1/profiles/versioned").json()
        assert (found["version"], found["spec"]["title"]) == (3, "First")
        operator.delete("/api/v1/profiles/versioned")


def test_a_team_restores_its_own_profile_in_the_console(world, crew, browse):
    mine = {"team": "platform", "servers": {"hub": {}}}
    world.hub.put("profiles", "platform-old", {**mine, "title": "First"})
    world.hub.put("profiles", "platform-old", {**mine, "title": "Second"})
    page = browse("dev", "/console/compose/platform-old")
    page.get_by_role("link", name="History", exact=True).click()
    page.locator("ins", has_text="Second").wait_for()
    axe(page)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Restore").click()
    page.get_by_text("Restored as a new version").wait_for()
    assert crew.get("/api/v1/profiles/platform-old").json()["spec"]["title"] == "First"


def test_nobody_restores_what_has_become_somebody_elses(world, crew):
    mine = {"team": "platform", "servers": {"hub": {}}}
    world.hub.put("profiles", "platform-old", mine)
    version = crew.get("/api/v1/profiles/platform-old").json()["version"]
    world.hub.put("profiles", "platform-old", {**mine, "team": "research"})
    with world.signed_in("dev") as client:
        own = {"origin": world.url, "sec-fetch-site": "same-origin"}
        refused = client.post("/console/compose/platform-old", data={"do": "restore", "version": version}, headers=own)
        assert refused.status_code == 403
        page = client.get("/console/compose/platform-old?view=history").text
        assert "Restore" not in page
    assert crew.get("/api/v1/profiles/platform-old").json()["spec"]["team"] == "research"
