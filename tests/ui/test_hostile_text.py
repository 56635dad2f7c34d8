"""Sixty texts that would do harm as markup, in everything that is stored: each page shows them as text."""

import pytest

from hub.resources import KINDS
from tests.support.hostile import ALIVE, HOSTILE
from tests.ui import places

_TITLE = 200  # what a title holds
pytestmark = pytest.mark.slow


def test_there_are_sixty():
    assert len(set(HOSTILE)) >= 60


def parts(limit):
    """The texts, in as few pieces of at most `limit` characters as they need."""
    found = [""]
    for text in HOSTILE:
        if len(found[-1]) + len(text) + 1 > limit:
            found.append("")
        found[-1] = f"{found[-1]} {text}".strip()
    return found


def specs(title, text):
    """A resource of each kind that holds texts of people, with these in it."""
    yield "teams", {"title": title, "description": text}
    yield "models", {"title": title, "description": text, "targets": [{"model": "demo/x"}]}
    yield "servers", {"builtin": "hub", "title": title, "note": text, "description": text}
    whoami = {"describe": {"whoami": text}, "rename": {"whoami": "who"}}
    yield "profiles", {"title": title, "description": text, "instructions": text, "servers": {"hub": whoami}}
    yield "keys", {"team": "platform", "title": title}
    yield "users", {"title": title, "teams": {"platform": "viewer"}}
    yield "announcements", {"title": title, "body": text, "severity": "critical"}
    yield "guardrails", {"scope": {"org": True}, "on": ["input"], "words": [text[:200]], "title": title}
    yield "routes", {"title": title, "targets": [{"model": "demo/x"}]}
    yield "providers", {"title": title, "kind": "demo"}
    yield "budgets", {"title": title, "scope": {"key": "lab"}, "usd": 1_000_000}
    yield "limits", {"title": title, "scope": {"key": "lab"}, "rpm": 1_000_000}
    endpoint = "http://127.0.0.1:9/v1/traces"
    yield "exports", {"title": title, "format": "otlp", "endpoint": endpoint, "allow_private": True, "enabled": False}


def test_every_kind_holds_them():
    assert {kind for kind, _ in specs("", "")} == set(KINDS)


@pytest.fixture(scope="module")
def hostile(world):
    """The pages that show them: of every kind, of the logs, of the audit trail."""
    titles, text = parts(_TITLE), " ".join(HOSTILE)
    assert len(text) <= 4096
    pages = {world.at(one) for one in (*places.CONSOLE, *places.ADMIN) if one not in places.ELSEWHERE}
    made = []
    with world.hub.client() as operator:
        for number, title in enumerate(titles):
            for kind, spec in specs(title, text):
                name = f"hostile-{number}"
                answer = operator.put(f"/api/v1/{kind}/{name}", json={"spec": spec})
                assert answer.status_code in (200, 201), answer.text
                made.append(f"/api/v1/{kind}/{name}")
                if number == 0 or kind == "teams":
                    pages |= {f"/admin/{kind}/{name}{view}" for view in ("", "?view=yaml", "?view=history")}
        for text_of_one in HOSTILE:
            operator.post(
                "/v1/chat/completions",
                json={"model": text_of_one, "messages": [{"role": "user", "content": text_of_one}]},
                headers={
                    "user-agent": text_of_one.encode("ascii", "ignore").strip() or b"-",
                    "x-hub-session": "hostile",
                },
            )
        operator.post("/api/v1/stop", json={"scope": {"team": "hostile-0"}, "reason": text[:500]})
        world.wait_for_calls(50, session="hostile")
        entry = operator.get("/api/v1/logs", params={"session": "hostile"}).json()["items"][0]["id"]
        pages |= {
            "/admin/logs?session=hostile",
            f"/admin/logs/{entry}",
            "/admin/sessions/hostile",
            "/admin/usage?by=model",
        }
        pages |= {"/console/profiles/hostile-0", "/console/profiles/hostile-0/tools/who", "/install/hostile-0"}
        pages |= {
            "/admin/compose/hostile-0",
            "/admin/approvals/hostile-0",
            "/admin/try/hostile-0",
            "/console/playground?profile=hostile-0",
        }
        yield sorted(pages)
        operator.post("/api/v1/resume", json={"scope": {"team": "hostile-0"}})
        for path in made:
            assert operator.delete(path).status_code == 200, path


def test_stored_text_is_shown_as_text(world, hostile):
    with world.signed_in("admin") as client:
        for path in hostile:
            answer = client.get(path)
            assert answer.status_code == 200, (path, answer.text[:300])
            alive = ALIVE.search(answer.text)
            assert alive is None, (path, answer.text[max(0, alive.start() - 200) : alive.end() + 200])


def test_asked_text_is_shown_as_text(world):
    with world.signed_in("admin") as client:
        for text in HOSTILE:
            for path in ("/admin/logs", "/admin/audit", "/admin/teams", "/console/models", "/admin/usage"):
                given = {"q": text, "model": text, "actor": text, "tag": text, "by": text}
                answer = client.get(path, params=given)
                assert answer.status_code in (200, 400), (path, text)
                assert ALIVE.search(answer.text) is None, (path, text)


def test_no_page_breaks_in_a_narrow_window(world, hostile, browse):
    page = browse("admin", "/console")
    page.set_viewport_size({"width": 360, "height": 800})
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    wide = []
    for path in hostile:
        page.goto(world.url + path)
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wide.append(path)
    assert dialogs == []
    assert wide == []
