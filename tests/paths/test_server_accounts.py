"""Servers that want a sign-in: each caller's own account, or one for all. The far server is another hub's profile."""

import contextlib
import re

import httpx2
import pytest

from tests.support.hubs import RESOURCES, running_hub, servers_ready, wait_for
from tests.support.mcp_talkers import NewTalker, OldTalker

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
PASSWORD = "a long enough password"
PEOPLE = {
    "teams": {"dev": {"models": ["demo"], "profiles": ["*"], "tools": ["*"]}},
    "users": {name: {"teams": {"dev": "developer"}} for name in ("ann", "bob")},
    "keys": {name: {"user": name, "secret": f"env:KEY_OF_{name.upper()}"} for name in ("ann", "bob")}
    | {"robot": {"team": "dev", "secret": "env:KEY_OF_ROBOT"}},
}
KEYS = {name: f"{name}-key-0123456789-0123456789-012345" for name in ("ann", "bob", "robot")}
ENVIRONMENT = {f"KEY_OF_{name.upper()}": key for name, key in KEYS.items()}


@pytest.fixture(scope="module")
def far(tmp_path_factory):
    """The hub behind, with the same people."""
    resources = {
        **PEOPLE,
        "servers": {"old": RESOURCES["servers"]["old"]},
        "profiles": {"tools": {"title": "Tools", "security": "oauth", "servers": {"old": {}}}},
    }
    with running_hub(tmp_path_factory.mktemp("far"), resources, ENVIRONMENT) as hub:
        servers_ready(hub, "old")
        with_passwords(hub)
        yield hub


def with_passwords(hub):
    with hub.client() as http:
        for name in PEOPLE["users"]:
            assert http.put(f"/api/v1/users/{name}/password", json={"password": PASSWORD}).is_success


def in_front_of(far, **auth):
    server = {"url": f"{far.url}/mcp/tools", "allow_private": True, "auth": {"type": "oauth", **auth}}
    return {
        **PEOPLE,
        "servers": {"far": server},
        "profiles": {"p": {"title": "P", "prefix": "never", "servers": {"far": {}}}},
    }


@pytest.fixture
def near(tmp_path, far):
    with running_hub(tmp_path / "near", in_front_of(far), ENVIRONMENT) as hub:
        with_passwords(hub)
        yield hub


@contextlib.contextmanager
def browser(hub, user):
    with httpx2.Client(base_url=hub.url, trust_env=False, timeout=30) as client:
        assert client.post("/login", data={"user": user, "password": PASSWORD}).status_code == 303
        yield client


def sent_away(at, server="far"):
    """Where the page sends a browser that presses Connect."""
    page = at.post("/console/connections", data={"server": server, "do": "connect"})
    assert page.status_code == 200, page.text
    return re.search(r'rel="noreferrer" href="([^"]+)"', page.text)[1].replace("&amp;", "&")


def allowed(there, url, do="allow"):
    """Press the button on the far hub's consent page; where the browser is sent back to."""
    shown = there.get(url)
    assert shown.status_code == 200, shown.text
    sealed = re.search(r'name="request" value="([^"]+)"', shown.text)[1]
    sent = there.post("/oauth/authorize", data={"request": sealed, "do": do})
    assert sent.status_code == 302
    return sent.headers["location"]


def connect(near, far, user, as_user=None):
    """A person connects their account."""
    with browser(near, user) as at, browser(far, as_user or user) as there:
        back = at.get(allowed(there, sent_away(at)))
        assert (back.status_code, back.headers["location"]) == (303, "/console/connections?server=far&done=account")
        assert "Connected" in at.get("/console/connections").text


def listed(hub, key):
    with hub.client(key) as http:
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        answer = http.post("/mcp/p", json=body, headers={"accept": "application/json, text/event-stream"})
        return [tool["name"] for tool in answer.json()["result"]["tools"]]


def callers_at(far):
    """Who called at the far hub, the latest first."""
    with far.client() as http:
        return [entry["user"] for entry in http.get("/api/v1/logs", params={"call": "tool"}).json()["items"]]


