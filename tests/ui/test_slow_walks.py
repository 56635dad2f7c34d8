"""A slow connection: no click and no typed text is lost to an answer that comes late, and nothing is done twice."""

import re
import time

import pytest

from tests.ui.conftest import HELLO

pytestmark = pytest.mark.slow


class Line:
    """A line on which answers to some requests wait until they are let through."""

    def __init__(self, page, pattern, method="GET"):
        self.waiting = []
        self.asked = 0
        self._page = page

        def hold(route):
            if route.request.method == method and (method == "POST" or route.request.resource_type == "fetch"):
                self.asked += 1
                self.waiting.append(route)
            else:
                route.fallback()

        page.route(pattern, hold)

    def wait(self, count=1):
        """Until so many requests wait."""
        ends = time.monotonic() + 10
        while len(self.waiting) < count and time.monotonic() < ends:
            self._page.wait_for_timeout(20)
        assert len(self.waiting) == count

    def go(self):
        """Let through what waits."""
        waiting, self.waiting = self.waiting, []
        for route in waiting:
            route.fallback()


def test_a_button_that_is_pressed_twice_does_one_thing(world, browse):
    page = browse("dev", "/console/new/keys")
    page.get_by_label("Name *").fill("pressed-twice")
    line = Line(page, "**/console/new/keys", "POST")
    create = page.get_by_role("button", name="Create")
    create.dblclick()
    line.wait()
    assert page.locator("#editor form").get_attribute("aria-busy") == "true"
    create.dispatch_event("click")
    line.go()
    page.get_by_role("heading", name="The secret of pressed-twice").wait_for()
    assert line.asked == 1
    page.get_by_role("link", name="I have stored it").click()
    line = Line(page, "**/console/keys/pressed-twice", "POST")
    rotate = page.get_by_role("button", name="Make a new secret")
    rotate.evaluate("button => { button.click(); button.click(); }")
    line.wait()
    line.go()
    page.get_by_role("heading", name="The secret of pressed-twice").wait_for()
    assert line.asked == 1
    with world.hub.client() as operator:
        assert len(operator.get("/api/v1/keys/pressed-twice").json()["status"]["secrets"]) == 2
        operator.delete("/api/v1/keys/pressed-twice")


def test_a_form_takes_nothing_that_its_answer_would_lose_and_keeps_the_keyboard(world, browse):
    page = browse("admin", "/admin/new/models", allowed=("422",))
    name = page.get_by_label("Name *")
    name.fill("slowly")
    line = Line(page, "**/admin/new/models", "POST")
    page.get_by_role("button", name="Add a target").press("Enter")
    line.wait()
    page.keyboard.type("typed into a form that is on its way")
    line.go()
    page.get_by_label("Model *").wait_for()
    assert page.evaluate("document.activeElement.name").endswith("targets.0.model")
    page.keyboard.type("no provider")
    page.get_by_role("button", name="Create").press("Enter")
    line.wait()
    line.go()
    page.get_by_text("Nothing was saved yet").wait_for()
    assert page.evaluate("document.activeElement.getAttribute('aria-invalid')") == "true"
    assert page.get_by_label("Model *").input_value() == "no provider"
    assert name.input_value() == "slowly"


def test_a_list_is_not_taken_away_between_the_halves_of_a_click(world, browse):
    page = browse("admin", "/admin/teams")
    line = Line(page, "**/admin/teams?**")
    page.get_by_label("Search").fill("e")  # platform has none, research has
    line.wait()
    box = (
        page.get_by_role("link", name="Platform").bounding_box()
        or page.get_by_role("link", name="platform").bounding_box()
    )
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    with page.expect_response(re.compile("/admin/teams\\?")):
        line.go()
    page.wait_for_timeout(300)
    page.mouse.up()
    page.wait_for_url("**/admin/teams/platform")


def test_a_list_comes_once_the_pointer_is_let_go(world, browse):
    page = browse("admin", "/admin/teams")
    line = Line(page, "**/admin/teams?**")
    page.get_by_label("Search").fill("research")
    line.wait()
    box = page.locator("#results tbody tr td").last.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 3, box["y"] + 3)
    page.mouse.down()
    with page.expect_response(re.compile("/admin/teams\\?")):
        line.go()
    page.wait_for_timeout(300)
    assert page.get_by_role("link", name="platform").first.is_visible()
    page.mouse.up()
    page.locator("#results tbody tr").nth(1).wait_for(state="detached")
    assert "q=research" in page.url


