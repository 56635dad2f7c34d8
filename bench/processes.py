"""Programs that are measured: start, wait until ready, CPU time and memory of the whole tree, stop."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_READY_SECONDS = 300.0  # under valgrind it takes half a minute


class NotReadyError(Exception):
    """A program that did not start."""


@dataclass(frozen=True, slots=True)
class Program:
    """A running program. Its children count as part of it."""

    pid: int
    port: int
    log: Path
    ready_seconds: float

    def cpu_ns(self) -> int:
        """CPU time used so far by it and what it started, in ns."""
        return sum(_cpu_ns(pid) for pid in _tree(self.pid))

    def descriptors(self) -> int:
        """Open file descriptors of the program itself."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def resident_bytes(self) -> int:
        """Resident memory of it and what it started."""
        return sum(_resident(pid) for pid in _tree(self.pid))


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(
    command: Sequence[str], port: int, log: Path, *, ready_path: str = "/", env: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Start `command`, wait until `ready_path` answers below 500, and stop it, and all that it started, at the end."""
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            env={**os.environ, **(env or {})},  # noqa: TID251 - what is started needs PATH and the like
        )  # fmt: skip
        try:
            _wait_ready(process, port, ready_path, log)
            yield Program(process.pid, port, log, time.perf_counter() - started)
        finally:
            _stop(process)


def _wait_ready(process: subprocess.Popen[bytes], port: int, path: str, log: Path) -> None:
    deadline = time.perf_counter() + _READY_SECONDS
    while time.perf_counter() < deadline:
        if process.poll() is not None:
            raise NotReadyError(f"{process.args!r} ended with status {process.returncode}:\n{_tail(log)}")
        if _status(port, path) < 500:
            return
        time.sleep(0.01)
    raise NotReadyError(f"{process.args!r} was not ready after {_READY_SECONDS:.0f} s:\n{_tail(log)}")


def _status(port: int, path: str) -> int:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as probe:
            probe.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n".encode())
            return int(probe.recv(64)[9:12] or b"599")
    except (OSError, ValueError):
        return 599


def _tail(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-3000:]


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # its own group: it was started in a session of its own
    process.wait()


def _tree(root: int) -> list[int]:
    """The process and its living descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def _cpu_ns(pid: int) -> int:
    """CPU time of one process: its clock, which counts in ns; else the ticks of /proc, dead children included."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)  # what clock_getcpuclockid(3) makes of a pid
    except OSError:
        pass
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(int(ticks) for ticks in fields[11:15]) * _TICK_NS


def _resident(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


async def quiet(program: Program, seconds: float = 2.0) -> None:
    """Wait until the program has done next to nothing for a while, at most so long."""
    deadline = time.perf_counter() + seconds
    still = 0
    while still < 3 and time.perf_counter() < deadline:
        before = program.cpu_ns()
        await asyncio.sleep(0.1)
        still = still + 1 if program.cpu_ns() - before < 2_000_000 else 0  # 2 % of a core
