"""Malformed and hostile JSON-RPC: always the specification's error, never a crash, never anything upstream."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.edge.mcp.envelope import RpcFault, event, parse
from tests.support.mcp_desk import KEY, META, MODERN, Desk, events_in, plain

pytestmark = pytest.mark.anyio


@pytest.fixture
def desk():
    return Desk()


def nested(depth):
    return "[" * depth + "]" * depth


def calling(arguments):
    head = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"alpha__echo","arguments":'
    return (head + arguments + "}}").encode()


@pytest.mark.parametrize("identifier", ["1.5", "null", str(2**70), json.dumps("x" * 257)])
def test_an_id_that_is_refused_is_told_what_one_may_be(identifier):
    with pytest.raises(RpcFault, match="at most 256 characters, or a whole number of at most 18 digits"):
        parse(b'{"jsonrpc":"2.0","id":%b,"method":"ping"}' % identifier.encode())


PARSE, INVALID, PARAMS = -32700, -32600, -32602
CASES = [
    (b"", PARSE, None),
    (b"{", PARSE, None),
    (b"not json", PARSE, None),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping"} trailing', PARSE, None),
    (b'\xff{"jsonrpc":"2.0"}', PARSE, None),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"\xff"}}', PARSE, None),
    (b'{"jsonrpc":"2.0","id":"\xff","method":"ping"}', PARSE, None),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"\xff":1}}', PARSE, None),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":NaN}}', PARSE, None),
    (b"null", INVALID, None),
    (b"5", INVALID, None),
    (b'"text"', INVALID, None),
    (b"{}", INVALID, None),
    (b'{"id":1,"method":"ping"}', INVALID, 1),
    (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', INVALID, 1),
    (b'{"jsonrpc":2.0,"id":1,"method":"ping"}', INVALID, 1),
    (b'{"jsonrpc":"2.0","id":1}', INVALID, 1),
    (b'{"jsonrpc":"2.0","id":1,"method":5}', INVALID, 1),
    (b'{"jsonrpc":"2.0","id":1,"method":null}', INVALID, 1),
    (b'{"jsonrpc":"2.0","id":1,"method":""}', INVALID, 1),
    (b'{"jsonrpc":"2.0","id":1,"method":"' + b"x" * 5000 + b'"}', INVALID, 1),
    (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', INVALID, None),
    (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', INVALID, None),
    (b'{"jsonrpc":"2.0","id":1e400,"method":"ping"}', INVALID, None),
    (b'{"jsonrpc":"2.0","id":{"a":1},"method":"ping"}', INVALID, None),
    (b'{"jsonrpc":"2.0","id":[1],"method":"ping"}', INVALID, None),
    (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', INVALID, None),
    (b'{"jsonrpc":"2.0","id":12345678901234567890123,"method":"ping"}', INVALID, None),
    (b'{"jsonrpc":"2.0","id":"' + b"x" * 5000 + b'","method":"ping"}', INVALID, None),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}', PARAMS, 1),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":5}', PARAMS, 1),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":' + nested(200).encode() + b"}}", INVALID, None),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"x":' + nested(90).encode() + b"}}}", INVALID, None),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping","x":' + nested(50_000).encode() + b"}", INVALID, None),
    (nested(100_000).encode(), INVALID, None),
    (b'{"a":' * 50_000, INVALID, None),
]


@pytest.mark.parametrize(("body", "code", "id_"), CASES, ids=[str(body[:70]) for body, _, _ in CASES])
async def test_what_is_no_message_gets_the_code_that_says_so(desk, body, code, id_):
    session = await desk.open()
    answer = await desk.ask(body, headers=plain(KEY, session))
    assert answer.fault == (400, code, id_)
    assert answer.error["message"]
    assert (await desk.legacy("ping", session=session)).status == 200


async def test_a_body_of_more_than_4_mib_is_not_read(desk):
    big = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"' + b"x" * (4 << 20) + b'"}}'
    answer = await desk.ask(big, headers=plain())
    assert (answer.status, answer.error["data"]["code"]) == (413, "body_too_large")
    answer = await desk.ask(b"", headers=[*plain(), ("content-length", "99999999")])
    assert (answer.status, answer.error["data"]["code"]) == (413, "body_too_large")


async def test_a_large_and_wide_body_is_read(desk):
    wide = json.dumps({"list": [[]] * 200_000, "text": "{[" * 1000})
    answer = await desk.ask(calling(wide), headers=plain())
    assert answer.status == 200
    assert len(desk.servers.params["arguments"]["list"]) == 200_000


@pytest.mark.parametrize("depth", [62, 63, 64, 65, 200, 2000])
async def test_arguments_are_nested_at_most_64_deep(desk, depth):
    inner = nested(depth - 1)
    answer = await desk.ask(calling('{"x":' + inner + "}"), headers=plain())
    assert ("result" in answer.json) == (depth <= 64)
    assert len(desk.servers.requests) == (1 if depth <= 64 else 0)


@pytest.mark.parametrize("arguments", ["[]", "5", '"x"', "true"])
async def test_arguments_are_an_object(desk, arguments):
    answer = await desk.ask(calling(arguments), headers=plain())
    assert answer.error["code"] == PARAMS
    assert not desk.servers.requests


@pytest.mark.parametrize("name", [None, 5, [], {}, ""], ids=str)
async def test_a_tool_has_a_name(desk, name):
    answer = await desk.legacy("tools/call", {"name": name})
    assert answer.error["code"] == PARAMS


async def test_the_id_comes_back_as_it_was(desk):
    for raw in (b"0", b"-1", b"999999999999999999", b'""', b'"\\u00e9\\""', '"größe"'.encode()):
        answer = await desk.ask(b'{"jsonrpc":"2.0","id":' + raw + b',"method":"ping"}', headers=plain())
        assert answer.body == b'{"jsonrpc":"2.0","id":' + raw + b',"result":{}}'


def test_an_event_holds_its_data_however_it_is_written():
    for data in (b'{"a":\n1}', b'{"a":\r\n1,\r"b":2}', b'\n{"a":1}\n\n'):
        (message,) = events_in(event(data))
        assert message == json.loads(data)
        assert event(data).count(b"\n\n") == 1
        assert b"\r" not in event(data)


# -- fuzz --------------------------------------------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
metas = st.fixed_dictionaries(
    {},
    optional={
        f"{META}protocolVersion": st.sampled_from([MODERN, "2025-11-25", "x", 5, None]),
        f"{META}clientCapabilities": st.sampled_from([{}, None, 5]),
        f"{META}subscriptionId": values,
        "progressToken": values,
    },
)
params = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["alpha__echo", "nothing", 5, None]),
        "arguments": values,
        "cursor": values,
        "protocolVersion": values,
        "capabilities": values,
        "requestId": values,
        "_meta": metas | values,
    },
)
methods = st.sampled_from(
    ["ping", "initialize", "server/discover", "tools/list", "tools/call", "notifications/cancelled", "x", 5, None]
)
message = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | values,
        "id": st.integers() | values,
        "method": methods,
        "params": params | values,
    },
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "mcp_protocol_version": st.sampled_from([MODERN, "2025-11-25", "2025-03-26", "x", ""]),
        "mcp_method": st.sampled_from(["tools/list", "tools/call", "ping", "x"]),
        "mcp_name": st.sampled_from(["alpha__echo", "x", "=?base64?eA==?="]),
        "mcp_session_id": st.sampled_from(["x", ""]),
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=message | st.lists(message, max_size=3), given_headers=headers)
async def test_any_message_gets_one_well_formed_answer(body, given_headers):
    desk = Desk()
    answer = await desk.ask(json.dumps(body).encode(), headers=plain(KEY, None, given_headers))
    assert answer.status in (200, 202, 400, 404)
    if answer.status == 202:
        assert answer.body == b""
        return
    answers = answer.json if isinstance(answer.json, list) else [answer.json]
    for one in answers:
        assert one["jsonrpc"] == "2.0"
        assert ("result" in one) != ("error" in one)
        if "error" in one:
            assert isinstance(one["error"]["code"], int)
            assert one["error"]["code"] != -32603, one
            assert one["error"]["message"]
    assert all(entry.outcome in ("ok", "refused") for entry in desk.entries.closed)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80) | st.text(max_size=40).map(str.encode))
def test_any_bytes_are_messages_or_a_fault(data):
    try:
        messages, _ = parse(data)
    except RpcFault as fault:
        assert fault.code in (PARSE, INVALID, PARAMS)
    else:
        assert messages
