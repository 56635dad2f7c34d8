"""A server's process: started in a group of its own, read line by line, ended with everything that it started."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from hub.core.refusal import UpstreamFailed
from hub.upstream.mcp.lines import LINES_PER_SECOND, Allowance, Lines

# What of the hub's own environment a server gets besides what its resource declares.
INHERITED = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
MOST_LINES = 200  # of stderr that are kept
_MOST_LINE = 1000  # bytes of each of them
_STDERR_PER_SECOND = 1 << 20  # bytes; whoever writes more waits
_LAST_WORDS = 0.2  # seconds between a process's exit and the end of its output, whichever comes first
_LAUNCHER = str(Path(__file__).with_name("launch.py"))


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, and in which surroundings."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    cwd: str | None = None


def environment_of(own: Mapping[str, str], declared: Mapping[str, str]) -> dict[str, str]:
    """A server's environment: little of the hub's own, and what was declared."""
    return {name: own[name] for name in INHERITED if name in own} | dict(declared)


class Process(asyncio.SubprocessProtocol):
    """Made by `start`. `line` gets each line of stdout, cut by `out`; `ended` is called once, when no more will come."""

    def __init__(self, out: Lines, line: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._line = line
        self._ended = ended
        self._out = out
        self._err = Lines(64 << 10, self._note)
        self._stderr: deque[bytes] = deque(maxlen=MOST_LINES)
        self._now = asyncio.get_running_loop().time
        self._allowances = {1: Allowance(LINES_PER_SECOND), 2: Allowance(_STDERR_PER_SECOND)}
        self._exited = asyncio.Event()
        self._silent = False
        self._over = False
        self._writable = asyncio.Event()
        self._writable.set()
        self.pid = 0

    @classmethod
    async def start(
        cls,
        command: Command,
        out: Lines,
        line: Callable[[bytes], None],
        ended: Callable[[], None],
    ) -> "Process":
        """Run `command`. Raises UpstreamFailed, which says what is wrong with it."""
        _check(command)
        launcher = [sys.executable, "-I", "-S", _LAUNCHER, str(os.getpid())] if sys.platform == "linux" else []
        loop = asyncio.get_running_loop()
        try:
            _, process = await loop.subprocess_exec(
                lambda: cls(out, line, ended),
                *launcher,
                *command.words,
                env=dict(command.environment),
                cwd=command.cwd,
                start_new_session=True,
            )
        except OSError as error:
            raise UpstreamFailed(
                "upstream_error", f"it cannot be started: {error.strerror or 'no reason given'}"
            ) from error
        return process

    @property
    def exit(self) -> str:
        """How it ended, with the last line that it wrote to stderr; "" while it runs."""
        code = self._transport.get_returncode()
        if code is None:
            return ""
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
        last = next((text for text in reversed(self.tail()) if text.strip()), "")
        return f"{how}; its last words: {last}" if last else how

    def tail(self) -> tuple[str, ...]:
        """The last lines of stderr, unmasked."""
        return tuple("".join(c if c.isprintable() or c == "\t" else " " for c in _text(one)) for one in self._stderr)

    def write(self, data: bytes) -> None:
        """Give it one line."""
        if not self._over:
            self._pipe(0).write(data + b"\n")

    @property
    def unread(self) -> int:
        """How many bytes it was given and has not taken yet."""
        return 0 if self._over else self._pipe(0).get_write_buffer_size()

    async def writable(self) -> None:
        """Wait until it has taken what it was given before, or has ended."""
        await self._writable.wait()

    async def stop(self, step: float) -> bool:
        """End it and its group: end of input, SIGTERM, SIGKILL, `step` seconds apart. Whether it is gone."""
        try:
            self._pipe(0).close()
            for number in (0, signal.SIGTERM, signal.SIGKILL):
                if number:
                    self._signal(number)
                if await self._gone(step):
                    break
        finally:
            self._signal(signal.SIGKILL)  # whatever it started and left behind
            self._transport.close()
        return self._exited.is_set()

    async def _gone(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._exited.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left in the group, or only a zombie
            if self.pid:  # 0 would be the hub's own group
                os.killpg(self.pid, number)

    def _pipe(self, fd: int) -> asyncio.WriteTransport:
        return cast("asyncio.WriteTransport", self._transport.get_pipe_transport(fd))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It runs."""
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self.pid = self._transport.get_pid() or 0

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Bytes on stdout or stderr."""
        if fd == 1:
            lines = self._out.feed(data)
            for line in lines:
                self._line(line)
            rest = self._allowances[fd].spend(len(lines), self._now())
        else:
            for line in self._err.feed(data):
                self._note(line)
            rest = self._allowances[fd].spend(len(data), self._now())
        if rest:
            self._rest(fd, rest)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """It closed one of its ends; stderr it may do without."""
        if fd != 2:
            self._silent = self._silent or fd == 1
            self._end_soon()

    def process_exited(self) -> None:
        """It is gone; what it wrote last may still be on the way."""
        self._exited.set()
        self._end_soon()

    def _end_soon(self) -> None:
        """At once when both its exit and the end of its output are known, else when the other had its time."""
        if self._exited.is_set() and self._silent:
            self._end()
        else:
            asyncio.get_running_loop().call_later(_LAST_WORDS, self._end)

    def pause_writing(self) -> None:
        """It does not read as fast as it is written to."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._writable.set()

    def _end(self) -> None:
        self._writable.set()
        if not self._over:
            self._over = True
            self._ended()

    def _note(self, line: bytes) -> None:
        self._stderr.append(line[:_MOST_LINE])

    def _rest(self, fd: int, seconds: float) -> None:
        """Read no more of an output for a moment."""
        pipe = cast("asyncio.ReadTransport | None", self._transport.get_pipe_transport(fd))
        if pipe is not None and pipe.is_reading():
            pipe.pause_reading()
            asyncio.get_running_loop().call_later(seconds, self._resume, pipe)

    def _resume(self, pipe: asyncio.ReadTransport) -> None:
        if not pipe.is_closing():
            pipe.resume_reading()


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip()


def _check(command: Command) -> None:
    """Find the faults that the operating system would report less clearly."""
    if command.cwd is not None and not Path(command.cwd).is_dir():
        raise UpstreamFailed("upstream_error", f"its cwd '{command.cwd}' is not a folder")
    program = command.words[0]
    where = Path(command.cwd or ".").absolute() / program if "/" in program else program
    if shutil.which(str(where), path=command.environment.get("PATH")) is None:
        raise UpstreamFailed("upstream_error", f"there is no program '{program}'; check its command, or install it")
