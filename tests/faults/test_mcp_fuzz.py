"""Hostile JSON-RPC at a profile's address, over real sockets: always a proper error, never a crash, never another's data."""

import json

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.hubs import RESOURCES, running_hub, servers_ready

pytestmark = [pytest.mark.slow]
MODERN, LEGACY = "2026-07-28", "2025-11-25"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "fuzz", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
ACCEPT = "application/json, text/event-stream"
METHODS = [
    "initialize", "server/discover", "ping", "tools/list", "tools/call", "prompts/list", "prompts/get", "resources/list", "resources/read",
    "resources/templates/list", "resources/subscribe", "resources/unsubscribe", "completion/complete", "logging/setLevel",
    "subscriptions/listen", "tasks/get", "tasks/cancel", "tasks/result", "notifications/initialized", "notifications/cancelled",
    "notifications/progress", "notifications/roots/list_changed", "sampling/createMessage", "elicitation/create", "roots/list", "no/such",
    "", "../../etc/passwd", "tools/call\u0000", "x" * 4000,
]  # fmt: skip
# What a fuzzed request may be answered with over HTTP; a 500 is a bug.
STATUSES = {200, 202, 400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429, 431}
STREAMS = {"subscriptions/listen"}  # answered by a stream that does not end
SOME = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=40)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
params = st.one_of(
    values,
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.sampled_from(["new__echo", "old__echo", "hub__whoami", "nothing", "__", "new__", ""]) | values,
            "arguments": values,
            "uri": st.sampled_from(["new+memo://x", "memo://x", "file:///etc/passwd", ""]) | values,
            "cursor": values,
            "level": values,
            "ref": values,
            "argument": values,
            "requestState": values,
            "inputResponses": values,
            "taskId": values,
            "protocolVersion": st.sampled_from([MODERN, LEGACY, "1", ""]) | values,
            "capabilities": values,
            "clientInfo": values,
            "_meta": st.just(META) | values | st.fixed_dictionaries({**dict.fromkeys(META, values)}),
        },
    ),
)
ids = st.one_of(st.integers(-(2**70), 2**70), st.text(max_size=40), scalars, values)
messages = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0") | scalars, "method": st.sampled_from(METHODS) | scalars},
    optional={"id": ids, "params": params, "result": values, "error": values, "extra": values},
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "mcp-protocol-version": st.sampled_from(
            [MODERN, LEGACY, "2025-03-26", "2024-11-05", "1999-01-01", "", "x" * 300]
        ),
        "mcp-method": st.sampled_from(["tools/call", "tools/list", "", "=?base64?eA==?=", "=?base64?%%%?="]),
        "mcp-name": st.sampled_from(["new__echo", "", "=?base64?bmV3X19lY2hv?=", "=?base64?/w==?="]),
        "mcp-session-id": st.sampled_from(["", "0", "x" * 200, "../..", "%00"]),
        "last-event-id": st.sampled_from(["", "0", "9" * 400, "a:b:c"]),
        "accept": st.sampled_from([ACCEPT, "application/json", "text/html", "", "*/*"]),
        "content-type": st.sampled_from(
            ["application/json", "text/plain", "multipart/form-data", "", "application/json; charset=utf-16"]
        ),
    },
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    resources = {**RESOURCES, "teams": {"crew": {"models": ["*"], "profiles": ["*"], "tools": ["*"]}}}
    with running_hub(tmp_path_factory.mktemp("fuzz"), resources) as running:
        servers_ready(running, "new", "old")
        yield running
        said = "".join(running.output)
        assert "Traceback" not in said, said[-4000:]
        assert "request failed" not in said, said[-4000:]


@pytest.fixture(scope="module")
def client(hub):
    with hub.client() as one:
        yield one
        # After all that, an honest call is served.
        for era in (MODERN, LEGACY):
            call = honest(era, "new__echo" if era == MODERN else "old__echo")
            answer = one.post("/mcp/both", **call)
            assert answer.json()["result"]["content"][0]["text"] == "hi", answer.text


