"""Calls through the profile endpoint: relayed as they are, watched while they run, and told plainly when they fail."""

import asyncio
import hashlib
import json

import pytest

from hub.core.refusal import Unavailable, UpstreamFailed
from hub.core.telemetry import headers_in_meta
from hub.ledger import Keeping, Ledger
from hub.upstream import RpcReply, ServerState
from tests.support.mcp_desk import META, NARROW, OTHER, Desk, offers, plain, tool, until

pytestmark = pytest.mark.anyio


@pytest.fixture
def desk():
    return Desk()


def answering(desk, **reply):
    async def answer(server, params, caller):
        return RpcReply(**reply)

    desk.servers.reply = answer


def failing(desk, refusal):
    async def answer(server, params, caller):
        raise refusal

    desk.servers.reply = answer


ODD = b'{"content":[],"structuredContent":null,"x-odd":{"n":1.50,"big":12345678901234567890,"e":"\\u00e9\\/"},"isError":false}'


# -- faithful ----------------------------------------------------------------------------------------------------------


async def test_a_legacy_client_gets_a_result_byte_for_byte(desk):
    answering(desk, result=ODD)
    assert (
        await desk.legacy("tools/call", {"name": "alpha__echo"})
    ).body == b'{"jsonrpc":"2.0","id":1,"result":' + ODD + b"}"


async def test_a_modern_client_gets_what_its_era_adds_and_the_rest_untouched(desk):
    answering(desk, result=ODD)
    answer = await desk.modern("tools/call", {"name": "alpha__echo"})
    assert ODD[1:-1] in answer.body
    assert answer.result["resultType"] == "complete"


async def test_what_a_server_says_of_itself_is_replaced_by_the_hub(desk):
    meta = {f"{META}serverInfo": {"name": "secret-upstream"}, "example.com/kept": [1]}
    answering(desk, result=json.dumps({"content": [], "resultType": "complete", "_meta": meta}).encode())
    modern = (await desk.modern("tools/call", {"name": "alpha__echo"})).result
    assert modern["_meta"] == {f"{META}serverInfo": modern["_meta"][f"{META}serverInfo"], "example.com/kept": [1]}
    assert modern["_meta"][f"{META}serverInfo"]["name"] == "demo"
    legacy = (await desk.legacy("tools/call", {"name": "alpha__echo"})).result
    assert legacy == {"content": [], "_meta": {"example.com/kept": [1]}}


@pytest.mark.parametrize("meta", [None, 5, "x", []], ids=str)
async def test_an_odd_meta_of_a_server_breaks_nothing(desk, meta):
    answering(desk, result=json.dumps({"content": [], "_meta": meta}).encode())
    assert (await desk.modern("tools/call", {"name": "alpha__echo"})).result["content"] == []
    assert (await desk.legacy("tools/call", {"name": "alpha__echo"})).result["content"] == []


async def test_the_server_gets_its_own_name_the_arguments_and_the_meta(desk):
    raw = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"beta__echo","arguments":{"n":1.50,"u":"\\u00e9"},'
    raw += b'"_meta":{"traceparent":"00-1","progressToken":7}}}'
    await desk.ask(raw, headers=plain())
    ((server, method, params, caller),) = desk.servers.requests
    assert (server, method) == ("beta", "tools/call")
    assert b'"arguments":{"n":1.50,"u":"\\u00e9"}' in params
    assert json.loads(params) == {
        "name": "echo", "arguments": {"n": 1.5, "u": "é"}, "_meta": {"traceparent": "00-1", "progressToken": 7},
    }  # fmt: skip
    assert caller.principal.id == "key:ci"


