"""One connection to an upstream: an HTTP/1.1 request goes out, its answer comes back piece by piece."""

import asyncio
from typing import Protocol, cast

import httptools

from hub.core.refusal import UpstreamFailed
from hub.upstream.failures import broken_off, closed, not_http

_MOST_HEAD = 65_536
_MOST_HEADERS = 256
_MOST_INTERIM = 16
_HIGH = 256 * 1024  # bytes of a body that wait for the reader before the upstream is held back
_LARGE = 64 * 1024


class Incoming:
    """The answer to one request while it arrives. One task waits for it at a time."""

    __slots__ = ("_chunks", "_loop", "_size", "_waiter", "begun", "complete", "failure", "headers", "status")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._chunks: list[bytes] = []
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self.status = 0
        self.headers: dict[str, str] = {}
        self.begun = False  # status and headers are known
        self.complete = False
        self.failure: UpstreamFailed | None = None

    def changed(self) -> asyncio.Future[None]:
        """A future that is done when something has come, or nothing more will."""
        self._waiter = waiter = self._loop.create_future()
        return waiter

    def wake(self) -> None:
        """Tell the one who waits."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def add(self, chunk: bytes) -> bool:
        """A piece of the body; whether more of it waits for its reader than should."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        return self._size > _HIGH

    def take(self) -> bytes:
        """All that is there, or b""."""
        chunks = self._chunks
        if not chunks:
            return b""
        self._chunks = []
        self._size = 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def fail(self, failure: UpstreamFailed) -> None:
        """Nothing more will come; the first reason counts."""
        if self.failure is None:
            self.failure = failure


class Owner(Protocol):
    """Who keeps connections, and is told how they fare."""

    def opened(self, connection: "Connection") -> None:
        """It was made."""
        ...

    def freed(self, connection: "Connection") -> None:
        """Its answer is complete, and it can carry another request."""
        ...

    def lost(self, connection: "Connection") -> None:
        """It is closed."""
        ...


class Connection(asyncio.Protocol):
    """One connection. `uses` counts its requests; `heard` tells whether the current one was answered by any byte."""

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Owner) -> None:
        self._loop = loop
        self._owner = owner
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._incoming: Incoming | None = None
        self._head_bytes = 0
        self._interim = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._until_close = False
        self._paused = False
        self._done = False
        self._reusable = False
        self.uses = 0
        self.heard = False
        self.idle_since = 0.0

    # -- the transport's callbacks ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        """Bytes from the upstream."""
        incoming = self._incoming
        if incoming is None:  # nothing was asked: nobody may be told this in the next one's place
            self.abort()
            return
        self.heard = True
        if not incoming.begun:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
            if not incoming.begun and self._head_bytes > _MOST_HEAD:
                raise ValueError("head too large")
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, ValueError):
            incoming.fail(not_http())
            self.abort()
        else:
            if self._done:
                self._finish(incoming)
        incoming.wake()

    def eof_received(self) -> None:
        """The upstream will say no more; the connection closes."""

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, by either side."""
        self._transport = None
        self._owner.lost(self)
        incoming = self._incoming
        self._incoming = None
        if incoming is None or incoming.complete:
            return
        if self._until_close and exc is None:
            incoming.complete = True
        else:
            incoming.fail(broken_off() if incoming.begun else closed())
        incoming.wake()

    # -- the parser's callbacks: what they raise becomes an error of the parser -------------------------------------

    def on_message_begin(self) -> None:
        """An answer begins. Behind a complete one there is none: that would be the next caller's."""
        if self._done:
            raise ValueError
        self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or a trailer, which is not looked at."""
        if self._incoming is not None and not self._incoming.begun:
            self._headers.append((name, value))
            if len(self._headers) > _MOST_HEADERS:
                raise ValueError

    def on_headers_complete(self) -> None:
        """Status and headers are whole."""
        status = self._parser.get_status_code()
        incoming = self._incoming
        assert incoming is not None
        if status < 200:
            self._interim += 1
            if status == 101 or self._interim > _MOST_INTERIM:
                raise ValueError
            return
        headers = incoming.headers
        for raw, value in self._headers:
            name = raw.decode("latin-1").lower()
            text = value.decode("latin-1")
            headers[name] = f"{headers[name]}, {text}" if name in headers else text
        incoming.status = status
        incoming.begun = True
        self._until_close = "content-length" not in headers and not self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        incoming = self._incoming
        if incoming is not None and incoming.add(body) and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The answer is whole, unless it was an interim one."""
        self._done = self._incoming is not None and self._incoming.begun
        self._reusable = self._parser.should_keep_alive()

    # -- the request ------------------------------------------------------------------------------------------------

    def is_open(self) -> bool:
        """Whether a request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, head: bytes, body: bytes) -> Incoming:
        """Send one request; its answer arrives in what is returned. The connection carries no other meanwhile."""
        transport = self._transport
        assert transport is not None
        self.uses += 1
        self.heard = False
        self._head_bytes = self._interim = 0
        self._done = self._until_close = False
        self._incoming = incoming = Incoming(self._loop)
        if len(body) > _LARGE:
            transport.writelines((head, body))
        else:
            transport.write(head + body)
        return incoming

    def resume(self) -> None:
        """The reader has taken what was there."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close at once; what the upstream still does is not waited for."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Close."""
        if self._transport is not None:
            self._transport.close()

    def _finish(self, incoming: Incoming) -> None:
        incoming.complete = True
        self._incoming = None
        if self._reusable and self.is_open():
            self.resume()
            self._owner.freed(self)
        else:
            self.close()
