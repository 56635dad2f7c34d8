"""Every page as HTML, without a browser: who sees it, how it is guarded, and that it shows what is stored as text."""

import re

import pytest

from tests.support.hubs import wait_for
from tests.ui.conftest import HELLO
from tests.ui.places import ADMIN, CONSOLE, ELSEWHERE

ALL = [address for address in (*CONSOLE, *ADMIN) if address not in ELSEWHERE]


@pytest.fixture(scope="module")
def admin(world):
    with world.signed_in("admin") as client:
        yield client


@pytest.mark.parametrize("path", ALL)
def test_a_page_is_whole_guarded_and_never_stored(world, admin, path):
    answer = admin.get(world.at(path))
    assert answer.status_code == 200, answer.text[:500]
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.text.count("<h1") == 1
    assert "</html>" in answer.text
    assert not re.search(r"<script(?![^>]*\bsrc=)", answer.text)


@pytest.mark.parametrize("path", ALL)
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


# What a link or a button begins with that promises a change.
PROMISE = re.compile(
    r"<(?:a|button)\b[^>]*>\s*((?:Edit|New|Add|Create|Save|Delete|Restore|Switch|Build|Change|Approve|Replace)\b[^<]*)<"
)


def test_somebody_who_may_only_read_is_offered_no_change(world):
    with world.signed_in("aud") as client:
        for path in ADMIN:
            page = client.get(world.at(path))
            if page.status_code == 200 and "/new/" not in path:
                assert PROMISE.findall(page.text.partition("<main")[2]) == [], path


@pytest.mark.parametrize("user", ["ann", "dev"])
def test_a_member_sees_nothing_of_another_team(world, user):
    with world.signed_in(user) as client:
        for path in CONSOLE:
            text = client.get(world.at(path)).text
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
    assert 'value="nope"' in whole.text  # and what was asked stays, to be mended


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
                at = world.at(path)
                admin.get(f"{at}{'&' if '?' in at else '?'}{query}")
        assert (operator.get("/api/v1/export").json(), operator.get("/api/v1/instance").json()["generation"]) == before


def test_a_budget_of_which_a_threshold_was_reached_is_told_to_those_it_holds(world, admin):
    world.hub.put(
        "models", "dear", {"targets": [{"model": "demo/demo-1"}], "price": {"input": "1000", "output": "1000"}}
    )
    world.hub.put("teams", "thrifty", {"models": ["dear"]})
    secret = world.hub.put("keys", "thrifty", {"team": "thrifty"})["secret"]
    world.hub.put("users", "tess", {"teams": {"thrifty": "developer"}})
    spec = {"scope": {"team": "thrifty"}, "usd": 0.001, "mode": "warn", "title": "Pocket money", "alerts": [50, 100]}
    world.hub.put("budgets", "pocket", spec)
    told = "100 % of "
    with world.signed_in("tess") as tess, world.hub.client() as operator:
        assert told not in tess.get("/console").text
        with world.hub.client(secret) as client:
            called = client.post("/v1/chat/completions", json={"model": "dear", "messages": HELLO})
            assert called.status_code == 200, called.text
        wait_for(lambda: operator.get("/api/v1/budgets/pocket").json()["status"]["alerts_reached"])
        assert f"{told}Pocket money is spent" in tess.get("/console").text
        page = admin.get("/admin").text
        assert f'{told}<a href="/admin/budgets/pocket">Pocket money</a> is spent' in page
        for path in ("budgets/pocket", "keys/thrifty", "users/tess", "teams/thrifty", "models/dear"):
            assert operator.delete(f"/api/v1/{path}").status_code == 200, path


def test_the_page_of_a_session_has_the_calls_that_share_a_trace_with_it(world, admin):
    trace = "00-5bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with world.hub.client(world.secrets["ci"]) as client:
        for headers in ({"x-hub-session": "traced"}, {"x-request-id": "of-the-trace"}):
            body = {"model": "demo", "messages": HELLO}
            client.post("/v1/chat/completions", json=body, headers={"traceparent": trace, **headers})
    world.wait_for_calls(1, session="traced")
    world.wait_for_calls(1, request_id="of-the-trace")
    with world.hub.client() as operator:
        entry = operator.get("/api/v1/logs", params={"request_id": "of-the-trace"}).json()["items"][0]["id"]
    assert f"/logs/{entry}" in admin.get("/admin/sessions/traced").text
    assert admin.get("/admin/sessions/no-such-session").status_code == 404


