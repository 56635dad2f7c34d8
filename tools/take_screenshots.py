"""Take the pictures in docs/images: main pages, light and dark, wide and narrow, of a hub with sample traffic."""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.hubs import RunningHub, running_hub, wait_for  # noqa: E402 - the path comes first
from tests.ui.conftest import ARGUMENTS, CHROMIUM, WORLD  # noqa: E402 - the path comes first

IMAGES = ROOT / "docs" / "images"
PAGES = (
    ("console-light", "/console", "light", 1280),
    ("console-narrow-dark", "/console", "dark", 390),
    ("playground-light", "/console/playground?model=demo&model=demo/demo-2&profile=both", "light", 1280),
    ("logs-dark", "/console/logs", "dark", 1280),
    ("usage-light", "/console/usage", "light", 1280),
    ("admin-light", "/admin", "light", 1280),
    ("admin-dark", "/admin", "dark", 1280),
    ("compose-light", "/admin/compose/both", "light", 1280),
    ("model-dark", "/admin/models/demo", "dark", 1280),
    ("first-steps-narrow-light", "/admin/start?step=provider", "light", 390),
)


def traffic(hub: RunningHub, secret: str) -> None:
    """Some calls of models and tools, as a team makes them."""
    with hub.client(secret) as client:
        for number in range(24):
            model = ("demo", "demo", "demo/demo-2", "typo")[number % 4]
            body = {
                "model": model,
                "messages": [{"role": "user", "content": f"Question {number}, " + "words " * number}],
            }
            client.post("/v1/chat/completions", json=body, headers={"x-hub-session": f"run-{number // 6}"})
            call = {
                "name": ("new__echo", "old__add")[number % 2],
                "arguments": {"text": "hi"} if number % 2 == 0 else {"a": 1, "b": 2},
            }
            request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
            headers = {"accept": "application/json, text/event-stream", "x-hub-session": f"run-{number // 6}"}
            client.post("/mcp/both", json=request, headers=headers)


def main() -> None:
    """Start a hub, fill it, and take each picture."""
    with tempfile.TemporaryDirectory() as folder, running_hub(folder) as hub, sync_playwright() as playwright:
        with hub.client() as admin:
            admin.post("/api/v1/apply", json={"resources": WORLD}).raise_for_status()
            secret = admin.post("/api/v1/keys/ci/rotate", json={}).json()["secret"]
            traffic(hub, secret)
            wait_for(lambda: len(admin.get("/api/v1/logs").json()["items"]) >= 48)
            link = admin.post("/api/v1/users/admin/sign-in-link", json={}).json()["url"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        signed_in = browser.new_context()
        page = signed_in.new_page()
        page.goto(link)
        page.click("main button")
        page.wait_for_url("**/console")
        state = signed_in.storage_state()
        for name, path, scheme, width in PAGES:
            context = browser.new_context(
                storage_state=state,
                color_scheme=scheme,
                viewport={"width": width, "height": 800 if width > 500 else 760},
            )
            page = context.new_page()
            page.goto(hub.url + path, wait_until="networkidle")
            if "playground" in path:
                page.fill("#prompt", "Use the echo tool to say hello")
                page.keyboard.press("Control+Enter")
                first = page.locator(".column").first
                first.get_by_role("button", name="Run it").click()
                first.locator(".facts-line").nth(1).wait_for()
            page.screenshot(path=IMAGES / f"{name}.png")
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
