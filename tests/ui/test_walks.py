"""Walks in a browser: what people do in the two apps, with every console error and blocked resource a failure."""

import re

import pytest

from tests.ui.conftest import HELLO, axe

pytestmark = pytest.mark.slow


def test_a_developer_makes_rotates_and_revokes_a_key(world, browse):
    page = browse("dev", "/console/keys")
    page.get_by_role("link", name="New key").first.click()
    page.get_by_label("Name *").fill("laptop")
    page.get_by_label("Title").fill("My laptop")
    assert page.get_by_label("Team").input_value() == "platform"
    assert page.get_by_label("Secret").count() == 0
    page.get_by_role("button", name="Create").click()
    page.get_by_role("heading", name="The secret of laptop").wait_for()
    secret = page.locator(".secret code").first.inner_text()
    assert secret.startswith("hub_")
    with world.hub.client(secret) as client:
        assert client.post("/v1/chat/completions", json={"model": "demo", "messages": HELLO}).status_code == 200
    page.get_by_role("link", name="I have stored it").click()
    assert secret not in page.content()
    page.get_by_label("The old secret works on for").select_option("0")
    page.get_by_role("button", name="Make a new secret").click()
    page.get_by_role("heading", name="The secret of laptop").wait_for()
    fresh = page.locator(".secret code").first.inner_text()
    assert fresh != secret
    with world.hub.client(secret) as client:
        assert client.post("/v1/chat/completions", json={"model": "demo", "messages": HELLO}).status_code == 401
    page.get_by_role("link", name="I have stored it").click()
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    page.get_by_role("button", name="Revoke at once").click()
    page.get_by_text("Revoked. The next request").wait_for()
    assert "next request with it is refused" in asked[0]
    with world.hub.client(fresh) as client:
        assert client.post("/v1/chat/completions", json={"model": "demo", "messages": HELLO}).status_code == 401


def test_an_administrator_edits_with_faults_at_their_fields_and_nothing_lost(world, browse):
    page = browse("admin", "/admin/new/budgets", allowed=[r"422"])
    page.get_by_label("Name *").fill("walk")
    page.get_by_label("Of", exact=True).select_option("team")
    page.get_by_label("Named").fill("platform")
    amount = page.locator("[id='spec.usd']")
    amount.fill("a lot")
    page.get_by_label("Alerts").fill("50, 80")
    page.get_by_role("button", name="Create").click()
    page.get_by_text("Nothing was saved yet").wait_for()
    assert amount.get_attribute("aria-invalid") == "true"
    assert amount.input_value() == "a lot"
    assert page.get_by_label("Name *").input_value() == "walk"
    assert page.get_by_label("Named").input_value() == "platform"
    amount.fill("12.5")
    page.get_by_role("button", name="Create").click()
    page.get_by_text("Created.").wait_for()
    with world.hub.client() as operator:
        assert operator.get("/api/v1/budgets/walk").json()["spec"] == {
            "scope": {"team": "platform"},
            "usd": 12.5,
            "alerts": [50, 80],
        }
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete budget").click()
    page.get_by_text("walk is gone").wait_for()
    page.get_by_role("link", name="Show its history").click()
    page.get_by_role("button", name="Restore").click()
    page.get_by_text("Restored as a new version").wait_for()
    with world.hub.client() as operator:
        assert operator.delete("/api/v1/budgets/walk").status_code == 200


def test_rows_of_a_model_are_added_and_taken_away(world, browse):
    page = browse("admin", "/admin/new/models")
    page.get_by_label("Name *").fill("mine")
    page.get_by_role("button", name="Add a target").click()
    page.get_by_label("Model *").first.fill("demo/a")
    page.get_by_role("button", name="Add a target").click()
    page.get_by_label("Model *").nth(1).fill("demo/b")
    page.get_by_role("button", name="Remove target 1").click()
    page.get_by_role("button", name="Remove target 2").wait_for(state="detached")
    assert page.get_by_label("Model *").input_value() == "demo/b"
    page.get_by_role("button", name="Create").click()
    page.get_by_text("Created.").wait_for()
    with world.hub.client() as operator:
        assert operator.get("/api/v1/models/mine").json()["spec"]["targets"] == [{"model": "demo/b"}]
        operator.delete("/api/v1/models/mine")


