"""What a caller sees of a profile, what is missing of it, and how those who listen hear of changes."""

import asyncio
import json
import math

import pytest

from hub.core.seals import Seals, only
from hub.edge.mcp.handles import Handles
from hub.edge.mcp.sessions import Sessions
from hub.upstream import ServerState
from tests.support.mcp_desk import KEY, META, NARROW, OTHER, Desk, offers, plain, tool, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def desk():
    return Desk()


def names(answer):
    return [tool["name"] for tool in answer.result["tools"]]


# -- who sees what -----------------------------------------------------------------------------------------------------


async def test_a_key_is_needed_and_the_challenge_says_where_to_sign_in(desk):
    for key in (None, "wrong", "hub_x_y", "' OR 1=1--", "é" * 100):
        answer = await desk.modern("server/discover", key=key)
        assert answer.status == 401
        metadata = 'resource_metadata="http://localhost/.well-known/oauth-protected-resource/mcp/demo"'
        wrong = 'error="invalid_token", ' if key else ""
        assert answer.headers["www-authenticate"] == f"Bearer {wrong}{metadata}"
        assert answer.headers["content-type"] == "application/json"
        assert answer.error["data"]["code"] == ("missing_key" if key is None else "invalid_key")
    assert (await desk.ask(method="GET")).status == 401


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "api-key", "x-goog-api-key", "x-hub-key"])
async def test_each_of_the_five_headers_carries_a_key(desk, name):
    value = f"Bearer {KEY}" if name == "authorization" else KEY
    body, method, path, headers = desk.modern_request("tools/list", key=None)
    assert (await desk.ask(body, method, path, [*headers, (name, value)])).status == 200


async def test_a_profile_that_one_may_not_use_is_not_there(desk):
    for path in ("/mcp/hidden", "/mcp/nothing", "/mcp/", "/mcp/demo/x", "/mcp/%2e%2e"):
        answer = await desk.modern("tools/list", path=path)
        assert answer.status == 404, path
        assert answer.json["id"] is None


async def test_an_open_profile_needs_no_key_and_keeps_a_record(desk):
    answer = await desk.modern("tools/list", path="/mcp/open", key=None)
    assert names(answer) == ["add", "echo"]
    assert (await desk.modern("tools/call", {"name": "echo"}, path="/mcp/open", key=None)).status == 200
    assert (await desk.modern("tools/call", {"name": "echo"}, path="/mcp/open")).status == 200
    assert (await desk.modern("tools/list", path="/mcp/open", key="wrong")).status == 401
    assert [entry.principal for entry in desk.entries.closed] == ["anonymous", "key:ci"]


async def test_a_key_sees_and_calls_only_its_own_tools(desk):
    assert names(await desk.modern("tools/list", key=NARROW)) == ["alpha__add", "alpha__echo"]
    assert len(names(await desk.modern("tools/list"))) == 3
    answer = await desk.modern("tools/call", {"name": "beta__echo"}, key=NARROW)
    assert (answer.status, answer.error["data"]["code"]) == (403, "tool_not_allowed")
    assert not desk.servers.requests
    (entry,) = desk.entries.closed
    assert (entry.outcome, entry.code, entry.server, entry.tool) == ("refused", "tool_not_allowed", "beta", "echo")


async def test_lists_leave_no_entry(desk):
    await desk.modern("tools/list")
    await desk.legacy("initialize", {"protocolVersion": "2025-11-25"})
    assert not desk.entries.opened


async def test_a_list_is_the_same_bytes_each_time(desk):
    first = (await desk.modern("tools/list")).body
    desk.offer("beta", offers("echo"))
    assert (await desk.modern("tools/list")).body == first


def long(*numbers):
    return offers(*(tool(f"t{number:03}", description="d" * 8000) for number in numbers))


