"""Building tiers, weights and rules, and seeing where a call would go before any of it is saved."""

from tests.support.hubs import wait_for
from tests.ui.conftest import axe


def test_tiers_are_built_and_explained_before_they_are_saved(world, browse):
    page = browse("admin", "/admin/new/models", allowed=("422",))
    page.get_by_label("Name").fill("tiered")
    for number, (target, priority, weight) in enumerate(
        (("demo/a", "0", "3"), ("demo/b", "0", "1"), ("demo/c", "1", "1"))
    ):
        page.locator("button[value='add:spec.targets']").click()
        page.locator(f"[name='spec.targets.{number}.model']").fill(target)
        page.locator(f"[name='spec.targets.{number}.priority']").fill(priority)
        page.locator(f"[name='spec.targets.{number}.weight']").fill(weight)
    page.get_by_role("button", name="Explain").click()
    tiers = page.locator("#imagined .tiers > li")
    tiers.nth(1).wait_for()
    assert "75 %" in tiers.nth(0).inner_text()
    assert "demo/c" in tiers.nth(1).inner_text()
    with world.hub.client() as operator:
        assert operator.get("/api/v1/models/tiered").status_code == 404
        page.locator("[name='spec.targets.0.model']").fill("nowhere/a")
        page.get_by_role("button", name="Explain").click()
        page.get_by_text("there is no provider 'nowhere'").first.wait_for()
        page.locator("[name='spec.targets.0.model']").fill("demo/a")
        page.get_by_role("button", name="Create").click()
        page.get_by_text("Created. It is in force").wait_for()
        assert operator.get("/api/v1/models/tiered").json()["spec"]["targets"][0]["weight"] == 3
        operator.delete("/api/v1/models/tiered")


def conditions(rule):
    return rule.locator(".condition")


def test_a_rule_is_built_of_conditions_and_explained_before_it_is_saved(world, browse):
    page = browse("admin", "/admin/new/routes", allowed=("422",))
    page.get_by_label("Name *").fill("by-team")
    page.get_by_role("button", name="Add a rule").click()
    rule = page.locator(".item").first
    page.locator("[name='spec.rules.0.name']:focus").wait_for()
    page.keyboard.type("careful")
    choose = rule.get_by_label("A condition to add")
    for kind in "header", "team", "tokens", "tools", "time":
        before = conditions(rule).count()
        choose.select_option(kind)
        rule.get_by_role("button", name="Add the condition").click()
        conditions(rule).nth(before).wait_for()
    rule.get_by_label("Header: name").fill("x-env")
    rule.get_by_role("button", name="Add a target").click()
    rule.locator("[name='spec.rules.0.targets.0.model']").fill("demo/b")
    page.get_by_role("button", name="Create").click()
    page.get_by_text("Say which header has to have which value").wait_for()
    page.get_by_text("Say at least one team").wait_for()
    assert rule.get_by_label("Header: name").input_value() == "x-env"
    assert rule.locator("[name='spec.rules.0.name']").input_value() == "careful"
    axe(page)
    rule.get_by_label("Header: value").fill("prod-*")
    rule.get_by_label("Team", exact=True).fill("platform")
    for name in "Tokens of the prompt", "Tools", "Time of the week":
        rule.get_by_role("button", name=name).click()
        rule.get_by_role("button", name=name).wait_for(state="detached")
    page.get_by_label("Called model").fill("demo")
    page.get_by_label("As the key").fill("ci")
    page.get_by_role("button", name="Explain").click()
    page.locator("#imagined").get_by_text("the header x-env is not as it asks").wait_for()
    assert "demo/demo-1" in page.locator("#imagined").inner_text()
    page.get_by_label("Header of the call").fill("x-env=prod-eu")
    page.get_by_role("button", name="Explain").click()
    page.locator("#imagined").get_by_text("decides").wait_for()
    assert "demo/b" in page.locator("#imagined .traffic").inner_text()
    page.locator("#name").press("Enter")  # saves, and presses no button of a row
    page.get_by_text("Created. It is in force").wait_for()
    with world.hub.client() as operator:
        assert operator.get("/api/v1/routes/by-team").json()["spec"]["rules"] == [
            {
                "name": "careful",
                "when": {"headers": {"x-env": "prod-*"}, "teams": ["platform"]},
                "targets": [{"model": "demo/b"}],
            }
        ]
        operator.delete("/api/v1/routes/by-team")


def test_shares_are_drawn_anew_while_weights_are_typed(world, browse):
    page = browse("admin", "/admin/models/demo")
    page.get_by_role("button", name="Add a target").click()
    page.locator("[name='spec.targets.1.model']").fill("demo/other")
    shares = page.locator("#spec-targets-shares")
    shares.get_by_text("demo/other").wait_for()
    weight = page.locator("[name='spec.targets.1.weight']")
    weight.fill("3")
    shares.get_by_text("75 %").wait_for()
    assert page.evaluate("document.activeElement.name") == "spec.targets.1.weight"
    assert weight.input_value() == "3"
    page.locator("[name='spec.targets.1.priority']").fill("1")
    shares.get_by_text("then, when those fail").wait_for()


