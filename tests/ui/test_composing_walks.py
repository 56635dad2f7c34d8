"""A developer makes a profile for the team in the Console: from what they may use, tool by tool."""

import re

import pytest


@pytest.fixture
def crew(world):
    """The team may use profiles of a name of its own, and one server's echo beside all of the hub's tools."""
    with world.hub.client() as operator:
        team = operator.get("/api/v1/teams/platform").json()["spec"]
        more = {"profiles": [*team["profiles"], "platform-*"], "tools": ["hub/*", "new/echo", "old/*"]}
        assert operator.put("/api/v1/teams/platform", json={"spec": {**team, **more}}).status_code == 200
        yield
        operator.delete("/api/v1/profiles/platform-mine")
        operator.put("/api/v1/teams/platform", json={"spec": team})


def test_a_profile_is_made_composed_and_deleted(world, crew, browse):
    page = browse("dev", "/console/profiles", allowed=("422",))
    page.locator("#servers summary", has_text="new").click()
    page.locator("#servers details[open]").get_by_role("link", name="Begin a profile with it").click()
    page.get_by_text("platform-*").wait_for()
    page.get_by_label("Name").fill("elsewhere")
    page.get_by_label("Title").fill("My tools")
    page.get_by_role("button", name="Create and choose tools").click()
    page.get_by_text("Choose a name that your access to profiles grants").wait_for()
    assert page.get_by_label("Title").input_value() == "My tools"
    page.get_by_label("Name").fill("platform-mine")
    page.get_by_role("button", name="Create and choose tools").click()
    page.wait_for_url(re.compile("/console/compose/platform-mine"))
    assert page.locator("[data-server=new] .tool").count() == 1
    page.get_by_label("Add a server").select_option("hub")
    page.get_by_role("button", name="Show its tools").click()
    page.get_by_role("checkbox", name="whoami").wait_for()
    page.get_by_label("Description", exact=True).fill("What I need each day")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved. It is in force").wait_for()
    with world.hub.client() as operator:
        spec = operator.get("/api/v1/profiles/platform-mine").json()["spec"]
    assert spec["team"] == "platform"
    assert spec["description"] == "What I need each day"
    assert spec["servers"]["new"]["tools"] == ["echo"]
    page.goto(f"{world.url}/console/profiles/platform-mine")
    page.get_by_text("What I need each day").wait_for()
    page.get_by_role("link", name="Choose its tools").click()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete this profile").click()
    page.get_by_text("Deleted. Its history is kept").wait_for()


def test_what_is_the_hubs_can_only_be_looked_at(world, crew):
    with world.signed_in("dev") as client:
        page = client.get("/console/compose/both").text
        assert 'value="save"' not in page
        assert "Delete this profile" not in page
        assert "/console/compose/both" not in client.get("/console/profiles/both").text
        own = {"origin": world.url, "sec-fetch-site": "same-origin"}
        refused = client.post("/console/compose/both", data={"do": "save", "version": "1"}, headers=own)
        assert refused.status_code == 422
        assert client.post("/console/compose/both", data={"do": "delete"}, headers=own).status_code == 403
