"""A guarded server in the test's own loop, and clients that send any bytes they like."""

import asyncio
import contextlib
import re
import time
from dataclasses import dataclass, field, replace

import pytest

from hub.edge import GuardedServer, HttpLimits, InFlight, Serving, listen


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class RawClient:
    """One TCP connection; nothing is sent that the test did not write."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def answer(self, head_request: bool = False) -> Answer:
        """The next response, whole."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines[1:]:
            if line:
                name, _, value = line.partition(":")
                assert name.lower() not in headers, f"{name} twice"
                headers[name.lower()] = value.strip()
        status = int(lines[0].split(" ")[1])
        if head_request:
            return Answer(status, headers, b"")
        return Answer(status, headers, await asyncio.wait_for(self._body(headers), 10))

    async def _body(self, headers) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return await self.reader.readexactly(int(headers.get("content-length", 0)))
        whole = b""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            whole += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)
        return whole

    async def closed(self, seconds: float = 5.0) -> bytes:
        """What still comes until the server closes."""
        try:
            return await asyncio.wait_for(self.reader.read(), seconds)
        except ConnectionError:
            return b""

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def reset(self) -> None:
        self.writer.transport.abort()


@dataclass
class Running:
    server: GuardedServer
    in_flight: InFlight
    port: int
    task: asyncio.Task
    refused: list[int] = field(default_factory=list)
    clients: list[RawClient] = field(default_factory=list)

    async def connect(self, **options) -> RawClient:
        client = RawClient(*await asyncio.open_connection("127.0.0.1", self.port, **options))
        self.clients.append(client)
        return client

    async def exchange(self, data: bytes, head_request: bool = False) -> Answer:
        """One request on a connection of its own."""
        client = await self.connect()
        await client.send(data)
        return await client.answer(head_request)

    async def stopped(self, seconds: float = 10.0) -> None:
        await asyncio.wait_for(asyncio.shield(self.task), seconds)


def request(method="GET", path="/", body=b"", **headers) -> bytes:
    """A well-formed request; `x_hub_key` stands for `x-hub-key`."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {headers.pop('host', 'localhost')}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def until(condition, seconds: float = 5.0):
    """Poll until `condition()` is true."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not happen in time"
        await asyncio.sleep(0.01)


def with_lifespan(app):
    """`app` with a lifespan that does nothing but note its end."""

    async def whole(scope, receive, send):
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        whole.ended_at = time.monotonic()
        await send({"type": "lifespan.shutdown.complete"})

    whole.ended_at = None
    return whole


@pytest.fixture
async def run():
    """`running = await run(app, head_seconds=..., drain_seconds=...)`: a server for one test."""
    started: list[Running] = []

    async def begin(app, *, in_flight=None, drain_seconds=0.5, lifespan=True, **limits) -> Running:
        in_flight = InFlight() if in_flight is None else in_flight
        port = asyncio.get_running_loop().create_future()
        refused: list[int] = []
        serving = Serving(replace(HttpLimits(), **limits), drain_seconds, port.set_result, refused.append)
        server = GuardedServer(with_lifespan(app) if lifespan else app, in_flight, serving)
        task = asyncio.get_running_loop().create_task(server.serve(listen("127.0.0.1", 0)))
        running = Running(server, in_flight, await asyncio.wait_for(port, 10), task, refused)
        started.append(running)
        return running

    yield begin
    for running in started:
        for client in running.clients:
            await client.close()
        running.server.stop()
        running.server.stop()
        await running.stopped()


STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3})")