def test_rules_are_ordered_and_built_without_scripts(world, browse):
    world.hub.put(
        "routes",
        "ordered",
        {"rules": [{"name": name, "targets": [{"model": f"demo/{name}"}]} for name in ("one", "two", "three")]},
    )
    page = browse("admin", "/admin/routes/ordered", java_script_enabled=False)
    page.locator(".rule summary").nth(1).click()
    page.locator("[name='spec.rules.1.about']").fill("Typed before it moved")
    page.get_by_role("button", name="Ask rule 2 before rule 1").click()
    assert page.locator("[name='spec.rules.0.about']").input_value() == "Typed before it moved"
    rule = page.locator(".item:has([name='spec.rules.0.name'])").first
    rule.get_by_label("A condition to add").first.select_option("share")
    rule.get_by_role("button", name="Add the condition").click()
    page.get_by_label("Share of the calls, in percent").fill("5")
    page.get_by_label("Share of the calls, in percent").press("Enter")
    with world.hub.client() as operator:
        rules = operator.get("/api/v1/routes/ordered").json()["spec"]["rules"]
        assert [(rule["name"], rule.get("when")) for rule in rules] == [
            ("two", {"share": 5}),
            ("one", None),
            ("three", None),
        ]
        operator.delete("/api/v1/routes/ordered")


def test_the_targets_of_a_route_are_compared(world, browse):
    world.hub.put("routes", "fair", {"targets": [{"model": "demo/left", "weight": 3}, {"model": "demo/right"}]})
    world.hub.put("models", "fair", {"route": "fair"})
    with world.hub.client() as operator:
        body = {"model": "fair", "messages": [{"role": "user", "content": "hello"}]}
        answered = operator.post("/v1/chat/completions", json=body).headers["x-hub-model"]
        wait_for(lambda: operator.get("/api/v1/logs", params={"model": "fair"}).json()["items"])
    page = browse("admin", "/console/routing")
    page.get_by_role("link", name="Compare its targets: fair").click()
    table = page.get_by_role("region", name="Targets of fair")
    assert table.locator("tbody").get_by_role("row").count() == 2
    assert "100.0 %" in table.get_by_role("row").filter(has_text=answered).inner_text()
    axe(page)


def test_targets_are_compared_on_a_narrow_window_without_scrolling_sideways(world, browse):
    world.hub.put("routes", "narrow", {"targets": [{"model": "demo/left"}, {"model": "demo/right"}]})
    world.hub.put("models", "narrow", {"route": "narrow"})
    with world.hub.client() as operator:
        body = {"model": "narrow", "messages": [{"role": "user", "content": "hello"}]}
        operator.post("/v1/chat/completions", json=body)
        wait_for(lambda: operator.get("/api/v1/logs", params={"model": "narrow"}).json()["items"])
    page = browse("admin", "/console/routing?route=narrow")
    page.set_viewport_size({"width": 360, "height": 900})
    table = page.get_by_role("region", name="Targets of narrow")
    assert table.evaluate("element => element.scrollWidth <= element.clientWidth")
    labels = table.locator("tbody td").evaluate_all(
        "cells => cells.map(cell => getComputedStyle(cell, '::before').content)"
    )
    assert '"Failed, 95 %"' in labels
    assert '"First token p99"' in labels
    assert not {"none", "normal", '""'} & set(labels)
    overlong = "cells => cells.filter(cell => cell.scrollWidth > cell.clientWidth).map(cell => cell.textContent)"
    assert table.locator("td").evaluate_all(overlong) == []
    page.goto(f"{world.url}/console/routing?model=narrow")
    attempts = page.get_by_role("region", name="Attempts")
    assert attempts.evaluate("element => element.scrollWidth <= element.clientWidth")
    axe(page)


def test_a_route_is_built_in_the_console_by_those_who_may(world, browse):
    page = browse("admin", "/console/routing?model=demo")
    axe(page)
    page.get_by_role("link", name="Build a route").click()
    page.get_by_role("heading", name="New route").wait_for()
    current = page.get_by_role("navigation", name="Console").locator("[aria-current]")
    assert current.inner_text() == "Routing"
    page.get_by_label("Name *").fill("built-here")
    page.locator("button[value='add:spec.targets']").click()
    page.locator("[name='spec.targets.0.model']").fill("demo/c")
    page.get_by_label("Called model").fill("demo")
    page.get_by_role("button", name="Explain").click()
    page.locator("#imagined .traffic").get_by_text("demo/c").wait_for()
    page.get_by_role("button", name="Create").click()
    page.get_by_text("Created. It is in force").wait_for()
    assert page.url.startswith(f"{world.url}/console/routes/built-here")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete route").click()
    confirm = page.get_by_role("dialog").get_by_role("button", name="Delete route")
    if confirm.count():
        confirm.click()
    page.wait_for_url("**/console/routing?done=deleted")


