"""What a server shows and says to one person reaches that person, and nobody else: their resources, changes, and pages."""

import asyncio
import contextlib
import json
import secrets

import httpx2
import pytest

from tests.support.hubs import running_hub, servers_ready
from tests.support.mcp_own import own_server
from tests.support.mcp_talkers import NewTalker, OldTalker, heard

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
PASSWORD = "a long enough password"
NAMES = ("ann", "bob", "dan", "eve")
KEYS = {name: f"{name}-key-0123456789-0123456789-012345" for name in NAMES}
ENVIRONMENT = {f"KEY_OF_{name.upper()}": key for name, key in KEYS.items()}
UPDATED, CHANGED = "notifications/resources/updated", "notifications/resources/list_changed"
COMPLETE = "notifications/elicitation/complete"
ABLE = {"elicitation": {"form": {}, "url": {}}}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A hub in front of a server that each caller reaches with a key of their own; ann and bob have given theirs."""
    with own_server() as url, running_hub(tmp_path_factory.mktemp("own"), resources_of(url), ENVIRONMENT) as started:
        with_passwords(started)
        for name in ("ann", "bob"):
            gives_key(started, name)
        servers_ready(started, "own")
        yield started


def resources_of(url):
    auth = {"type": "bearer", "account": "user"}
    return {
        "teams": {"dev": {"models": ["demo"], "profiles": ["*"], "tools": ["*"]}},
        "users": {name: {"teams": {"dev": "developer"}} for name in NAMES},
        "keys": {name: {"user": name, "secret": f"env:KEY_OF_{name.upper()}"} for name in NAMES},
        "servers": {"own": {"url": url, "allow_private": True, "auth": auth}, "hub": {"builtin": "hub"}},
        "profiles": {
            "p": {"prefix": "never", "servers": {"own": {}}},
            "health": {"prefix": "on-conflict", "servers": {"own": {}, "hub": {"tools": ["list_servers"]}}},
        },
    }


def with_passwords(hub):
    with hub.client() as http:
        for name in NAMES:
            assert http.put(f"/api/v1/users/{name}/password", json={"password": PASSWORD}).is_success


def gives_key(hub, name, key=None):
    with httpx2.Client(base_url=hub.url, trust_env=False, timeout=30) as browser:
        assert browser.post("/login", data={"user": name, "password": PASSWORD}).status_code == 303
        answer = browser.post("/api/v1/me/accounts/own", json={"key": key or f"{name}-secret"})
        assert answer.status_code == 200, answer.text


@pytest.fixture(params=[OldTalker, NewTalker])
def client(hub, request):
    return lambda name, capabilities=None: request.param(f"{hub.url}/mcp/p", capabilities, key=KEYS[name])


async def uris(one):
    return [item["uri"] for item in (await one.request("resources/list")).result["resources"]]


async def until_listed(one, uri):
    async with asyncio.timeout(30):
        while uri not in await uris(one):
            await asyncio.sleep(0.05)


def rest(queue, method):
    """How many of that method are left in a queue."""
    return sum(queue.get_nowait().get("method") == method for _ in range(queue.qsize()))


async def test_each_person_sees_their_own_resources_and_hears_when_they_change(client):
    diary, letter = secrets.token_hex(8), secrets.token_hex(8)
    async with client("ann") as ann, client("bob") as bob, client("eve") as eve:
        for one in (ann, bob):
            await until_listed(one, "note://shared")
        async with ann.listening() as anns, bob.listening() as bobs:
            await ann.call("make", {"name": diary})
            await heard(anns, CHANGED)
            await until_listed(ann, f"note://{diary}")
            assert f"note://{diary}" not in await uris(bob)
            await bob.call("make", {"name": letter})
            await heard(bobs, CHANGED)
            await until_listed(bob, f"note://{letter}")
            assert f"note://{letter}" not in await uris(ann)
            assert rest(bobs, CHANGED) == 0
        assert await uris(eve) == []  # she has given no key: nobody else's is shown in its place
        assert "whoami" in [tool["name"] for tool in (await eve.request("tools/list")).result["tools"]]
        read = (await bob.request("resources/read", {"uri": "note://shared"})).result["contents"][0]
        assert read["text"] == "for bob"


async def named(one, kind):
    return [item["name"] for item in (await one.request(f"{kind}/list")).result[kind]]


async def test_each_person_sees_and_calls_their_own_tools_and_prompts(hub, client):
    async with client("ann") as ann, client("bob") as bob, client("eve") as eve:
        for one, name in ((ann, "only_ann"), (bob, "only_bob")):
            async with asyncio.timeout(30):
                while name not in await named(one, "tools"):
                    await asyncio.sleep(0.05)
            assert [tool for tool in await named(one, "tools") if tool.startswith("only_")] == [name]
            assert await named(one, "prompts") == [name]
            assert (await one.call(name)).text == name.removeprefix("only_")
        seen = await named(eve, "tools")
        assert ("whoami" in seen, "only_ann" in seen, "only_bob" in seen) == (True, False, False)
        assert await named(eve, "prompts") == []
        assert "There is no tool" in (await ann.call("only_bob")).error["message"]
        assert "There is no tool" in (await eve.call("only_bob")).error["message"]
    with hub.client(KEYS["bob"]) as http:
        listed = [tool["name"] for tool in http.get("/api/v1/profiles/p/tools").json()["tools"]]
        assert ("only_bob" in listed, "only_ann" in listed) == (True, False)


async def test_the_first_call_after_a_restart_finds_a_tool_that_is_the_callers_own(tmp_path):
    with own_server() as url:
        resources = resources_of(url)
        with running_hub(tmp_path / "hub", resources, ENVIRONMENT) as started:
            with_passwords(started)
            gives_key(started, "ann")
            gives_key(started, "bob")
            servers_ready(started, "own")  # until then there is no list but an error
            async with OldTalker(f"{started.url}/mcp/p", key=KEYS["eve"]) as eve, asyncio.timeout(30):
                while "whoami" not in (seen := await named(eve, "tools")) or not {"only_ann", "only_bob"}.isdisjoint(
                    seen
                ):
                    await asyncio.sleep(0.05)
        with running_hub(tmp_path / "hub", resources, ENVIRONMENT) as started:
            servers_ready(started, "own")
            async with OldTalker(f"{started.url}/mcp/p", key=KEYS["ann"]) as ann:
                assert (await ann.call("only_ann")).text == "ann"


async def test_a_tool_that_one_person_is_offered_is_held_back_until_it_is_approved(hub):
    for name in ("ann", "bob"):
        async with OldTalker(f"{hub.url}/mcp/p", key=KEYS[name]) as one, asyncio.timeout(30):
            while f"only_{name}" not in await named(one, "tools"):
                await asyncio.sleep(0.05)
    hub.put("profiles", "locked", {"prefix": "never", "servers": {"own": {}}, "lock": "enforce"})
    at, label = f"{hub.url}/mcp/locked", "own/only_bob@"
    async with OldTalker(at, key=KEYS["ann"]) as ann, OldTalker(at, key=KEYS["bob"]) as bob:
        with hub.client() as admin:
            seen = await named(bob, "tools")
            assert ("whoami" in seen, "only_bob" in seen) == (True, False)
            (held,) = [one for one in drifts(admin) if one["tool"].startswith(label)]
            assert (held["held_back"], held["only_some_accounts"], held["state"]) == (True, True, "new")
            assert "There is no tool" in (await bob.call("only_bob")).error["message"]
            approve = {"tools": [held["tool"]], "digests": {held["tool"]: held["digest"]}}
            stale = {**approve, "digests": {held["tool"]: "other"}}
            assert admin.post("/api/v1/profiles/locked/approve", json=stale).status_code == 409
            assert admin.post("/api/v1/profiles/locked/approve", json=approve).json() == {"approved": [held["tool"]]}
            assert not [one for one in drifts(admin) if one["tool"].startswith(label)]
        assert (await bob.call("only_bob")).text == "bob"
        assert "only_bob" in await named(bob, "tools")
        assert "only_bob" not in await named(ann, "tools")


@pytest.mark.parametrize(("name", "account"), [("ann", "connected"), ("eve", "not connected")])
async def test_each_person_is_told_how_their_servers_do_and_whether_their_account_is_there(hub, name, account):
    async with OldTalker(f"{hub.url}/mcp/health", key=KEYS[name]) as client:
        await client.call("whoami")
        told = (await client.call("list_servers", {"profile": "health"})).result["structuredContent"]["servers"]
        unknown = await client.call("list_servers", {"profile": "nothing"})
    own = next(one for one in told if one["server"] == "own")
    assert (own["state"], own["account"], own["profiles"]) == ("ready", account, ["health"])
    assert [one["server"] for one in told] == ["hub", "own"]
    assert unknown.result["isError"] is True


def drifts(admin):
    return admin.get("/api/v1/profiles/locked/drifts").json()["items"]


async def until_updated(one, queue):
    """Touch what is watched until its watcher hears of it: an update before the connection watches is lost."""
    async with asyncio.timeout(30):
        while True:
            await one.call("touch")
            with contextlib.suppress(TimeoutError):
                assert (await heard(queue, UPDATED, 1))["uri"] == "note://shared"
                return


@pytest.mark.parametrize(("one", "other"), [("ann", "bob"), ("bob", "ann")])
async def test_an_update_reaches_whose_resource_it_is(client, one, other):
    uri = ("note://shared",)
    async with client(one) as a, client(other) as b, a.listening(uri) as theirs, b.listening(uri) as others:
        await until_updated(a, theirs)
        assert rest(others, UPDATED) == 0


async def test_who_watches_goes_on_doing_so_with_another_key(hub, client):
    async with client("ann") as ann, ann.listening(("note://shared",)) as queue:
        gives_key(hub, "ann", "ann-another")
        await until_updated(ann, queue)


async def test_without_an_account_nothing_is_watched_and_the_rest_is_heard(hub):
    async with OldTalker(f"{hub.url}/mcp/p", key=KEYS["eve"]) as eve:
        refused = await eve.request("resources/subscribe", {"uri": "note://shared"})
        assert "connect your account" in refused.error["message"]
    new = NewTalker(f"{hub.url}/mcp/p", key=KEYS["eve"])
    wanted = {"notifications": {"resourceSubscriptions": ["note://shared"], "toolsListChanged": True}}
    body, headers = new.body("subscriptions/listen", wanted)
    async with new, new.http.stream("POST", new.url, json=body, headers={**new._headers, **headers}) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data:"):
                granted = json.loads(line[5:])["params"]["notifications"]
                break
    assert granted == {"toolsListChanged": True}


async def test_a_page_that_is_done_is_told_to_whoever_was_sent_there(hub):
    def talker(name):
        return OldTalker(f"{hub.url}/mcp/p", ABLE, key=KEYS[name])

    async with talker("ann") as ann, talker("bob") as bob, ann.listening() as anns, bob.listening() as bobs:
        assert (await ann.call("page", {"id": "e-1"})).error["code"] == -32042
        assert (await bob.call("page", {"id": "e-2"})).error["code"] == -32042
        await ann.call("through", {"id": "e-2"})  # says ann's server, of a page that ann was not sent to
        await ann.call("through", {"id": "e-1"})
        assert (await heard(anns, COMPLETE))["elicitationId"] == "e-1"
        await bob.call("through", {"id": "e-2"})
        assert (await heard(bobs, COMPLETE))["elicitationId"] == "e-2"
        assert (rest(anns, COMPLETE), rest(bobs, COMPLETE)) == (0, 0)


async def test_who_was_sent_to_connect_an_account_hears_when_it_is_there(hub):
    async with OldTalker(f"{hub.url}/mcp/p", ABLE, key=KEYS["dan"]) as dan, dan.listening() as queue:
        asked = await dan.call("whoami")
        assert asked.error["code"] == -32042
        (page,) = asked.error["data"]["elicitations"]
        gives_key(hub, "dan", "ann-borrowed")
        assert (await heard(queue, COMPLETE))["elicitationId"] == page["elicitationId"]
        assert (await dan.call("whoami")).text == "ann"


def test_what_one_person_has_is_not_shown_as_the_servers(hub):
    with hub.client() as http:
        assert http.get("/api/v1/servers/own").json()["status"]["resources"] == 0
