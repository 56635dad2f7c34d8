"""Copies of the ledger for other programs: JSON lines in the data folder, rotated."""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec import json

from hub.core.entry import Entry
from hub.ledger.private_file import append
from hub.resources.snapshot import Snapshot

FILE_BYTES = 100_000_000
KEPT = 4

_encoder = json.Encoder()


class Exports:
    """Appends every written entry to `NAME.jsonl` in `folder` for each enabled export of the current snapshot.

    A file that would pass `file_bytes` becomes `NAME.jsonl.1`, the older ones move on, and 4 of them are kept.
    After a crash the last entries can appear twice; `id` tells them apart. Files are readable by their owner only.
    """

    def __init__(self, folder: Path, snapshots: Callable[[], Snapshot], *, file_bytes: int = FILE_BYTES) -> None:
        self._folder = folder
        self._snapshots = snapshots
        self._file_bytes = file_bytes

    async def __call__(self, entries: Sequence[Entry]) -> None:
        """Append them. Raises OSError."""
        specs = self._snapshots().exports
        names = sorted(name for name, spec in specs.items() if spec.format == "jsonl" and "calls" in spec.of)
        if names:
            await self.append(names, _encoder.encode_lines(entries))

    async def append(self, names: list[str], lines: bytes) -> None:
        """Append whole lines to the files of these exports. Raises OSError."""
        await asyncio.to_thread(self._append, names, lines)

    def _append(self, names: list[str], lines: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._alone():
            for name in names:
                path = self._folder / f"{name}.jsonl"
                if path.exists() and path.stat().st_size + len(lines) > self._file_bytes:
                    self._rotate(name, path)
                append(path, lines)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """The other workers write to the same files: one at a time."""
        lock = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _rotate(self, name: str, path: Path) -> None:
        aged = [path, *(self._folder / f"{name}.jsonl.{number}" for number in range(1, KEPT + 1))]
        for older, newer in zip(reversed(aged), reversed(aged[:-1]), strict=False):
            if newer.exists():
                newer.replace(older)
