"""Amazon's event-stream framing: binary messages with checksums, taken apart into events and made of them."""

import struct
from collections.abc import Iterator
from zlib import crc32

from hub.core.refusal import UpstreamFailed
from hub.dialect.sse import data_of, events

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_LEAST = _PRELUDE.size + _CRC.size
_MOST = 8 << 20
# How many bytes the value of a header has, by its type; -1: two bytes before it say so.
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 6: -1, 7: -1, 8: 8, 9: 16}


def _broken(why: str) -> UpstreamFailed:
    return UpstreamFailed("upstream_protocol", f"The provider's event stream is broken: {why}.")


class EventStream:
    """Cuts a stream into events, each with its kind and JSON. An exception's kind begins with `!`."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, chunk: bytes) -> Iterator[tuple[str, bytes]]:
        """The events that `chunk` completes. Raises UpstreamFailed when a length or a checksum is wrong."""
        self._pending += chunk
        while len(self._pending) >= _PRELUDE.size:
            total, headers, check = _PRELUDE.unpack_from(self._pending)
            if crc32(self._pending[:8]) != check:
                raise _broken("the checksum of a prelude is wrong")
            if not _LEAST <= total <= _MOST or headers > total - _LEAST:
                raise _broken("a length is wrong")
            if len(self._pending) < total:
                return
            message = bytes(self._pending[:total])
            del self._pending[:total]
            if crc32(message[:-4]) != _CRC.unpack(message[-4:])[0]:
                raise _broken("the checksum of a message is wrong")
            start = _PRELUDE.size + headers
            yield _kind(_headers(message[_PRELUDE.size : start])), message[start:-4]

    def finish(self) -> Iterator[tuple[str, bytes]]:
        """Nothing: an event ends where its length says."""
        return iter(())


def framed(block: bytes) -> bytes:
    """Server-sent events, whole, as messages of an event stream. Comments have no place there, and are left out.

    A kind that begins with `!` is an exception's.
    """
    out: list[bytes] = []
    for event in events(block):
        kind, data = event.partition(b"\n")[0].removeprefix(b"event:").strip(), data_of(event)
        if data:
            message = b"exception" if kind.startswith(b"!") else b"event"
            out.append(_message(message, kind.removeprefix(b"!"), data))
    return b"".join(out)


def _message(message: bytes, kind: bytes, data: bytes) -> bytes:
    named = ((b":message-type", message), (b":%b-type" % message, kind), (b":content-type", b"application/json"))
    headers = b"".join(b"%c%b\x07%b%b" % (len(name), name, len(value).to_bytes(2), value) for name, value in named)
    sizes = struct.pack(">II", _LEAST + len(headers) + len(data), len(headers))
    whole = b"".join((sizes, _CRC.pack(crc32(sizes)), headers, data))
    return whole + _CRC.pack(crc32(whole))


def _headers(data: bytes) -> dict[str, str]:
    """The headers of a message that are texts."""
    found: dict[str, str] = {}
    at = 0
    try:
        while at < len(data):
            end = at + 1 + data[at]
            name, kind = data[at + 1 : end].decode(), data[end]
            at = end + 1
            size = _SIZES[kind]
            if size < 0:
                size = int.from_bytes(data[at : at + 2])
                at += 2
            if kind == 7:
                found[name] = data[at : at + size].decode()
            at += size
    except (IndexError, KeyError, UnicodeDecodeError):
        raise _broken("a header cannot be read") from None
    return found


def _kind(headers: dict[str, str]) -> str:
    if headers.get(":message-type", "event") == "event":
        return headers.get(":event-type", "")
    return f"!{headers.get(':exception-type') or headers.get(':error-code', 'error')}"
