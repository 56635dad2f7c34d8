"""A server that answers calls with anything at all: always a proper answer to the caller, and the next call is served."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.hubs import running_hub, servers_ready, wait_for

pytestmark = [pytest.mark.slow]
MODERN, LEGACY = "2026-07-28", "2025-11-25"
P = "io.modelcontextprotocol/"
META = {f"{P}protocolVersion": MODERN, f"{P}clientInfo": {"name": "h", "version": "1"}, f"{P}clientCapabilities": {}}
TOOLS = [{"name": "echo", "inputSchema": {"type": "object"}}]
GOOD = {"content": [{"type": "text", "text": "good"}], "resultType": "complete"}
SOME = settings(
    phases=[Phase.generate], max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)

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
messages = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | values,
        "id": st.just("SAME") | values,
        "result": results,
        "error": values | st.fixed_dictionaries({"code": values, "message": values}, optional={"data": values}),
        "method": st.sampled_from(["sampling/createMessage", "roots/list", "notifications/progress", "ping"]) | values,
        "params": values,
    },
)
edges = st.sampled_from(
    [b"", b"{", b"\xff\xfe", b"[" * 5000, b"null", b"[]", b'{"jsonrpc":"2.0","id":1e400,"result":{}}', b"data: \n\n", b"<html>",
     b'{"jsonrpc":"2.0","id":SAME,"result":{"content":[{"type":"text","text":"\\ud800"}]}}',
     b'{"jsonrpc":"2.0","id":SAME,"result":{"a":' + b"[" * 3000 + b"]" * 3000 + b"}}"]
)  # fmt: skip
bodies = (
    edges
    | st.binary(max_size=80)
    | messages.map(json.dumps).map(str.encode)
    | st.lists(messages).map(json.dumps).map(str.encode)
)
kinds = st.sampled_from(["application/json", "text/event-stream", "text/html", ""])
statuses = st.sampled_from([200, 200, 200, 202, 204, 302, 400, 401, 404, 429, 500, 503])


class Hostile(BaseHTTPRequestHandler):
    """Greets and lists well; a call gets what the test has put into `server.next`, once, and is served after it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        method, own = asked.get("method"), asked.get("id")
        if method == "tools/call" and self.server.next is not None:
            (status, kind, body), self.server.next = self.server.next, None
            body = body.replace(b'"SAME"', b"SAME").replace(b"SAME", json.dumps(own).encode())
            if kind == "text/event-stream":
                body = b"data: " + body + b"\n\n"
            self.reply(status, kind, body)
            return
        modern = self.server.modern
        made = {
            "server/discover": {"supportedVersions": [MODERN], "capabilities": {"tools": {}}, "resultType": "complete"} if modern else None,
            "initialize": None if modern else {"protocolVersion": LEGACY, "capabilities": {"tools": {}}, "serverInfo": {}},
            "tools/list": {"tools": TOOLS, "resultType": "complete"},
            "tools/call": GOOD,
            "ping": {},
        }.get(method)  # fmt: skip
        if own is None:
            self.reply(202, "", b"")
        elif made is None:
            error = {"code": -32601, "message": "Method not found"}
            self.reply(
                404 if modern else 200,
                "application/json",
                json.dumps({"jsonrpc": "2.0", "id": own, "error": error}).encode(),
            )
        else:
            self.reply(200, "application/json", json.dumps({"jsonrpc": "2.0", "id": own, "result": made}).encode())

    def do_GET(self):
        self.reply(405, "", b"")

    def do_DELETE(self):
        self.do_GET()

    def reply(self, status, kind, body):
        self.send_response(status)
        if kind:
            self.send_header("content-type", kind)
        if status != 204:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def log_message(self, *given):
        """Say nothing."""


@pytest.fixture(scope="module", params=["modern", "old"])
def place(request, tmp_path_factory):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    server.next, server.modern = None, request.param == "modern"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    servers = {"s": {"url": f"http://127.0.0.1:{server.server_port}/", "allow_private": True, "timeouts": {"call": 2}}}
    resources = {"servers": servers, "profiles": {"p": {"security": "none", "servers": {"s": {}}}}}
    with running_hub(tmp_path_factory.mktemp("hostile"), resources) as hub:
        servers_ready(hub, "s")
        with hub.client(key="") as client:
            yield server, client
        said = "".join(hub.output)
        assert "Traceback" not in said, said[-4000:]
    server.shutdown()
    server.server_close()


def called(client):
    message = {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/call",
        "params": {"name": "s__echo", "arguments": {}, "_meta": META},
    }
    headers = {
        "accept": "application/json",
        "mcp-protocol-version": MODERN,
        "mcp-method": "tools/call",
        "mcp-name": "s__echo",
    }
    return client.post("/mcp/p", json=message, headers=headers)


def is_good(answer):
    return answer.json().get("result", {}).get("content") == GOOD["content"]


@SOME
@given(status=statuses, kind=kinds, body=bodies)
def test_anything_a_server_answers_becomes_a_proper_answer_and_the_next_call_is_served(place, status, kind, body):
    server, client = place
    server.next = (status, kind, body)
    answer = called(client)
    server.next = None
    assert answer.status_code in (200, 400, 404), answer.text
    told = answer.json()
    assert (told["jsonrpc"], told["id"]) == ("2.0", 7)
    assert ("result" in told) != ("error" in told)
    if "error" in told:
        assert isinstance(told["error"]["code"], int)
        assert isinstance(told["error"]["message"], str)
    else:
        assert isinstance(told["result"], dict)
        assert isinstance(told["result"]["resultType"], str)
    wait_for(lambda: is_good(called(client)))
