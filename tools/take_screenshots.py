"""Take the pictures in docs/images: main pages, light and dark, wide and narrow, of a hub with sample traffic."""

import random
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.hubs import RunningHub, running_hub, servers_ready, wait_for  # noqa: E402 - the path comes first
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
    ("route-light", "/admin/routes/by-region", "light", 1280),
    ("routing-narrow-dark", "/console/routing?model=fast", "dark", 390),
    ("usage-dark", "/admin/usage", "dark", 1280),
)
TIERS = [
    {"model": "demo/demo-1", "weight": 70},
    {"model": "demo/demo-2", "weight": 30},
    {"model": "demo/demo-3", "priority": 1},
]
ROUTE = {
    "title": "By region",
    "rules": [
        {
            "name": "eu",
            "when": {"headers": {"x-region": "eu-*"}},
            "targets": [{"model": "demo/eu-1", "weight": 3}, {"model": "demo/eu-2"}],
        },
        {"name": "long", "when": {"tokens_over": 20000, "tools": True}, "targets": [{"model": "demo/long"}]},
        {"name": "night", "when": {"hours": {"start": "20:00"}}, "targets": [{"model": "demo/cheap"}]},
    ],
    "targets": TIERS,
}
SHOWN = {
    **WORLD,
    "models": {**WORLD["models"], "fast": {"title": "Fast", "targets": TIERS}},
    "routes": {"by-region": ROUTE},
    "announcements": {
        "new": {
            "title": "Two new models",
            "body": "`fast` and `careful` are there. Their prices are under [Models](/console/models).",
        }
    },
}
HOUR = 3_600_000_000  # microseconds


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


def history(data: Path) -> None:
    """Copies of those calls over the last weeks, fewer on weekends: what charts look like after a while of use."""
    file = next(data.rglob("*.db"))
    made = random.Random(7)
    with closing(sqlite3.connect(file, timeout=30)) as base, base:
        base.row_factory = sqlite3.Row
        rows = [dict(row) for row in base.execute("select * from entry")]
        names = list(rows[0])
        marks = ",".join("?" * len(names))
        for number in range(1800):
            row = dict(made.choice(rows))
            at = row["at"] - int((0.05 + 27 * made.random() ** 1.3) * 24 * HOUR)
            if at // (24 * HOUR) % 7 in (2, 3) and made.random() < 0.8:  # the epoch began on a Thursday
                continue
            longer = made.lognormvariate(0, 0.6)
            row |= {
                "id": f"{row['id'][:-6]}{number:06d}",
                "at": at,
                "session": f"run-{number // 12}",
                "duration_ms": 350 * longer,
            }
            if row["call"] == "model" and row["outcome"] == "ok":
                row |= {"ttft_ms": 110 * longer, "stream": 1, "input": int(900 * longer), "output": int(240 * longer)}
                row["cost_micro_usd"] = None if row["cost_micro_usd"] is None else int(2600 * longer)
            columns = ",".join(f'"{name}"' for name in names)
            base.execute(f"insert into entry({columns}) values({marks})", [row[name] for name in names])
            stale = "insert into stale(span, start, touched) values(?, ?, 0) on conflict do nothing"
            base.executemany(stale, [("hour", at - at % HOUR), ("day", at - at % (24 * HOUR))])


def main() -> None:
    """Start a hub, fill it, and take each picture."""
    with tempfile.TemporaryDirectory() as folder, running_hub(folder) as hub, sync_playwright() as playwright:
        with hub.client() as admin:
            admin.post("/api/v1/apply", json={"resources": SHOWN}).raise_for_status()
            secret = admin.post("/api/v1/keys/ci/rotate", json={}).json()["secret"]
            servers_ready(hub, "old", "new")
            traffic(hub, secret)
            wait_for(lambda: len(admin.get("/api/v1/logs").json()["items"]) >= 48)
            history(hub.data)
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
