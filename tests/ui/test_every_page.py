"""Every page there is, in a browser: axe-core in light and dark, narrow and very wide windows, and without scripts."""

import pytest

from tests.ui import places
from tests.ui.conftest import TAGS, axe, browsing

CONTRAST = {"type": "rule", "values": ["color-contrast"]}
# What only a script makes work. Without one it is not shown.
SCRIPTED = "[data-copy], [data-theme-toggle], [data-shortcuts], [data-needs-script], [data-filter], [data-grip]"
# Forms that nobody could send without a script.
UNSENDABLE = """forms => forms.filter(form => ![...form.elements].some(
    one => one.type === "submit" && !one.classList.contains("sr") && one.checkVisibility() && !one.disabled
) && !form.querySelector("fieldset:disabled")).map(form => form.outerHTML.slice(0, 200))"""

pytestmark = [pytest.mark.slow, pytest.mark.clients]


def unfold(page):
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")


@pytest.fixture(scope="module")
def open_pages(world, chromium):
    """One page with scripts and one without; what a fresh hub has none of is there, too."""
    far = {"url": "http://127.0.0.1:9/mcp", "allow_private": True, "auth": {"type": "oauth"}}
    world.hub.put("servers", "far-sign-in", far)
    with world.hub.client() as operator:
        operator.put("/api/v1/secrets/kept", json={"value": "x"}).raise_for_status()
        with browsing(world, chromium) as open_as:
            # Without motion, colours do not fade into each other while they are judged.
            still = {"reduced_motion": "reduce"}
            yield open_as("admin", **still), open_as("admin", **still, java_script_enabled=False)
        operator.delete("/api/v1/servers/far-sign-in").raise_for_status()
        operator.delete("/api/v1/secrets/kept").raise_for_status()


def test_every_page_has_a_place_here():
    known = places.answering("GET", [*places.CONSOLE, *places.ADMIN, *places.OUTSIDE]) | places.ELSEWHERE
    assert places.routes("GET") <= known


@pytest.mark.parametrize("address", [*places.CONSOLE, *places.ADMIN, *places.OUTSIDE])
def test_everybody_can_use_it(world, open_pages, address):
    page, plain = open_pages
    at = world.url + world.at(address)

    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 3000})  # what stays at the window's edge covers nothing
    assert page.goto(at).status == 200
    unfold(page)
    axe(page, TAGS)
    page.emulate_media(color_scheme="dark")
    axe(page, CONTRAST)
    for width in (360, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, width

    plain.goto(at)
    assert plain.locator("h1").is_visible()
    shown = [
        one.evaluate("one => one.outerHTML.slice(0, 200)") for one in plain.locator(SCRIPTED).all() if one.is_visible()
    ]
    assert shown == []
    if "/playground" not in address:  # which says that it needs one
        unfold(plain)
        assert plain.locator("main form").evaluate_all(UNSENDABLE) == []