def test_two_people_who_edit_the_same_get_a_clear_conflict(world, browse):
    world.hub.put("teams", "shared", {"title": "Before"})
    one = browse("admin", "/admin/teams/shared", allowed=[r"409"])
    other = browse("olga", "/admin/teams/shared")
    other.get_by_label("Title").fill("By Olga")
    other.get_by_role("button", name="Save").click()
    other.get_by_text("Saved. It is in force").wait_for()
    one.get_by_label("Title").fill("By the admin")
    one.get_by_role("button", name="Save").click()
    one.get_by_text("Somebody else changed this").wait_for()
    assert "user:olga" in one.locator("#editor").inner_text()
    assert one.locator("del").inner_text() == "By Olga"
    assert one.get_by_label("Title").input_value() == "By the admin"
    with world.hub.client() as operator:
        assert operator.get("/api/v1/teams/shared").json()["spec"]["title"] == "By Olga"
    one.get_by_role("button", name="Save").click()
    one.get_by_text("Saved. It is in force").wait_for()
    with world.hub.client() as operator:
        assert operator.get("/api/v1/teams/shared").json()["spec"]["title"] == "By the admin"
        operator.delete("/api/v1/teams/shared")


def test_what_a_file_manages_can_only_be_read(world, browse):
    with world.hub.client() as operator:
        body = {"resources": {"teams": {"filed": {"title": "From a file"}}}, "source": "file:teams.yaml"}
        assert operator.post("/api/v1/apply", json=body).status_code == 200
    page = browse("admin", "/admin/teams/filed")
    assert "teams.yaml" in page.locator("#editor").inner_text()
    assert page.get_by_role("button", name="Save").count() == 0
    assert page.get_by_role("button", name="Delete team").count() == 0


def test_a_profile_is_composed_and_a_tool_of_it_tried(world, browse):
    world.hub.put("profiles", "walked", {"servers": {"new": {}}})
    page = browse("admin", "/admin/compose/walked")
    before = int(page.locator("#sum-tools").inner_text())
    page.get_by_role("checkbox", name="fail").uncheck()
    page.locator("#sum-tools").get_by_text(re.compile(rf"^{before - 1}$")).wait_for()
    echo = page.locator(".choose", has=page.get_by_text("echo", exact=True))
    echo.get_by_text("Rename").click()
    tokens = page.locator("#sum-tokens").inner_text()
    echo.get_by_label("Description for clients").fill("It says again what it is told, letter by letter. " * 20)
    echo.get_by_label("Public name").fill("say")
    page.locator("#sum-tokens").get_by_text(re.compile(rf"^(?!{tokens}$)")).wait_for()
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved. It is in force").wait_for()
    with world.hub.client() as operator:
        own = operator.get("/api/v1/profiles/walked").json()["spec"]["servers"]["new"]
    assert "fail" not in own["tools"]
    assert len(own["tools"]) == before - 1
    assert own["rename"] == {"echo": "say"}
    page.get_by_label("Add a server").select_option("hub")
    page.get_by_role("button", name="Show its tools").click()
    page.get_by_role("checkbox", name="whoami").wait_for()
    page.goto(f"{world.url}/console/profiles/walked/tools/say")
    page.get_by_label("Text").fill("<b>bold</b>")
    page.get_by_role("button", name="Call it").click()
    page.locator("#answer pre").first.wait_for()
    assert "<b>bold</b>" in page.locator("#answer").inner_text()
    world.wait_for_calls(1, profile="walked", tool="echo")
    page.get_by_role("link", name="Its entry in the logs").click()
    assert "playground" in page.locator("main").inner_text()
    with world.hub.client() as operator:
        operator.delete("/api/v1/profiles/walked")