@pytest.mark.parametrize("share", [0.0, 0.5])
async def test_a_call_in_a_trace_tells_its_server_so_in_meta_and_in_headers(desk, monkeypatch, share):
    """Under the span that the hub records of it; as it came where the hub records none."""
    monkeypatch.setattr(desk.path, "_ledger", Ledger(desk.entries, None, keeping=Keeping(traces=lambda: share)))
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    parent = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "tracestate": "v=1"}
    await desk.legacy("tools/call", {"name": "alpha__echo"}, **parent)
    await desk.legacy("tools/call", {"name": "alpha__echo", "_meta": {**parent, "baggage": "a=b"}})
    for (*_, params, caller), more in zip(desk.servers.requests, ({}, {"baggage": "a=b"}), strict=True):
        meta = json.loads(params)["_meta"]
        assert (
            dict(headers_in_meta(caller.meta))
            == meta
            == {"traceparent": meta["traceparent"], "tracestate": "v=1", **more}
        )
        assert meta["traceparent"].startswith(f"00-{trace}-")
        assert meta["traceparent"].endswith("-01")
        assert ("00f067aa0ba902b7" in meta["traceparent"]) == (not share)


async def test_an_entry_tells_what_a_tool_was_called_with_by_its_digest(desk):
    raw = b'{"text": "caf\xc3\xa9",  "n":1.0}'
    call = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"alpha__echo","arguments":' + raw + b"}}"
    await desk.ask(call, headers=plain())
    await desk.legacy("tools/call", {"name": "alpha__echo", "arguments": {"text": "other"}})
    first, second = desk.entries.closed
    assert first.digest == hashlib.sha256(raw).hexdigest()  # as it came
    assert second.digest not in ("", first.digest)


async def test_what_reaches_a_server_is_one_line(desk):
    """A server over stdio reads a line as a message: a line break in the arguments would be a message of the caller's own."""
    inner = '{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"forbidden"}}'
    raw = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"alpha__echo",'
    raw += f'"arguments":{{"a":[1,\n{inner}\r\n]}},'
    raw += '"_meta":{"x":[\n1\r]}}}'
    assert (await desk.ask(raw.encode(), headers=plain())).status == 200
    params = desk.servers.requests[0][2]
    assert b"\n" not in params
    assert b"\r" not in params
    assert desk.servers.params["arguments"]["a"][1]["id"] == 9


async def test_arguments_may_be_left_out(desk):
    for params in ({}, {"arguments": None}):
        assert (await desk.legacy("tools/call", {"name": "alpha__echo", **params})).status == 200
        assert desk.servers.params["arguments"] == {}


async def test_a_name_that_several_tools_have_is_told_apart_for_who_may_call_them(desk):
    for path in ("/mcp/demo", "/mcp/demo?mode=search"):
        answer = await desk.modern("tools/call", {"name": "echo"}, path=path)
        assert answer.fault == (400, -32602, 1)
        assert answer.error["message"].endswith("Call it by its whole name: alpha__echo, beta__echo.")
    narrow = await desk.modern("tools/call", {"name": "echo"}, key=NARROW)
    assert narrow.error["message"].endswith("Call it by its whole name: alpha__echo.")
    assert "whole name" not in (await desk.modern("tools/call", {"name": "nothing"})).error["message"]


async def test_a_servers_own_error_passes_as_it_is(desk):
    error = b'{"code":-31999,"message":"quota","data":{"n":1.50}}'
    answering(desk, error=error)
    legacy, modern = (
        await desk.legacy("tools/call", {"name": "alpha__echo"}),
        await desk.modern("tools/call", {"name": "alpha__echo"}),
    )
    assert error in legacy.body
    assert error in modern.body
    assert (legacy.status, modern.status) == (200, 200)


async def test_a_servers_invalid_params_have_the_status_of_the_era(desk):
    answering(desk, error=b'{"code":-32602,"message":"text is missing"}')
    assert (await desk.modern("tools/call", {"name": "alpha__echo"})).fault == (400, -32602, 1)
    assert (await desk.legacy("tools/call", {"name": "alpha__echo"})).fault == (200, -32602, 1)