async def read_on(desk, ask, **options):
    """All pages of a list; `options` go with each request."""
    pages, cursor = [], {}
    while cursor is not None:
        pages.append((await ask("tools/list", cursor, **options)).result)
        cursor = {"cursor": pages[-1]["nextCursor"]} if "nextCursor" in pages[-1] else None
    return pages


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_very_long_list_has_pages_on_which_everything_stands_once(desk, era):
    desk.offer("alpha", long(*range(300)))
    pages = await read_on(desk, getattr(desk, era))
    assert len(pages) == 3
    assert [one["name"] for page in pages for one in page["tools"]] == [f"alpha__t{n:03}" for n in range(300)] + [
        "beta__echo"
    ]
    assert len({page["_meta"]["hub/revision"] for page in pages}) == 1
    assert len({(page.get("ttlMs"), page.get("cacheScope")) for page in pages}) == 1
    assert all(len(json.dumps(page)) < 1_100_000 for page in pages)
    again = await read_on(desk, getattr(desk, era))
    assert again == pages


async def test_a_list_that_changes_while_it_is_read_still_tells_everything_that_stays_once(desk):
    desk.offer("alpha", long(*range(0, 300, 2)))
    first = (await desk.modern("tools/list")).result
    desk.offer("alpha", long(*range(300)[:298]))
    rest = (await desk.modern("tools/list", {"cursor": first["nextCursor"]})).result
    told = [one["name"] for one in (*first["tools"], *rest["tools"])]
    assert len(set(told)) == len(told)
    assert {f"alpha__t{number:03}" for number in range(0, 298, 2)} <= set(told)
    assert rest["_meta"]["hub/revision"] != first["_meta"]["hub/revision"]
    desk.offer("alpha", long(1))
    assert names(await desk.modern("tools/list", {"cursor": first["nextCursor"]})) == ["beta__echo"]


async def test_a_cursor_is_good_for_its_own_list_and_caller_only(desk):
    desk.offer("alpha", long(*range(300)))
    cursor = {"cursor": (await desk.modern("tools/list")).result["nextCursor"]}
    assert (await desk.modern("tools/list", cursor)).status == 200
    for method, options in [
        ("tools/list", {"key": OTHER}),
        ("prompts/list", {}),
        ("tools/list", {"path": "/mcp/open"}),
    ]:
        assert (await desk.modern(method, cursor, **options)).fault == (400, -32602, 1)
    assert (await desk.legacy("tools/list", {"cursor": cursor["cursor"][:-1]})).fault == (200, -32602, 1)


@pytest.mark.parametrize(("ttl", "told"), [(math.inf, 5000), (60.0, 5000), (1.5, 1500), (1e-9, 0)])
async def test_a_list_holds_no_longer_than_its_servers_say(desk, ttl, told):
    desk.offer("beta", offers("echo", ttl=ttl))
    for method in ("tools/list", "prompts/list", "resources/list", "resources/templates/list"):
        assert (await desk.modern(method)).result["ttlMs"] == told


# -- what is missing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [ServerState.STALE, ServerState.STARTING, ServerState.FAILED])
async def test_a_server_that_is_not_well_is_named_and_hides_no_other(desk, state):
    tools = ("echo",) if state is ServerState.STALE else ()
    desk.offer("beta", offers(*tools, state=state, since=1.5e9, error="it does not answer"))
    for answer in (await desk.modern("tools/list"), await desk.legacy("tools/list")):
        assert names(answer) == ["alpha__add", "alpha__echo"] + ["beta__echo"] * len(tools)
        (gap,) = answer.result["_meta"]["hub/gaps"]
        assert gap == {"server": "beta", "state": str(state), "since": 1.5e9, "message": "it does not answer"}


async def test_a_disabled_server_is_named_too(desk):
    desk.apply(servers={"alpha": {"command": ["a"]}, "beta": {"command": ["b"], "enabled": False}})
    answer = await desk.modern("tools/list")
    assert names(answer) == ["alpha__add", "alpha__echo"]
    assert [(gap["server"], gap["state"]) for gap in answer.result["_meta"]["hub/gaps"]] == [("beta", "disabled")]