async def test_calls_go_out_with_each_callers_own_account(near, far):
    with near.client() as http:
        wait_for(lambda: "connected" in str(http.get("/api/v1/servers/far").json()["status"]))
    with near.client(KEYS["ann"]) as http:
        nothing = http.post("/mcp/p", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).json()
    assert "once somebody has connected an account" in nothing["error"]["message"]
    connect(near, far, "ann")
    wait_for(lambda: "old__echo" in listed(near, KEYS["bob"]))  # what it offers is known to all from then on
    page = f"{near.url}/console/connections?server=far"
    async with (
        OldTalker(f"{near.url}/mcp/p", key=KEYS["ann"]) as ann,
        OldTalker(f"{near.url}/mcp/p", key=KEYS["bob"]) as bob,
    ):
        assert "hi" in (await ann.call("old__echo", {"text": "hi"})).text
        refused = await bob.call("old__echo", {"text": "hi"})
        assert refused.result["isError"] is True
        assert page in refused.text
        connect(near, far, "bob")
        before = len(callers_at(far))
        assert "ho" in (await bob.call("old__echo", {"text": "ho"})).text
        assert "hi" in (await ann.call("old__echo", {"text": "hi"})).text
    wait_for(lambda: len(callers_at(far)) == before + 2)
    assert callers_at(far)[:2] == ["ann", "bob"]
    async with OldTalker(f"{near.url}/mcp/p", key=KEYS["robot"]) as robot:
        assert "belongs to nobody" in (await robot.call("old__echo", {"text": "hi"})).text


async def test_a_client_that_opens_pages_is_asked_to(near, far):
    connect(near, far, "ann")
    wait_for(lambda: "old__echo" in listed(near, KEYS["bob"]))
    able = {"elicitation": {"form": {}, "url": {}}}
    url = f"{near.url}/console/connections?server=far"
    async with OldTalker(f"{near.url}/mcp/p", able, key=KEYS["bob"]) as old:
        said = await old.call("old__echo", {"text": "hi"})
        assert said.error["code"] == -32042
        (asked,) = said.error["data"]["elicitations"]
        assert (asked["mode"], asked["url"]) == ("url", url)
    async with NewTalker(f"{near.url}/mcp/p", able, key=KEYS["bob"]) as new:
        opened = []

        def open_page(method, params):
            opened.append((method, params["mode"], params["url"]))
            connect(near, far, "bob")
            return {"action": "accept"}

        said = await new.call("old__echo", {"text": "hi"}, answer=open_page)  # the call goes on by itself
        assert opened == [("elicitation/create", "url", url)]
        assert "hi" in said.text


async def test_an_account_that_is_taken_back_or_ended_is_asked_for_again(near, far):
    connect(near, far, "ann")
    wait_for(lambda: "old__echo" in listed(near, KEYS["ann"]))
    with browser(near, "ann") as at, browser(far, "ann") as there:
        async with OldTalker(f"{near.url}/mcp/p", key=KEYS["ann"]) as ann:
            assert "hi" in (await ann.call("old__echo", {"text": "hi"})).text
            assert at.post("/console/connections", data={"server": "far", "do": "remove"}).status_code == 303
            assert "connect your account" in (await ann.call("old__echo", {"text": "hi"})).text
            connect(near, far, "ann")
            assert "hi" in (await ann.call("old__echo", {"text": "hi"})).text
            for grant in there.get("/api/v1/me/programs").json()["items"]:
                assert there.delete(f"/api/v1/me/programs/{grant['id']}").is_success
            told = (await ann.call("old__echo", {"text": "hi"})).text
            assert "sign-in was ended at the provider" in told
            assert "Sign in again" in at.get("/console/connections").text
            connect(near, far, "ann")
            assert "hi" in (await ann.call("old__echo", {"text": "hi"})).text


async def test_a_connection_outlives_a_restart_and_shows_no_secret(tmp_path, far):
    with running_hub(tmp_path / "near", in_front_of(far), ENVIRONMENT) as hub:
        with_passwords(hub)
        connect(hub, far, "ann")
        with browser(hub, "ann") as at:
            (one,) = at.get("/api/v1/me/accounts").json()["items"]
            assert set(one["connected"]) == {"since", "scope", "issuer", "error"}
    database = b"".join(path.read_bytes() for path in (tmp_path / "near/data").glob("hub.db*"))
    assert b"refresh_token" not in database
    assert b'"access"' not in database
    with running_hub(tmp_path / "near", in_front_of(far), ENVIRONMENT) as hub:
        servers_ready(hub, "far")
        async with OldTalker(f"{hub.url}/mcp/p", key=KEYS["ann"]) as ann:
            assert "hi" in (await ann.call("old__echo", {"text": "hi"})).text


