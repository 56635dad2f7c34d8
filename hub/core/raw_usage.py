"""The usage as a provider told it: found in the bytes of a reply, without parsing the rest."""

import json
import re

_NAMES = (b'"usage"', b'"usageMetadata"')
_BEGINS = re.compile(rb"\s*:\s*\{")
MOST_BYTES = 4096
_TAIL = 64 << 10  # where a reply says what it used: at its end
_whole = json.JSONDecoder().raw_decode  # the one decoder that says where an object ends


def usage_in(data: bytes) -> bytes:
    """The last JSON object that `data` calls its usage; b"" when there is none, or one of more than 4 KiB."""
    start = _start(data, len(data))
    if start < 0:
        return b""
    try:
        # Byte for byte, since only the end is wanted: what lies outside of ASCII stands within strings.
        _, length = _whole(data[start : start + MOST_BYTES].decode("latin-1"))
    except (ValueError, RecursionError):
        return b""
    return data[start : start + length]


def _start(data: bytes, end: int) -> int:
    """Where the last object begins that is called the usage, or -1. What is only called so is passed over."""
    least = len(data) - _TAIL if len(data) > _TAIL else 0
    first, second = _NAMES
    while True:
        at, other = data.rfind(first, least, end), data.rfind(second, least, end)
        at, name = (at, first) if at > other else (other, second)
        if at < 0:
            return -1
        begins = _BEGINS.match(data, at + len(name))
        if begins is not None:
            return begins.end() - 1
        end = at