async def test_a_profile_of_which_nothing_is_left_is_an_error_and_not_an_empty_list(desk):
    for server in ("alpha", "beta"):
        desk.offer(server, offers(state=ServerState.FAILED, error=f"{server} is broken"))
    for ask in (desk.modern, desk.legacy):
        answer = await ask("tools/list")
        assert answer.fault == (200, -32603, 1)
        assert "alpha is broken" in answer.error["message"]
        assert "beta is broken" in answer.error["message"]
        assert len(answer.error["data"]["gaps"]) == 2
    assert (await desk.modern("server/discover")).status == 200


async def test_a_profile_that_is_still_starting_is_empty_for_now(desk):
    for server in ("alpha", "beta"):
        desk.offer(server, offers(state=ServerState.STARTING))
    answer = await desk.modern("tools/list")
    assert names(answer) == []
    assert len(answer.result["_meta"]["hub/gaps"]) == 2


async def test_instructions_are_merged_the_profiles_own_first(desk):
    desk.offer("beta", offers("echo", instructions="Beta's words."))
    assert (await desk.modern("server/discover")).result["instructions"] == "Be brief.\n\nbeta: Beta's words."


# -- changes, modern ---------------------------------------------------------------------------------------------------


def listening(desk, wanted=None, key=KEY, id_="listen:0", path="/mcp/demo", **headers):
    params = {"notifications": {"toolsListChanged": True} if wanted is None else wanted}
    return desk.talk(*desk.modern_request("subscriptions/listen", params, id_, path, key, headers))


async def acknowledged(talk):
    status, headers = await talk.head()
    assert (status, headers["content-type"], headers["x-accel-buffering"]) == (200, "text/event-stream", "no")
    return await talk.read_event()


async def test_a_subscription_is_acknowledged_then_hears_and_ends_with_a_result(desk):
    async with listening(desk) as talk:
        first = await acknowledged(talk)
        assert first["method"] == "notifications/subscriptions/acknowledged"
        assert first["params"] == {
            "_meta": {f"{META}subscriptionId": "listen:0"}, "notifications": {"toolsListChanged": True},
        }  # fmt: skip
        desk.offer("beta", offers("echo", "more"))
        assert await talk.read_event() == {
            "jsonrpc": "2.0",
            "method": "notifications/tools/list_changed",
            "params": {"_meta": {f"{META}subscriptionId": "listen:0"}},
        }
        desk.in_flight.draining.set()
        last = await talk.read_event()
        assert last["id"] == "listen:0"
        assert last["result"]["resultType"] == "complete"
        assert last["result"]["_meta"][f"{META}subscriptionId"] == "listen:0"
        assert await talk.rest() == b""


async def test_only_what_exists_is_granted_and_only_what_was_asked_for_is_sent(desk):
    wanted = {"promptsListChanged": True, "resourceSubscriptions": ["a://b"], "toolsListChanged": False}
    async with listening(desk, wanted) as talk:
        assert (await acknowledged(talk))["params"]["notifications"] == {"promptsListChanged": True}
        desk.offer("beta", offers("echo", "more"))
        desk.in_flight.draining.set()
        assert "result" in await talk.read_event()


@pytest.mark.parametrize("params", [{}, {"notifications": 5}, {"notifications": []}], ids=str)
async def test_a_subscription_says_to_what(desk, params):
    assert (await desk.modern("subscriptions/listen", params)).fault == (400, -32602, 1)


async def test_a_subscription_needs_a_client_that_takes_streams(desk):
    answer = await desk.modern("subscriptions/listen", {"notifications": {}}, accept="application/json")
    assert answer.status == 406


async def test_only_a_change_that_the_caller_sees_is_told(desk):
    async with listening(desk, key=NARROW) as narrow, listening(desk) as wide:
        await acknowledged(narrow)
        await acknowledged(wide)
        desk.offer("beta", offers("echo", "more"))
        desk.offer("beta", offers("echo", "more", state=ServerState.STALE))
        await wide.read_event()
        desk.offer("alpha", offers("echo"))
        assert (await narrow.read_event())["method"] == "notifications/tools/list_changed"
        await wide.read_event()
        desk.in_flight.draining.set()
        assert "result" in await narrow.read_event()
        assert "result" in await wide.read_event()