def test_a_developer_sees_the_routes_of_their_calls_and_changes_none_of_the_hubs(world, browse):
    rules = [
        {"name": "ours", "when": {"teams": ["platform", "research"]}, "targets": [{"model": "demo/ours"}]},
        {"name": "theirs", "when": {"teams": ["research"]}, "targets": [{"model": "demo/theirs"}]},
    ]
    world.hub.put("routes", "read-only", {"rules": rules, "targets": [{"model": "demo/else"}]})
    world.hub.put("routes", "elsewhere", {"targets": [{"model": "demo/hidden"}]})
    with world.hub.client() as operator:
        team = operator.get("/api/v1/teams/platform").json()
        world.hub.put("teams", "platform", {**team["spec"], "route": "read-only"})
    try:
        page = browse("dev", "/console/routing?model=demo", allowed=("403",))
        card = page.locator(".grid > section.card").filter(has_text="read-only")
        text = card.inner_text()
        assert "team platform" in text
        assert "ours" in text
        assert "demo/else" in text
        assert "demo/ours" in page.locator("#results").inner_text()  # explained as their call goes
        for hidden in ("theirs", "research", "elsewhere", "demo/hidden"):
            assert hidden not in text
        assert page.get_by_role("link", name="elsewhere").count() == 0
        assert page.get_by_role("link", name="Change read-only").count() == 0
        axe(page)
        card.get_by_role("link", name="Compare its targets: read-only").click()
        page.get_by_role("heading", name="How the targets of read-only fared").wait_for()
        with world.signed_in("dev") as client:
            for path in ("/console/routes/read-only", "/console/routes/elsewhere"):
                assert client.get(path).status_code == 404
    finally:
        world.hub.put("teams", "platform", team["spec"])


def test_a_developer_builds_a_route_of_their_team_and_attaches_it_to_their_key(world, browse):
    page = browse("dev", "/console/routing?model=demo")
    page.get_by_role("link", name="Build a route").click()
    page.get_by_role("heading", name="New route").wait_for()
    assert page.get_by_label("Team").input_value() == "platform"
    assert page.locator("[name^='spec.shadow']").count() == 0
    page.get_by_label("Name *").fill("ours")
    page.locator("button[value='add:spec.targets']").click()
    page.locator("[name='spec.targets.0.model']").fill("demo/mine")
    page.get_by_label("Called model").fill("demo")
    page.get_by_role("button", name="Explain").click()
    page.locator("#imagined .traffic").get_by_text("demo/mine").wait_for()
    page.get_by_role("button", name="Create").click()
    page.get_by_text("Created. It is in force").wait_for()
    axe(page)
    page.goto(f"{world.url}/console/routing")
    page.get_by_role("link", name="Change ours").wait_for()
    axe(page)
    page.goto(f"{world.url}/console/new/keys?route=ours")
    page.get_by_label("Name *").fill("dev-ours")
    page.get_by_role("button", name="Create").click()
    page.get_by_text("shown once").first.wait_for()
    page.goto(f"{world.url}/console/routing")
    page.get_by_text("Applies by key dev-ours").wait_for()
    with world.hub.client() as operator:
        assert operator.delete("/api/v1/keys/dev-ours").status_code == 200
        assert operator.delete("/api/v1/routes/ours").status_code == 200


def test_an_auditor_sees_a_route_drawn_and_changes_nothing(world, browse):
    world.hub.put("routes", "drawn", {"targets": [{"model": "demo/left", "weight": 3}, {"model": "demo/right"}]})
    page = browse("aud", "/console/routes/drawn")
    page.locator("#editor .flow").get_by_text("75 %").wait_for()
    assert page.get_by_role("button", name="Save").count() == 0
    page.locator(".head .back").click()
    page.wait_for_url("**/console/routing")


def test_a_call_that_a_budget_would_refuse_is_explained_as_refused(world, browse):
    price = {"input": "1", "output": "100"}
    world.hub.put("models", "steep", {"targets": [{"model": "demo/demo-1"}], "price": price})
    world.hub.put("budgets", "steep", {"scope": {"model": "steep"}, "usd": 0.01})
    try:
        page = browse("admin", "/console/routing?model=steep&max_output=50000")
        refused = "Such a call is refused now (budget_exhausted): Budget 'steep' allows"
        assert refused in page.locator("#results").inner_text()
        page.get_by_label("Most output, tokens").fill("10")
        page.get_by_role("button", name="Explain").click()
        page.get_by_text("Such a call is refused now").wait_for(state="detached")
        assert "demo/demo-1" in page.locator("#results").inner_text()
    finally:
        with world.hub.client() as operator:
            for kind in ("budgets", "models"):
                operator.delete(f"/api/v1/{kind}/steep")