def test_what_comes_late_does_not_put_away_what_came_after_it(world, browse):
    page = browse("admin", "/admin/teams")
    line = Line(page, "**/admin/teams?q=plat*")
    page.get_by_label("Search").fill("plat")
    line.wait()
    page.get_by_label("Search").fill("research")
    page.locator("#results tbody tr").nth(1).wait_for(state="detached")
    line.go()
    page.wait_for_timeout(300)
    assert "research" in page.locator("#results tbody").inner_text()
    assert "q=research" in page.url


def test_going_back_shows_the_list_and_the_filter_that_belong_together(world, browse):
    page = browse("admin", "/admin/teams")
    page.get_by_label("Search").fill("research")
    page.wait_for_url(re.compile("q=research"))
    page.locator("#results tbody tr").nth(1).wait_for(state="detached")
    page.get_by_label("Search").fill("plat")
    page.wait_for_url(re.compile("q=plat"))
    page.go_back()  # what was typed into one field is one step
    page.locator("#results tbody tr").nth(1).wait_for()
    assert page.get_by_label("Search").input_value() == ""
    page.get_by_role("link", name="research").first.click()
    page.wait_for_url(re.compile("/admin/teams/research"))
    page.go_back()
    page.locator("#results tbody tr").nth(1).wait_for()


def test_a_log_that_is_followed_stays_while_somebody_is_in_it(world, browse):
    def call():
        with world.hub.client(world.secrets["ci"]) as client:
            client.post(
                "/v1/chat/completions", json={"model": "demo", "messages": HELLO}, headers={"x-hub-session": "calm"}
            )

    page = browse("admin", "/admin/logs?live=1&session=calm")
    page.get_by_text("following", exact=True).wait_for()
    rows = page.locator("#results tbody tr")
    call()
    rows.first.wait_for()
    rows.first.get_by_role("link").focus()
    page.get_by_text("New calls show once you leave the list").wait_for()
    call()
    world.wait_for_calls(2, session="calm")
    page.wait_for_timeout(1500)
    assert rows.count() == 1
    assert page.evaluate("document.activeElement.closest('#results') !== null")
    page.get_by_label("Session").focus()
    rows.nth(1).wait_for()
    page.get_by_text("following", exact=True).wait_for()


def test_what_is_typed_while_the_playground_gets_its_tools_is_the_next_message(world, browse):
    page = browse("admin", "/console/playground?model=demo&profile=both")
    line = Line(page, "**/api/v1/me/profiles")
    prompt = page.get_by_label("Your message")
    prompt.fill("Use the echo tool")
    page.keyboard.press("Control+Enter")
    page.locator(".message.user").wait_for()
    page.keyboard.type("A second ")
    line.wait()
    line.go()
    page.get_by_role("button", name="Run it").wait_for()
    page.keyboard.type("message")  # and the space key runs no tool
    assert prompt.input_value() == "A second message"
    page.get_by_label("System prompt").focus()
    page.get_by_role("button", name="Run it").dispatch_event("click")
    page.get_by_role("button", name="Stop").wait_for(state="hidden")
    assert page.evaluate("document.activeElement.id") == "system"


def test_a_message_that_could_not_be_sent_comes_back(world, browse):
    page = browse("admin", "/console/playground?model=demo&profile=both", allowed=("ERR_FAILED",))
    page.route("**/api/v1/me/profiles", lambda route: route.abort())
    prompt = page.get_by_label("Your message")
    prompt.fill("This finds no tools")
    page.keyboard.press("Control+Enter")
    page.locator("#flash [role=alert]").wait_for()
    assert prompt.input_value() == "This finds no tools"
    assert page.locator(".message").count() == 0
    page.unroute_all()
    page.keyboard.press("Control+Enter")
    page.locator(".facts-line").wait_for()


def test_only_the_last_image_that_was_chosen_goes_along(world, browse):
    page = browse("admin", "/console/playground?model=demo")
    page.evaluate(
        """() => {
            const real = window.createImageBitmap;
            let first = true;
            window.createImageBitmap = async (file) => {
                const slow = first;
                first = false;
                if (slow) await new Promise((done) => { window.letFirst = done; });
                return real(file);
            };
        }"""
    )
    dot = page.evaluate_handle(
        "() => new Promise((done) => { const c = document.createElement('canvas'); c.width = c.height = 2; c.toBlob(done); })"
    )
    choose = """(blob, name) => {
        const all = new DataTransfer();
        all.items.add(new File([blob], name, { type: "image/png" }));
        const input = document.getElementById("image");
        input.files = all.files;
        input.dispatchEvent(new Event("change"));
    }"""
    dot.evaluate(choose, "slow.png")
    dot.evaluate(choose, "quick.png")
    page.get_by_text("quick.png goes along").wait_for()
    page.evaluate("window.letFirst()")
    page.wait_for_timeout(200)
    assert page.get_by_text("quick.png goes along").is_visible()
