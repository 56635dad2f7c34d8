"""The Playground: a set-up that is shared as a link, an image that goes along, and a clipboard that is not there."""

import base64
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.hubs import wait_for
from tests.ui.conftest import axe

pytestmark = pytest.mark.slow
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
CLIPBOARD = {"permissions": ["clipboard-read", "clipboard-write"]}


def test_a_set_up_is_shared_as_a_link(world, browse):
    page = browse("admin", "/console/playground", **CLIPBOARD)
    page.get_by_label("Model 1").fill("demo")
    page.get_by_role("button", name="Compare with another model").click()
    page.get_by_label("Model 2").fill("demo/demo-2")
    page.get_by_label("System prompt").fill("Answer in <one> word & no more")
    page.get_by_text("Parameters", exact=True).click()
    page.get_by_label("Temperature").fill("0.5")
    page.get_by_label("Tools of a profile").select_option("both")
    page.get_by_label("A tool runs").select_option("read")
    page.get_by_label("Your message").fill("Is this shared?")
    page.get_by_role("button", name="Copy link").click()
    page.get_by_role("button", name="Copied").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url
    page.get_by_role("button", name="Copy link").wait_for()
    other = browse("olga", link.removeprefix(world.url))
    assert other.get_by_label("Model 1").input_value() == "demo"
    assert other.get_by_label("Model 2").input_value() == "demo/demo-2"
    assert other.get_by_label("System prompt").input_value() == "Answer in <one> word & no more"
    assert other.get_by_label("Temperature").input_value() == "0.5"
    assert other.get_by_label("Tools of a profile").input_value() == "both"
    assert other.get_by_label("A tool runs").input_value() == "read"
    assert other.get_by_label("Your message").input_value() == "Is this shared?"
    axe(other)


def test_a_link_is_copied_where_the_browser_gives_pages_no_clipboard(world, browse):
    page = browse("admin", "/console/playground?model=demo")
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.get_by_role("button", name="Copy link").click()
    page.get_by_role("button", name="Copied").wait_for()
    page.get_by_role("button", name="Copy link").wait_for()


def test_an_image_goes_along_or_is_taken_off_again(world, browse):
    page = browse("admin", "/console/playground?model=demo")
    page.set_input_files("#image", {"name": "dot.png", "mimeType": "image/png", "buffer": PIXEL})
    page.get_by_text("dot.png goes along (1").wait_for()
    axe(page)
    page.get_by_role("button", name="Remove the image").click()
    page.get_by_text("dot.png goes along").wait_for(state="hidden")
    page.set_input_files("#image", {"name": "no.png", "mimeType": "image/png", "buffer": b"no image"})
    page.get_by_text("That file cannot be read as an image").wait_for()
    page.set_input_files("#image", {"name": "dot.png", "mimeType": "image/png", "buffer": PIXEL})
    page.get_by_text("dot.png goes along").wait_for()
    page.get_by_role("button", name="Send").click()  # an image alone is a message too
    page.locator(".facts-line").first.wait_for()
    assert page.locator(".message.user img").count() == 1
    page.locator(".folds summary", has_text="Request").click()
    request = page.locator(".folds details[open] pre", has_text="data:image/jpeg;base64,")
    request.wait_for()
    assert '"type": "text"' not in request.inner_text()
    assert page.locator("#attachment").is_hidden()
    axe(page)


def test_a_conversation_begins_anew(world, browse):
    page = browse("admin", "/console/playground?model=demo")
    for count in 1, 2:
        page.get_by_label("Your message").fill("Hello")
        page.keyboard.press("Control+Enter")
        page.locator(".facts-line").nth(count - 1).wait_for()
    page.get_by_role("link", name="log", exact=True).first.click()
    page.wait_for_url(re.compile("request_id="))
    request_id = parse_qs(urlsplit(page.url).query)["request_id"][0]
    with world.hub.client() as operator:
        wait_for(lambda: operator.get("/api/v1/logs", params={"request_id": request_id}).json()["items"])
    page.go_back()
    page.get_by_role("button", name="Start anew").click()
    assert page.locator(".column").count() == 0
