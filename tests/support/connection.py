"""One connection of the scriptable upstream: reads requests, plays a script for each, knows when the peer left."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from tests.support.script import CLOSE, HANG, RESET, Pause, Script, Wait


@dataclass(eq=False, slots=True)
class Received:
    """One request as it arrived. `connection` counts from 0; `answered` turns true with the script's last byte."""

    method: str
    target: str
    raw_headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    connection: int
    gone: asyncio.Event
    answered: bool = False
    context: dict[str, Any] = field(default_factory=dict)  # room for whoever chooses scripts

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> str:
        return urlsplit(self.target).query

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.raw_headers}

    @property
    def json(self) -> Any:
        """The body as JSON, None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    async def closed(self, seconds: float = 5.0) -> None:
        """Return when the peer has closed the connection of this request; TimeoutError after `seconds`."""
        await asyncio.wait_for(self.gone.wait(), seconds)


class Owner(Protocol):
    """What a connection needs of the upstream it belongs to."""

    def opened(self, connection: "Connection") -> int: ...
    def lost(self, connection: "Connection") -> None: ...
    def arrived(self, received: Received) -> Script: ...
    def keep(self, task: asyncio.Task[None]) -> None: ...


class Connection(asyncio.Protocol):
    """Requests are taken one after the other; the next one waits until the script of this one has ended."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._buffer = bytearray()
        self._changed = asyncio.Event()  # more bytes, or the peer is gone
        self._writable = asyncio.Event()
        self._writable.set()
        self.gone = asyncio.Event()  # FIN or RST from the peer, or our own end
        self.idle = True

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport
        transport.set_write_buffer_limits(1, 0)  # over TLS, asyncio would pause at 0 and never resume
        self.number = self._owner.opened(self)
        loop = asyncio.get_running_loop()
        self._owner.keep(loop.create_task(self._serve(), name=f"upstream connection {self.number}"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._changed.set()

    def eof_received(self) -> bool:
        self.gone.set()
        self._changed.set()
        return True  # half open: the script may still want to write

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        self._changed.set()
        self._writable.set()
        self._owner.lost(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    async def _serve(self) -> None:
        try:
            while (received := await self._request()) is not None:
                self.idle = False
                lives = await self._play(self._owner.arrived(received), received)
                if not lives or received.headers.get("connection", "").lower() == "close":
                    return
                self.idle = True
        finally:
            self._transport.close()

    async def _play(self, script: Script, received: Received) -> bool:
        """Play one script; false when the connection has ended with it."""
        for step in script.wire(received).steps():
            if self._transport.is_closing() or self.gone.is_set():
                return False
            if step is HANG:
                await self.gone.wait()
            if step is RESET:
                self._reset()
            if step in (HANG, RESET, CLOSE):
                received.answered = step is CLOSE
                return False
            await self._take(step)
        received.answered = True
        return True

    async def _take(self, step: object) -> None:
        """Do one step that does not end the connection."""
        if isinstance(step, Pause):
            await self._until_gone(asyncio.sleep(step.seconds))
        elif isinstance(step, Wait):
            await self._until_gone(step.event.wait())
        elif isinstance(step, bytes) and step:
            self._transport.write(step)
            await self._writable.wait()

    async def _until_gone(self, waiting: Any) -> None:
        gone = asyncio.get_running_loop().create_task(self.gone.wait())
        wanted = asyncio.get_running_loop().create_task(waiting)
        try:
            await asyncio.wait((gone, wanted), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (gone, wanted):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def _reset(self) -> None:
        sock = self._transport.get_extra_info("socket")
        with contextlib.suppress(OSError):  # the peer may be gone already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    async def _request(self) -> Received | None:
        """The next whole request; None when the peer left or talks nonsense."""
        head = await self._take_until(b"\r\n\r\n")
        if head is None:
            return None
        lines = head.split(b"\r\n")
        first = lines[0].split(b" ")
        if len(first) != 3:
            return None
        headers = tuple(_header(line) for line in lines[1:] if line)
        body = await self._body({name.lower(): value for name, value in headers})
        if body is None:
            return None
        method, target = first[0].decode("latin-1"), first[1].decode("latin-1")
        return Received(method, target, headers, body, self.number, self.gone)

    async def _body(self, headers: dict[bytes, bytes]) -> bytes | None:
        if headers.get(b"transfer-encoding", b"").lower() != b"chunked":
            return await self._take_bytes(int(headers.get(b"content-length", b"0")))
        whole = bytearray()
        while (line := await self._take_until(b"\r\n")) is not None:
            size = int(line.split(b";")[0], 16)
            data = await self._take_bytes(size + 2)
            if data is None:
                return None
            if size == 0:
                return bytes(whole)
            whole += data[:-2]
        return None

    async def _more(self) -> bool:
        if self.gone.is_set():
            return False
        self._changed.clear()
        await self._changed.wait()
        return True

    async def _take_until(self, mark: bytes) -> bytes | None:
        return await self._take_found(lambda: self._buffer.find(mark), len(mark))

    async def _take_bytes(self, size: int) -> bytes | None:
        return await self._take_found(lambda: size if len(self._buffer) >= size else -1, 0)

    async def _take_found(self, find: Callable[[], int], extra: int) -> bytes | None:
        while (found := find()) < 0:
            if not await self._more():
                return None
        taken = bytes(self._buffer[:found])
        del self._buffer[: found + extra]
        return taken


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name, value.strip()
