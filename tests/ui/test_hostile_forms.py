"""Sixty hostile texts through every form of both apps: nothing breaks, nothing comes alive, and what was typed stays."""

import html
from itertools import cycle

import pytest

from tests.support.forms import Forms
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


def sent(fields, texts):
    """The form with the next hostile text in each field that is typed and the last of each choice, as its first button sends it."""
    typed, data, pressed = {}, {}, False
    for one in fields:
        if one.kind in _TYPED:
            typed[one.name] = next(texts)
            data.setdefault(one.name, []).append(typed[one.name])
        elif one.kind == "option" and one.value:
            data[one.name] = [one.value]
        elif one.kind == "hidden" or (one.kind == "button" and not pressed):
            data.setdefault(one.name, []).append(one.value)
            pressed = pressed or one.kind == "button"
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
    forms = [one for one in Forms(client.get(path).text).found if any(field.kind in _TYPED for field in one.fields)]
    assert forms or path in ("/console/account", "/admin/approvals/both")
    for form in forms:
        texts = cycle(HOSTILE)
        passed = 0
        while passed < len(HOSTILE):
            data, typed = sent(form.fields, texts)
            passed += len(typed)
            answer = client.post(form.action or path, data=data)
            assert answer.status_code in ANSWERS, (path, typed, answer.text[:500])
            shown = client.get(answer.headers["location"]).text if answer.status_code == 303 else answer.text
            alive = ALIVE.search(shown)
            assert alive is None, (path, shown[max(0, alive.start() - 200) : alive.end() + 200])
            if path.startswith("/admin/new/") and answer.status_code == 422:
                kept = bare(html.unescape(shown))
                lost = [name for name, text in typed.items() if bare(text) not in kept]
                assert lost == [], path