def test_the_composer_tells_what_clients_would_cut(world, browse):
    long = "a" * 62
    world.hub.put("profiles", "cut", {"servers": {"hub": {}}})
    page = browse("admin", "/admin/compose/cut")
    whoami = page.locator(".choose", has=page.get_by_text("whoami", exact=True))
    whoami.get_by_text("Rename").click()
    whoami.get_by_label("Public name").fill(long)
    page.get_by_text("Some clients will not take all of this").click()
    page.locator("#weight details[open]").get_by_text("Cursor takes 60").first.wait_for()
    axe(page)
    whoami.get_by_label("Public name").fill("me")
    page.get_by_text("Some clients will not take all of this").wait_for(state="detached")
    with world.hub.client() as operator:
        assert operator.get("/api/v1/profiles/cut").json()["version"] == 1
        operator.delete("/api/v1/profiles/cut")


def test_two_people_who_compose_the_same_get_a_clear_conflict(world, browse):
    world.hub.put("profiles", "composed", {"servers": {"hub": {}}})
    one = browse("admin", "/admin/compose/composed", allowed=[r"409"])
    other = browse("olga", "/admin/compose/composed")
    other.get_by_role("checkbox", name="usage").uncheck()
    other.get_by_role("button", name="Save").click()
    other.get_by_text("Saved. It is in force").wait_for()
    one.get_by_role("checkbox", name="whoami").uncheck()
    one.get_by_role("button", name="Save").click()
    one.get_by_text("Somebody else changed this").wait_for()
    assert "user:olga saved version 2" in one.locator("main").inner_text()
    assert "usage" in one.locator(".diff ins").inner_text()
    axe(one)
    assert not one.get_by_role("checkbox", name="whoami").is_checked()
    with world.hub.client() as operator:
        one.get_by_role("button", name="Save").click()
        one.get_by_text("Saved. It is in force").wait_for()
        saved = operator.get("/api/v1/profiles/composed").json()
        assert saved["version"] == 3
        assert "whoami" not in saved["spec"]["servers"]["hub"]["tools"]
        operator.delete("/api/v1/profiles/composed")


def test_the_playground_compares_models_and_runs_tools_with_a_yes(world, browse):
    page = browse("admin", "/console/playground?model=demo&model=demo/demo-2&profile=both&system=Be+brief")
    page.get_by_label("Your message").fill("Say hello")
    page.keyboard.press("Control+Enter")
    page.locator(".column").nth(1).locator(".facts-line").first.wait_for()
    page.get_by_role("button", name="Stop").wait_for(state="hidden")
    texts = page.locator(".column").all_inner_texts()
    assert len(texts) == 2
    assert all("tokens" in text and "done after" in text for text in texts)
    assert "$0." in texts[0]
    assert "cost unknown" in texts[1]
    page.get_by_label("Your message").fill("Use the echo tool, please echo this")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("button", name="Run it").first.wait_for()
    axe(page)
    first, second = page.locator(".column").nth(0), page.locator(".column").nth(1)
    first.get_by_role("button", name="Run it").click()
    first.locator(".tool-call pre").nth(1).wait_for()
    second.get_by_role("button", name="Decline").click()
    page.get_by_role("button", name="Stop").wait_for(state="hidden")
    assert "declined" in page.locator("#columns").inner_text()
    page.get_by_label("Copy as").select_option("python")
    code = page.locator("#code-text").inner_text()
    assert "OpenAI(base_url=" in code
    assert 'model="demo"' in code
    compile(code, "snippet", "exec")
    page.keyboard.press("Escape")
    page.get_by_text("Plan", exact=True).first.click()
    page.get_by_text(re.compile('"attempts"')).first.wait_for()
    page.get_by_role("link", name="log", exact=True).first.click()
    page.locator("#results tbody tr").first.wait_for()


