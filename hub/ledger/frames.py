"""Framed lines: how a record lies in a spool segment, so that a torn or damaged one is seen and skipped.

A frame is one line: a kind letter, the payload's length and the CRC-32 of kind and payload (8 hexadecimal digits
each), a space, the payload and a newline. The payload is JSON, which holds no raw newline, so after damage the next
line is whole again.
"""

from dataclasses import dataclass
from zlib import crc32

OPEN = b"O"
CLOSE = b"C"
HEAD = 18  # the kind, two times 8 digits, the space


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole record: its kind (`OPEN` or `CLOSE`) and its payload."""

    kind: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Scan:
    """What a piece of a segment holds: whole frames, the bytes they (and damage) took, and the damaged lines."""

    frames: tuple[Frame, ...]
    taken: int
    damaged: int


def frame(kind: bytes, payload: bytes) -> bytes:
    """The line for `payload`, which must not contain a newline."""
    return b"%b%08x%08x %b\n" % (kind, len(payload), crc32(payload, kind[0]), payload)


def parse(line: bytes) -> Frame | None:
    """The frame that `line` (without its newline) is, or None when it is torn or damaged."""
    kind, payload = line[:1], line[HEAD:]
    if kind not in (OPEN, CLOSE) or line[1:HEAD] != b"%08x%08x " % (len(payload), crc32(payload, kind[0])):
        return None
    return Frame(kind, payload)


def scan(data: bytes) -> Scan:
    """Read all complete lines of `data`. What follows the last newline is not taken: more of it may come."""
    end = data.rfind(b"\n") + 1
    if not end:
        return Scan((), 0, 0)
    lines = data[: end - 1].split(b"\n")
    found = [parse(line) for line in lines]
    frames = tuple(one for one in found if one is not None)
    return Scan(frames, end, len(lines) - len(frames))
