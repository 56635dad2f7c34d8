"""Sixty hostile texts through every form of both apps: nothing breaks, nothing comes alive, and what was typed stays."""

import html
from html.parser import HTMLParser
from itertools import cycle

import pytest

from tests.support.hostile import ALIVE, HOSTILE
from tests.support.hubs import running_hub, servers_ready
from tests.ui import places
from tests.ui.conftest import WORLD, World

SEEN = [address for address in (*places.CONSOLE, *places.ADMIN) if "{entry}" not in address]
PAGES = [one for one in SEEN if "=history" not in one and places.answering("POST", [one]) & places.routes("POST")] + [
    f"/admin/new/{kind}?view=yaml" for kind in places.NAMED
]
# Forms without a field to type into: they ask for a body that is kept, put an announcement away, make a key for a client,
# or approve tools.
WITHOUT_TEXT = {
    "/console/logs/{id}",
    "/admin/logs/{id}",
    "/console/announcements",
    "/install/{profile}",
    "/admin/approvals/{name}",
}
FAR = {"url": "http://127.0.0.1:9/mcp", "allow_private": True, "auth": {"type": "oauth"}}
_TYPED = frozenset({"text", "search", "password", "email", "url", "textarea"})
# What a form says of a text that it takes no further, or that it took: never that the hub broke.
ANSWERS = frozenset({200, 303, 400, 403, 404, 409, 422})

pytestmark = pytest.mark.slow


def test_no_form_is_forgotten_here():
    assert places.routes("POST") <= places.answering("POST", PAGES) | WITHOUT_TEXT


class Forms(HTMLParser):
    """The forms of a page that are posted: where to, and their fields as (name, type, value)."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self._open = None
        self._select = self._option = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        of = dict(attrs)
        if tag == "form":
            self._open = (of.get("action", ""), []) if of.get("method", "").lower() == "post" else None
            if self._open:
                self.found.append(self._open)
        elif self._open and of.get("name") and tag in ("input", "textarea", "button"):
            kind = {"textarea": "textarea", "button": "button"}.get(tag, of.get("type", "text"))
            self._open[1].append((of["name"], kind, of.get("value", "")))
        elif self._open and tag == "select":
            self._select = of["name"]
        elif self._select and tag == "option":
            self._option = self._select
            if "value" in of:
                self._choice(of["value"])

    def handle_data(self, data):
        if self._option:
            self._choice(data)

    def _choice(self, value):
        if value:
            self._open[1].append((self._option, "option", value))
        self._option = ""

    def handle_endtag(self, tag):
        if tag == "form":
            self._open = None
        elif tag == "select":
            self._select = ""


def sent(fields, texts):
    """The form with the next hostile text in each field that is typed and the last of each choice, as its first button sends it."""
    typed, data, pressed = {}, {}, False
    for name, kind, value in fields:
        if kind in _TYPED:
            typed[name] = next(texts)
            data.setdefault(name, []).append(typed[name])
        elif kind == "option":
            data[name] = [value]
        elif kind == "hidden" or (kind == "button" and not pressed):
            data.setdefault(name, []).append(value)
            pressed = pressed or kind == "button"
    return data, typed


def bare(text):
    """A text without what parts words and items of lists."""
    return "".join(text.replace(",", " ").split())


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with running_hub(tmp_path_factory.mktemp("hostile")) as hub:
        with hub.client() as operator:
            far = {"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "allow_private": True}
            resources = {
                **WORLD,
                "servers": {**WORLD["servers"], "far-sign-in": FAR},
                "providers": {**WORLD["providers"], "far": far},
                "models": {**WORLD["models"], "far": {"targets": [{"model": "far/x"}]}},
            }
            assert operator.post("/api/v1/apply", json={"resources": resources}).status_code == 200
        servers_ready(hub, "old", "new")
        with World(hub, {}).signed_in("admin") as browser:
            yield browser


@pytest.mark.parametrize("path", PAGES)
def test_every_text_goes_through_every_form_and_stays_text(client, path):
    forms = [
        (action, fields) for action, fields in Forms(client.get(path).text).found if any(f[1] in _TYPED for f in fields)
    ]
    assert forms or path in ("/console/account", "/admin/approvals/both")
    for action, fields in forms:
        texts = cycle(HOSTILE)
        passed = 0
        while passed < len(HOSTILE):
            data, typed = sent(fields, texts)
            passed += len(typed)
            answer = client.post(action or path, data=data)
            assert answer.status_code in ANSWERS, (path, typed, answer.text[:500])
            shown = client.get(answer.headers["location"]).text if answer.status_code == 303 else answer.text
            alive = ALIVE.search(shown)
            assert alive is None, (path, shown[max(0, alive.start() - 200) : alive.end() + 200])
            if path.startswith("/admin/new/") and answer.status_code == 422:
                kept = bare(html.unescape(shown))
                lost = [name for name, text in typed.items() if bare(text) not in kept]
                assert lost == [], path
