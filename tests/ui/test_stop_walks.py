"""An emergency stop while a call runs: it breaks off, new ones are refused, and all works again afterwards."""

import json
import subprocess
import sys

import pytest

from tests.support.hubs import ROOT
from tests.ui.conftest import axe

pytestmark = pytest.mark.slow


@pytest.fixture
def endless(world):
    """A model whose answer takes minutes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.upstream", "--port", "0"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    base = json.loads(process.stdout.readline())["url"]
    spec = {"kind": "openai-compatible", "base_url": f"{base}/@say:{'word-' * 40}+pace:2/v1", "allow_private": True}
    world.hub.put("providers", "endless", spec)
    world.hub.put("models", "endless", {"targets": [{"model": "endless/x"}]})
    yield "endless"
    with world.hub.client() as operator:
        operator.delete("/api/v1/models/endless")
        operator.delete("/api/v1/providers/endless")
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


def test_a_stop_breaks_off_a_running_call_and_a_resume_lets_it_work_again(world, endless, browse):
    caller = browse("bob", f"/console/playground?model={endless}", allowed=("403",))
    caller.get_by_label("Your message").fill("Tell me everything")
    caller.keyboard.press("Control+Enter")
    caller.locator(".message.assistant .text", has_text="word").wait_for()
    page = browse("admin", "/admin/stops", allowed=("422",))
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    page.get_by_label("What").select_option("team")
    page.get_by_label("Named").fill("nobody-of-this-name")
    page.get_by_label("Why").fill("it spends too much")
    page.get_by_role("button", name="Stop at once").click()
    page.get_by_role("alert").wait_for()
    assert page.get_by_label("Why").input_value() == "it spends too much"
    assert page.get_by_label("What").input_value() == "team"
    page.get_by_label("Named").fill("research")
    page.get_by_role("button", name="Stop at once").click()
    page.get_by_text("Stopped: new calls are refused").wait_for()
    axe(page)
    caller.locator(".failed", has_text="stopped by an administrator").wait_for()
    caller.get_by_role("button", name="Stop").wait_for(state="hidden")
    caller.get_by_label("Your message").fill("And now?")
    caller.keyboard.press("Control+Enter")
    caller.locator(".failed").nth(1).wait_for()
    assert "it spends too much" in caller.locator(".failed").nth(1).inner_text()
    axe(caller)
    page.get_by_role("button", name="Let it work again").click()
    page.get_by_text("It works again").wait_for()
    page.get_by_text("Nothing is stopped").wait_for()
    assert "Let team research work again?" in asked
    caller.goto(f"{world.url}/console/playground?model=demo")
    caller.get_by_label("Your message").fill("And now?")
    caller.keyboard.press("Control+Enter")
    caller.locator(".facts-line").first.wait_for()
    assert caller.locator(".failed").count() == 0
