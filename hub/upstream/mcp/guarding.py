"""The hub's side of the warden: the process that ends what servers leave behind, however the hub itself ends."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

_WARDEN = str(Path(__file__).with_name("warden.py"))
_LAST = 5.0


class Warden:
    """Knows the marks of servers that run. Its process is started with the first of them, and anew when it is lost.

    It ends by itself at the end of its input, which comes with the hub's end. Linux only: elsewhere it does nothing.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._marks: set[str] = set()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process; 0 when there is none."""
        return self._process.pid if self._process is not None else 0

    def begins(self, mark: str) -> None:
        """A server with this mark is about to start."""
        self._marks.add(mark)
        self._tell(f"+{mark}\n")

    def ended(self, mark: str) -> None:
        """The server with this mark has ended: whatever it left behind is killed."""
        if mark in self._marks:
            self._tell(f"-{mark}\n")
            self._marks.discard(mark)

    def close(self) -> None:
        """The hub ends: whatever is left is killed. Blocks until that is done, and for no longer than `_LAST` seconds."""
        if self._process is None:
            return
        try:
            self._process.communicate(timeout=_LAST)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _tell(self, line: str) -> None:
        if sys.platform != "linux":
            return
        with contextlib.suppress(OSError):  # it is gone, or does not read
            if self._process is not None and self._process.stdin is not None:
                os.write(self._process.stdin.fileno(), line.encode())
                return
        self._start(line)

    def _start(self, line: str) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        command = [sys.executable, "-I", "-S", _WARDEN, self._name]
        # A session of its own: what ends the hub's whole group, like Ctrl-C, leaves it to its work.
        process = subprocess.Popen(  # noqa: S603 - the hub's own program
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={}, cwd="/", start_new_session=True, bufsize=0,
        )  # fmt: skip
        self._process = process
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            known = "".join(f"+{mark}\n" for mark in self._marks)
            with contextlib.suppress(OSError):
                os.write(process.stdin.fileno(), (known + line).encode())