def test_somebody_who_asks_for_pages_that_are_not_theirs_is_written_down(world):
    with world.signed_in("ann") as client:
        assert client.get("/admin/audit").status_code == 403
    with world.hub.client() as operator:
        rows = operator.get("/api/v1/audit", params={"action": "denied", "actor": "user:ann"}).json()["items"]
    assert ("ui", "GET /admin/audit") in [(row["source"], row["detail"]) for row in rows]


def test_keys_that_nobody_uses_are_found(world, admin):
    assert ">ci</a>" in admin.get("/admin/keys").text
    with world.hub.client() as operator:
        operator.put("/api/v1/keys/untouched", json={"spec": {"team": "platform"}})
        for span in ("7 days", "ever"):
            page = admin.get("/admin/keys", params={"unused": span}).text
            assert ">untouched</a>" in page
            assert ">ci</a>" not in page
        operator.delete("/api/v1/keys/untouched")
    assert ">ci</a>" in admin.get("/admin/keys", params={"unused": "nonsense"}).text


def test_a_search_finds_what_the_first_page_does_not_hold(world, admin):
    crowd = {f"crowd-{n:03}": {} for n in range(130)}
    with world.hub.client() as operator:
        body = {"resources": {"teams": crowd}, "source": "file:crowd.yaml"}
        assert operator.post("/api/v1/apply", json=body).status_code == 200
        first = admin.get("/admin/teams").text
        assert ">crowd-000</a>" in first
        assert ">crowd-129</a>" not in first
        assert "Next page" in first
        assert ">crowd-129</a>" in admin.get("/admin/teams", params={"q": "crowd-129"}).text
        many = admin.get("/admin/teams", params={"q": "crowd"}).text
        assert "The first 100 are shown" in many
        assert operator.post("/api/v1/apply", json={**body, "resources": {}, "prune": True}).status_code == 200
    assert "crowd" not in admin.get("/admin/teams").text


def test_what_has_no_known_price_does_not_read_as_free(world, admin):
    with world.hub.client(world.secrets["ci"]) as client:
        call = {"model": "demo/demo-2", "messages": [{"role": "user", "content": "Hello"}]}
        assert client.post("/v1/chat/completions", json=call).status_code == 200
    world.wait_for_calls(1, model="demo/demo-2")
    page = admin.get("/admin/usage?by=model").text
    row = page[page.index("demo/demo-2</th>") :].partition("</tr>")[0]
    assert "unknown" in row
    assert "$0" not in row


def test_the_page_of_a_server_says_how_its_last_calls_went(world, admin):
    params = {"name": "old__echo", "arguments": {"text": "hi"}}
    with world.hub.client() as client:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        called = client.post("/mcp/both", json=message, headers={"accept": "application/json, text/event-stream"})
    assert "hi" in called.text
    page = admin.get("/admin/servers/old").text
    assert "half of them within" in page
    assert "Tools looked at" in page


def test_what_was_not_timed_does_not_read_as_quick(world, admin):
    page = admin.get("/admin/usage?by=call").text
    assert ">Took</th>" in page
    row = page[page.index("tool</th>") :].partition("</tr>")[0]
    assert "unknown" in row  # tools give no first token
    assert re.search(r"\d ms</td>", row)


def test_home_says_which_servers_are_away(world, admin):
    assert re.search(r"Health</dt><dd class=\"good\">well<", admin.get("/console").text)
    world.hub.put("servers", "gone", {"command": ["/no/such/program"]})
    world.hub.put("profiles", "holed", {"servers": {"gone": {}}})
    page = wait_for(lambda: "1 away" in (text := admin.get("/console").text) and text)
    assert "servers: gone" in page
    with world.hub.client() as operator:
        for path in ("profiles/holed", "servers/gone"):
            assert operator.delete(f"/api/v1/{path}").status_code == 200


def test_a_page_travels_compressed(admin):
    answer = admin.get("/admin/audit", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < 12_000
