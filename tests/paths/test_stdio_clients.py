"""`hub stdio PROFILE`: clients of both eras that start a program get everything that is at the profile's address."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from hub.cli import stdio as stdio_command
from tests.support.hubs import ROOT, running_hub, servers_ready
from tests.support.mcp_full_running import full_servers

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
P = "io.modelcontextprotocol/"
MODERN, LEGACY = "2026-07-28", "2025-11-25"
ABLE = {"elicitation": {"form": {}}}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with full_servers(full="both") as servers:
        profiles = {"full": {"prefix": "never", "servers": {"full": {}}}}
        folder = tmp_path_factory.mktemp("stdio")
        with running_hub(folder, {"servers": servers, "profiles": profiles}) as started:
            servers_ready(started, "full")
            yield started


class Client:
    """One program, and what it has written; `answer` is given for each question."""

    def __init__(self, process, answer):
        self._process = process
        self._answer = answer
        self.noted = []

    def send(self, message):
        self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def next(self):
        return json.loads(await asyncio.wait_for(self._process.stdout.readline(), 30))

    async def request(self, method, params, identifier=1):
        self.send({"jsonrpc": "2.0", "id": identifier, "method": method, "params": params})
        while True:
            message = await self.next()
            if "method" not in message:
                assert message["id"] == identifier
                return message
            if "id" in message:
                self.send({"jsonrpc": "2.0", "id": message["id"], "result": self._answer})
            else:
                self.noted.append(message)

    async def ended(self):
        """Close its input; what is left of its output, and its exit status."""
        self._process.stdin.close()
        left = await asyncio.wait_for(self._process.stdout.read(), 30)
        return left, await self._process.wait()


@contextlib.asynccontextmanager
async def client(hub, profile="full", *, url=None, answer=None):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hub", "stdio", profile, cwd=ROOT,
        env={**os.environ, "HUB_URL": url or hub.url, "HUB_KEY": hub.admin_key},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 24,
    )  # fmt: skip
    try:
        yield Client(process, answer)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def modern(params=None, capabilities=None):
    meta = {f"{P}protocolVersion": MODERN, f"{P}clientCapabilities": capabilities or {}}
    return {**(params or {}), "_meta": meta}


async def test_an_old_client_is_served_asked_and_told(hub):
    form = {"action": "accept", "content": {"username": "ann", "email": "a@b"}}
    async with client(hub, answer=form) as one:
        info = {"protocolVersion": LEGACY, "capabilities": ABLE, "clientInfo": {"name": "c", "version": "1"}}
        assert (await one.request("initialize", info))["result"]["serverInfo"]["name"] == "full"
        one.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        names = [tool["name"] for tool in (await one.request("tools/list", {}, "a"))["result"]["tools"]]
        assert "echo" in names
        call = {"name": "test_tool_with_progress", "arguments": {}, "_meta": {"progressToken": 7}}
        assert "result" in await one.request("tools/call", call, 2)
        assert [note["params"]["progress"] for note in one.noted] == [0, 50, 100]
        asked = await one.request("tools/call", {"name": "test_elicitation", "arguments": {"message": "Who?"}}, 3)
        assert "action=accept" in asked["result"]["content"][0]["text"]
        one.noted.clear()
        added = await one.request("tools/call", {"name": "test_trigger_tool_change", "arguments": {}}, 4)
        while not any(note["method"] == "notifications/tools/list_changed" for note in one.noted):
            one.noted.append(await one.next())
        name = added["result"]["content"][0]["text"]
        assert name in [tool["name"] for tool in (await one.request("tools/list", {}, 5))["result"]["tools"]]
        left, status = await one.ended()
        assert status == 0, left


async def test_a_modern_client_is_served_with_the_headers_that_it_does_not_know_of(hub):
    async with client(hub) as one:
        found = await one.request("server/discover", modern())
        assert MODERN in found["result"]["supportedVersions"]
        said = await one.request("tools/call", modern({"name": "echo", "arguments": {"text": "grüße\u2028\n1.50"}}), 2)
        assert said["result"]["content"][0]["text"] == "grüße\u2028\n1.50"
        listed = (await one.request("tools/list", modern(), 3))["result"]["tools"]
        (mirrored,) = (tool["name"] for tool in listed if "x-mcp-header" in json.dumps(tool["inputSchema"]))
        call = modern({"name": mirrored, "arguments": {"region": "köln", "query": "q"}})
        assert "result" in await one.request("tools/call", call, 4)
        asked = await one.request(
            "tools/call", modern({"name": "test_elicitation", "arguments": {"message": "?"}}, ABLE), 5
        )
        assert asked["result"]["resultType"] == "input_required"
        one.send(
            {"jsonrpc": "2.0", "id": 6, "method": "tools/call", "params": modern({"name": "wait", "arguments": {}})}
        )
        one.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 6}})
        assert (await one.request("no/such", modern(), 7))["error"]["code"] == -32601
        assert (await one.ended())[1] == 0


async def test_an_interrupt_ends_it_though_its_input_is_open(hub):
    async with client(hub) as one:
        assert "result" in await one.request("server/discover", modern())
        one._process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(one._process.wait(), 30) == 130


async def test_what_goes_wrong_is_an_answer_of_the_protocols(hub):
    async with client(hub, "nothing") as one:
        error = (await one.request("tools/list", {}))["error"]
        assert "There is no profile 'nothing'" in error["message"]
        one.send("no message")
        one._process.stdin.write(b"{\n")
        assert (await one.next())["error"]["code"] in (-32600, -32602, -32700)
    async with client(hub, url="http://127.0.0.1:9") as one:
        assert "There is no hub at" in (await one.request("initialize", {}))["error"]["message"]


class _Endless(BaseHTTPRequestHandler):
    """Answers everything with something that has no end: an event at `/events`, else a text."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if self.path == "/events" else "application/json")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(b"data: ")
            while True:
                self.wfile.write(b"x" * (1 << 16))

    def log_message(self, *given):
        """Say nothing."""


@pytest.mark.parametrize("path", ["events", "text"])
async def test_an_answer_without_end_is_cut_off_and_told(monkeypatch, path):
    monkeypatch.setattr(stdio_command, "_MOST", 1 << 20)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Endless)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    put = []
    try:
        async with (
            httpx2.AsyncClient(trust_env=False) as http,
            stdio_command.Bridge(http, f"http://127.0.0.1:{server.server_port}/{path}", put.append) as bridge,
            asyncio.timeout(30),
        ):
            await bridge.take(b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}')
    finally:
        server.shutdown()
        server.server_close()
    (answer,) = map(json.loads, put)
    assert (answer["id"], "more than 1 MiB" in answer["error"]["message"]) == (1, True)
