"""A hub with two teams in it, and a browser of Debian's to walk through its pages."""

import contextlib
import re
import shutil
from pathlib import Path

import pytest

from tests.support.hubs import RESOURCES, running_hub, wait_for

CHROMIUM = shutil.which("chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
AXE = Path(__file__).parents[1] / "clients" / "node" / "node_modules" / "axe-core" / "axe.min.js"
TAGS = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
HELLO = [{"role": "user", "content": "Hello"}]
WORLD = {
    **RESOURCES,
    "teams": {
        "platform": {"title": "Platform", "models": ["demo", "demo/*"], "profiles": ["both"]},
        "research": {"title": "Research", "models": ["*"], "profiles": ["*"]},
    },
    "users": {
        "ann": {"title": "Ann Lee", "teams": {"platform": "owner"}},
        "dev": {"teams": {"platform": "developer"}},
        "bob": {"title": "Bob Roe", "teams": {"research": "owner"}},
        "olga": {"role": "admin"},
        "aud": {"role": "auditor"},
    },
    "keys": {"ci": {"team": "platform", "title": "Continuous integration"}, "lab": {"team": "research"}},
    "budgets": {"platform-month": {"scope": {"team": "platform"}, "usd": 200}},
    "limits": {"ci": {"scope": {"key": "ci"}, "rpm": 600}},
    "guardrails": {"watch": {"scope": {"org": True}, "on": ["input"], "words": ["xyzzy"], "action": "flag"}},
    "announcements": {"welcome": {"title": "Welcome to the hub", "body": "Two\nlines", "severity": "warning"}},
    "routes": {
        "careful": {"title": "Careful", "targets": [{"model": "demo/demo-1"}, {"model": "demo/demo-2", "priority": 1}]}
    },
    "exports": {
        "collector": {
            "format": "otlp",
            "endpoint": "http://127.0.0.1:9/v1/traces",
            "allow_private": True,
            "enabled": False,
        }
    },
}


def axe(page, only=TAGS):
    """Fail on what axe-core finds wrong with a page as it is now. Where axe-core is not installed nothing is asked."""
    if not AXE.exists():
        return
    page.evaluate(AXE.read_text())
    result = page.evaluate("only => axe.run(document, {runOnly: only})", only)
    found = [
        f"{page.url}: {fault['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for fault in result["violations"]
        for node in fault["nodes"][:3]
    ]
    assert found == []


class World:
    """The hub, the secrets of its keys, and pages as a person gets them."""

    def __init__(self, hub, secrets):
        self.hub = hub
        self.secrets = secrets
        self.url = hub.url
        self.entry = ""  # the id of a call's entry in the ledger

    def at(self, address):
        """An address of `places` in this hub."""
        return address.format(entry=self.entry)

    def link(self, user):
        """A fresh one-time sign-in link."""
        with self.hub.client() as admin:
            return admin.post(f"/api/v1/users/{user}/sign-in-link", json={}).json()["url"]

    @contextlib.contextmanager
    def signed_in(self, user, **options):
        """An HTTP client with the cookie of a sign-in, as a browser without scripts."""
        token = self.link(user).partition("token=")[2]
        with self.hub.client(None, **options) as client:
            client.headers["accept"] = "text/html"
            answer = client.post("/login", data={"token": token})
            assert answer.status_code == 303, answer.text
            yield client

    def wait_for_calls(self, count, **filters):
        """Wait until the ledger shows so many calls."""
        with self.hub.client() as admin:
            wait_for(lambda: len(admin.get("/api/v1/logs", params=filters).json()["items"]) >= count)


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    with running_hub(tmp_path_factory.mktemp("ui")) as hub:
        with hub.client() as admin:
            applied = admin.post("/api/v1/apply", json={"resources": WORLD})
            assert applied.status_code == 200, applied.text
            secrets = {
                name: admin.post(f"/api/v1/keys/{name}/rotate", json={}).json()["secret"] for name in ("ci", "lab")
            }
        world = World(hub, secrets)
        for name in ("ci", "lab"):
            with hub.client(secrets[name]) as client:
                client.post(
                    "/v1/chat/completions",
                    json={"model": "demo", "messages": HELLO},
                    headers={"x-hub-session": f"of-{name}", "x-request-id": f"by-{name}"},
                )
                client.post("/v1/chat/completions", json={"model": "nope", "messages": HELLO})
        with hub.client(secrets["ci"]) as client:
            call = {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "tools/call",
                "params": {"name": "new__echo", "arguments": {"text": "hi"}},
            }
            client.post(
                "/mcp/both",
                json=call,
                headers={"accept": "application/json, text/event-stream", "x-hub-session": "of-ci"},
            )
        world.wait_for_calls(5)
        with hub.client() as admin:
            world.entry = admin.get("/api/v1/logs", params={"request_id": "by-ci"}).json()["items"][0]["id"]
        yield world


# Playwright keeps its event loop running in this thread, so it ends with the module: no other test could run one.
@pytest.fixture(scope="module")
def chromium():
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    sync = pytest.importorskip("playwright.sync_api")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@contextlib.contextmanager
def browsing(world, chromium):
    """Open pages as somebody; every console error, dialog and blocked resource on one fails the test."""
    contexts = []
    faults = []

    def open_as(user, path="/console", *, allowed=(), **options):
        context = chromium.new_context(viewport={"width": 1280, "height": 900}, **options)
        context.set_default_timeout(10_000)
        contexts.append(context)
        if user:
            with world.signed_in(user) as client:
                cookie = dict(client.cookies)
            context.add_cookies(
                [
                    {"name": name, "value": value, "url": world.url, "httpOnly": True, "sameSite": "Lax"}
                    for name, value in cookie.items()
                ]
            )
        page = context.new_page()

        def heard(message):
            if message.type == "error" and not any(re.search(pattern, message.text) for pattern in allowed):
                faults.append(f"{page.url}: {message.text}")

        page.on("console", heard)
        page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
        page.goto(world.url + path)
        return page

    try:
        yield open_as
    finally:
        for context in contexts:
            context.close()
    assert faults == []


@pytest.fixture
def browse(world, chromium):
    """Pages of the hub that all walks share."""
    with browsing(world, chromium) as open_as:
        yield open_as
