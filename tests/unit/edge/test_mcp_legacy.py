"""The wire of 2025-03-26 to 2025-11-25: the handshake, sessions, and clients that do less than they should."""

import asyncio
import json

import pytest

from hub.upstream import RpcReply
from tests.support.mcp_desk import KEY, MODERN, NARROW, OTHER, Desk, plain, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def desk():
    return Desk()


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2024-11-05", "2024-11-05"),
        ("9999-01-01", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
    ],
)
async def test_the_version_is_the_clients_if_it_is_spoken_here(desk, asked, given):
    answer = await desk.legacy("initialize", {"protocolVersion": asked, "capabilities": {}, "clientInfo": {}})
    result = answer.result
    assert result["protocolVersion"] == given
    assert result["capabilities"] == {"tools": {"listChanged": True}}
    assert result["serverInfo"]["name"] == "demo"
    assert result["instructions"].startswith("Be brief.")
    assert not {"resultType", "ttlMs", "_meta"} & set(result)
    assert len(answer.headers["mcp-session-id"]) >= 22


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"capabilities": {}},
        {"protocolVersion": 5, "capabilities": {}},
        {"protocolVersion": "2025-11-25", "capabilities": []},
        {"protocolVersion": "2025-11-25", "capabilities": "x" * 70_000},
        {"protocolVersion": "2025-11-25", "capabilities": {"x": "x" * 70_000}},
    ],
    ids=lambda params: str(params)[:60],
)
async def test_a_handshake_that_says_nothing_useful_is_refused_and_opens_nothing(desk, params):
    answer = await desk.legacy("initialize", params)
    assert answer.error["code"] == -32602
    assert "mcp-session-id" not in answer.headers
    assert len(desk.api.sessions) == 0


async def test_a_session_from_beginning_to_end(desk):
    session = await desk.open()
    body = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}).encode()
    assert (await desk.ask(body, headers=plain(KEY, session))).status == 202
    assert (await desk.legacy("ping", session=session)).result == {}
    listed = (await desk.legacy("tools/list", session=session)).result
    assert [tool["name"] for tool in listed["tools"]] == ["alpha__add", "alpha__echo", "beta__echo"]
    assert not {"resultType", "ttlMs", "cacheScope"} & set(listed)
    called = await desk.legacy("tools/call", {"name": "beta__echo", "arguments": {"text": "x"}}, session=session)
    assert called.result == {"content": [{"type": "text", "text": "beta: echo"}]}
    assert (await desk.ask(method="DELETE", headers=plain(KEY, session))).status in (200, 204)
    gone = await desk.legacy("ping", session=session)
    assert (gone.status, gone.json["id"], gone.error["data"]["code"]) == (404, 1, "session_not_found")


async def test_no_version_header_is_needed_after_the_handshake_and_a_wrong_one_is_refused(desk):
    session = await desk.open()
    for version in (None, "2025-11-25", "2025-06-18", "2024-11-05"):
        assert (await desk.legacy("ping", session=session, mcp_protocol_version=version)).status == 200
    answer = await desk.legacy("ping", session=session, mcp_protocol_version="1999-01-01")
    assert answer.fault == (400, -32022, 1)


async def test_lists_and_calls_without_a_session_are_answered(desk):
    assert len((await desk.legacy("tools/list")).result["tools"]) == 3
    assert (await desk.legacy("tools/call", {"name": "alpha__echo"})).status == 200


@pytest.mark.parametrize("method", ["tasks/get", "subscriptions/listen", "server/discover", "x"])
async def test_what_its_era_does_not_know_does_not_exist(desk, method):
    session = await desk.open()
    answer = await desk.legacy(method, {}, session=session, id_="q")
    assert answer.fault == (200, -32601, "q")  # not 404: an old client would take its session for lost


async def test_a_profile_without_prompts_and_resources_has_none(desk):
    session = await desk.open()
    for method, member in (("prompts/list", "prompts"), ("resources/list", "resources")):
        assert (await desk.legacy(method, {}, session=session)).result[member] == []
    assert (await desk.legacy("resources/templates/list", {}, session=session)).result["resourceTemplates"] == []
    assert (await desk.legacy("prompts/get", {"name": "x"}, session=session)).fault == (200, -32602, 1)
    assert (await desk.legacy("resources/read", {"uri": "a://gamma/x"}, session=session)).fault == (200, -32002, 1)
    assert (await desk.legacy("logging/setLevel", {"level": "info"}, session=session)).result == {}
    assert (await desk.legacy("logging/setLevel", {"level": "loud"}, session=session)).fault == (200, -32602, 1)