async def test_a_changed_grant_is_a_changed_list(desk):
    async with listening(desk, key=NARROW) as talk:
        await acknowledged(talk)
        desk.apply(keys={**desk.resources["keys"], "narrow": {"team": "t", "profiles": ["demo"]}})
        assert (await talk.read_event())["method"] == "notifications/tools/list_changed"


async def test_a_changed_profile_is_told_even_if_somebody_looked_first(desk):
    async with listening(desk) as talk:
        await acknowledged(talk)
        desk.servers.offered["beta"] = offers("echo", "more", revision=9)
        assert len(names(await desk.modern("tools/list", key=OTHER))) == 4
        desk.catalogue.refresh(desk.snapshot)
        await talk.read_event()


async def test_a_revoked_key_hears_nothing_more(desk):
    session = await desk.open()
    async with listening(desk) as modern, desk.talk(method="GET", headers=plain(KEY, session)) as legacy:
        await acknowledged(modern)
        await legacy.head()
        desk.revoked.add("ci")
        desk.apply()
        assert "result" in await modern.read_event()
        assert await modern.rest() == b""
        await legacy.rest()


async def test_a_profile_that_goes_takes_its_streams_along(desk):
    async with listening(desk) as talk:
        await acknowledged(talk)
        desk.apply(profiles={"open": desk.resources["profiles"]["open"]})
        assert "result" in await talk.read_event()


async def test_nothing_is_left_of_a_listener_that_went(desk):
    for _ in range(3):
        async with listening(desk) as talk:
            await acknowledged(talk)
    assert not any(desk.catalogue._listeners.values())
    assert len(desk.in_flight) == 0
    assert not [task for task in asyncio.all_tasks() if "mcp" in repr(task.get_coro())]


async def test_streams_are_bounded(desk, monkeypatch):
    monkeypatch.setattr("hub.edge.mcp.changes.MOST_STREAMS", 2)
    async with listening(desk) as one, listening(desk) as two:
        await acknowledged(one)
        await acknowledged(two)
        async with listening(desk) as three:
            answer = await three.answer()
            assert (answer.status, answer.error["data"]["code"]) == (429, "too_many_parallel")
        async with listening(desk, key=OTHER) as other:
            await acknowledged(other)
    async with listening(desk) as again:
        await acknowledged(again)


async def test_all_streams_together_are_bounded_and_an_open_profile_has_more_than_one_key(desk, monkeypatch):
    monkeypatch.setattr("hub.edge.mcp.changes.MOST_STREAMS", 1)
    monkeypatch.setattr("hub.edge.mcp.changes.MOST_AT_ALL", 3)
    async with listening(desk) as one, listening(desk, path="/mcp/open", key=None) as two:
        await acknowledged(one)
        await acknowledged(two)
        async with listening(desk, path="/mcp/open", key=None) as three:
            await acknowledged(three)
            async with listening(desk, key=OTHER) as four:
                assert (await four.answer()).status == 429


# -- changes, legacy ---------------------------------------------------------------------------------------------------


async def test_a_session_hears_of_changes_on_its_own_stream(desk):
    session = await desk.open()
    async with desk.talk(method="GET", headers=plain(KEY, session)) as talk:
        status, headers = await talk.head()
        assert (status, headers["content-type"], headers["x-accel-buffering"]) == (200, "text/event-stream", "no")
        desk.offer("beta", offers("echo", "more"))
        assert (await talk.read_event())["method"] == "notifications/tools/list_changed"
        desk.in_flight.draining.set()
        await talk.rest()


async def test_a_stream_is_kept_alive(desk, monkeypatch):
    monkeypatch.setattr("hub.edge.mcp.streams.PING_SECONDS", 0.01)
    session = await desk.open()
    async with desk.talk(method="GET", headers=plain(KEY, session)) as talk:
        await talk.head()
        for _ in range(4):
            assert (await talk.chunk()).startswith(b":")


async def test_a_session_that_ends_ends_its_stream(desk):
    session = await desk.open()
    async with desk.talk(method="GET", headers=plain(KEY, session)) as talk:
        await talk.head()
        await desk.ask(method="DELETE", headers=plain(KEY, session))
        await talk.rest()


