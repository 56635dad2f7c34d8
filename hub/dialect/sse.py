"""Server-sent events as bytes: cut where an event ends, taken apart only where somebody must look inside."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from hub.core.refusal import UpstreamFailed

MOST_PENDING = 8 << 20
_encode = msgspec.json.encode
_BORDER = re.compile(rb"(?<=\n)\r?\n+")


def border(data: bytes) -> int:
    """Where the last whole event of `data` ends; 0 when none does."""
    plain, mixed = data.rfind(b"\n\n"), data.rfind(b"\n\r\n")
    return plain + 2 if plain > mixed else mixed + 3 if mixed >= 0 else 0


class Cutter:
    """Gives back bytes at event borders only; keeps at most one event, of at most `most` bytes (8 MiB)."""

    __slots__ = ("_most", "pending")

    def __init__(self, most: int = MOST_PENDING) -> None:
        self._most = most
        self.pending = bytearray()

    def feed(self, chunk: bytes) -> bytes:
        """The whole events that `chunk` completes. Raises UpstreamFailed when one event grows too large."""
        if not self.pending:
            if chunk.endswith(b"\n\n"):
                return chunk
            cut = border(chunk)
            self._keep(chunk[cut:])
            return chunk[:cut]
        tail = bytes(self.pending[-3:])  # a border may lie across the two
        cut = border(tail + chunk) - len(tail)
        if cut <= 0:
            self._keep(chunk)
            return b""
        whole = bytes(self.pending) + chunk[:cut]
        self.pending.clear()
        self._keep(chunk[cut:])
        return whole

    def _keep(self, rest: bytes) -> None:
        self.pending += rest
        if len(self.pending) > self._most:
            size = f"{self._most >> 20} MiB"
            raise UpstreamFailed("upstream_protocol", f"The provider sent an event of more than {size} without an end.")


def events(block: bytes) -> Iterator[bytes]:
    """The events of a block of whole events, each with the blank line that ends it."""
    start = 0
    for match in _BORDER.finditer(block):
        yield block[start : match.end()]
        start = match.end()


def events_with(block: bytes, word: bytes) -> Iterator[bytes]:
    """The events of a block of whole events that hold a word, the last one first; the others are not looked at."""
    end = len(block)
    while (at := block.rfind(word, 0, end)) >= 0:
        begin = max(block.rfind(b"\n\n", 0, at) + 2, block.rfind(b"\n\r\n", 0, at) + 3)
        begin = begin if begin > 2 else 0
        found = _BORDER.search(block, at)
        yield block[begin : found.end() if found else len(block)]
        end = begin


def event_of(kind: str, data: Any) -> bytes:
    """An event of a kind, with its data as JSON."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode(data))


def data_of(event: bytes) -> bytes:
    """The data of an event: its `data:` lines, joined."""
    lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines)


def is_silence(rest: bytes) -> bool:
    """Whether what follows the last event means nothing: blank, or comments."""
    return all(line.startswith(b":") for line in rest.split(b"\n") if line.strip())


def cut_off() -> UpstreamFailed:
    """The failure of a stream that ended before it was complete."""
    return UpstreamFailed(
        "upstream_protocol", "The provider ended the stream before the answer was complete: what came is not all of it."
    )


_FIELD = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n]*(?:data|event|id|retry)?:")


class SseEvents:
    """Takes a stream of server-sent events apart. Comments and events without data are left out."""

    def __init__(self) -> None:
        self._cutter = Cutter()
        self._begun = False

    def feed(self, chunk: bytes) -> Iterator[tuple[str, bytes]]:
        """The events that `chunk` completes, each with its name and data."""
        block = self._cutter.feed(chunk)
        if not block:
            return
        if not self._begun:
            self._begun = True
            if not _FIELD.match(block):
                raise UpstreamFailed("upstream_protocol", "A stream of events was asked for and something else came.")
        for event in events(block):
            data = data_of(event)
            if data:
                yield "", data

    def finish(self) -> Iterator[tuple[str, bytes]]:
        """The last event, when only its blank line is missing."""
        rest = bytes(self._cutter.pending)
        if not is_silence(rest):
            data = data_of(rest.rstrip(b"\r\n") + b"\n\n")
            if data:
                yield "", data
