"""Every page as HTML, without a browser: who sees it, how it is guarded, and that it shows what is stored as text."""

import re

import pytest

from hub.resources import KINDS

CONSOLE = [
    "/console",
    "/console/models",
    "/console/profiles",
    "/console/profiles/both",
    "/console/routing",
    "/console/routing?model=demo",
    "/console/keys",
    "/console/new/keys",
    "/console/logs",
    "/console/usage",
]
ADMIN = [
    "/admin", "/admin/roles", "/admin/audit", "/admin/secrets", "/admin/instance", "/admin/logs", "/admin/usage",
    *(f"/admin/{kind}" for kind in KINDS),
    *(f"/admin/new/{kind}" for kind in KINDS),
    "/admin/models/demo", "/admin/models/demo?view=yaml", "/admin/models/demo?view=history", "/admin/servers/old",
    "/admin/keys/ci", "/admin/users/ann", "/admin/budgets/platform-month",
]  # fmt: skip


@pytest.fixture(scope="module")
def admin(world):
    with world.signed_in("admin") as client:
        yield client


@pytest.mark.parametrize("path", [*CONSOLE, *ADMIN])
def test_a_page_is_whole_guarded_and_never_stored(admin, path):
    answer = admin.get(path)
    assert answer.status_code == 200, answer.text[:500]
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.text.count("<h1") == 1
    assert "</html>" in answer.text
    assert not re.search(r"<script(?![^>]*\bsrc=)", answer.text)


@pytest.mark.parametrize("path", [*CONSOLE, *ADMIN])
def test_nobody_sees_a_page_without_signing_in(world, path):
    with world.hub.client(None, follow_redirects=False) as client:
        answer = client.get(path, headers={"accept": "text/html"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        part = client.get(path, headers={"accept": "text/html", "hx-request": "true"})
        assert (part.status_code, part.headers["hx-redirect"], part.text) == (204, "/login", "")


def test_the_admin_dashboard_is_for_operators(world):
    with world.signed_in("ann") as client:
        for path in ADMIN:
            assert client.get(path).status_code == 403, path
        assert "/admin" not in client.get("/console").text
    with world.signed_in("aud") as client:
        assert client.get("/admin").status_code == 200
        page = client.get("/admin/models/demo").text
        assert 'value="save"' not in page
        assert client.post("/admin/models/demo", data={"do": "delete"}).status_code == 403
        assert client.get("/admin/models/demo").status_code == 200


@pytest.mark.parametrize("user", ["ann", "dev"])
def test_a_member_sees_nothing_of_another_team(world, user):
    with world.signed_in(user) as client:
        for path in CONSOLE:
            text = client.get(path).text
            for foreign in ("research", "bob", "Bob Roe", "key:lab", "by-lab", "of-lab", "olga"):
                assert foreign not in text, (path, foreign)
        assert client.get("/console/keys/lab").status_code == 404
        assert client.get("/console/sessions/of-lab").status_code == 404
        with world.hub.client() as operator:
            entry = operator.get("/api/v1/logs", params={"request_id": "by-lab"}).json()["items"][0]["id"]
        assert client.get(f"/console/logs/{entry}").status_code == 404


def test_a_part_of_a_page_is_the_block_of_that_page(admin):
    whole = admin.get("/admin/models?q=dem").text
    part = admin.get("/admin/models?q=dem", headers={"hx-request": "true", "hx-target": "section#results"}).text
    assert "<html" not in part
    assert part.strip() in whole
    other = admin.get("/admin/models", headers={"hx-request": "true", "hx-target": "div#no-such-block"}).text
    assert "<html" in other


def test_a_refusal_inside_a_page_is_told_without_replacing_it(admin):
    answer = admin.get("/console/routing?model=nope", headers={"hx-request": "true", "hx-target": "section#results"})
    assert answer.status_code == 404
    assert answer.headers["hx-retarget"] == "#flash"
    assert 'role="alert"' in answer.text
    assert "<html" not in answer.text
    whole = admin.get("/console/routing?model=nope")
    assert whole.status_code == 404
    assert "model_not_found" in whole.text


def test_a_form_of_another_site_changes_nothing(world, admin):
    body = {"do": "save", "version": "0", "name": "evil", "spec.scope.@kind": "org", "spec.usd": "1"}
    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
    ):
        assert admin.post("/admin/new/budgets", data=body, headers=headers).status_code == 403
    with world.hub.client() as operator:
        assert operator.get("/api/v1/budgets/evil").status_code == 404


@pytest.mark.slow
def test_pages_that_are_looked_at_change_nothing(world, admin):
    with world.hub.client() as operator:
        before = operator.get("/api/v1/export").json(), operator.get("/api/v1/instance").json()["generation"]
        for path in (*CONSOLE, *ADMIN):
            for query in ("do=delete", "do=save&version=1", "do=rotate"):
                admin.get(f"{path}{'&' if '?' in path else '?'}{query}")
        assert (operator.get("/api/v1/export").json(), operator.get("/api/v1/instance").json()["generation"]) == before


HOSTILE = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"><svg onload=alert(1)>", "'><b>x</b>", "{{7*7}}", "{% for x in y %}",
    "javascript:alert(1)", "</textarea><script>alert(1)</script>", "</title><script>alert(1)</script>", "<!--", "]]>", "&lt;b&gt;",
    "\u202eevil", "\u2028line", "a\u0000b", "<a href=javascript:alert(1)>x</a>", "${7*7}", "<iframe srcdoc='<script>1</script>'>",
]  # fmt: skip


