"""kill -9 of the whole hub under mixed load, again and again: what callers saw is what the ledger holds, once.

`HUB_TEST_KILLS=30` makes it the full run; without it, three kills.
"""

import asyncio
import contextlib
import itertools
import json
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from tests.support.databases import postgres_url
from tests.support.hubs import RESOURCES, running_hub, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

KILLS = int(os.environ.get("HUB_TEST_KILLS", "3"))
WORKERS = 8
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
REPLY = json.dumps(
    {
        "id": "x", "object": "chat.completion", "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }
).encode()  # fmt: skip


@contextlib.contextmanager
def slow_provider():
    """A provider whose answers take up to a third of a second, so that some are always under way."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            time.sleep(random.random() / 3)
            with contextlib.suppress(OSError):
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(REPLY)))
                self.end_headers()
                self.wfile.write(REPLY)

        def log_message(self, *args):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request, address):
            """The hub was killed: its connections break."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Callers:
    """Make calls of models and tools until they are stopped; remember which were sent, and which were answered."""

    def __init__(self):
        self.sent = {}
        self.answered = {}
        self._numbers = itertools.count()
        self.stopped = threading.Event()

    def run(self, hub):
        with hub.client() as client:
            while not self.stopped.is_set():
                number = next(self._numbers)
                kind = "model" if number % 2 else "tool"
                request_id = f"{kind}-{number}"
                self.sent[request_id] = kind
                try:
                    response = self._model(client, request_id) if kind == "model" else self._tool(client, request_id)
                except (httpx2.HTTPError, OSError):
                    return  # the hub is gone
                if response.status_code == 200:
                    self.answered[request_id] = kind

    def _model(self, client, request_id):
        body = {"model": "slow", "messages": [{"role": "user", "content": "x"}], "max_tokens": 20}
        return client.post("/v1/chat/completions", json=body, headers={"x-request-id": request_id})

    def _tool(self, client, request_id):
        call = {
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "new__echo", "arguments": {"text": "x"}, "_meta": META},
        }  # fmt: skip
        headers = {
            "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "new__echo",
            "accept": "application/json, text/event-stream", "x-request-id": request_id,
        }  # fmt: skip
        return client.post("/mcp/both", json=call, headers=headers)


def serving(hub):
    """Whether the tools' server is up."""
    with hub.client() as client:
        return client.get("/api/v1/servers/new/status").json().get("state") == "ready"


def all_entries(hub):
    found, cursor = [], None
    with hub.client() as client:
        while True:
            page = client.get("/api/v1/logs", params={"limit": 1000, **({"cursor": cursor} if cursor else {})}).json()
            found += page["items"]
            cursor = page["next"]
            if cursor is None:
                return found


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request):
    """What tells a hub which database to use."""
    if request.param == "sqlite":
        yield {}
        return
    with asyncio.Runner() as runner:
        made = postgres_url()
        url = runner.run(made.__aenter__())
        try:
            yield {"HUB_DATABASE_URL": url.replace("+asyncpg", "")}
        finally:
            runner.run(made.__aexit__(None, None, None))


def test_what_callers_saw_is_what_the_ledger_holds(tmp_path, database):
    chance = random.Random(3)
    callers = Callers()
    with slow_provider() as address:
        resources = {
            **RESOURCES,
            "providers": {"slow": {"kind": "openai-compatible", "base_url": address, "allow_private": True}},
            "models": {"slow": {"targets": [{"model": "slow/m"}], "price": {"input": "1000", "output": "1000"}}},
            "budgets": {"all": {"scope": {"org": True}, "usd": 100_000, "period": "month"}},
        }
        for _ in range(KILLS):
            with running_hub(tmp_path, resources, database) as hub, ThreadPoolExecutor(WORKERS) as pool:
                wait_for(lambda: serving(hub), 60)
                for _ in range(WORKERS):
                    pool.submit(callers.run, hub)
                seen = len(callers.answered)
                wait_for(lambda seen=seen: len(callers.answered) >= seen + 20, 60)
                time.sleep(chance.random() / 2)
                hub.process.send_signal(signal.SIGKILL)
                hub.process.wait()
        with running_hub(tmp_path, resources, database) as hub:
            check(hub, callers)


def check(hub, callers):
    entries = all_entries(hub)
    by_request = {entry["request_id"]: entry for entry in entries}
    assert len(by_request) == len(entries), "a call has two entries"
    assert len(callers.answered) >= 20 * KILLS
    for request_id, kind in callers.answered.items():
        entry = by_request[request_id]  # KeyError: an answered call was lost
        assert (entry["call"], entry["outcome"], entry["usage"]["estimated"]) == (kind, "ok", False)
        assert len(entry["attempts"]) == 1
    interrupted = [entry for entry in entries if entry["outcome"] == "interrupted"]
    assert interrupted
    for entry in interrupted:
        assert entry["request_id"] not in callers.answered
        assert entry["usage"]["estimated"]
    # A model call under way stands with what was reserved for it, so that a crash is never free of charge.
    reserved = [entry for entry in interrupted if entry["call"] == "model" and entry["cost_micro_usd"]]
    assert reserved
    assert all(entry["usage"]["input"] > 0 for entry in reserved)
    with hub.client() as client:
        spent = client.get("/api/v1/budgets/all").json()["status"]["spent_usd"]
        (total,) = client.get("/api/v1/usage", params={"group_by": "call", "call": "model"}).json()["items"]
    assert float(spent) == pytest.approx(float(total["cost_usd"]))