def honest(era, tool):
    meta = {"_meta": META} if era == MODERN else {}
    message = {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/call",
        "params": {"name": tool, "arguments": {"text": "hi"}, **meta},
    }
    more = {"mcp-method": "tools/call", "mcp-name": tool} if era == MODERN else {}
    return {"json": message, "headers": {"accept": ACCEPT, "mcp-protocol-version": era, **more}}


def answered(client, body, given=None, path="/mcp/both"):
    """The answer to a body: its head, and what of it comes at once. Of a stream that goes on, the head is enough."""
    fields = {"content-type": "application/json", "accept": ACCEPT, **(given or {})}
    with client.stream("POST", path, content=body, headers=fields) as answer:
        if "text/event-stream" in answer.headers.get("content-type", ""):
            assert answer.status_code == 200
            return answer.status_code, None
        return answer.status_code, answer.read()


def check(status, body):
    """A proper answer: an allowed status, and JSON that is a result, an error with a code and a sentence, or a problem."""
    assert status in STATUSES, (status, body)
    if not body:
        assert body is None or status in (200, 202), (status, body)
        return
    told = json.loads(body)
    for one in told if isinstance(told, list) else [told]:
        assert one["jsonrpc"] == "2.0", one
        assert ("result" in one) != ("error" in one), one
        if "error" in one:
            assert isinstance(one["error"]["code"], int), one
            assert one["error"]["message"], one
            its_own = one["error"]["code"] == -32603  # but for an echo that is too large
            assert not its_own or one["error"]["data"]["code"] == "result_too_large", one
            assert "Traceback" not in one["error"]["message"], one
        assert one["id"] is None or isinstance(one["id"], int | str), one


@SOME
@given(message=messages, given=headers)
def test_any_message_under_any_headers_is_answered_properly(client, message, given):
    check(*answered(client, json.dumps(message).encode("utf-8", "surrogatepass"), given))


@SOME
@given(batch=st.lists(messages | values, max_size=6), given=headers)
def test_any_batch_is_answered_properly(client, batch, given):
    check(*answered(client, json.dumps(batch).encode("utf-8", "surrogatepass"), given))


@SOME
@given(body=st.binary(max_size=200))
def test_bytes_that_are_no_json_are_answered_properly(client, body):
    check(*answered(client, body))


@SOME
@given(where=st.integers(0, 400), what=st.binary(min_size=1, max_size=3), cut=st.booleans())
def test_a_good_call_that_is_damaged_is_answered_properly(client, where, what, cut):
    call = honest(MODERN, "new__echo")
    body = json.dumps(call["json"]).encode()
    where %= len(body)
    check(*answered(client, body[:where] if cut else body[:where] + what + body[where + 1 :], call["headers"]))


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"null", b"1", b'"x"', b"[]", b"{}", b"[[]]", b"[" * 100_000, b'{"a":' * 100_000, b"[1]" * 10, b"{}" * 10,
        b"\xff\xfe\x00", "\ufeff{}".encode(), b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', b'{"jsonrpc":"2.0","method":"ping","id":1e999}',
        b'{"jsonrpc":"2.0","method":"ping","id":' + b"9" * 5000 + b"}", b'{"jsonrpc":"2.0","method":"ping","id":"' + b"x" * 5000 + b'"}',
        b'{"jsonrpc":"2.0","method":"ping","id":1,"params":' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"new__echo","arguments":' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}}",
        b'{"jsonrpc":"2.0","id":1,"method":"\\ud800"}', b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}', b"[" + b"{}," * 60 + b"{}]",
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"new__echo","arguments":{"text":"' + b"x" * 3_000_000 + b'"}}}',
    ],
    ids=lambda body: repr(body[:24]) + str(len(body)),
)  # fmt: skip
@pytest.mark.parametrize("era", [MODERN, LEGACY, ""])
def test_edges_of_json_are_answered_properly(client, body, era):
    check(*answered(client, body, {"mcp-protocol-version": era} if era else {}))