@pytest.mark.parametrize("code", [-32020, -32022, -32700])
async def test_an_error_about_the_hubs_own_request_is_not_the_callers(desk, code):
    """It would have the caller doubt its own headers and version."""
    answering(desk, error=json.dumps({"code": code, "message": "your headers are wrong"}).encode())
    for answer in (
        await desk.modern("tools/call", {"name": "alpha__echo"}),
        await desk.legacy("tools/call", {"name": "alpha__echo"}),
    ):
        assert answer.fault == (200, -32603, 1)
        assert answer.error["data"]["server"] == "alpha"
        assert "your headers are wrong" in answer.error["message"]
    assert {entry.outcome for entry in desk.entries.closed} == {"error"}


@pytest.mark.parametrize("kind", ["input_required", "task", "future"])
async def test_a_result_that_the_callers_era_does_not_know_is_an_error(desk, kind):
    answering(desk, result=json.dumps({"resultType": kind, "requestState": "s", "taskId": "t"}).encode())
    answer = await desk.legacy("tools/call", {"name": "alpha__echo"})
    assert answer.error["code"] == -32603
    assert kind in answer.error["message"]
    assert {entry.outcome for entry in desk.entries.closed} == {"error"}
    modern = await desk.modern("tools/call", {"name": "alpha__echo"})
    assert ("error" in modern.json) is (kind == "future")


async def test_what_a_modern_client_lacks_is_told_as_its_server_says_it(desk):
    error = {"code": -32021, "message": "no", "data": {"requiredCapabilities": {"sampling": {}}}}
    answering(desk, error=json.dumps(error).encode())
    answer = await desk.modern("tools/call", {"name": "alpha__echo"})
    assert (answer.status, answer.error) == (400, error)


async def test_a_servers_state_goes_out_sealed_and_comes_back_for_the_same_request_only(desk):
    interim = {
        "resultType": "input_required",
        "inputRequests": {"q": {"method": "roots/list"}},
        "requestState": "own ü",
    }
    answering(desk, result=json.dumps(interim).encode())
    given = {"name": "alpha__echo", "arguments": {"text": "a", "n": 1}}
    state = (await desk.modern("tools/call", given)).result["requestState"]
    assert "own" not in state
    answers = {"inputResponses": {"q": {"roots": []}}, "requestState": state}
    again = {"name": "alpha__echo", "arguments": {"n": 1, "text": "a"}, **answers}
    assert "result" in (await desk.modern("tools/call", again)).json
    assert desk.servers.params["requestState"] == "own ü"
    assert desk.servers.params["inputResponses"] == {"q": {"roots": []}}
    for other in (
        {**again, "arguments": {"text": "b", "n": 1}},
        {**again, "name": "beta__echo"},
        {**again, "requestState": state[:-2] + ("AA" if not state.endswith("AA") else "BB")},
        {**again, "requestState": "x" * 40},
        {**again, "requestState": 5},
        {**again, "inputResponses": [1]},
    ):
        assert (await desk.modern("tools/call", other)).fault == (400, -32602, 1), other
    assert (await desk.modern("tools/call", again, key=OTHER)).fault == (400, -32602, 1)


async def test_a_task_has_an_id_of_its_own_for_each_caller(desk):
    able = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    answering(desk, result=json.dumps({"resultType": "task", "taskId": "t-1", "status": "working"}).encode())
    call = {"name": "alpha__echo"}
    task = (await desk.modern("tools/call", call, capabilities=able)).result["taskId"]
    assert "t-1" not in task
    got = await desk.modern("tasks/get", {"taskId": task}, capabilities=able, mcp_name=task)
    assert got.result["taskId"] == task
    assert desk.servers.params["taskId"] == "t-1"
    assert (await desk.modern("tasks/get", {"taskId": task}, mcp_name=task)).fault == (400, -32021, 1)
    stolen = await desk.modern("tasks/get", {"taskId": task}, capabilities=able, mcp_name=task, key=OTHER)
    assert stolen.fault == (400, -32602, 1)
    assert (await desk.modern("tasks/get", {"taskId": task}, capabilities=able, mcp_name="x")).fault == (400, -32020, 1)


