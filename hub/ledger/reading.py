"""Reading a segment back: the next batch of entries from an offset. Blocking; run it in a thread."""

from dataclasses import dataclass
from pathlib import Path

from msgspec import MsgspecError
from msgspec.json import Decoder

from hub.core.entry import Entry
from hub.core.logs import get_logger
from hub.ledger.frames import CLOSE, OPEN, scan

log = get_logger(__name__)

BATCH_BYTES = 512 << 10  # some 220 entries: the loop is held for a millisecond or two

_decoder = Decoder(Entry)


@dataclass(frozen=True, slots=True)
class Batch:
    """Whole frames of a segment, in order, and where they end.

    `opened` are payloads of opens, `closed` the entries of closes, `unreadable` payloads that are whole and yet
    no entry (a newer hub wrote them).
    """

    opened: tuple[bytes, ...]
    closed: tuple[Entry, ...]
    unreadable: tuple[bytes, ...]
    end: int


def decode(payload: bytes) -> Entry | None:
    """The entry of a payload, or None when this version of the hub cannot read it."""
    try:
        return _decoder.decode(payload)
    except MsgspecError:
        return None


def read_batch(path: Path, start: int, size: int) -> Batch:
    """Read up to 256 KiB from `start`; `size` is how much of the file counts.

    Torn and damaged lines are skipped, and logged. Raises OSError.
    """
    try:
        with path.open("rb") as file:
            file.seek(start)
            data = file.read(min(size - start, BATCH_BYTES))
    except FileNotFoundError:
        data = b""
    found = scan(data)
    last = not data or start + len(data) >= size
    end = size if last else start + (found.taken or len(data))
    torn = last and start + found.taken < size
    if found.damaged or torn:
        log.warning("spool segment is damaged", segment=path.name, offset=start, lines=found.damaged, torn=torn)
    closes = [(one.payload, decode(one.payload)) for one in found.frames if one.kind == CLOSE]
    return Batch(
        opened=tuple(one.payload for one in found.frames if one.kind == OPEN),
        closed=tuple(entry for _, entry in closes if entry is not None),
        unreadable=tuple(payload for payload, entry in closes if entry is None),
        end=end,
    )
