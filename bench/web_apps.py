"""How quick the web apps are: `python -m bench.web_apps [--rows 200000] [--turns 5] [--chromium PATH]`.

Starts a hub of an organisation (300 people, 400 keys, 40 models, a month of calls), opens every page of both apps in Chromium and
does what people do in them. For a page: what the hub takes until the first byte, what travels at a first visit (compressed) and
later, and the time from the click to the paint. For what changes a part of a page: from the key or the click to the paint.
The least of some turns, since whatever else the machine does only adds, and what the hub takes also in CPU, to which it
adds little. Prints tables in Markdown; nothing passes or fails.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from bench.ledger_pages import fill
from bench.processes import Program, free_port, running
from hub.ledger import Rollups
from hub.resources import KINDS
from hub.store import Database
from hub.ui.navigation import ADMIN, CONSOLE

KEY = "bench-admin-key-0123456789-0123456789"
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
Act = Callable[[Page], object]
_MOST_BYTES, _MOST_MS = 100_000, 100.0
_REPEATED = 20
_PAINTED = """() => {
    const [page] = performance.getEntriesByType("navigation");
    const [paint] = performance.getEntriesByName("first-contentful-paint");
    if (!paint || !page.loadEventEnd) return null;
    return { server: page.responseStart - page.requestStart, bytes: page.transferSize, painted: paint.startTime };
}"""
# From the first event of a kind to the frame after the part has come.
_WATCH = """(kind) => {
    let began;
    window.took = null;
    addEventListener(kind, (event) => { began ??= event.timeStamp; }, { capture: true });
    const painted = () => { window.took ??= performance.now() - began; };
    document.addEventListener("htmx:after:swap", () => requestAnimationFrame(() => setTimeout(painted)));
}"""


def resources() -> Mapping[str, Any]:
    """An organisation as the filled ledger knows it, with what the demo adds."""
    spare = {"model": "demo/spare", "priority": 1}
    shadow = {"on": ["input"], "words": ["xyzzy"], "shadow": True}
    teams = {f"team-{n}": {"title": f"Team {n}", "models": ["*"], "profiles": ["*"]} for n in range(20)}
    return {
        "teams": teams,
        "users": {f"user-{n}": {"title": f"Person {n}", "teams": {f"team-{n % 20}": "developer"}} for n in range(300)},
        "keys": {f"key-{n}": {"team": f"team-{n % 20}", "title": f"Key {n}"} for n in range(400)},
        "models": {f"model-{n}": {"targets": [{"model": f"demo/m{n}"}, spare]} for n in range(40)},
        "budgets": {f"month-{n}": {"scope": {"team": f"team-{n}"}, "usd": 500} for n in range(20)},
        "limits": {f"rate-{n}": {"scope": {"key": f"key-{n}"}, "rpm": 600, "parallel": 16} for n in range(40)},
        "guardrails": {f"rule-{n}": {"scope": {"team": f"team-{n}"}, **shadow} for n in range(10)},
        "routes": {"careful": {"targets": [{"model": "demo/m0", "weight": 3}, {"model": "demo/m1"}]}},
        "servers": {"inside": {"builtin": "hub"}},
        "profiles": {"own": {"servers": {"inside": {}}}},
        "announcements": {"welcome": {"title": "Welcome", "body": "Read **this**."}},
    }  # fmt: skip


def pages(entry: str) -> Iterator[str]:
    """Every place of the menus, and one of each thing behind them."""
    for menu in (CONSOLE, ADMIN):
        yield from (item.path for _, items in menu for item in items)
    one = {
        "models": "model-0",
        "routes": "careful",
        "teams": "team-0",
        "users": "user-0",
        "keys": "key-0",
        "budgets": "month-0",
    }
    yield from (f"/admin/{kind}/{name}" for kind, name in one.items())
    yield from (f"/admin/new/{kind}" for kind in KINDS if kind in ("models", "servers", "guardrails"))
    yield from (
        "/console/profiles/demo", "/console/compose/demo", "/console/routing?model=model-0", "/console/account",
        "/admin/profiles/demo", "/admin/compose/demo", "/admin/limits/rate-0", "/admin/guardrails/rule-0",
        "/admin/try/rule-0", "/admin/models/model-0?view=history", "/admin/start", "/admin/sessions",
        "/admin/sessions/session-3", f"/admin/logs/{entry}", "/admin/logs?team=team-3&outcome=error",
        "/admin/usage?by=user&range=30d", "/admin/audit?kind=keys",
    )  # fmt: skip


def parts() -> Iterator[tuple[str, str, str, Act]]:
    """What changes a part of a page: its name, where, the event that begins it, and what somebody does."""
    yield from (
        ("logs: filter by outcome", "/admin/logs", "change", _choose("outcome", "error")),
        ("logs: filter by a typed model", "/admin/logs", "input", _type("model", "model-7")),
        ("logs: slowest first", "/admin/logs", "change", _choose("order_by", "duration_ms")),
        ("logs: the last day", "/admin/logs", "change", _choose("range", "24h")),
        ("usage: by team", "/admin/usage", "change", _choose("by", "team")),
        ("usage: by person", "/admin/usage", "change", _choose("by", "user")),
        ("usage: 7 days", "/admin/usage", "change", _choose("range", "7d")),
        ("sessions: everything", "/admin/sessions", "change", _choose("range", "all")),
        ("audit: filter by kind", "/admin/audit?check=1", "change", _choose("kind", "keys")),
        ("keys: search", "/admin/keys", "input", _type("q", "key-77")),
        ("users: search", "/admin/users", "input", _type("q", "user-77")),
        ("models (Console): search", "/console/models", "input", _type("q", "opus")),
        ("routing: explain a call", "/console/routing", "click", _explain),
        ("composer: choose a tool", "/admin/compose/own", "change", _first_tool),
        ("editor: one more target", "/admin/models/model-0", "click", _press("button[value='add:spec.targets']")),
        ("editor: explain before saving", "/admin/models/model-0", "click", _press("button[value=explain]")),
        ("editor: a fault on saving", "/admin/models/model-0", "click", _wrong),
        ("guardrail: try on samples", "/admin/try/rule-0", "click", _try),
    )


def _choose(field: str, value: str) -> Act:
    return lambda page: page.select_option(f"#{field}", value)


def _type(field: str, text: str) -> Act:
    return lambda page: page.fill(f"#{field}", text)


def _press(button: str) -> Act:
    return lambda page: page.click(button)


def _explain(page: Page) -> None:
    page.fill("#model", "model-3")
    page.click("form.filters button")


def _first_tool(page: Page) -> None:
    page.locator("[data-tool]").first.click()


def _wrong(page: Page) -> None:
    page.fill("[name='spec.targets.0.weight']", "much")
    page.click(".actions button[value=save]")


def _try(page: Page) -> None:
    page.fill("#found", "xyzzy")
    page.click("form[hx-post] button.btn")


class Measured:
    """A browser at a hub that is signed in."""

    def __init__(self, browser: Browser, hub: Program, link: str, turns: int) -> None:
        self._browser, self._hub, self._turns = browser, hub, turns
        self._url = f"http://127.0.0.1:{hub.port}"
        first = self._browser.new_context()
        page = first.new_page()
        page.goto(link)
        page.click("main button")
        page.wait_for_url("**/console")
        self._state = first.storage_state()
        first.close()

    def address(self, path: str) -> str:
        """Where a page is."""
        return self._url + path

    def context(self) -> BrowserContext:
        """A window as wide as most."""
        return self._browser.new_context(storage_state=self._state, viewport={"width": 1440, "height": 900})

    def first_visit(self, path: str) -> int:
        """The bytes that travel to somebody who was never here."""
        context = self.context()
        page, seen = context.new_page(), []
        network = context.new_cdp_session(page)
        network.send("Network.enable")
        network.send("Network.setCacheDisabled", {"cacheDisabled": True})
        network.on("Network.loadingFinished", lambda event: seen.append(int(event["encodedDataLength"])))
        page.goto(self._url + path, wait_until="load")
        page.wait_for_timeout(300)
        context.close()
        return sum(seen)

    def load(self, page: Page, path: str) -> tuple[float, float, float]:
        """Server time, bytes of the page alone, and click to paint, each the least."""
        found: list[tuple[float, float, float]] = []
        for _ in range(self._turns):
            page.evaluate("path => { location.href = path; }", path)
            page.wait_for_url(lambda url: url.endswith(path.partition("?")[0]) or path in url)
            times = _until(lambda: page.evaluate(_PAINTED))
            found.append((times["server"], times["bytes"], times["painted"]))
            page.goto(f"{self._url}/console/account")
        return tuple(min(column) for column in zip(*found, strict=True))

    def cpu(self, path: str) -> float:
        """Milliseconds of CPU that the hub and its servers take for a page."""
        with httpx2.Client(base_url=self._url, timeout=60, trust_env=False, headers={"accept": "text/html"}) as client:
            for cookie in self._state["cookies"]:
                client.cookies.set(cookie["name"], cookie["value"])
            began = self._hub.cpu_ns()
            for _ in range(_REPEATED):
                client.get(path).raise_for_status()
            return (self._hub.cpu_ns() - began) / _REPEATED / 1e6

    def part(self, page: Page, path: str, kind: str, act: Act) -> float:
        """From the event to the paint, the least."""
        found: list[float] = []
        for _ in range(self._turns):
            page.goto(self._url + path, wait_until="load")
            page.wait_for_timeout(100)
            page.evaluate(_WATCH, kind)
            act(page)
            found.append(_until(lambda: page.evaluate("window.took")))
        return min(found)


def _until(ask: Callable[[], Any]) -> Any:
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        try:
            found = ask()
        except Exception as error:
            if "navigation" not in str(error) and "destroyed" not in str(error):
                raise
            found = None
        if found is not None:
            return found
        time.sleep(0.01)
    raise TimeoutError("nothing came")


async def _filled(data: Path, rows: int) -> None:
    async with Database.open(f"sqlite+aiosqlite:///{data / 'hub.db'}") as engine:
        await fill(engine, rows)
        await Rollups(engine).refresh()


def _told(value: float, most: float, unit: str) -> str:
    text = f"{value:,.0f}{unit}"
    return f"**{text}**" if value > most else text


def report(measured: Measured, entry: str) -> None:
    """Measure and print."""
    context = measured.context()
    page = context.new_page()
    page.goto(measured.address("/console/account"))
    print("\n| page | hub, CPU | to the first byte | first visit | later | click to paint |\n| --- |" + " ---: |" * 5)
    for path in dict.fromkeys(pages(entry)):
        first = _told(measured.first_visit(path) / 1000, _MOST_BYTES / 1000, " kB")
        server, later, painted = measured.load(page, path)
        cells = (
            f"{measured.cpu(path):.0f} ms",
            f"{server:.0f} ms",
            first,
            f"{later / 1000:.1f} kB",
            _told(painted, _MOST_MS, " ms"),
        )
        print(f"| `{path.replace(entry, 'ID')}` | {' | '.join(cells)} |", flush=True)
    print("\n| what | to the paint |\n| --- | ---: |")
    for name, path, kind, act in parts():
        print(f"| {name} | {_told(measured.part(page, path, kind, act), _MOST_MS, ' ms')} |", flush=True)
    context.close()


def main(rows: int, turns: int, chromium: str) -> None:
    """Start a hub, fill it, and measure it."""
    with tempfile.TemporaryDirectory() as folder:
        data, port = Path(folder) / "data", free_port()
        url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "hub", "serve", "--demo", "--port", str(port), "--data", str(data)]
        env = {"HUB_ADMIN_KEY": KEY}
        log = Path(folder) / "hub.log"
        with running(command, port, log, ready_path="/readyz", env=env):  # written by hand, so that pages can change it
            bearer = {"authorization": f"Bearer {KEY}"}
            httpx2.post(
                f"{url}/api/v1/apply", json={"resources": resources()}, headers=bearer, timeout=60
            ).raise_for_status()
        asyncio.run(_filled(data, rows))
        with (
            running(command, port, log, ready_path="/readyz", env=env) as hub,
            httpx2.Client(
                base_url=url, headers={"authorization": f"Bearer {KEY}"}, timeout=60, trust_env=False
            ) as client,
            sync_playwright() as playwright,
        ):
            link = client.post("/api/v1/users/admin/sign-in-link", json={}).json()["url"]
            entry = client.get("/api/v1/logs", params={"limit": 1}).json()["items"][0]["id"]
            browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
            report(Measured(browser, hub, link, turns), entry)
            browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.web_apps")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    given = parser.parse_args()
    main(given.rows, given.turns, given.chromium)