# -- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "refusal",
    [
        UpstreamFailed("upstream_timeout", "Server 'alpha': no answer within 60 s.", status=504),
        UpstreamFailed("upstream_error", "Server 'alpha': its process ended."),
        Unavailable("upstream_error", "Server 'alpha' is not connected: refused", retry_after=5),
    ],
    ids=lambda refusal: f"{refusal.code} {refusal.status}",
)
async def test_a_failed_server_is_a_protocol_error_that_names_it(desk, refusal):
    desk.offer("alpha", offers("echo", state=ServerState.STALE))
    failing(desk, refusal)
    for answer in (
        await desk.modern("tools/call", {"name": "alpha__echo"}),
        await desk.legacy("tools/call", {"name": "alpha__echo"}),
    ):
        assert answer.fault == (200, -32603, 1)
        assert answer.error["message"] == refusal.message
        data = answer.error["data"]
        assert (data["code"], data["server"], data["state"]) == (refusal.code, "alpha", "stale")
    assert [(entry.outcome, entry.code, entry.server) for entry in desk.entries.closed] == [
        ("error", refusal.code, "alpha")
    ] * 2


async def test_a_crash_of_the_hubs_own_tells_nothing_of_its_insides(desk):
    failing(desk, RuntimeError("secret detail"))
    answer = await desk.modern("tools/call", {"name": "alpha__echo"})
    assert answer.fault == (200, -32603, 1)
    assert "secret" not in answer.body.decode()
    (entry,) = desk.entries.closed
    assert (entry.outcome, entry.code) == ("error", "internal")


async def test_an_unknown_tool_is_invalid_params_and_one_entry(desk):
    for name in ("nothing", "gamma__echo", "x" * 10_000, "alpha__Echo"):
        desk.entries.closed.clear()
        answer = await desk.modern("tools/call", {"name": name}, mcp_name=name[:4000])
        if len(name) > 4000:
            assert answer.error["code"] == -32020
            continue
        assert answer.fault == (400, -32602, 1)
        assert answer.error["data"]["code"] == "tool_not_found"
        (entry,) = desk.entries.closed
        assert (entry.outcome, entry.code) == ("refused", "tool_not_found")
    assert (await desk.legacy("tools/call", {"name": "x" * 10_000})).error["code"] == -32602
    assert not desk.servers.requests


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_an_answer_tells_what_is_left(desk, era):
    desk.apply(limits={"one": {"scope": {"key": "ci"}, "tool_calls_per_minute": 5, "rpm": 9}})
    call = {"name": "alpha__echo", "arguments": {"text": "x"}}
    answer = await getattr(desk, era)("tools/call", call)
    assert answer.headers["x-ratelimit-limit-tool-calls"] == "5"
    assert answer.headers["x-ratelimit-remaining-tool-calls"] == "4"
    assert answer.headers["x-ratelimit-remaining-requests"] == "8"
    assert answer.headers["x-ratelimit-reset-requests"].endswith("s")


async def test_limits_hold_for_tools_too(desk):
    desk.apply(limits={"one": {"scope": {"key": "ci"}, "tool_calls_per_minute": 1}})
    assert (await desk.modern("tools/call", {"name": "alpha__echo"})).status == 200
    refused = await desk.modern("tools/call", {"name": "alpha__echo"})
    assert (refused.status, refused.error["data"]["code"]) == (429, "rate_limited")
    assert int(refused.headers["retry-after"]) > 0
    legacy = await desk.legacy("tools/call", {"name": "alpha__echo"})
    assert (legacy.status, legacy.error["data"]["code"]) == (200, "rate_limited")
    assert [entry.outcome for entry in desk.entries.closed] == ["ok", "refused", "refused"]


# -- while it runs -----------------------------------------------------------------------------------------------------


def progress(caller, step):
    caller.notify("notifications/progress", b'{"progressToken":"t","progress":%d}' % step)


