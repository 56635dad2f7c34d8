"""Whether the head of an HTTP request may pass: what the parser lets through and a gateway must not."""

from collections.abc import Iterable
from dataclasses import dataclass

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What one connection may take. Times in seconds.

    `head_seconds` until a request's head is whole, from the connection or its first byte; `idle_seconds` between
    requests; `stall_seconds` without the reader taking what is written (so a reader keeps about 2 KiB/s);
    `linger_seconds` to drain what is still sent after an early answer. A body arrives at `body_rate` bytes a
    second on average, once `body_grace` seconds have passed. At most `connections` are open; the one that
    has waited longest makes room.
    """

    head_seconds: float = 5.0
    head_bytes: int = 65_536
    head_count: int = 128
    idle_seconds: float = 75.0
    body_grace: float = 10.0
    body_rate: int = 1024
    stall_seconds: float = 30.0
    linger_seconds: float = 2.0
    linger_bytes: int = 64 << 20
    connections: int = 4096


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a request is refused before anything looked at it."""

    status: int
    reason: str


TOO_LARGE = Fault(431, "The request's head is too large.")
_HOST = Fault(400, "A request names exactly one Host.")
_LENGTH = Fault(400, "A request says its length in one way, once.")
_CODING = Fault(400, "The only transfer coding that is read is 'chunked'.")
_TARGET = Fault(400, "A request's target is a path.")
_VERSION = Fault(505, "HTTP/1.1 is spoken here.")


def fault_of(url: bytes, version: str, headers: Headers, limits: HttpLimits) -> Fault | None:
    """What is wrong with a head that the parser has accepted, or None. Names are lower case."""
    if not url.startswith(b"/"):
        return _TARGET
    if version not in ("1.1", "1.0"):
        return _VERSION
    if len(headers) > limits.head_count:
        return TOO_LARGE
    names = [name for name, _ in headers]
    if names.count(b"host") != 1:
        return _HOST
    codings = names.count(b"transfer-encoding")
    if names.count(b"content-length") + codings > 1:
        return _LENGTH
    if codings and headers[names.index(b"transfer-encoding")][1].strip().lower() != b"chunked":
        return _CODING
    return None


def lines_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The headers of an answer as they stand on the wire, each with its line break.

    Raises RuntimeError when one of them holds another.
    """
    lines = [b"%b: %b\r\n" % header for header in headers]
    joined = b"".join(lines)
    if joined.count(b"\n") != len(lines) or joined.count(b"\r") != len(lines) or joined.find(b"\0") >= 0:
        raise RuntimeError("A header of the answer holds a line break.")
    return joined


class Common:
    """The lines of headers that every answer has. The server makes these headers anew once a second."""

    __slots__ = ("_headers", "_lines")

    def __init__(self) -> None:
        self._headers: Iterable[tuple[bytes, bytes]] = ()
        self._lines = b""

    def lines(self, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The lines of `headers`, put together once for as long as they are the same object."""
        if headers is not self._headers:
            self._headers, self._lines = headers, lines_of(headers)
        return self._lines


def size_of(url: bytes, headers: Headers) -> int:
    """The bytes of a head, as they stood on the wire."""
    return len(url) + sum(len(name) + len(value) + 4 for name, value in headers)


def without_underscores(headers: Headers) -> Headers:
    """The headers but those with an underscore in their name: others read `x_hub_key` as `x-hub-key`."""
    return [header for header in headers if b"_" not in header[0]]
