"""The Console's models: one's own, and by a search every other model that the hub knows."""

from tests.ui.conftest import axe

FOREIGN = "anthropic/claude-haiku-4-5"


def test_a_search_finds_models_that_nobody_here_serves_and_says_so(world):
    with world.signed_in("dev") as client:
        assert FOREIGN not in client.get("/console/models").text
        found = client.get("/console/models", params={"q": "claude-haiku-4-5"}).text
        row = found[found.index(f"<code>{FOREIGN}</code>") :].partition("</tr>")[0]
        assert "200.0k" in row
        assert "not yours" in row
        assert "Playground" not in row
        assert "ask an administrator" in found
        part = client.get(
            "/console/models?q=claude-haiku-4-5", headers={"hx-request": "true", "hx-target": "section#results"}
        ).text
        assert FOREIGN in part
        assert "<html" not in part
    with world.signed_in("admin") as client:
        assert "/admin/new/providers" in client.get("/console/models", params={"q": "claude-haiku-4-5"}).text


def test_a_model_of_the_catalogue_that_one_may_call_is_shown_under_its_name_here(world):
    world.hub.put("providers", "elsewhere", {"kind": "anthropic", "api_key": "env:NOWHERE"})
    world.hub.put("models", "quick", {"targets": [{"model": "elsewhere/claude-haiku-4-5"}]})
    with world.signed_in("bob") as client:
        own = client.get("/console/models", params={"q": "quick"}).text
        assert 'id="known"' not in own
        found = client.get("/console/models", params={"q": FOREIGN}).text
        row = found[found.index(f"<code>{FOREIGN}</code>") :].partition("</tr>")[0]
        assert "yours as quick" in row
        assert "/console/routing?model=quick" in row
    with world.hub.client() as operator:
        operator.delete("/api/v1/models/quick")
        operator.delete("/api/v1/providers/elsewhere")


def test_the_capability_that_is_asked_for_holds_for_the_whole_catalogue(world):
    with world.signed_in("dev") as client:
        assert FOREIGN in client.get("/console/models", params={"q": FOREIGN, "can": "vision"}).text
        none = client.get("/console/models", params={"q": FOREIGN, "can": "video_generation"}).text
        assert FOREIGN not in none.partition("<table")[2]
        assert "No model that the hub knows matches" in none


def test_models_are_found_while_one_types(world, browse):
    page = browse("dev", "/console/models")
    page.keyboard.press("/")
    page.locator("input:focus").wait_for()
    page.keyboard.type("claude-haiku")
    page.locator("#known").get_by_text(FOREIGN, exact=True).wait_for(timeout=30_000)
    page.wait_for_url("**/console/models?q=claude-haiku*")
    axe(page)
    page.get_by_role("searchbox").fill("no such model at all")
    page.get_by_text("No model that the hub knows matches").wait_for()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("searchbox").blur()
    page.wait_for_timeout(300)
    assert not asked, "to leave the field asks again, and may take the link away under the mouse"
    page.get_by_role("link", name="Show yours").click()
    page.get_by_role("link", name="Plan of demo", exact=True).wait_for()