@pytest.mark.parametrize(
    ("more", "statuses"),
    [
        ([("mcp-protocol-version", MODERN), ("mcp-protocol-version", LEGACY)], {400}),
        ([("mcp-method", "tools/call"), ("mcp-method", "tools/list")], {400}),
        ([("mcp-name", "new__echo"), ("mcp-name", "old__echo")], {400}),
        ([("content-length", "5"), ("content-length", "6")], {400}),
        ([("content-type", "application/json"), ("content-encoding", "gzip")], {415}),
        ([("content-type", "multipart/form-data; boundary=x")], {415}),
        ([("authorization", "Bearer hub_a"), ("authorization", "Bearer hub_b")], {401}),
        ([("mcp-session-id", "nobodys")], {404}),
        ([("origin", "https://evil.example")], {403}),
    ],
)
def test_contradicting_headers_are_refused(hub, more, statuses):
    call = honest(MODERN, "new__echo")
    names = {name for name, _ in more}
    usual = [
        ("authorization", f"Bearer {hub.admin_key}"),
        ("content-type", "application/json"),
        *call["headers"].items(),
    ]
    if "mcp-session-id" in names:
        usual = [("authorization", f"Bearer {hub.admin_key}"), ("accept", ACCEPT)]
        call["json"].pop("params")
        call["json"]["method"] = "tools/list"
    fields = [(name, value) for name, value in usual if name not in names] + more
    with httpx2.Client(base_url=hub.url, trust_env=False) as client:
        try:
            answer = client.post("/mcp/both", content=json.dumps(call["json"]), headers=fields)
        except httpx2.LocalProtocolError:
            return  # the client itself does not send such a thing
    assert answer.status_code in statuses, answer.text


def test_a_session_is_nobody_elses(hub):
    with hub.client() as admin:
        mallory = admin.put("/api/v1/keys/mallory", json={"spec": {"team": "crew"}}).json()["secret"]
        opening = {
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}},
        }  # fmt: skip
        session = admin.post("/mcp/both", json=opening, headers={"accept": ACCEPT}).headers["mcp-session-id"]
    stolen = {"accept": ACCEPT, "mcp-session-id": session, "mcp-protocol-version": LEGACY}
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    with hub.client(mallory) as thief:
        assert thief.post("/mcp/both", json=listing, headers=stolen).status_code == 404
        assert thief.get("/mcp/both", headers=stolen).status_code == 404
        assert thief.delete("/mcp/both", headers=stolen).status_code == 404
        answer = {"jsonrpc": "2.0", "id": 1, "result": {"action": "accept"}}
        assert thief.post("/mcp/both", json=answer, headers=stolen).status_code == 404
    with hub.client() as admin:
        assert admin.post("/mcp/both", json=listing, headers=stolen).status_code == 200


@SOME
@given(state=st.text(max_size=200) | st.binary(max_size=200).map(bytes.hex), responses=values)
def test_a_made_up_state_resumes_nothing(client, state, responses):
    call = honest(MODERN, "new__echo")
    call["json"]["params"] |= {"requestState": state, "inputResponses": responses}
    status, body = answered(client, json.dumps(call["json"]).encode("utf-8", "surrogatepass"), call["headers"])
    check(status, body)
    assert "error" in json.loads(body), body


@pytest.fixture(scope="module", params=["2025-03-26", LEGACY])
def session(client, request):
    opening = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": request.param, "capabilities": {"sampling": {}}, "clientInfo": {"name": "a", "version": "1"}},
    }  # fmt: skip
    made = client.post("/mcp/both", json=opening, headers={"accept": ACCEPT}).headers["mcp-session-id"]
    yield {"mcp-session-id": made, "mcp-protocol-version": request.param}
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    answer = client.post("/mcp/both", json=listing, headers={"accept": ACCEPT, "mcp-session-id": made})
    assert answer.json()["result"]["tools"]


@SOME
@given(message=messages | st.lists(messages, min_size=1, max_size=4))
def test_any_message_of_a_session_is_answered_properly(client, session, message):
    check(*answered(client, json.dumps(message).encode("utf-8", "surrogatepass"), session))