async def test_a_second_stream_takes_the_place_of_the_first(desk):
    """The first may be a connection whose client has long gone; and a message goes to one stream only."""
    session = await desk.open()
    async with desk.talk(method="GET", headers=plain(KEY, session)) as first:
        await first.head()
        async with desk.talk(method="GET", headers=plain(KEY, session)) as second:
            await second.head()
            await first.rest()
            desk.offer("beta", offers("echo", "more"))
            assert (await second.read_event())["method"] == "notifications/tools/list_changed"


# -- sessions ----------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def some(clock, **bounds):
    return Sessions(Handles(Seals(only(b"k" * 32))), clock, **bounds)


def opened(sessions, principal="key:ci", profile="demo"):
    return sessions.open(principal, profile, "2025-11-25", b"{}")


def test_a_session_leaves_memory_after_half_an_hour_of_rest_and_comes_back_with_its_client():
    clock = Clock()
    sessions = some(clock)
    session = opened(sessions)
    clock.now += 1799
    assert sessions.find(session.id, "key:ci", "demo") is session
    clock.now += 1801
    other = opened(sessions)
    assert session.id not in sessions
    again = sessions.find(session.id, "key:ci", "demo")
    assert again is not session
    assert (again.id, again.version, again.capabilities) == (session.id, "2025-11-25", b"{}")
    assert len(sessions) == 2
    assert sessions.find(other.id, "key:ann", "demo") is None


def test_a_session_in_use_does_not_rest():
    clock = Clock()
    sessions = some(clock)
    session, idle = opened(sessions), opened(sessions)
    with session.using():
        clock.now += 9000
        opened(sessions)
        assert sessions.find(session.id, "key:ci", "demo") is session
        assert idle.id not in sessions


def test_a_session_that_its_client_ended_does_not_come_back():
    sessions = some(Clock())
    session = opened(sessions)
    sessions.close(session)
    assert sessions.find(session.id, "key:ci", "demo") is None
    assert sessions.home_of(session.id, "key:ci", "demo") == ""


def test_a_session_whose_client_said_too_much_is_gone_when_it_left_memory():
    clock = Clock()
    sessions = some(clock)
    session = sessions.open("key:ci", "demo", "2025-11-25", b'{"x":"%b"}' % (b"x" * 5000))
    assert sessions.find(session.id, "key:ci", "demo") is session
    clock.now += 1801
    opened(sessions)
    assert sessions.find(session.id, "key:ci", "demo") is None


def test_one_principal_has_so_many_and_its_oldest_go_first():
    sessions = some(Clock(), most=10, most_each=3)
    mine = [opened(sessions) for _ in range(3)]
    other = opened(sessions, "key:ann")
    assert sessions.find(mine[0].id, "key:ci", "demo")
    newest = opened(sessions)
    assert mine[1].id not in sessions
    assert all(one.id in sessions for one in (mine[0], mine[2], newest, other))
    assert sessions.find(mine[1].id, "key:ci", "demo")
    assert mine[2].id not in sessions
    assert len(sessions) == 4


def test_all_together_are_so_many():
    sessions = some(Clock(), most=5, most_each=5)
    first = opened(sessions, "key:0")
    for number in range(1, 9):
        opened(sessions, f"key:{number}")
    assert len(sessions) == 5
    assert first.id not in sessions


def test_sessions_leave_nothing_behind():
    sessions = some(Clock(), most=10)
    for number in range(50):
        session = opened(sessions, f"key:{number}")
        sessions.close(session)
        sessions.close(session)
    assert len(sessions) == 0
    assert not sessions._owned
    assert len(sessions._closed) == 10


async def test_a_thousand_handshakes_are_cheap(desk):
    for _ in range(30):
        await desk.open()
    await until(lambda: len(desk.in_flight) == 0)
    assert len(desk.api.sessions) == 30
    assert json.dumps(sorted({len(one) for one in desk.api.sessions._sessions})) == "[67]"
