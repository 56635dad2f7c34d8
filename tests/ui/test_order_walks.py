"""Rules and targets put in order by hand: dragged, moved with the arrow keys, led to a tier by a typed number."""

import pytest

from tests.ui.conftest import axe

pytestmark = pytest.mark.slow
RULES = [{"name": name, "targets": [{"model": f"demo/{name}"}]} for name in ("one", "two", "three")]
TIERED = {"targets": [{"model": "demo/a", "weight": 3}, {"model": "demo/b"}, {"model": "demo/c", "priority": 1}]}


@pytest.fixture
def made(world):
    """Makes a resource, and says what it is afterwards; it is gone at the end."""
    paths = []
    with world.hub.client() as operator:

        def make(kind, name, spec):
            path = f"/api/v1/{kind}/{name}"
            assert operator.put(path, json={"spec": spec}).status_code in (200, 201)
            paths.append(path)
            return lambda: operator.get(path).json()["spec"]

        yield make
        for path in paths:
            operator.delete(path)


def save(page):
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Saved. It is in force").wait_for()


def drag(page, grip, to_y, drop=True):
    """Take a grip and bring it to a height of the window."""
    box = grip.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 8, box["y"] + 12)
    page.mouse.move(box["x"] + 8, to_y, steps=4)
    if drop:
        page.mouse.up()


def names(page):
    return [one.input_value() for one in page.locator(".rule input[name$='.name']").all()]


def tiers(page):
    """What stands in each tier, from the page."""
    return [
        [one.input_value() for one in tier.locator("input[name$='.model']").all()]
        for tier in page.locator("[data-tier]").all()
    ]


def test_a_rule_is_dragged_before_another(world, browse, made):
    spec = made("routes", "dragged", {"rules": RULES})
    page = browse("admin", "/admin/routes/dragged")
    assert page.locator(".rule details[open]").count() == 0
    assert "for every call → demo/two" in page.locator(".rule summary").nth(1).inner_text()
    axe(page)
    first = page.locator(".rule").first
    drag(page, page.get_by_label("Move rule 3", exact=True), first.bounding_box()["y"] + 2, drop=False)
    assert names(page) == ["three", "one", "two"]
    page.keyboard.press("Escape")
    page.mouse.up()
    assert names(page) == ["one", "two", "three"]
    drag(page, page.get_by_label("Move rule 3", exact=True), first.bounding_box()["y"] + 2)
    assert names(page) == ["three", "one", "two"]
    save(page)
    assert [rule["name"] for rule in spec()["rules"]] == ["three", "one", "two"]


def test_a_rule_is_moved_with_the_arrow_keys(world, browse, made):
    spec = made("routes", "keyed", {"rules": RULES})
    page = browse("admin", "/admin/routes/keyed")
    page.get_by_label("Move rule 1", exact=True).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")  # there is no further to go
    assert names(page) == ["two", "three", "one"]
    assert page.evaluate("document.activeElement.ariaLabel") == "Move rule 1"
    assert page.locator(".rules > [data-told]").inner_text() == "one: 3 of 3"
    page.keyboard.press("ArrowUp")
    assert names(page) == ["two", "one", "three"]
    save(page)
    assert [rule["name"] for rule in spec()["rules"]] == ["two", "one", "three"]


def test_a_target_is_dragged_to_another_tier_and_to_one_of_its_own(world, browse, made):
    spec = made("models", "tiers", TIERED)
    page = browse("admin", "/admin/models/tiers")
    assert tiers(page) == [["demo/a", "demo/b"], ["demo/c"]]
    second = page.locator("[data-tier='1']").bounding_box()
    drag(page, page.get_by_label("Move target 2", exact=True), second["y"] + second["height"] - 2)
    assert tiers(page) == [["demo/a"], ["demo/c", "demo/b"]]
    page.locator("#spec-targets-shares").get_by_text("demo/b 50 %").wait_for()
    fresh = page.locator("[data-tier-fresh]").bounding_box()
    drag(page, page.get_by_label("Move target 1", exact=True), fresh["y"] + fresh["height"] - 2)
    assert tiers(page) == [["demo/c", "demo/b"], ["demo/a"]]
    assert page.locator("[data-tier] h2").all_inner_texts() == ["Tried first", "Then, when those fail"]
    page.locator("#spec-targets-shares li").nth(1).get_by_text("demo/a").wait_for()
    axe(page)
    save(page)
    assert spec()["targets"] == [
        {"model": "demo/c", "priority": 1},
        {"model": "demo/b", "priority": 1},
        {"model": "demo/a", "priority": 2, "weight": 3},
    ]


def test_a_target_changes_its_tier_by_keys_and_by_number(world, browse, made):
    made("models", "typed", TIERED)
    page = browse("admin", "/admin/models/typed")
    page.get_by_label("Move target 2", exact=True).focus()
    page.keyboard.press("ArrowDown")
    assert tiers(page) == [["demo/a"], ["demo/b", "demo/c"]]
    assert "then, when those fail" in page.locator("[data-tiers] > [data-told]").inner_text()
    page.keyboard.press("ArrowUp")
    assert tiers(page) == [["demo/a", "demo/b"], ["demo/c"]]
    page.locator("[name='spec.targets.0.priority']").fill("5")
    page.locator("[name='spec.targets.0.priority']").press("Tab")
    assert tiers(page) == [["demo/b"], ["demo/c"], ["demo/a"]]
    page.locator("[name='spec.targets.0.priority']").fill("0")
    page.locator("[name='spec.targets.0.priority']").press("Tab")
    assert tiers(page) == [["demo/b", "demo/a"], ["demo/c"]]


def test_rules_that_are_folded_stay_so_while_another_is_built(world, browse, made):
    made("routes", "folded", {"rules": RULES})
    page = browse("admin", "/admin/routes/folded")
    page.locator(".rule summary").nth(1).click()
    rule = page.locator(".rule").nth(1)
    rule.get_by_label("A condition to add").select_option("team")
    rule.get_by_role("button", name="Add the condition").click()
    rule.get_by_label("Team", exact=True).wait_for()
    assert page.locator(".rule > details[open]").count() == 1
    rule.get_by_label("Team", exact=True).fill("platform")
    rule.get_by_role("button", name="Add a target").click()
    rule.locator("[name='spec.rules.1.targets.1.model']").wait_for()
    assert "when team is platform" in rule.locator("summary").first.inner_text()


def test_the_console_draws_routes_for_those_who_may_see_them(world, browse, made):
    when = {"headers": {"x-env": "prod-*"}, "tokens_over": 1000, "tools": True}
    made("routes", "drawn", {**TIERED, "rules": [{**RULES[0], "when": when}]})
    page = browse("aud", "/console/routing")
    card = page.locator("section.card", has=page.get_by_role("link", name="drawn"))
    flow = card.locator(".flow > li")
    said = flow.first.inner_text()
    assert "when header x-env is prod-* and the prompt has more than 1000 tokens and the call offers tools" in said
    assert "demo/a 75 %" in " ".join(flow.nth(1).inner_text().split())
    assert card.get_by_role("link", name="Change").count() == 0
    axe(page)
    assert browse("dev", "/console/routing").locator(".flow").count() == 0
