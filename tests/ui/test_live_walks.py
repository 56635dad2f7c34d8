"""Following the log: only what the filters choose, over and over, until one stops following."""

import re

import pytest

from tests.ui.conftest import HELLO, axe

pytestmark = pytest.mark.slow


def call(world, key, session, model="demo"):
    with world.hub.client(world.secrets[key]) as client:
        client.post(
            "/v1/chat/completions", json={"model": model, "messages": HELLO}, headers={"x-hub-session": session}
        )


def test_calls_show_as_they_end_and_only_those_that_were_asked_for(world, browse):
    page = browse("admin", "/admin/logs?session=tailed")
    page.get_by_text("No call matches").wait_for()
    page.get_by_role("link", name="Follow live").click()
    page.get_by_text("following", exact=True).wait_for()
    rows = page.locator("#results tbody tr")
    call(world, "ci", "not-tailed")
    call(world, "ci", "tailed")
    rows.first.wait_for()
    assert rows.count() == 1
    call(world, "lab", "tailed", model="nope")
    rows.nth(1).wait_for()
    assert "model_not_found" in rows.first.inner_text()
    assert page.get_by_text("following", exact=True).is_visible()
    axe(page)
    page.get_by_label("Outcome").select_option("refused")
    page.wait_for_url(re.compile("outcome=refused"))
    rows.nth(1).wait_for(state="detached")
    call(world, "lab", "tailed", model="nope")
    rows.nth(1).wait_for()
    assert page.get_by_text("following", exact=True).is_visible()
    page.get_by_role("link", name="Stop following").click()
    page.get_by_role("link", name="Follow live").wait_for()
    assert page.get_by_text("following", exact=True).count() == 0


def test_a_member_follows_their_own_calls_only(world, browse):
    page = browse("bob", "/console/logs?live=1")
    page.get_by_text("following", exact=True).wait_for()
    call(world, "ci", "of-others")
    call(world, "lab", "of-mine")
    page.locator("#results").get_by_text("key:lab").first.wait_for()
    assert page.locator("#results").get_by_text("key:ci").count() == 0