async def test_progress_precedes_the_result_in_one_stream(desk):
    async def reply(server, params, caller):
        for step in (1, 2, 3):
            progress(caller, step)
            await asyncio.sleep(0)
        progress(caller, 4)
        return RpcReply(result=b'{"content":[]}')

    desk.servers.reply = reply
    for ask in (desk.modern, desk.legacy):
        answer = await ask("tools/call", {"name": "alpha__echo", "_meta": {"progressToken": "t"}})
        assert answer.headers["x-accel-buffering"] == "no"
        events = answer.events
        assert [one["params"]["progress"] for one in events[:-1]] == [1, 2, 3, 4]
        assert events[-1]["id"] == 1
        assert events[-1]["result"]["content"] == []


async def test_progress_comes_while_the_call_runs(desk):
    go = asyncio.Event()

    async def reply(server, params, caller):
        progress(caller, 1)
        await go.wait()
        return RpcReply(result=b'{"content":[]}')

    desk.servers.reply = reply
    body, method, path, headers = desk.modern_request("tools/call", {"name": "alpha__echo"})
    async with desk.talk(body, method, path, headers) as talk:
        assert (await talk.head())[0] == 200
        assert (await talk.read_event())["params"]["progress"] == 1
        go.set()
        assert (await talk.read_event())["id"] == 1


async def test_without_streams_the_result_comes_alone(desk):
    async def reply(server, params, caller):
        progress(caller, 1)
        await asyncio.sleep(0.01)
        return RpcReply(result=b'{"content":[]}')

    desk.servers.reply = reply
    answer = await desk.modern("tools/call", {"name": "alpha__echo"}, accept="application/json")
    assert answer.result["content"] == []


async def test_a_long_call_keeps_its_connection_alive(desk, monkeypatch):
    monkeypatch.setattr("hub.edge.mcp.streams.PING_SECONDS", 0.02)
    go = asyncio.Event()

    async def reply(server, params, caller):
        await go.wait()
        return RpcReply(result=b'{"content":\n[]}')

    desk.servers.reply = reply
    body, method, path, headers = desk.modern_request("tools/call", {"name": "alpha__echo"})
    async with desk.talk(body, method, path, headers) as talk:
        await talk.head()
        assert (await talk.chunk()).startswith(b":")
        assert (await talk.chunk()).startswith(b":")
        go.set()
        assert (await talk.read_event())["result"]["content"] == []
    assert __import__("hub.edge.mcp.streams", fromlist=["x"]).PING_SECONDS <= 15


async def test_a_caller_who_leaves_ends_the_call(desk):
    async def reply(server, params, caller):
        progress(caller, 1)
        await asyncio.Event().wait()

    desk.servers.reply = reply
    for streaming in (True, False):
        desk.servers.cancelled.clear()
        desk.entries.closed.clear()
        accept = {} if streaming else {"accept": "application/json"}
        body, method, path, headers = desk.modern_request("tools/call", {"name": "alpha__echo"}, headers=accept)
        async with desk.talk(body, method, path, headers) as talk:
            await until(lambda: desk.servers.requests)
            if streaming:
                await talk.head()
                await talk.read_event()
            await talk.leave()
        assert desk.servers.cancelled == ["alpha"]
        (entry,) = desk.entries.closed
        assert entry.outcome == "cancelled"
        desk.servers.requests.clear()
    assert len(desk.in_flight) == 0


async def test_a_hub_that_stops_says_so_in_the_answer(desk):
    async def reply(server, params, caller):
        if params["name"] == "add":
            progress(caller, 1)
        await asyncio.Event().wait()

    desk.servers.reply = reply
    started = [
        desk.talk(*desk.modern_request("tools/call", {"name": name}, id_=name))
        for name in ("alpha__add", "alpha__echo")
    ]
    async with started[0] as streaming, started[1] as waiting:
        await streaming.head()
        await streaming.read_event()
        await until(lambda: len(desk.servers.requests) == 2)
        desk.in_flight.draining.set()
        desk.in_flight.end()
        last = await streaming.read_event()
        assert (last["id"], last["error"]["data"]["code"]) == ("alpha__add", "overloaded")
        answer = await waiting.answer()
        assert (answer.json["id"], answer.error["data"]["code"]) == ("alpha__echo", "overloaded")
    assert len(desk.entries.closed) == 2