def test_filters_stand_in_the_url_and_logs_lead_to_entry_and_session(world, browse):
    page = browse("admin", "/admin/logs")
    page.get_by_label("Outcome").select_option("refused")
    page.wait_for_url(re.compile("outcome=refused"))
    page.locator("#results tbody tr").first.wait_for()
    shown = set(page.locator("#results .state").all_inner_texts())
    assert "model_not_found" in shown
    assert "ok" not in shown
    page.goto(f"{world.url}/admin/logs?session=of-ci")
    page.locator("#results tbody a").first.click()
    page.get_by_role("link", name="The whole session").click()
    assert page.locator("svg.ran").count() == 2


def test_usage_draws_what_its_table_says(world, browse):
    page = browse("admin", "/admin/usage?range=7d")
    page.locator(".plot canvas").first.wait_for()
    assert page.locator(".plot canvas").count() == 6
    took = page.locator("[data-unit=ms]").first
    assert took.locator(".u-label").all_text_contents()[1:] == ["p50", "p95", "p99"]
    over_time = page.locator("#over-time tbody tr").last.locator("td").nth(5)
    assert float(over_time.get_attribute("data-value")) > 0
    page.get_by_label("By", exact=True).select_option("team")
    page.wait_for_url(re.compile("by=team"))
    page.locator("#results th", has_text="platform").wait_for()
    page.locator(".plot canvas").first.wait_for()


def test_an_announcement_is_seen_before_it_is_made_and_then_by_everybody(world, browse):
    page = browse("admin", "/admin/new/announcements")
    page.get_by_label("Name").fill("moving")
    page.get_by_label("Title").fill("We move on Friday")
    page.get_by_label("Body").fill("Keys stay **valid**. See [your keys](/console/keys).")
    page.get_by_label("Severity").select_option("critical")
    page.get_by_role("button", name="Preview").click()
    preview = page.locator("#preview")
    preview.locator("strong", has_text="valid").wait_for()
    assert "critical" in preview.get_attribute("class")
    with world.hub.client() as operator:
        assert operator.get("/api/v1/announcements/moving").status_code == 404
        page.get_by_role("button", name="Create").click()
        page.get_by_text("Created. It is in force").wait_for()
        page.goto(f"{world.url}/console")
        page.locator(".alert.critical").get_by_role("link", name="your keys").click()
        page.wait_for_url(re.compile("/console/keys"))
        archived = {**operator.get("/api/v1/announcements/moving").json()["spec"], "archived": True}
        operator.put("/api/v1/announcements/moving", json={"spec": archived})
        page.goto(f"{world.url}/console")
        assert "We move on Friday" not in page.locator("main").inner_text()
        operator.delete("/api/v1/announcements/moving")


def test_the_keyboard_is_enough(world, browse):
    page = browse("admin", "/admin/teams")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("research")
    page.locator("#results", has_not=page.get_by_role("link", name="platform")).wait_for()
    page.keyboard.press("Control+k")
    page.keyboard.type("audit")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/admin/audit"))


def test_a_form_works_without_scripts(world, browse):
    page = browse("admin", "/console", java_script_enabled=False)
    page.goto(f"{world.url}/admin/new/teams")
    page.fill("#name", "plain")
    page.click("text=Create")
    assert "Created." in page.inner_text("main")
    with world.hub.client() as operator:
        operator.delete("/api/v1/teams/plain")


@pytest.mark.parametrize("width", [360, 2560])
def test_long_rules_stay_in_the_window(world, browse, width):
    when = {"headers": {"x-env": "prod-*"}, "teams": ["platform", "research"], "hours": {"start": "08:00"}}
    world.hub.put("routes", "wide", {"rules": [{"name": "a", "when": when, "targets": [{"model": "demo/a"}]}]})
    page = browse("admin", "/console")
    page.set_viewport_size({"width": width, "height": 900})
    for path in ("/console/routes/wide", "/admin/routes/wide"):
        page.goto(world.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    if width == 360:
        page.get_by_role("link", name="Menu", exact=True).click()
        page.get_by_role("navigation", name="Admin Dashboard").get_by_role("link", name="Teams").click()
        page.wait_for_url(re.compile("/admin/teams"))


@pytest.mark.parametrize(
    "path",
    ["/admin/usage", "/console", "/console/playground", "/console/new/routes", "/admin/models/demo", "/install/both"],
)
def test_a_first_page_is_light(world, browse, path):
    page = browse("admin", "/console")
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})  # as for somebody who was never here
    sizes = []
    page.on("response", lambda answer: sizes.append(answer.request.sizes()["responseBodySize"]))
    page.goto(f"{world.url}{path}", wait_until="networkidle")
    assert 40_000 < sum(sizes) <= 100_000


