"""Stopping: what can finish does, what cannot is told, and everything settles before the application closes."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time

import pytest

from hub.core.calls import Reply
from hub.core.refusal import Refusal
from hub.core.unwinding import Unwinding
from hub.edge import GuardedServer, InFlight, carry, listen, raise_file_limit
from tests.unit.edge.conftest import request, until

pytestmark = pytest.mark.anyio


class Streams:
    """Answers `/N` with N events and then an end; `/0` never ends. Notes how each call settled and when."""

    def __init__(self, in_flight):
        self.in_flight = in_flight
        self.settled = []
        self.go = asyncio.Event()

    async def __call__(self, scope, receive, send):
        await receive()
        with self.in_flight.watch(scope, receive) as exchange:
            await carry(
                self.reply(int(scope["path"][1:])),
                send,
                exchange,
                last_words=lambda refusal: f"error {refusal.code}".encode(),
                request_id="r1",
            )

    async def reply(self, count) -> Reply:
        held = Unwinding(self.settle)
        return Reply(200, {"content-type": "text/event-stream"}, chunks=self.events(count)).owning(held)

    def settle(self, error):
        self.settled.append((error and type(error), getattr(error, "code", ""), time.monotonic()))

    async def events(self, count):
        yield b"event\n"
        await self.go.wait()
        for _ in range(count - 1):
            yield b"event\n"
        if not count:
            await asyncio.Event().wait()


async def first_event(client):
    assert (await client.answer(head_request=True)).status == 200
    assert await client.reader.readuntil(b"event\n\r\n")


async def test_streams_finish_while_the_hub_drains(run):
    in_flight = InFlight()
    app = Streams(in_flight)
    running = await run(app, in_flight=in_flight, drain_seconds=5)
    clients = [await running.connect() for _ in range(20)]
    for client in clients:
        await client.send(request(path="/3"))
        await first_event(client)
    running.server.stop()
    assert in_flight.draining.is_set()  # readiness is false at once
    await until(lambda: _refused(running.port))
    app.go.set()
    for client in clients:
        assert await client.closed() == b"6\r\nevent\n\r\n6\r\nevent\n\r\n0\r\n\r\n"
    await running.stopped(2)
    assert [kind for kind, _, _ in app.settled] == [None] * 20


def _refused(port) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


async def test_a_stream_past_the_drain_ends_with_an_error_and_settles_before_the_application_closes(run):
    in_flight = InFlight()
    app = Streams(in_flight)
    running = await run(app, in_flight=in_flight, drain_seconds=0.2)
    client = await running.connect()
    await client.send(request(path="/0"))
    await first_event(client)
    app.go.set()
    running.server.stop()
    rest = await client.closed()
    assert rest.endswith(b"error overloaded\r\n0\r\n\r\n")
    await running.stopped(2)
    ((kind, code, settled_at),) = app.settled
    assert issubclass(kind, Refusal)
    assert code == "overloaded"
    assert settled_at < running.server.config.loaded_app.ended_at


async def test_a_second_stop_does_not_wait(run):
    in_flight = InFlight()
    app = Streams(in_flight)
    running = await run(app, in_flight=in_flight, drain_seconds=60)
    client = await running.connect()
    await client.send(request(path="/0"))
    await first_event(client)
    running.server.stop()
    await until(lambda: _refused(running.port))
    assert not app.settled
    running.server.stop()
    assert (await client.closed()).endswith(b"error overloaded\r\n0\r\n\r\n")
    await running.stopped(2)
    assert len(app.settled) == 1
    assert running.server.config.loaded_app.ended_at is not None


async def test_an_idle_connection_does_not_hold_the_hub(run):
    in_flight = InFlight()
    app = Streams(in_flight)
    app.go.set()
    running = await run(app, in_flight=in_flight, drain_seconds=60)
    client = await running.connect()
    await client.send(request(path="/1"))
    await client.answer()
    running.server.stop()
    await running.stopped(10)  # long before the time to drain is over


async def test_a_request_that_nobody_ends_is_cut_off(run):
    async def stuck(scope, receive, send):
        await asyncio.Event().wait()

    running = await run(stuck, drain_seconds=0.1)
    client = await running.connect()
    await client.send(request())
    await until(lambda: running.server.server_state.tasks)
    running.server.stop()
    await running.stopped(5)
    assert not running.server.server_state.tasks


async def test_an_application_that_does_not_start_ends_the_process_with_3(run):
    async def broken(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "the folder is in use"})

    (sock,) = listen("127.0.0.1", 0)
    with sock, pytest.raises(SystemExit) as caught:
        await GuardedServer(broken, InFlight()).serve([sock])
    assert caught.value.code == 3


def test_all_addresses_of_a_host_share_a_port():
    sockets = listen("localhost", 0)
    try:
        assert sockets
        assert len({sock.getsockname()[1] for sock in sockets}) == 1
    finally:
        for sock in sockets:
            sock.close()


def test_a_port_in_use_is_an_error_and_leaves_nothing_open():
    (taken,) = listen("127.0.0.1", 0)
    with taken, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", taken.getsockname()[1])


def test_the_file_limit_is_never_lowered():
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert raise_file_limit(64) == soft


PROGRAM = textwrap.dedent("""
    import asyncio, sys, uvloop
    from hub.edge import InFlight, Serving, listen, serve
    from tests.unit.edge.test_server import Streams
    from tests.unit.edge.conftest import with_lifespan

    in_flight = InFlight()
    async def main():
        app = Streams(in_flight)
        if sys.argv[1] == "go":
            asyncio.get_running_loop().call_later(0.6, app.go.set)
        started = lambda port: print(port, flush=True)
        await serve(with_lifespan(app), listen("127.0.0.1", 0), in_flight, Serving(drain_seconds=20, started=started))
    uvloop.run(main())
""")


@pytest.mark.parametrize(("mode", "signals"), [("go", 1), ("stay", 2)])
def test_signals_drain_and_the_exit_status_is_0(mode, signals):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, mode],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": "."},
    )
    try:
        port = int(process.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
            sock.sendall(request(path="/2"))
            received = b""
            while b"event" not in received:
                received += sock.recv(4096)
            for _ in range(signals):
                process.send_signal(signal.SIGTERM)
                time.sleep(0.1)  # two signals at once may arrive as one
            while data := sock.recv(4096):
                received += data
        assert process.wait(10) == 0
        assert received.endswith(b"0\r\n\r\n")
        assert received.count(b"event\n") == (2 if mode == "go" else 1)
        assert (b"error overloaded" in received) == (mode == "stay")
        assert process.stderr.read() == b""
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
