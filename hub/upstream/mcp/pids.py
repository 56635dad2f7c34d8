"""Which processes the hub has started, kept on disk so that those of a killed hub are found and ended."""

import os
import secrets
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import DecodeError, Struct, json

from hub.core.logs import get_logger
from hub.upstream.mcp.guarding import Warden

log = get_logger(__name__)

# Stands in the environment of a server and of whatever it starts: proof that a process is the hub's.
MARK = "HUB_SERVER_MARK"


class _Row(Struct, frozen=True):
    server: str
    pid: int  # also the number of its process group
    mark: str
    boot: str


class Pids:
    """One small file per running process in `folder`. On systems without `/proc` nothing is ever ended.

    What a process leaves behind, the warden ends at once; the files are for when the warden was killed too.
    """

    def __init__(self, folder: Path, proc: Path = Path("/proc")) -> None:
        self._folder = folder
        self._proc = proc
        self._marks: dict[int, str] = {}
        self._warden = Warden(MARK)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def mark(self) -> str:
        """A mark for a process that is about to be started."""
        mark = secrets.token_hex(16)
        self._warden.begins(mark)
        return mark

    def drop(self, mark: str) -> None:
        """The process was not started after all."""
        self._warden.ended(mark)

    def add(self, server: str, pid: int, mark: str) -> None:
        """Remember a process."""
        self._marks[pid] = mark
        row = json.encode(_Row(server, pid, mark, self._boot()))
        partial = self._folder / f"{pid}.part"
        partial.write_bytes(row)
        partial.replace(self._folder / f"{pid}.json")

    def remove(self, pid: int) -> None:
        """Forget a process: it has ended, and its group with it. Whatever left the group is ended now."""
        self._warden.ended(self._marks.pop(pid, ""))
        (self._folder / f"{pid}.json").unlink(missing_ok=True)

    def close(self) -> None:
        """End what is left, and the warden. Blocks."""
        self._warden.close()

    def reap(self) -> int:
        """Kill what is left of processes that an earlier hub started; how many were killed.

        A process is the hub's when it carries a recorded mark. A number that was given to a stranger since is
        not touched, and neither is anything from before a reboot.
        """
        rows = [row for row in map(self._row, self._folder.glob("*.json")) if row is not None]
        here = {f"{MARK}={row.mark}".encode(): row for row in rows if row.boot == self._boot()}
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

    def _members(self, rows: Mapping[bytes, _Row]) -> Iterator[tuple[int, _Row]]:
        for entry in self._proc.iterdir() if self._proc.is_dir() else ():
            marks = rows.keys() & set(self._environment(entry)) if entry.name.isdigit() else ()
            for mark in marks:
                yield int(entry.name), rows[mark]

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
