"""One request and its answer on a connection: uvicorn's cycle, which writes less often and tells at once who leaves."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from hub.edge.heads import Common, lines_of

# The ASGI extension under which a scope holds its cycle, whose `departure`, `answer`, `begin` and `piece` do directly
# what messages do otherwise.
CYCLE = "hub.cycle"
_BODILESS = (204, 304)  # statuses that have no body, and so say nothing of its length
_LARGE = 65_536  # bytes of a body that are not copied to stand behind their head


class Cycle(RequestResponseCycle):
    """The head of an answer waits for the first piece of its body, but never longer than this turn of the loop.

    Most answers are whole when they begin, and so leave in one write, and one packet. Headers are checked all at once.
    """

    _parts: list[bytes | memoryview] | None = None  # of the body, that wait to be received
    _waiting: int = 0  # bytes in them
    _head: bytes = b""
    _flush: asyncio.Handle | None = None
    _departed: Callable[[], None] | None = None
    common: Common | None = None  # shared with the other cycles of this server
    task: asyncio.Task[None] | None = None  # which carries it

    def departure(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` once, when the client leaves before its answer is complete; returns how not to."""
        self._departed = callback
        if self.disconnected:
            self.leave()
        return self._stay

    def add(self, body: bytes | memoryview) -> int:
        """A piece of the body has come; how many bytes wait to be received."""
        if self._parts is None:
            self._parts = [body]
        else:
            self._parts.append(body)
        self._waiting += len(body)
        self.message_event.set()
        return self._waiting

    def _stay(self) -> None:
        self._departed = None

    def leave(self) -> None:
        """The client is gone."""
        departed, self._departed = self._departed, None
        if departed is not None and not self.response_complete:
            departed()

    def whole(self) -> bytes | None:
        """The body, where all of it has come and nothing of it was received, as `receive` would give it; else None."""
        if self.more_body or self.disconnected or self.response_complete or self.flow.read_paused:
            return None
        if self.waiting_for_100_continue:
            return None
        self.message_event.clear()
        return self._received()

    def _received(self) -> bytes:
        parts, self._parts, self._waiting = self._parts or (), None, 0
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    async def receive(self) -> Any:
        """The next piece of the body that has come, or the word that the client is gone."""
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        if not (self.disconnected or self.response_complete):
            if self.flow.read_paused:
                self.flow.resume_reading()
            await self.message_event.wait()
            self.message_event.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": self._received(), "more_body": self.more_body}

    async def send(self, message: Any) -> None:
        """Write one message of the application. Raises RuntimeError when it is out of order or ill-formed."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.start" and not self.response_started:
            self._start(message["status"], message.get("headers", ()))
        elif kind == "http.response.body" and self.response_started and not self.response_complete:
            self._body(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError(f"Unexpected ASGI message '{kind}'")

    def answer(self, status: int, lines: bytes, body: bytes) -> bool:
        """Write a whole answer at once; `lines` are its headers, clean, each with its line break.

        False when that cannot be done now, and nothing was written: `send` waits until it can.
        """
        if not self._can_begin():
            return False
        head = self._head_of(status, lines, b"content-length: %d\r\n\r\n" % len(body))
        if len(body) > _LARGE:
            self.transport.writelines((head, body))
        else:
            self.transport.write(head + body)
        self._complete()
        return True

    def begin(self, status: int, lines: bytes) -> bool:
        """Begin an answer of unknown length; its head leaves with its first piece, or at the end of this turn.

        `lines` as for `answer`, and False as there.
        """
        if status in _BODILESS or not self._can_begin():
            return False
        self.chunked_encoding = True
        self._head = self._head_of(status, lines, b"transfer-encoding: chunked\r\n\r\n")
        self._flush = asyncio.get_running_loop().call_soon(self._write_head)
        return True

    def piece(self, data: bytes) -> bool:
        """Write a piece of an answer of unknown length; False as in `answer`."""
        if self.flow.write_paused or self._head or not self.chunked_encoding or self.disconnected or not data:
            return False
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return True

    def _begun(self) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False

    def _can_begin(self) -> bool:
        taken = self.response_started or self.flow.write_paused or self.disconnected
        return not taken and self.scope["method"] != "HEAD"

    def _head_of(self, status: int, lines: bytes, framing: bytes) -> bytes:
        self._begun()
        closing = b"" if self.keep_alive else b"connection: close\r\n"
        common = lines_of(self.default_headers) if self.common is None else self.common.lines(self.default_headers)
        return b"".join((STATUS_LINE[status], common, lines, closing, framing))

    def _complete(self) -> None:
        self.response_complete = True
        self._departed = None
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    def _start(self, status: int, given: Iterable[tuple[bytes, bytes]]) -> None:
        self._begun()
        headers = [*self.default_headers, *given]
        lines = lines_of(headers)
        named = dict(headers)
        length = named.get(b"content-length")
        if length is not None:
            self.expected_content_length = int(length)
            self.chunked_encoding = False
        closing = b"close" in named.get(b"connection", b"").lower()
        own = b"" if self.keep_alive or closing else b"connection: close\r\n"
        if closing:
            self.keep_alive = False
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in _BODILESS:
            self.chunked_encoding = True
            own += b"transfer-encoding: chunked\r\n"
        self._head = b"%b%b%b\r\n" % (STATUS_LINE[status], lines, own)
        self._flush = asyncio.get_running_loop().call_soon(self._write_head)

    def _write_head(self) -> None:
        head, self._head = self._head, b""
        if head and not self.disconnected:
            self.transport.write(head)

    def _body(self, body: bytes, more: bool) -> None:
        head, self._head = self._head, b""
        if self._flush is not None:
            self._flush.cancel()
            self._flush = None
        self._write(head, body, more)
        if not more:
            if self.expected_content_length:
                raise RuntimeError("Response content shorter than Content-Length")
            self._complete()

    def _write(self, head: bytes, body: bytes, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
            data = head
        elif self.chunked_encoding:
            size = b"%x\r\n" % len(body) if body else b""
            data = b"".join((head, size, body, b"\r\n" if body else b"", b"" if more else b"0\r\n\r\n"))
        else:
            if len(body) > self.expected_content_length:
                raise RuntimeError("Response content longer than Content-Length")
            self.expected_content_length -= len(body)
            data = head + body if head else body
        if data:
            self.transport.write(data)
