"""One file of the spool: appended to by whole frames, read back by the writer, then deleted."""

import contextlib
import errno
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from hub.core.entry import Entry

MOST_KEPT = 2048
_NAME = re.compile(r"(\d{12})\.spool")


@dataclass(slots=True, eq=False)
class Segment:
    """A segment that this process writes. Offsets are bytes from its start.

    `size` is what is written, `synced` what is known to be on disk, `drained` what the database holds.
    A `broken` segment could not be cut back after a failed write; nothing more is appended to it.
    `kept` are the entries behind `drained` with where their frames end, so that the usual case need not read them back;
    None when they were too many to keep.
    """

    path: Path
    fd: int
    born: float
    size: int = 0
    synced: int = 0
    drained: int = 0
    sealed: bool = False
    broken: bool = False
    kept: list[tuple[Entry, int]] | None = field(default_factory=list[tuple[Entry, int]])

    @classmethod
    def create(cls, folder: Path, number: int, born: float) -> "Segment":
        """Make an empty segment, readable by its owner only. Raises OSError."""
        path = folder / f"{number:012d}.spool"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW
        return cls(path, os.open(path, flags, 0o600), born)

    def append(self, line: bytes) -> None:
        """Write one frame, all of it or nothing. Raises OSError."""
        try:
            written = os.write(self.fd, line)
        except OSError:
            self._cut_back()
            raise
        if written != len(line):
            self._cut_back()
            raise OSError(errno.ENOSPC, "the frame did not fit")
        self.size += written

    def keep(self, entry: Entry | None, end: int) -> None:
        """A frame that ends there holds `entry`, or one that only the file can tell."""
        if entry is None or self.kept is None or len(self.kept) >= MOST_KEPT:
            self.kept = None
        else:
            self.kept.append((entry, end))

    def take(self) -> list[tuple[Entry, int]] | None:
        """What is kept, which from now on is its taker's; None when it has to be read back."""
        kept = self.kept
        if kept is not None:
            self.kept = []
        return kept

    def _cut_back(self) -> None:
        try:
            os.ftruncate(self.fd, self.size)
        except OSError:
            self.broken = True

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self.fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self.fd)
            self.fd = -1


def left_behind(folder: Path) -> list[Path]:
    """The segments in `folder`, oldest first."""
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def number_of(path: Path) -> int:
    """The number in a segment's name."""
    return int(path.name.partition(".")[0])
