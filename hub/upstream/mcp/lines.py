"""Bytes cut into lines, and lines into events: as much as is whole, and never more than is allowed."""

from collections.abc import Callable

from hub.core.refusal import UpstreamFailed
from hub.upstream.mcp.wire import TOO_LARGE, too_large

_MOST_ID = 1024  # bytes
_HEAD = 1024  # bytes of what is too long, in which is looked for what it was to be
LINES_PER_SECOND = 20_000  # of one server, on one stream
_EACH = 48  # bytes that a line of data takes besides what stands in it


class Allowance:
    """So many in any second: whoever sends more has to wait, so that nobody else does."""

    __slots__ = ("_left", "_most", "_since")

    def __init__(self, most: int) -> None:
        self._most = self._left = most
        self._since = 0.0

    def spend(self, count: int, now: float) -> float:
        """So many more came at `now` (monotonic); the seconds to rest before any other is taken."""
        if now - self._since >= 1.0:
            self._since, self._left = now, self._most
        self._left -= count
        return self._since + 1.0 - now if self._left < 0 else 0.0


Grant = Callable[[bytes], int]


class Lines:
    """Cuts bytes into lines. One that is longer than `most` is dropped; `oversized` gets how it began.

    `grant` tells, for a line of more than `most` bytes and by how that began, how many it may have after all.
    """

    def __init__(self, most: int, oversized: Callable[[bytes], None], grant: Grant | None = None) -> None:
        self._most = self._granted = most
        self._oversized = oversized
        self._grant = grant
        self._held = bytearray()
        self._dropping = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes."""
        first, *rest = data.split(b"\n")
        self._hold(first)
        lines: list[bytes] = []
        for piece in rest:
            if not self._dropping:
                lines.append(bytes(self._held))
            self._dropping = False
            self._granted = self._most
            self._held.clear()
            self._hold(piece)
        return lines

    def _hold(self, piece: bytes) -> None:
        if self._dropping:
            return
        self._held += piece
        if len(self._held) <= self._granted:
            return
        head = bytes(self._held[:_HEAD])
        if self._grant is not None and self._granted == self._most:
            self._granted = max(self._most, self._grant(head))
        if len(self._held) > self._granted:
            self._dropping = True
            self._held = bytearray()
            self._oversized(head)


class Events:
    """The data of server-sent events, as soon as each is whole.

    `last_id` is the id of the last one, `retry` the pause in seconds that the server wants before the stream is
    opened again. One of more than `most` bytes, or of what `grant` lets it have, is the end of the stream; where there is
    a `dropped`, that is told how it began, and the stream goes on without it.
    """

    def __init__(self, most: int, dropped: Callable[[bytes], None] | None = None, grant: Grant | None = None) -> None:
        self._most = most
        self._dropped = dropped
        self._grant = grant
        self._lines = Lines(most, self._oversized, self._granted)
        self._data: list[bytes] = []
        self._size = 0
        self._skipping = False
        self.last_id = b""
        self.retry = 1.0
        self._allowance = Allowance(LINES_PER_SECOND)
        self._came = 0
        self._kind = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that `chunk` completes. Raises UpstreamFailed when one is too large."""
        return [data for _, data in self.typed(chunk)]

    def typed(self, chunk: bytes) -> list[tuple[bytes, bytes]]:
        """The same, each with the type of its event."""
        whole: list[tuple[bytes, bytes]] = []
        lines = self._lines.feed(chunk)
        self._came += len(lines)
        for line in lines:
            line = line.removesuffix(b"\r")
            if not line:
                if self._data:
                    whole.append((self._kind, b"\n".join(self._data)))
                self._data.clear()
                self._kind = b""
                self._size = 0
                self._skipping = False
            elif line.startswith(b"data:"):
                self._hold(line)
            else:
                self._field(line)
        return whole

    def rest(self, now: float) -> float:
        """The seconds (`now` is monotonic) after which more is to be fed: of more lines than anybody needs, it takes its time."""
        came, self._came = self._came, 0
        return self._allowance.spend(came, now)

    def _hold(self, line: bytes) -> None:
        if self._skipping:
            return
        self._data.append(line[5:].removeprefix(b" "))
        self._size += len(line) + _EACH
        if self._size > self._most and self._size > self._granted(self._data[0][:_HEAD]):
            self._oversized(self._data[0][:_HEAD])

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"id" and len(value) <= _MOST_ID and b"\0" not in value:
            self.last_id = value
        elif name == b"event":
            self._kind = value
        elif name == b"retry" and value.isdigit() and len(value) < 8:
            self.retry = int(value) / 1000

    def _granted(self, head: bytes) -> int:
        return self._grant(head.removeprefix(b"data:").lstrip()) if self._grant is not None else self._most

    def _oversized(self, head: bytes) -> None:
        if self._dropped is None:
            raise UpstreamFailed(TOO_LARGE, too_large(self._most))
        self._data.clear()
        self._skipping = True
        self._dropped(head.removeprefix(b"data:").lstrip())
