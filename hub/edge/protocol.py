"""One guarded HTTP/1.1 connection: uvicorn's httptools protocol with deadlines, sizes and no second guesses."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from hub.core.signal import Signal
from hub.edge.cycle import CYCLE, Cycle
from hub.edge.familiar import FAMILIAR, Familiar
from hub.edge.heads import TOO_LARGE, Common, Fault, HttpLimits, fault_of, size_of, without_underscores

_ASGI = {"version": "3.0", "spec_version": "2.3"}
_SLICE = 16_384  # what the parser gets of a head at once, so that its limits hold to within one slice


# Where a connection stands. It is asked a dozen times a call, and a member of an enum costs four times as much.
HEAD = 0  # a request's head is due
BODY = 1  # its body is due
ANSWER = 2  # the request is whole, the answer is not
IDLE = 3  # between two requests
LINGER = 4  # answered early; what still comes is dropped


def _ignore(status: int) -> None:
    pass


@dataclass(slots=True)
class Connections:
    """What the connections of one server share. `waiting` are those without a request, longest first."""

    limits: HttpLimits = HttpLimits()
    refused: Callable[[int], None] = _ignore
    common: Common = field(default_factory=Common)
    waiting: dict["GuardedProtocol", None] = field(default_factory=dict["GuardedProtocol", None])


class GuardedProtocol(HttpToolsProtocol):
    """A connection. Whoever owns the server calls `check` about twice a second: there are no timers in here.

    One request at a time: what a client sends before its answer is complete is not read as a request; the
    connection closes after that answer. Refusals at this level are plain text, since nothing is known yet of
    who asks for what.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        shared: Connections,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._shared = shared
        self._limits = shared.limits
        self._phase = HEAD
        self._since = 0.0
        self._fed = 0  # bytes on the wire since this request began
        self._body = 0  # bytes of its body
        self._counted = 0  # bytes of its body before `_since`
        self._underscored = False  # some header's name holds an underscore
        self._deaf = False  # nothing that comes is parsed any more
        self._fault: Fault | None = None
        self._familiar: Familiar | None = None  # the head of its last request
        self._due = 0  # bytes of a body that are still to come, where its head was familiar
        self._stalled: float | None = None
        self._closing: float | None = None

    # -- the connection ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected; when there are too many, the one that has waited longest goes."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._shared.waiting[self] = None
        if len(self.connections) > self._limits.connections:
            oldest = next(iter(self._shared.waiting))
            del self._shared.waiting[oldest]
            oldest.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._shared.waiting.pop(self, None)
        cycle = self._unanswered()
        super().connection_lost(exc)
        if isinstance(cycle, Cycle):
            cycle.leave()

    def pause_writing(self) -> None:
        """The client does not keep up."""
        super().pause_writing()
        self._stalled = self.loop.time()

    def resume_writing(self) -> None:
        """The client has caught up."""
        super().resume_writing()
        self._stalled = None

    def _enter(self, phase: int) -> None:
        self._phase = phase
        self._since = self.loop.time()
        self._fed = self._body = self._counted = 0

    def _rest(self) -> None:
        self._enter(IDLE)
        self._shared.waiting[self] = None

    # -- bytes in ---------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Parse what came: a head a slice at a time, a body at once."""
        left: bytes | memoryview = data
        if self._phase == IDLE:
            if self._familiar is not None and (again := self._familiar.again(data)) is not None:
                self._begin_again(self._familiar, data, *again)
                return
            self._enter(HEAD)
        elif self._due and not self._deaf:
            left = self._follow(data)
        view, start = left if len(left) <= _SLICE else memoryview(left), 0
        begins = self._phase == HEAD and not self._fed
        while start < len(view):
            end = len(view) if self._phase == BODY else start + _SLICE
            self._feed(view[start:end])
            start = end
        if begins:
            self._familiar = self._kept(data)

    def _feed(self, data: bytes | memoryview) -> None:
        self._fed += len(data)
        if self._deaf:
            self._drop()
            return
        try:
            self.parser.feed_data(data)  # pyright: ignore[reportOptionalMemberAccess] - None once the client is gone
        except httptools.HttpParserUpgrade:
            # Another protocol was offered. The request is answered as it stands, and nothing follows it.
            self._close_after_answer()
        except httptools.HttpParserError:
            self._refuse(self._fault or Fault(400, "This is not a valid HTTP/1.1 request."))
        else:
            self._check_sizes()

    def _kept(self, data: bytes) -> Familiar | None:
        """The head that `data` began with, if it was accepted and may come again."""
        cycle = self.cycle
        if self._phase not in (BODY, ANSWER) or self._deaf or not cycle.keep_alive:
            return None
        return Familiar.of(data, dict(cycle.scope))

    def _begin_again(self, head: Familiar, data: bytes, start: int, length: bytes) -> None:
        """A request with the head of the last one; its body begins at `start`."""
        self._enter(BODY)
        self._shared.waiting.pop(self, None)
        self.expect_100_continue = False
        self._due = int(length)
        scope = {**head.scope, "headers": head.headers(length), "state": self.app_state.copy()}
        self._hand_over(scope, True, {FAMILIAR: head})
        # The beginning of a long body is copied once, when all of it is put together.
        body = data[start:] if self._due <= len(data) - start else memoryview(data)[start:]
        rest = self._follow(body)
        if rest:
            self._feed(rest)

    def _follow(self, data: bytes | memoryview) -> bytes | memoryview:
        """Take what is still due of a body whose length is known; what comes behind it is left over."""
        piece = data if len(data) <= self._due else data[: self._due]
        self._due -= len(piece)
        self._fed += len(piece)
        if piece:
            self.on_body(piece)
        if not self._due:
            self.on_message_complete()
        elif self._phase == LINGER:
            self._drop()
        return data[len(piece) :]

    def _drop(self) -> None:
        if self._fed > self._limits.linger_bytes:
            self.transport.abort()

    def _check_sizes(self) -> None:
        limit = self._limits.head_bytes
        if self._phase == HEAD:
            if self._fed > limit:
                self._refuse(TOO_LARGE)
        elif self._phase == BODY:
            # What is neither head nor body is the framing of chunks; a chunk of one byte takes six.
            if self._fed - self._body > 2 * limit + 8 * self._body:
                self._refuse(Fault(400, "The chunks of the body are mostly not body."))
        elif self._phase == LINGER:
            self._drop()

    # -- the parser's callbacks: what they raise becomes an error of the parser -------------------------------------

    def on_message_begin(self) -> None:
        """A request begins, which it may not while another is answered."""
        if self._unanswered() is not None:
            raise ValueError
        if self._phase == IDLE:  # right behind the rest of a body that was dropped
            self._enter(HEAD)
        self.url = b""
        self.headers = []
        self.expect_100_continue = self._underscored = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header. After the head it would be a trailer, and a trailer is how a header slips past a guard."""
        if self._phase != HEAD:
            self._fault = Fault(400, "Trailers are not read.")
            raise ValueError
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        elif b"_" in name:
            self._underscored = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole: check it, then hand the request to the application."""
        headers = self.headers
        version = self.parser.get_http_version()  # pyright: ignore[reportOptionalMemberAccess] - it is calling us
        fault = fault_of(self.url, version, headers, self._limits)
        if fault is None and self._fed > self._limits.head_bytes < size_of(self.url, headers):
            fault = TOO_LARGE
        if fault is not None:
            self._fault = fault
            raise ValueError
        if self._underscored:
            self.headers = without_underscores(headers)
        self._begin(version)
        self._shared.waiting.pop(self, None)
        self._phase = BODY
        self._since = self.loop.time()

    def _begin(self, version: str) -> None:
        """Hand the request to the application."""
        parser = self.parser
        assert parser is not None
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "scheme": self.scheme,
            "server": self.server,
            "client": self.client,
            "root_path": "",
            "path": unquote(path) if "%" in path else path,
            "raw_path": url.path,
            "query_string": url.query or b"",
            "headers": self.headers,
            "state": self.app_state.copy(),
        }
        self._hand_over(scope, version != "1.0" and parser.should_keep_alive(), {})

    def _hand_over(self, scope: dict[str, Any], keep_alive: bool, extensions: dict[str, Any]) -> None:
        self.cycle = cycle = Cycle(
            scope, self.transport, self.flow, self.logger, self.access_logger, False,  # type: ignore[arg-type]
            self.server_state.default_headers, Signal(), self.expect_100_continue,  # type: ignore[arg-type]
            keep_alive, self.on_response_complete,
        )  # fmt: skip
        scope["extensions"] = {CYCLE: cycle, **extensions}
        cycle.common = self._shared.common
        task = cycle.task = self.loop.create_task(cycle.run_asgi(self.app))  # type: ignore[arg-type]
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_body(self, body: bytes | memoryview) -> None:
        """A piece of the body."""
        self._body += len(body)
        cycle = self.cycle
        assert isinstance(cycle, Cycle)
        if not cycle.response_complete and cycle.add(body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """The request is whole."""
        cycle = self.cycle
        if not cycle.response_complete:
            cycle.more_body = False
            cycle.message_event.set()
        if self._phase == LINGER:
            self._rest()
        elif self._phase == BODY:
            self._phase = ANSWER

    # -- the answer -------------------------------------------------------------------------------------------------

    def on_response_complete(self) -> None:
        """The answer is written. Without the whole request, what still comes of it is dropped for a while."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self._phase == BODY and not self.expect_100_continue:
            self._enter(LINGER)
        elif self._phase == ANSWER and not self._deaf:
            self._rest()
        else:
            # A client that waits to be told to go on may send its body or its next request: there is no telling.
            self.transport.close()

    def _unanswered(self) -> RequestResponseCycle | None:
        """The request that is being answered."""
        cycle: RequestResponseCycle | None = self.cycle
        return None if cycle is None or cycle.response_complete else cycle  # pyright: ignore[reportUnnecessaryComparison] - None before the first

    def _close_after_answer(self) -> None:
        self._deaf = True
        cycle = self._unanswered()
        if cycle is None:
            self.transport.close()
        else:
            cycle.keep_alive = False

    def _refuse(self, fault: Fault) -> None:
        """Answer at once and close; a request that is being answered is left to its answer."""
        cycle = self._unanswered()
        if cycle is not None:
            if self._phase == ANSWER:
                self._close_after_answer()
                return
            cycle.disconnected = True
            cycle.message_event.set()
            if isinstance(cycle, Cycle):
                cycle.leave()
            if cycle.response_started:
                self.transport.abort()
                return
        self._shared.refused(fault.status)
        self._deaf = True
        text = fault.reason.encode("ascii")
        lines = (
            f"HTTP/1.1 {fault.status} {HTTPStatus(fault.status).phrase}\r\n".encode("ascii"),
            *(b"%b: %b\r\n" % header for header in self.server_state.default_headers),
            b"content-type: text/plain; charset=utf-8\r\n",
            b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(text), text),
        )
        self.transport.write(b"".join(lines))
        self._enter(LINGER)
        # Closing at once would reset the connection under the answer when the client is still sending.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    # -- time -------------------------------------------------------------------------------------------------------

    def check(self, now: float) -> None:
        """Enforce the deadlines; `now` is the loop's time."""
        limits = self._limits
        if self.transport.is_closing():
            if self._closing is None:
                self._closing = now
            elif now - self._closing > limits.linger_seconds:
                self.transport.abort()
            return
        if self._stalled is not None and now - self._stalled > limits.stall_seconds:
            self.transport.abort()
            return
        waited = now - self._since
        if self._phase == HEAD:
            if waited > limits.head_seconds:
                self._late()
        elif self._phase == BODY:
            self._check_body(now)
        elif (self._phase == IDLE and waited > limits.idle_seconds) or (
            self._phase == LINGER and waited > limits.linger_seconds
        ):
            self.transport.close()

    def _late(self) -> None:
        if self._fed:
            self._refuse(Fault(408, "The request took too long to arrive."))
        else:
            self.transport.close()

    def _check_body(self, now: float) -> None:
        if self.flow.read_paused:  # it is we who do not read
            self._since, self._counted = now, self._body
            return
        late = now - self._since - self._limits.body_grace
        if late > 0 and self._body - self._counted < late * self._limits.body_rate:
            self._refuse(Fault(408, "The body of the request arrives too slowly."))
