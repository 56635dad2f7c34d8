"""Servers that answer calls with anything at all: always a proper answer to the caller, and the next call is served."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.hubs import running_hub, servers_ready, wait_for
from tests.support.mcp_hostile import GOOD, http_server, stdio_command

pytestmark = [pytest.mark.slow]
MODERN = "2026-07-28"
P = "io.modelcontextprotocol/"
META = {f"{P}protocolVersion": MODERN, f"{P}clientInfo": {"name": "h", "version": "1"}, f"{P}clientCapabilities": {}}
ABLE = {**META, f"{P}clientCapabilities": {"elicitation": {"form": {}}, "sampling": {}, "roots": {}}}
SOME = settings(
    phases=[Phase.generate], max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
WHOLE = ["json", "modern"]  # the answer is one body
FLOWING = ["stream", "sse", "stdio"]  # the answer is one of several messages

scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)
members = ["content", "structuredContent", "isError", "resultType", "inputRequests", "requestState", "_meta", "taskId"]
results = values | st.dictionaries(
    st.sampled_from(members), values | st.sampled_from(["input_required", "task", "complete"])
)
methods = st.sampled_from(
    ["sampling/createMessage", "elicitation/create", "roots/list", "notifications/progress", "ping", "notifications/message",
     "notifications/cancelled", "notifications/tools/list_changed", "notifications/resources/updated"]
)  # fmt: skip
messages = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | values,
        "id": st.just("SAME") | values,
        "result": results,
        "error": values | st.fixed_dictionaries({"code": values, "message": values}, optional={"data": values}),
        "method": methods | values,
        "params": values,
    },
)
edges = st.sampled_from(
    [b"", b"{", b"\xff\xfe", b"[" * 5000, b"null", b"[]", b'{"jsonrpc":"2.0","id":1e400,"result":{}}', b"data: \n\n", b"<html>",
     b'{"jsonrpc":"2.0","id":SAME,"result":{"content":[{"type":"text","text":"\\ud800"}]}}',
     b'{"jsonrpc":"2.0","id":SAME,"result":{"a":' + b"[" * 3000 + b"]" * 3000 + b"}}",
     b'{"jsonrpc":"2.0","id":SAME,"result":{"a":' + b"[" * 900 + b"]" * 900 + b"}}",
     b'{"jsonrpc":"2.0","id":SAME,"result":{"content":[{"type":"text","text":"x","n":1e400}]}}',
     b'{"jsonrpc":"2.0","id":SAME,"error":{"code":1e400,"message":"x"}}']
)  # fmt: skip
bodies = (
    edges
    | st.binary(max_size=80)
    | messages.map(json.dumps).map(str.encode)
    | st.lists(messages).map(json.dumps).map(str.encode)
)
kinds = st.sampled_from(["application/json", "text/event-stream", "text/html", ""])
statuses = st.sampled_from([200, 200, 200, 202, 204, 302, 400, 401, 404, 429, 500, 503])


@pytest.fixture(scope="module")
def http():
    with http_server() as server:
        yield server


@pytest.fixture(scope="module")
def hub(http, tmp_path_factory):
    clocks = {"timeouts": {"call": 20, "list": 5}}
    servers = {
        way: {"url": http.url(way), "allow_private": True, **clocks} for way in ("json", "modern", "stream", "sse")
    }
    servers |= {"stdio": {"command": stdio_command(), **clocks}}
    # A second one of each that is left waiting: its calls end soon.
    short = {f"{name}-short": {**spec, "timeouts": {"call": 1, "list": 1}} for name, spec in servers.items()}
    profiles = {
        "p": {
            "security": "none",
            "prefix": "always",
            "max_result": 4096,
            "servers": {name: {} for name in (*servers, *short)},
        },
        "plain": {"security": "none", "prefix": "always", "servers": {name: {} for name in servers}},
    }
    guard = {
        "guardrails": {"emails": {"scope": {"org": True}, "on": ["tool_result"], "pii": ["email"], "action": "redact"}}
    }
    with running_hub(
        tmp_path_factory.mktemp("hostile"), {"servers": {**servers, **short}, "profiles": profiles} | guard
    ) as hub:
        servers_ready(hub, *servers, *short)
        yield hub
        said = "".join(hub.output)
        assert "Traceback" not in said, said[-4000:]


@pytest.fixture(scope="module")
def client(hub):
    with hub.client(key="") as one:
        yield one


def called(client, server, *say, tool="echo", meta=META, profile="p", **more):
    """Call a tool whose server says this; the proper answer, whatever it is."""
    arguments = {"say": [base64.b64encode(one).decode() for one in say], **more}
    name = f"{server}__{tool}"
    message = {
        "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": {"name": name, "arguments": arguments, "_meta": meta},
    }  # fmt: skip
    headers = {
        "accept": "application/json, text/event-stream", "mcp-protocol-version": MODERN, "mcp-method": "tools/call",
        "mcp-name": name,
    }  # fmt: skip
    answer = client.post(f"/mcp/{profile}", json=message, headers=headers)
    assert answer.status_code in (200, 400, 404, 429), answer.text  # so many that are asked something may wait
    body = answer.text
    if answer.headers["content-type"].startswith("text/event-stream"):
        body = [line[5:] for line in body.splitlines() if line.startswith("data:")][-1]
    told = json.loads(body)
    assert (told["jsonrpc"], told["id"]) == ("2.0", 7)
    assert ("result" in told) != ("error" in told)
    if "error" in told:
        assert isinstance(told["error"]["code"], int)
        assert isinstance(told["error"]["message"], str)
    else:
        assert isinstance(told["result"], dict)
        assert isinstance(told["result"]["resultType"], str)
    return told


def is_good(told):
    return told.get("result", {}).get("content") == GOOD["content"]


def refusal(told, server):
    """The sentence that the caller reads: it names the server."""
    message = told["error"]["message"]
    assert message.startswith(f"Server '{server}'"), message
    return message


def serves(client, server):
    """The server is as good as ever: at once, or after a moment in which it is connected anew."""
    return wait_for(lambda: is_good(called(client, server)))


@pytest.mark.parametrize("server", WHOLE)
@SOME
@given(status=statuses, kind=kinds, body=bodies)
def test_any_answer_becomes_a_proper_one_and_the_next_call_is_served(client, server, status, kind, body):
    called(client, server, body, status=status, kind=kind)
    assert serves(client, server)


@pytest.mark.parametrize("meta", [META, ABLE], ids=["plain", "able"])
@pytest.mark.parametrize("server", FLOWING)
@SOME
@given(say=st.lists(bodies, max_size=4))
def test_anything_before_an_answer_leaves_the_answer(client, server, say, meta):
    called(client, server, *say, meta=meta)
    assert serves(client, server)


DEEP = b'{"jsonrpc":"2.0","id":SAME,"result":{"a":' + b"[" * 3000 + b"]" * 3000 + b"}}"
BROKEN = b'{"jsonrpc":"2.0","id":SAME,"result":{"content":[{"type":"text","text":"\xff\xfe"}]}}'


@pytest.mark.parametrize("say", [DEEP, BROKEN], ids=["deep", "no text"])
@pytest.mark.parametrize("server", [*WHOLE, *FLOWING])
def test_an_answer_that_cannot_be_read_is_told_at_once(client, server, say):
    assert "no JSON-RPC message" in refusal(called(client, server, say, end="nothing"), server)
    assert serves(client, server)


@pytest.mark.parametrize("server", [*WHOLE, *FLOWING])
def test_an_answer_without_bounds_is_cut_off(client, server):
    huge = b'{"jsonrpc":"2.0","id":SAME,"result":{"a":"FILL"}}'
    said = called(client, server, huge, end="nothing")
    assert "more than 16 MiB" in refusal(said, server)
    assert said["error"]["data"]["code"] == "result_too_large"
    assert serves(client, server)


TEXT = b'{"jsonrpc":"2.0","id":SAME,"result":{"content":[{"type":"text","text":"FILL"}],"resultType":"complete"}}'
LAST = b'{"jsonrpc":"2.0","result":{"content":[{"type":"text","text":"FILL"}],"resultType":"complete"},"id":SAME}'


@pytest.mark.parametrize("say", [TEXT, LAST], ids=["id first", "id last"])
@pytest.mark.parametrize("server", [*WHOLE, *FLOWING])
def test_a_result_of_more_than_a_mebibyte_is_refused_where_nothing_shortens_it(client, server, say):
    whole = called(client, server, say, end="nothing", profile="plain", mib=0.9)
    assert len(whole["result"]["content"][0]["text"]) == int(0.9 * (1 << 20))
    said = called(client, server, say, end="nothing", profile="plain", mib=1.1)
    assert "more than 1 MiB; ask for less, or let max_result" in refusal(said, server)
    assert said["error"]["data"]["code"] == "result_too_large"
    shown = called(client, server, say, end="nothing", mib=1.1)["result"]["content"]
    assert (len(shown[0]["text"]) < 4096, shown[1]["type"]) == (True, "resource_link")
    assert serves(client, server)


@pytest.mark.parametrize("server", [*WHOLE, *FLOWING])
def test_a_giant_result_takes_little_memory(hub, client, server):
    called(client, server, TEXT, end="nothing", profile="plain", mib=2)
    process = Path(f"/proc/{hub.process.pid}")
    before = memory(process, "VmRSS")
    (process / "clear_refs").write_text("5")  # the peak is counted anew
    assert "more than 1 MiB" in refusal(called(client, server, TEXT, end="nothing", profile="plain", mib=100), server)
    assert memory(process, "VmHWM") - before < 10 << 20


def memory(process, what):
    """Bytes, as the kernel counts them."""
    return next(
        int(line.split()[1]) << 10 for line in (process / "status").read_text().splitlines() if line.startswith(what)
    )


@pytest.mark.parametrize("end", ["half", "die"])
@pytest.mark.parametrize("server", FLOWING)
def test_a_server_that_dies_in_the_middle_of_a_message_is_told_of(client, server, end):
    assert refusal(called(client, server, b'{"jsonrpc":"2.0","method":"notifications/message"}', end=end), server)
    assert serves(client, server)


@pytest.mark.parametrize("server", FLOWING)
def test_answers_to_nobody_and_answers_twice_change_nothing(client, server):
    other = b'{"jsonrpc":"2.0","id":%b,"result":{"content":[]}}'
    strays = [other % one for one in (b"0", b"-1", b'"x"', b"null", b"99999999999", b"1.5", b"[]", b"{}")]
    told = called(client, server, *strays, b'{"jsonrpc":"2.0","result":{}}', b"[" + b",".join(strays) + b"]")
    assert is_good(told)
    first = b'{"jsonrpc":"2.0","id":SAME,"result":{"content":[{"type":"text","text":"%d"}]}}'
    twice = called(client, server, b"[" + first % 1 + b"," + first % 2 + b"]", first % 3)
    assert twice["result"]["content"][0]["text"] == "1"
    assert serves(client, server)


@pytest.mark.parametrize("server", FLOWING)
def test_a_flood_of_notifications_drowns_nobody(client, server):
    flood = [
        b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":SAME,"progress":1}}',
        b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}',
        b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":"x"}}',
        b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":SAME}}',
    ]
    assert is_good(
        called(client, server, *flood, times=2000, meta={**META, "progressToken": "t", f"{P}logLevel": "debug"})
    )
    assert serves(client, server)


def test_answers_to_a_process_that_asks_and_never_reads_are_not_heaped_up(client):
    asked = 40_000
    for method in (b"ping", b"sampling/createMessage"):
        before = int(called(client, "stdio", tool="count")["result"]["content"][0]["text"])
        one = b'{"jsonrpc":"2.0","id":"%b","method":"%b"}' % (b"x" * 200, method)
        assert is_good(called(client, "stdio", one, times=asked))
        answered = int(called(client, "stdio", tool="count")["result"]["content"][0]["text"]) - before
        assert 0 < answered < asked / 2, "the rest was dropped: a MiB or so of them may wait"


@pytest.mark.parametrize("server", ["stream", "sse"])
def test_answers_to_a_server_that_asks_and_never_listens_are_not_heaped_up(client, http, server):
    http.most_at_once = 0
    assert is_good(called(client, server, b'{"jsonrpc":"2.0","id":"a","method":"ping"}', times=1000))
    assert 0 < http.most_at_once <= 64
    assert serves(client, server)


@pytest.mark.parametrize("say", [b": hi\n\n", b"\n", b"data:\n\n", b"id: 1\nretry: 0\n\n", b"x"], ids=repr)
def test_a_stream_that_goes_on_and_says_nothing_ends_with_the_calls_time(client, say):
    late = called(client, "stream-short", *[say] * 50, raw=True, end="endless")
    assert "within 1 s" in refusal(late, "stream-short") or "16 MiB" in refusal(late, "stream-short")
    assert serves(client, "stream-short")


def test_a_process_that_writes_for_ever_is_ended_and_begun_anew(client):
    told = called(client, "stdio-short", b"", b"nothing at all", end="endless")
    assert "within 1 s" in refusal(told, "stdio-short")
    assert is_good(called(client, "stdio"))  # nobody else is in its way
    assert serves(client, "stdio-short")


@pytest.mark.parametrize("server", ["stream-short", "sse-short", "stdio-short"])
def test_silence_ends_with_the_calls_time(client, server):
    assert "within 1 s" in refusal(called(client, server, end="nothing"), server) or server == "stream-short"
    assert serves(client, server)