@pytest.mark.slow
def test_stored_text_is_shown_as_text(world, admin):
    text = " ".join(one for one in HOSTILE if "\x00" not in one)[:1500]
    with world.hub.client() as operator:
        for kind, name, spec in (
            ("teams", "hostile", {"title": text[:200], "description": text}),
            ("models", "hostile", {"title": text[:200], "description": text, "targets": [{"model": "demo/x"}]}),
            ("servers", "hostile", {"builtin": "hub", "title": text[:200], "note": text, "description": text}),
            (
                "profiles",
                "hostile",
                {
                    "title": text[:200],
                    "description": text,
                    "instructions": text,
                    "servers": {"hub": {"describe": {"whoami": text}}},
                },
            ),
            ("keys", "hostile", {"team": "platform", "title": text[:200]}),
            ("announcements", "hostile", {"title": text[:200], "body": text}),
            ("guardrails", "hostile", {"scope": {"org": True}, "on": ["input"], "words": [text], "title": text[:200]}),
        ):
            answer = operator.put(f"/api/v1/{kind}/{name}", json={"spec": spec})
            assert answer.status_code in (200, 201), answer.text
        pages = ["/console", "/console/models", "/console/profiles", "/console/profiles/hostile", "/admin/audit"]
        pages += [
            f"/admin/{kind}{rest}"
            for kind in ("teams", "models", "servers", "profiles", "keys", "announcements", "guardrails")
            for rest in ("", "/hostile", "/hostile?view=yaml", "/hostile?view=history")
        ]
        pages += [f"/admin/logs?model={text[:100]}", f"/admin/teams?q={text[:100]}"]
        for path in pages:
            answer = admin.get(path)
            assert answer.status_code == 200, path
            assert not re.search(
                r"<script(?![^>]*\bsrc=\")|<img src=x|<svg onload|<iframe|<a href=javascript|<b>x</b>", answer.text
            ), path
            assert "49" not in re.findall(r"\{\{7\*7\}\}|49", answer.text) or "{{7*7}}" in answer.text
        for kind in ("profiles", "keys", "models", "servers", "announcements", "guardrails", "teams"):
            assert operator.delete(f"/api/v1/{kind}/hostile").status_code == 200


def test_a_page_travels_compressed(admin):
    answer = admin.get("/admin/audit", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < 12_000
