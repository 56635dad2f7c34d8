"""The usage as a provider told it: found in the bytes of a reply, without parsing the rest."""

import re

_NAMES = (b'"usage"', b'"usageMetadata"')
_BEGINS = re.compile(rb"\s*:\s*\{")
_MARKS = re.compile(rb'[{}]|"(?:[^"\\]|\\.)*"', re.DOTALL)
MOST_BYTES = 4096
_TAIL = 64 << 10  # where a reply says what it used: at its end


def usage_in(data: bytes) -> bytes:
    """The last JSON object that `data` calls its usage; b"" when there is none, or one of more than 4 KiB."""
    start = _start(data, len(data))
    if start < 0:
        return b""
    depth = 0
    for mark in _MARKS.finditer(data, start, start + MOST_BYTES):
        depth += {b"{": 1, b"}": -1}.get(mark[0], 0)
        if not depth:
            return data[start : mark.end()]
    return b""


def _start(data: bytes, end: int) -> int:
    """Where the last object begins that is called the usage, or -1. What is only called so is passed over."""
    least = max(len(data) - _TAIL, 0)
    while True:
        at, name = max((data.rfind(name, least, end), name) for name in _NAMES)
        if at < 0:
            return -1
        begins = _BEGINS.match(data, at + len(name))
        if begins is not None:
            return begins.end() - 1
        end = at
