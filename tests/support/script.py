"""Scripts as values: what an upstream puts on the wire for one request, and ways to spoil it."""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

REASONS = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
}


class End(Enum):
    """How a connection ends when a script says so."""

    RESET = "reset"  # RST
    CLOSE = "close"  # FIN
    HANG = "hang"  # silence until the peer goes


RESET, CLOSE, HANG = End.RESET, End.CLOSE, End.HANG


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Silence until the event is set."""

    event: asyncio.Event = field(default_factory=asyncio.Event)


Step = bytes | Pause | Wait | End
Headers = Mapping[str, str] | Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer before framing. Streams are sent chunked, a piece per chunk; the rest with a content-length."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    pieces: tuple[Step, ...] = ()
    streamed: bool = False
    length_off: int = 0

    def framed(self) -> "Wire":
        """The bytes of it: a head, and body steps."""
        head = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Status')}"]
        head += [f"{name}: {value}" for name, value in self.headers]
        if self.streamed:
            head.append("transfer-encoding: chunked")
            body: tuple[Step, ...] = (*(_chunk(piece) for piece in self.pieces), b"0\r\n\r\n")
        else:
            size = sum(len(piece) for piece in self.pieces if isinstance(piece, bytes))
            head.append(f"content-length: {size + self.length_off}")
            body = self.pieces
        return Wire("\r\n".join([*head, "", ""]).encode("latin-1"), body)


def _chunk(piece: Step) -> Step:
    if isinstance(piece, bytes):
        return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""
    return piece


def live_stream(pieces: Iterable[Step], headers: Sequence[tuple[str, str]] = ()) -> "Wire":
    """An event stream whose pieces are made when their turn comes (`pieces` may be a generator)."""
    reply = Reply(200, (("content-type", "text/event-stream"), ("cache-control", "no-cache"), *headers), streamed=True)
    return Wire(reply.framed().head, (step for steps in (map(_chunk, pieces), (b"0\r\n\r\n",)) for step in steps))


@dataclass(frozen=True, slots=True)
class Wire:
    """What goes over the connection. Without an `End` among the steps the connection stays open."""

    head: bytes
    body: Iterable[Step]

    def steps(self) -> Iterator[Step]:
        yield self.head
        yield from self.body


Made = Reply | Wire
# Changes are applied in this order, whatever the order in which they were asked for.
_HEAD, _END, _TRUNCATE, _RECHUNK, _PACE, _LENGTH, _CUT, _DRIP, _DELAY, _CLOSE = range(10)


@dataclass(frozen=True, slots=True)
class Script:
    """An answer to one request (a function of what was received) and the changes made to it."""

    make: Callable[[Any], Made]
    changes: tuple[tuple[int, Callable[[Any], Any]], ...] = field(default=())

    def wire(self, received: Any) -> Wire:
        """The steps that answer `received`."""
        made: Made = self.make(received)
        ordered = sorted(self.changes, key=lambda change: change[0])
        for rank, change in ordered:
            if rank >= _CUT and isinstance(made, Reply):
                made = made.framed()
            if rank >= _CUT or isinstance(made, Reply):
                made = change(made)
        return made.framed() if isinstance(made, Reply) else made

    def _with(self, rank: int, change: Callable[[Any], Any]) -> "Script":
        return replace(self, changes=(*self.changes, (rank, change)))

    def headed(self, headers: Mapping[str, str]) -> "Script":
        """More headers; those of the same name are replaced."""
        given = {name.lower() for name in headers}

        def change(reply: Reply) -> Reply:
            kept = tuple((name, value) for name, value in reply.headers if name.lower() not in given)
            return replace(reply, headers=(*kept, *headers.items()))

        return self._with(_HEAD, change)

    def with_status(self, status: int) -> "Script":
        return self._with(_HEAD, lambda reply: replace(reply, status=status))

    def without_end(self) -> "Script":
        """A stream whose last event (its terminator) is missing."""
        return self._with(_END, lambda reply: replace(reply, pieces=reply.pieces[:-1]) if reply.streamed else reply)

    def truncated(self, at: int) -> "Script":
        """The payload ends after `at` bytes; the framing does not show it."""
        return self._with(_TRUNCATE, lambda reply: replace(reply, pieces=tuple(until(reply.pieces, at))))

    def rechunked(self, size: int) -> "Script":
        """The same payload in pieces of `size` bytes."""
        return self._with(_RECHUNK, lambda reply: replace(reply, pieces=tuple(sliced(reply.pieces, size))))

    def paced(self, seconds: float, after: int = 0) -> "Script":
        """A pause before every piece but the first, or only after the piece number `after`."""

        def change(reply: Reply) -> Reply:
            pieces: list[Step] = []
            for number, piece in enumerate(reply.pieces):
                if number and after in (0, number):
                    pieces.append(Pause(seconds))
                pieces.append(piece)
            return replace(reply, pieces=tuple(pieces))

        return self._with(_PACE, change)

    def declaring(self, off: int) -> "Script":
        """A content-length that is wrong by `off`. Too long: FIN after the body; too short: it stays open."""

        def change(reply: Reply) -> Reply:
            end = (CLOSE,) if off > 0 else ()
            return replace(reply, streamed=False, length_off=off, pieces=(*reply.pieces, *end))

        return self._with(_LENGTH, change)

    def cut(self, at: int, end: End = RESET) -> "Script":
        """The connection ends `at` bytes after the headers."""
        return self._with(_CUT, lambda wire: replace(wire, body=(*until(wire.body, at), end)))

    def cut_head(self, at: int, end: End = RESET) -> "Script":
        """The connection ends `at` bytes after its first byte."""
        return self._with(_CUT, lambda wire: Wire(wire.head[:at], (end,)))

    def dripped(self, seconds: float, size: int = 1) -> "Script":
        """The body comes in pieces of `size` bytes with a pause after each."""

        def change(wire: Wire) -> Wire:
            body: list[Step] = []
            for step in sliced(wire.body, size):
                body += [step, Pause(seconds)] if isinstance(step, bytes) else [step]
            return replace(wire, body=tuple(body))

        return self._with(_DRIP, change)

    def delayed(self, seconds: float) -> "Script":
        """Silence before the status line."""
        return self._with(_DELAY, lambda wire: Wire(b"", (Pause(seconds), wire.head, *wire.body)))

    def then_closed(self) -> "Script":
        """FIN after a whole answer that did not announce it."""
        return self._with(_CLOSE, lambda wire: replace(wire, body=(*wire.body, CLOSE)))


def until(steps: Iterable[Step], at: int) -> Iterator[Step]:
    """The steps that carry the first `at` bytes."""
    left = at
    for step in steps:
        if left <= 0:
            return
        if isinstance(step, bytes):
            yield step[:left]
            left -= len(step)
        else:
            yield step


def sliced(steps: Iterable[Step], size: int) -> Iterator[Step]:
    """The same bytes in pieces of at most `size`, joined across steps; other steps keep their place."""
    held = b""
    for step in steps:
        if not isinstance(step, bytes):
            if held:
                yield held
            held = b""
            yield step
            continue
        held += step
        whole = len(held) - len(held) % size
        for start in range(0, whole, size):
            yield held[start : start + size]
        held = held[whole:]
    if held:
        yield held


def json_reply(value: object, status: int = 200, headers: Headers = ()) -> Script:
    """One JSON answer."""
    return raw_reply(json.dumps(value, separators=(",", ":")).encode(), status, "application/json", headers)


def raw_reply(
    body: bytes, status: int = 200, content_type: str = "application/octet-stream", headers: Headers = ()
) -> Script:
    """One answer with these bytes as its body."""
    pairs = tuple(headers.items() if isinstance(headers, Mapping) else headers)
    reply = Reply(status, (("content-type", content_type), *pairs), (body,))
    return Script(lambda _: reply)


def sse(events: Iterable[Step]) -> Script:
    """A stream of these events (bytes as they are, with their blank lines), a chunk each."""
    reply = event_stream(events)
    return Script(lambda _: reply)


def event_stream(events: Iterable[Step]) -> Reply:
    """The reply of `sse`, for scripts that are functions of the request."""
    return Reply(
        200, (("content-type", "text/event-stream"), ("cache-control", "no-cache")), tuple(events), streamed=True
    )


def raw(*steps: Step) -> Script:
    """Exactly these steps; the connection closes after them unless they end it otherwise."""
    ends = steps if steps and isinstance(steps[-1], End) else (*steps, CLOSE)
    return Script(lambda _: Wire(b"", ends))


def hang() -> Script:
    """Not one byte."""
    return raw(HANG)