async def test_calls_do_not_wait_for_each_other(desk):
    gates = {"echo": asyncio.Event(), "add": asyncio.Event()}

    async def reply(server, params, caller):
        await gates[params["name"]].wait()
        return RpcReply(result=json.dumps({"content": [], "tool": params["name"]}).encode())

    desk.servers.reply = reply
    async with (
        desk.talk(*desk.modern_request("tools/call", {"name": "alpha__echo"}, id_=1)) as slow,
        desk.talk(*desk.modern_request("tools/call", {"name": "alpha__add"}, id_=1)) as quick,
    ):
        gates["add"].set()
        assert (await quick.answer()).result["tool"] == "add"
        gates["echo"].set()
        assert (await slow.answer()).result["tool"] == "echo"


# -- mirrored arguments ------------------------------------------------------------------------------------------------


def mirrored(desk):
    properties = {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "count": {"type": "integer", "x-mcp-header": "Count"},
        "on": {"type": "boolean", "x-mcp-header": "On"},
        "in": {"type": "object", "properties": {"deep": {"type": "string", "x-mcp-header": "Deep"}}},
    }
    desk.offer("alpha", offers(tool("echo", inputSchema={"type": "object", "properties": properties})))


@pytest.mark.parametrize(
    ("arguments", "headers", "good"),
    [
        ({}, {}, True),
        ({"region": "eu"}, {"mcp_param_region": "eu"}, True),
        ({"region": "größe"}, {"mcp_param_region": "=?base64?Z3LDtsOfZQ==?="}, True),
        ({"region": None}, {}, True),
        ({"count": 42}, {"mcp_param_count": "42"}, True),
        ({"count": 42}, {"mcp_param_count": "42.0"}, True),
        ({"on": True}, {"mcp_param_on": "true"}, True),
        ({"in": {"deep": "x"}}, {"mcp_param_deep": "x"}, True),
        ({"region": [1]}, {}, True),
        ({"region": "eu"}, {"mcp_param_region": "eu", "mcp_param_other": "x"}, True),
        ({"region": "eu"}, {}, False),
        ({"region": "eu"}, {"mcp_param_region": "us"}, False),
        ({}, {"mcp_param_region": "eu"}, False),
        ({"region": None}, {"mcp_param_region": "null"}, False),
        ({"region": [1]}, {"mcp_param_region": "[1]"}, False),
        ({"count": 42}, {"mcp_param_count": "43"}, False),
        ({"count": 42}, {"mcp_param_count": "42.5"}, False),
        ({"on": True}, {"mcp_param_on": "True"}, False),
        ({"in": {"deep": "x"}}, {}, False),
        ({"region": "eu"}, {"mcp_param_region": "=?base64?!?="}, False),
    ],
    ids=str,
)
async def test_an_argument_that_a_header_repeats_is_the_same_in_both(desk, arguments, headers, good):
    mirrored(desk)
    answer = await desk.modern("tools/call", {"name": "alpha__echo", "arguments": arguments}, **headers)
    if good:
        assert answer.status == 200, answer.body
    else:
        assert answer.fault == (400, -32020, 1)
        assert not desk.servers.requests


async def test_a_repeated_argument_header_comes_once(desk):
    mirrored(desk)
    body, method, path, headers = desk.modern_request(
        "tools/call", {"name": "alpha__echo", "arguments": {"region": "eu"}}, headers={"mcp_param_region": "eu"}
    )
    answer = await desk.ask(body, method, path, [*headers, ("mcp-param-region", "us")])
    assert answer.fault == (400, -32020, 1)


async def test_legacy_clients_repeat_nothing(desk):
    mirrored(desk)
    assert (await desk.legacy("tools/call", {"name": "alpha__echo", "arguments": {"region": "eu"}})).status == 200