def test_hostile_texts_stay_texts(world, browse):
    text = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>{{7*7}}"
    dialogs = []
    world.hub.put("teams", "hostile", {"title": text, "description": text})
    world.hub.put(
        "profiles",
        "hostile",
        {"title": text[:200], "description": text, "servers": {"hub": {"describe": {"whoami": text}}}},
    )
    with world.hub.client() as operator:
        operator.post(
            "/v1/chat/completions",
            json={"model": text, "messages": HELLO},
            headers={"user-agent": text, "x-hub-session": "hostile"},
        )
    world.wait_for_calls(1, session="hostile")
    page = browse("admin", "/admin/teams/hostile")
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for path in (
        "/admin/teams",
        "/admin/teams/hostile?view=history",
        "/admin/audit",
        "/console/profiles/hostile",
        "/admin/compose/hostile",
        "/admin/logs",
        "/admin/sessions/hostile",
        "/console/playground?system=" + text,
    ):
        page.goto(world.url + path)
        assert "alert(1)" in page.content()
        assert page.locator("img[src=x]").count() == 0
    page.get_by_label("Your message").fill(text)
    page.keyboard.press("Control+Enter")
    page.locator(".facts-line").first.wait_for()
    assert page.locator("#columns img").count() == 0
    assert dialogs == []
    with world.hub.client() as operator:
        operator.delete("/api/v1/profiles/hostile")
        operator.delete("/api/v1/teams/hostile")


def test_a_team_is_stopped_at_once_and_works_again(world, browse):
    page = browse("admin", "/admin/stops")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    page.get_by_label("What").select_option("team")
    page.get_by_label("Named").fill("research")
    page.get_by_label("Why").fill("it runs wild")
    page.get_by_role("button", name="Stop at once").click()
    page.get_by_text("Stopped: new calls are refused").wait_for()
    assert "Calls in flight end" in asked[0]
    with world.hub.client(world.secrets["lab"]) as client:
        assert client.post("/v1/chat/completions", json={"model": "demo", "messages": HELLO}).status_code >= 400
    page.get_by_role("button", name="Let it work again").click()
    page.get_by_text("It works again").wait_for()
    with world.hub.client(world.secrets["lab"]) as client:
        assert client.post("/v1/chat/completions", json={"model": "demo", "messages": HELLO}).status_code == 200


def test_a_guardrail_is_tried_on_samples_before_it_stands_in_the_way(world, browse):
    page = browse("admin", "/admin/guardrails/watch")
    page.get_by_role("link", name="Try", exact=True).click()
    page.get_by_label("It has to find these").fill("say xyzzy\nnothing at all")
    page.get_by_label("It must leave these alone").fill("hello")
    page.get_by_role("button", name="Try it").click()
    page.locator("#report .results").wait_for()
    states = page.locator("#report .results .state").all_inner_texts()
    assert states == ["found", "left alone", "left alone"]
    assert "50.0 %" in page.locator("#report").inner_text()


def test_people_see_where_they_are_signed_in(world, browse):
    page = browse("ann", "/console/account")
    assert "owner" in page.locator("main").inner_text()
    assert page.get_by_role("button", name="Sign out", exact=True).count() >= 1


def test_the_log_is_followed_as_calls_end(world, browse):
    page = browse("admin", "/admin/logs?live=1&session=followed")
    page.get_by_text("following", exact=True).wait_for()
    with world.hub.client(world.secrets["ci"]) as client:
        client.post(
            "/v1/chat/completions", json={"model": "demo", "messages": HELLO}, headers={"x-hub-session": "followed"}
        )
    page.locator("#results tbody tr").first.wait_for()