async def test_a_session_belongs_to_its_credential_and_its_profile(desk):
    session = await desk.open()
    for key, path in ((OTHER, "/mcp/demo"), (NARROW, "/mcp/demo"), (KEY, "/mcp/open")):
        answer = await desk.legacy("ping", session=session, key=key, path=path)
        assert answer.status == 404, (key, path)
        assert (await desk.ask(method="DELETE", path=path, headers=plain(key, session))).status == 404
    assert (await desk.legacy("ping", session=session)).status == 200


async def test_an_unknown_session_does_not_keep_a_client_from_beginning_anew(desk):
    answer = await desk.legacy("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}}, session="long-gone")
    assert answer.status == 200
    assert answer.headers["mcp-session-id"] != "long-gone"
    assert (await desk.legacy("ping", session="long-gone")).status == 404
    assert (await desk.legacy("ping", session="ä" * 5000)).status == 404


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_without_a_session_there_is_only_post(desk, method):
    answer = await desk.ask(method=method, headers=plain(KEY))
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert (await desk.ask(method=method, headers=plain(KEY, "unknown"))).status == 404


async def test_initialize_is_a_request(desk):
    body = json.dumps({"jsonrpc": "2.0", "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}).encode()
    answer = await desk.ask(body, headers=plain())
    assert (answer.status, answer.error["code"]) == (400, -32600)


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 99, "reason": "late"}},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {}},
        {"jsonrpc": "2.0", "method": "notifications/cancelled"},
        {"jsonrpc": "2.0", "method": "notifications/roots/list_changed"},
        {"jsonrpc": "2.0", "method": "notifications/of/the/future", "params": {"x": 1}},
        {"jsonrpc": "2.0", "id": 7, "result": {}},
        {"jsonrpc": "2.0", "id": 7, "error": {"code": 1, "message": "no"}},
    ],
    ids=lambda message: str(message)[18:80],
)
async def test_what_needs_no_answer_is_accepted(desk, message):
    session = await desk.open()
    answer = await desk.ask(json.dumps(message).encode(), headers=plain(KEY, session))
    assert (answer.status, answer.body) == (202, b"")


# -- batches -----------------------------------------------------------------------------------------------------------


def batch(*messages):
    return json.dumps(messages).encode()


PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
NOTE = {"jsonrpc": "2.0", "method": "notifications/initialized"}


async def test_a_change_of_roots_goes_to_servers_in_the_name_of_its_session(desk):
    session = await desk.open(capabilities={"roots": {"listChanged": True}})
    body = json.dumps({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"}).encode()
    assert (await desk.ask(body, headers=plain(session=session))).status == 202
    ((principal, named, told),) = desk.servers.told
    assert (principal, named, json.loads(told)["method"]) == ("key:ci", session, "notifications/roots/list_changed")


async def test_a_question_that_is_moot_is_taken_back_from_its_client(desk):
    async def reply(server, params, caller):
        question = asyncio.ensure_future(caller.ask("elicitation/create", b'{"message":"?"}'))
        await asyncio.sleep(0.01)
        question.cancel()
        await asyncio.wait({question})
        return RpcReply(result=b'{"content":[]}')

    desk.servers.reply = reply
    session = await desk.open(capabilities={"elicitation": {}})
    answer = await desk.legacy("tools/call", {"name": "alpha__echo"}, session=session)
    asked, taken_back, result = answer.events
    assert asked["method"] == "elicitation/create"
    assert (taken_back["method"], taken_back["params"]["requestId"]) == ("notifications/cancelled", asked["id"])
    assert result["result"] == {"content": []}


async def test_a_batch_is_for_clients_of_2025_03_26(desk):
    old, new = await desk.open("2025-03-26"), await desk.open("2025-06-18")
    body = batch(PING, NOTE, {**PING, "id": "two", "method": "nothing"}, {**PING, "id": 3, "method": "tools/list"})
    answer = await desk.ask(body, headers=plain(KEY, old))
    assert [(one["id"], "result" in one) for one in answer.json] == [(1, True), ("two", False), (3, True)]
    assert (await desk.ask(body, headers=plain(KEY, new))).fault[:2] == (400, -32600)


async def test_a_batch_of_notifications_has_no_answer(desk):
    session = await desk.open("2025-03-26")
    answer = await desk.ask(batch(NOTE, NOTE), headers=plain(KEY, session))
    assert (answer.status, answer.body) == (202, b"")


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        batch(*[PING] * 51),
        batch({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-03-26"}}),
        batch(PING, [PING]),
        b"[1,2]",
    ],
    ids=["empty", "many", "initialize", "nested", "numbers"],
)
async def test_a_batch_has_its_limits(desk, body):
    answer = await desk.ask(body, headers=plain())
    assert (answer.status, answer.error["code"]) == (400, -32600)


async def test_a_modern_request_does_not_hide_in_a_batch(desk):
    body, *_ = desk.modern_request("tools/list")
    message = json.loads(body)
    for messages in ([message], [PING, message]):
        answer = await desk.ask(batch(*messages), headers=plain())
        assert (answer.status, answer.error["code"]) == (400, -32600), messages


# -- cancelling --------------------------------------------------------------------------------------------------------


def hold(desk):
    import asyncio

    gate = asyncio.Event()

    async def reply(server, params, caller):
        await gate.wait()
        raise AssertionError("nobody opens the gate")

    desk.servers.reply = reply
    return gate


async def cancel(desk, session, id_):
    message = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id_}}
    return await desk.ask(json.dumps(message).encode(), headers=plain(KEY, session))