def test_only_who_was_sent_may_come_back(near, far):
    with browser(near, "ann") as ann, browser(near, "bob") as bob, browser(far, "ann") as there:
        back = allowed(there, sent_away(ann))
        assert bob.get(back).status_code == 403  # a link of somebody else's connects nothing
        assert httpx2.get(back, trust_env=False).status_code in (401, 403)
        assert ann.get(f"{back}&iss=https://evil.example").status_code == 400
        changed = re.sub(r"state=.....", "state=AAAAA", back)
        assert ann.get(changed).status_code == 400
        assert ann.get(re.sub(r"iss=[^&]+", "iss=https%3A%2F%2Fevil.example", back)).status_code == 400
        assert ann.get("/oauth/connected").status_code == 400
        assert ann.get(back).status_code == 303
        assert ann.get(back).status_code == 502  # the code is used up
        denied = allowed(there, sent_away(ann), do="deny")
        answer = ann.get(denied)
        assert (answer.status_code, "access_denied" in answer.text) == (403, True)


def test_a_key_connects_nothing_and_what_wants_no_sign_in_is_not_there(near, far):
    with near.client(KEYS["ann"]) as http:
        assert http.post("/api/v1/me/accounts/far").status_code == 403
        assert http.get("/api/v1/me/accounts").json()["items"][0]["server"] == "far"
        assert http.post("/api/v1/me/accounts/nothing").status_code == 404


async def test_one_account_for_everybody_is_an_administrators(tmp_path, far):
    with running_hub(tmp_path / "near", in_front_of(far, account="hub"), ENVIRONMENT) as hub:
        with_passwords(hub)
        with browser(hub, "ann") as ann:
            assert "An administrator connects it" in ann.get("/console/connections").text
            assert ann.post("/console/connections", data={"server": "far", "do": "connect"}).status_code == 422
        with hub.client() as http:
            assert http.put("/api/v1/users/admin/password", json={"password": PASSWORD}).is_success
        with browser(hub, "admin") as admin, browser(far, "bob") as there:
            assert admin.get(allowed(there, sent_away(admin))).status_code == 303
        wait_for(lambda: "old__echo" in listed(hub, KEYS["robot"]))
        before = len(callers_at(far))
        async with OldTalker(f"{hub.url}/mcp/p", key=KEYS["robot"]) as robot:
            assert "hi" in (await robot.call("old__echo", {"text": "hi"})).text
        wait_for(lambda: len(callers_at(far)) == before + 1)
        assert callers_at(far)[0] == "bob"


@pytest.mark.parametrize("auth", [{"type": "bearer"}, {"type": "header", "header": "X-Api-Key"}])
async def test_callers_bring_keys_of_their_own(tmp_path, far, auth):
    resources = in_front_of(far)
    resources["servers"]["far"]["auth"] = {**auth, "account": "user"}
    with running_hub(tmp_path / "near", resources, ENVIRONMENT) as hub:
        with_passwords(hub)
        with browser(hub, "ann") as at:
            assert "Your key for far" in at.get("/console/connections").text
            for wrong in ("", "a\nb", "x" * 4097):
                refused = at.post("/console/connections", data={"server": "far", "do": "connect", "key": wrong})
                assert refused.status_code == 422
            kept = at.post("/console/connections", data={"server": "far", "do": "connect", "key": KEYS["ann"]})
            assert (kept.status_code, "done=account" in kept.headers["location"]) == (303, True)
            assert KEYS["ann"] not in at.get("/console/connections").text
        wait_for(lambda: "old__echo" in listed(hub, KEYS["ann"]))
        before = len(callers_at(far))
        async with (
            OldTalker(f"{hub.url}/mcp/p", key=KEYS["ann"]) as ann,
            OldTalker(f"{hub.url}/mcp/p", key=KEYS["bob"]) as bob,
        ):
            assert "hi" in (await ann.call("old__echo", {"text": "hi"})).text
            assert "connect your account" in (await bob.call("old__echo", {"text": "hi"})).text
            with browser(hub, "bob") as at:
                answer = at.post("/api/v1/me/accounts/far", json={"key": "no-good-key"})
                assert answer.json()["connected"]["error"] is None
                assert "refuses the account" in (await bob.call("old__echo", {"text": "hi"})).text
                assert at.post("/api/v1/me/accounts/far", json={"key": KEYS["bob"]}).status_code == 200
            assert "hi" in (await bob.call("old__echo", {"text": "hi"})).text
        wait_for(lambda: len(callers_at(far)) == before + 2)
        assert callers_at(far)[:2] == ["bob", "ann"]


