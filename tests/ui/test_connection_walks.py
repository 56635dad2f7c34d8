"""Connections: a person brings their own key for a provider, an owner their team's; and takes it away again."""

import pytest

SECRET = "a-key-that-nobody-sees"


@pytest.fixture
def provider(world):
    with world.hub.client() as operator:
        spec = {
            "kind": "openai-compatible",
            "title": "Acme",
            "base_url": "http://127.0.0.1:9/v1",
            "allow_private": True,
        }
        operator.put("/api/v1/providers/acme-own", json={"spec": {**spec, "api_key": "env:HOME"}})
        operator.put("/api/v1/models/acme-own", json={"spec": {"targets": [{"model": "acme-own/x"}]}})
        team = operator.get("/api/v1/teams/platform").json()["spec"]
        operator.put("/api/v1/teams/platform", json={"spec": {**team, "models": [*team["models"], "acme-own"]}})
        yield "acme-own"
        operator.put("/api/v1/teams/platform", json={"spec": team})
        operator.delete("/api/v1/models/acme-own")
        assert operator.delete("/api/v1/providers/acme-own").status_code == 200


def test_an_owner_connects_and_disconnects(world, provider, browse):
    page = browse("ann", "/console")
    page.get_by_role("link", name="Connections").click()
    card = page.locator(f"[data-provider='{provider}']")
    card.get_by_text("The hub's key is used").wait_for()
    card.get_by_text("Use a key of your own").click()
    card.get_by_label(f"Key for {provider}", exact=True).fill(SECRET)
    card.get_by_role("button", name="Connect").first.click()
    card.get_by_text("Your key is used").wait_for()
    card.get_by_text("Use a key of the team").click()
    card.get_by_label(f"Key for {provider} of platform").fill(SECRET)
    card.get_by_role("button", name="Connect").click()
    card.get_by_text("The team's key is used").wait_for()
    assert SECRET not in page.content()
    page.on("dialog", lambda dialog: dialog.accept())
    card.get_by_role("button", name="Remove").first.click()
    card.get_by_text("The key of platform is used").wait_for()
    card.get_by_role("button", name="Remove").click()
    card.get_by_text("The hub's key is used").wait_for()


def test_a_developer_has_no_say_about_the_team(world, provider):
    with world.signed_in("dev") as client:
        page = client.get("/console/connections").text
        assert "Use a key of your own" in page
        assert "Use a key of the team" not in page
        refused = client.post(
            "/console/connections",
            data={"provider": provider, "team": "platform", "value": SECRET, "do": "connect"},
            headers={"origin": world.url, "sec-fetch-site": "same-origin"},
        )
        assert refused.status_code == 422
        assert "needs the permission" in refused.text