@pytest.mark.parametrize("id_", [4, "call-4"])
async def test_a_cancelled_call_ends_upstream_and_here(desk, id_):
    hold(desk)
    session = await desk.open()
    message = {"jsonrpc": "2.0", "id": id_, "method": "tools/call", "params": {"name": "alpha__echo"}}
    async with desk.talk(json.dumps(message).encode(), headers=plain(KEY, session)) as talk:
        await until(lambda: desk.servers.requests)
        assert (await cancel(desk, session, id_)).status == 202
        await until(lambda: desk.servers.cancelled)
        answer = await talk.answer()
        assert answer.status == 200
        assert answer.json["id"] == id_
    (entry,) = desk.entries.closed
    assert entry.outcome == "cancelled"
    assert (await cancel(desk, session, id_)).status == 202  # late, and ignored
    assert (await desk.legacy("ping", session=session)).status == 200


async def test_another_session_cannot_cancel_it(desk):
    hold(desk)
    session, other = await desk.open(), await desk.open(key=OTHER)
    message = {"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {"name": "alpha__echo"}}
    async with desk.talk(json.dumps(message).encode(), headers=plain(KEY, session)):
        await until(lambda: desk.servers.requests)
        answer = await desk.ask(
            json.dumps({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 4}}).encode(),
            headers=plain(OTHER, other),
        )
        assert answer.status == 202
        assert not desk.servers.cancelled


async def test_an_id_that_is_in_flight_is_not_taken_twice(desk):
    hold(desk)
    session = await desk.open()
    message = {"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {"name": "alpha__echo"}}
    async with desk.talk(json.dumps(message).encode(), headers=plain(KEY, session)):
        await until(lambda: desk.servers.requests)
        again = await desk.ask(json.dumps(message).encode(), headers=plain(KEY, session))
        assert again.error["code"] == -32600
        await cancel(desk, session, 4)
        await until(lambda: desk.servers.cancelled)
    assert len(desk.servers.requests) == 1


async def test_a_call_in_a_batch_can_be_cancelled_alone(desk):
    hold(desk)
    session = await desk.open("2025-03-26")
    body = batch({"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": {"name": "alpha__echo"}}, PING)
    async with desk.talk(body, headers=plain(KEY, session)) as talk:
        await until(lambda: desk.servers.requests)
        await cancel(desk, session, 4)
        answer = await talk.answer()
    assert [one["id"] for one in answer.json] == [4, 1]
    assert "error" in answer.json[0]
    assert answer.json[1]["result"] == {}


async def test_the_modern_header_decides_over_a_session(desk):
    session = await desk.open()
    assert (await desk.modern("ping", mcp_session_id=session)).status == 404
    assert (await desk.legacy("ping", session=session, mcp_protocol_version=MODERN)).fault == (400, -32602, 1)