async def test_an_account_ends_with_its_user_and_stays_where_it_was_given(tmp_path, far):
    with running_hub(tmp_path / "near") as near, near.client() as admin:
        assert admin.post("/api/v1/apply", json={"resources": {**in_front_of(far), "keys": {}}}).is_success

        def joins(name):
            near.put("users", name, {"teams": {"dev": "developer"}})
            assert admin.put(f"/api/v1/users/{name}/password", json={"password": PASSWORD}).is_success
            return near.put("keys", f"of-{name}", {"user": name})["secret"]

        async def told(key):
            async with OldTalker(f"{near.url}/mcp/p", key=key) as client:
                return (await client.call("old__echo", {"text": "hi"})).text

        ann, carl = joins("ann"), joins("carl")
        connect(near, far, "ann")
        connect(near, far, "carl", as_user="bob")
        wait_for(lambda: "old__echo" in listed(near, ann))
        assert "hi" in await told(carl)
        for place in ("keys/of-carl", "users/carl"):
            assert admin.delete(f"/api/v1/{place}").is_success
        assert "connect your account" in await told(joins("carl"))
        assert "hi" in await told(ann)
        spec = admin.get("/api/v1/servers/far").json()["spec"]
        near.put("servers", "far", {**spec, "url": spec["url"].replace("127.0.0.1", "localhost")})
        wait_for(lambda: "it has moved" in str(admin.get("/api/v1/servers/far").json()["status"]))


@pytest.fixture
def near_by_api(tmp_path, far):
    """The same, of which no file manages anything."""
    with running_hub(tmp_path / "near", {}, ENVIRONMENT) as hub:
        with hub.client() as admin:
            admin.post("/api/v1/apply", json={"resources": in_front_of(far)}).raise_for_status()
        with_passwords(hub)
        yield hub


def test_administrators_see_as_whom_the_hub_asks_and_for_whom(near_by_api, far):
    near = near_by_api

    def client():
        with near.client() as admin:
            (found,) = admin.get("/api/v1/oauth-clients").json()["items"]
        return found

    assert (client()["source"], client()["servers"]) == ("unknown", ["far"])
    connect(near, far, "ann")
    made = client()
    assert (made["source"], made["issuer"], made["servers"]) == ("registered", far.url, ["far"])
    assert (made["accounts"], made["redirect_uri"]) == (1, f"{near.url}/oauth/connected")
    near.put("users", "olga", {"role": "admin"})
    with near.client() as admin:
        link = admin.post("/api/v1/users/olga/sign-in-link", json={}).json()["url"]
    with httpx2.Client(base_url=near.url, trust_env=False, timeout=30) as olga:
        olga.post("/login", data={"token": link.partition("token=")[2]})
        page = olga.get("/admin/oauth-clients").text
        assert all(text in page for text in (made["client_id"], far.url, "registered by the hub", made["redirect_uri"]))
        done = olga.post("/admin/oauth-clients", data={"do": "forget", "issuer": far.url})
        assert done.status_code == 303
        assert client()["source"] == "unknown"
        connect(near, far, "bob")
        assert (client()["source"], client()["accounts"]) == ("registered", 2)
        wrong = {"server": "far", "client_id": "our-app", "secret": "keep-this-one", "scopes": 'a"b c'}
        refused = olga.post("/admin/oauth-clients", data=wrong)
        assert (refused.status_code, "our-app" in refused.text) == (422, True)
        with near.client() as admin:
            assert admin.get("/api/v1/secrets").json()["items"] == []
        given = olga.post("/admin/oauth-clients", data={**wrong, "scopes": "read write"})
        assert given.status_code == 303, given.text
        with near.client() as admin:
            auth = admin.get("/api/v1/servers/far").json()["spec"]["auth"]
            items = admin.get("/api/v1/oauth-clients").json()["items"]
        assert auth == {
            "type": "oauth",
            "client_id": "our-app",
            "client_secret": "vault:far-oauth-client",
            "scopes": ["read", "write"],
        }
        assert [one["source"] for one in items] == ["given", "registered"]
        assert "keep-this-one" not in olga.get("/admin/oauth-clients").text
    with browser(near, "ann") as ann:
        assert ann.get("/admin/oauth-clients").status_code == 403
        assert ann.get("/api/v1/oauth-clients").status_code == 403
