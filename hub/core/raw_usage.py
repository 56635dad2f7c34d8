"""The usage as a provider told it: found in the bytes of a reply, without parsing the rest."""

import re

_NAME = re.compile(rb'"(?:usage|usageMetadata)"\s*:\s*\{')
_MARKS = re.compile(rb'[{}]|"(?:[^"\\]|\\.)*"', re.DOTALL)
MOST_BYTES = 4096
_TAIL = 64 << 10  # where a reply says what it used: at its end


def usage_in(data: bytes) -> bytes:
    """The last JSON object that `data` calls its usage; b"" when there is none, or one of more than 4 KiB."""
    named = list(_NAME.finditer(data, max(len(data) - _TAIL, 0)))
    if not named:
        return b""
    start = named[-1].end() - 1
    depth = 0
    for mark in _MARKS.finditer(data, start, start + MOST_BYTES):
        depth += {b"{": 1, b"}": -1}.get(mark[0], 0)
        if not depth:
            return data[start : mark.end()]
    return b""
