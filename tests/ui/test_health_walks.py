"""How things fare, where people look first: providers on Home and Overview, limits with what is used of them."""

import pytest

from tests.support.hubs import wait_for
from tests.ui.conftest import HELLO


@pytest.fixture
def away(world):
    """A provider that nobody answers for, called in vain."""
    with world.hub.client() as operator:
        spec = {"kind": "openai-compatible", "base_url": "http://127.0.0.1:9/v1", "allow_private": True}
        operator.put("/api/v1/providers/away", json={"spec": spec}).raise_for_status()
        operator.put("/api/v1/models/away", json={"spec": {"targets": [{"model": "away/x"}]}}).raise_for_status()
        assert operator.post("/v1/chat/completions", json={"model": "away", "messages": HELLO}).status_code >= 500
        yield
        operator.delete("/api/v1/models/away")
        assert operator.delete("/api/v1/providers/away").status_code == 200


def test_a_provider_that_fails_shows_on_home_and_on_the_overview(world, away):
    with world.signed_in("admin") as client:
        assert "providers: away" in client.get("/console").text
        overview = client.get("/admin").text
        assert "1 of 1 failed" in overview or "rests after failures" in overview
        assert "fails" in overview or "rests after failures" in overview
    with world.signed_in("dev") as client:  # whose models do not lead there
        assert "away" not in client.get("/console").text
        assert "your providers and servers" in client.get("/console").text


def test_a_limit_shows_what_is_used_of_it_and_when_it_is_full(world, browse):
    secret = world.hub.put("keys", "quick", {"team": "platform"})["secret"]
    world.hub.put("limits", "quick", {"scope": {"key": "quick"}, "rpm": 3, "parallel": 9})
    try:
        page = browse("admin", "/admin/limits")
        row = page.get_by_role("row").filter(has=page.get_by_role("link", name="quick"))
        assert "0 of 3 requests" in row.inner_text()
        assert "room left" in row.inner_text()
        with world.hub.client(secret) as client:
            for _ in range(4):
                status = client.post("/v1/chat/completions", json={"model": "demo", "messages": HELLO}).status_code
        assert status == 429
        page.reload()
        assert "3 of 3 requests" in row.inner_text()
        assert "full" in row.inner_text()
        page.get_by_role("link", name="quick").click()
        card = page.locator("#used")
        assert "3 of 3 requests" in card.inner_text()
        assert "0 of 9 at the same time" in card.inner_text()
        card.get_by_role("link", name="may have refused").click()
        wait_for(lambda: (page.reload(), page.get_by_text("rate_limited").count())[1])
    finally:
        with world.hub.client() as operator:
            operator.delete("/api/v1/limits/quick")
            operator.delete("/api/v1/keys/quick")


def test_what_is_unlike_the_week_before_comes_after_the_overview_itself(world, browse):
    page = browse("admin", "/admin")
    page.locator("#odd").wait_for(state="detached")  # nothing is
    part = {"hx-request": "true", "hx-target": "div#odd"}
    with world.signed_in("admin") as client:
        assert "Compare the last day" in client.get("/admin").text
        assert "Compare the last day" not in client.get("/admin?compare=1").text
        assert client.get("/admin", headers=part).text.strip() == ""
