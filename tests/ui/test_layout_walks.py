"""How pages use the window that they get, from a phone to a very wide screen."""

import pytest

PHONE = {"width": 360, "height": 740}
LISTS = ["providers", "models", "routes", "servers", "profiles", "teams", "users", "keys", "budgets", "limits", "guardrails", "announcements", "roles", "audit", "exports", "secrets", "oauth-clients", "logs", "usage", "usage?by=key", "sessions", "sessions/of-ci", "approvals", "instance", ""]  # fmt: skip


@pytest.mark.parametrize(
    "path", ["/console", "/console/models", "/console/routing", "/admin", "/admin/logs", "/admin/models/demo"]
)
def test_a_very_wide_window_is_filled(world, browse, path):
    page = browse("admin", path)
    page.set_viewport_size({"width": 2560, "height": 1300})
    edges = page.locator("main .card").evaluate_all("cards => cards.map(card => card.getBoundingClientRect().right)")
    assert 2450 < max(edges) <= 2560


def test_lists_are_read_on_a_phone_without_moving_them_sideways(world, browse):
    page = browse("admin", "/admin")
    page.set_viewport_size(PHONE)
    for name in LISTS:
        page.goto(f"{world.url}/admin/{name}")
        assert page.locator(".scroll").evaluate_all("all => all.every(one => one.scrollWidth <= one.clientWidth)"), name
        if name.startswith("usage") or not name:
            page.locator("summary", has_text="numbers behind").click()
            assert page.locator("#over-time").evaluate("one => one.scrollWidth <= one.parentElement.clientWidth"), name
    for path in ("", "/models?q=gpt-5", "/logs", "/usage", "/sessions", "/keys", "/connections", "/profiles/both"):
        page.goto(f"{world.url}/console{path}")
        assert page.locator(".scroll").evaluate_all("all => all.every(one => one.scrollWidth <= one.clientWidth)"), path


def test_a_call_takes_two_lines_of_a_phone(world, browse):
    page = browse("admin", "/admin/logs")
    page.set_viewport_size(PHONE)
    heights = page.locator("#results tbody tr").evaluate_all("all => all.map(one => one.offsetHeight)")
    assert min(heights) < 80  # others hold what nobody would call a thing


def test_a_target_takes_two_lines_of_a_phone(world, browse):
    page = browse("admin", "/admin/models/demo")
    page.set_viewport_size(PHONE)
    target = page.locator(".item.target")
    field, remove = target.get_by_label("Weight"), target.get_by_role("button", name="Remove")
    assert target.bounding_box()["height"] < 125
    assert abs(field.bounding_box()["y"] - remove.bounding_box()["y"]) < 12


def test_the_way_out_is_in_sight_of_a_long_menu_and_hides_not_where_one_is(world, browse):
    page = browse("admin", "/admin")
    page.set_viewport_size({"width": 1280, "height": 700})
    page.goto(f"{world.url}/admin/usage")
    box = page.get_by_role("button", name="Sign out").bounding_box()
    assert box["y"] + box["height"] <= 700
    here = page.locator(".places [aria-current]").bounding_box()
    assert here["y"] + here["height"] <= page.locator(".who").bounding_box()["y"]
