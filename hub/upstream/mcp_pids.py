"""Which processes the hub has started, kept on disk so that those of a killed hub are found and ended."""

import os
import secrets
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import structlog
from msgspec import DecodeError, Struct, json

log = structlog.get_logger(__name__)

# Stands in the environment of a server and of whatever it starts: proof that a process is the hub's.
MARK = "HUB_SERVER_MARK"


class _Row(Struct, frozen=True):
    server: str
    pid: int  # also the number of its process group
    mark: str
    boot: str


class Pids:
    """One small file per running process in `folder`. On systems without `/proc` nothing is ever ended."""

    def __init__(self, folder: Path, proc: Path = Path("/proc")) -> None:
        self._folder = folder
        self._proc = proc
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @staticmethod
    def mark() -> str:
        """A mark for a process that is about to be started."""
        return secrets.token_hex(16)

    def add(self, server: str, pid: int, mark: str) -> None:
        """Remember a process."""
        row = json.encode(_Row(server, pid, mark, self._boot()))
        partial = self._folder / f"{pid}.part"
        partial.write_bytes(row)
        partial.replace(self._folder / f"{pid}.json")

    def remove(self, pid: int) -> None:
        """Forget a process: it has ended, and its group with it."""
        (self._folder / f"{pid}.json").unlink(missing_ok=True)

    def reap(self) -> int:
        """Kill what is left of processes that an earlier hub started; how many were killed.

        A process is the hub's when it is in the recorded group and carries the recorded mark. A number that
        was given to a stranger since is not touched, and neither is anything from before a reboot.
        """
        rows = {row.pid: row for row in map(self._row, self._folder.glob("*.json")) if row is not None}
        here = {pid: row for pid, row in rows.items() if row.boot == self._boot()}
        killed = sum(self._kill(pid, row) for pid, row in self._members(here)) if here else 0
        for file in self._folder.iterdir():
            file.unlink(missing_ok=True)
        return killed

    def _row(self, file: Path) -> _Row | None:
        try:
            return json.decode(file.read_bytes(), type=_Row)
        except (DecodeError, OSError):
            return None

    def _boot(self) -> str:
        try:
            return (self._proc / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        except OSError:
            return ""

    def _members(self, rows: Mapping[int, _Row]) -> Iterator[tuple[int, _Row]]:
        for entry in self._proc.iterdir() if self._proc.is_dir() else ():
            row = rows.get(self._group(entry)) if entry.name.isdigit() else None
            if row is not None and f"{MARK}={row.mark}".encode() in self._environment(entry):
                yield int(entry.name), row

    def _group(self, entry: Path) -> int:
        """The process group; 0 when the process is gone. The name before it may hold blanks and parentheses."""
        try:
            fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            return 0
        return int(fields[2]) if len(fields) > 2 and fields[0] not in (b"Z", b"X") else 0

    def _environment(self, entry: Path) -> list[bytes]:
        try:
            return (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            return []

    def _kill(self, pid: int, row: _Row) -> bool:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            return False
        log.warning("leftover_process_killed", server=row.server, pid=pid)
        return True
