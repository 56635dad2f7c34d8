"""The stdio face of the scriptable MCP upstream: a loop over lines, without threads.

Options: see tests/support/mcp_upstreams.py. Run by its path, with `python -I -S`, so that it starts at once
and in any working directory.
"""

import argparse
import heapq
import itertools
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.mcp_protocol import Core, Options, encode, named_in

_LIFETIME = 600  # seconds: whatever a test forgets, nothing stays for ever


class Loop:
    """Reads messages, writes what is due. `pending` holds (due, number, request id, message)."""

    def __init__(self, core: Core, given: argparse.Namespace) -> None:
        self._core = core
        self._given = given
        self._pending: list[tuple[float, int, Any, dict[str, Any]]] = []
        self._numbers = itertools.count()
        self._calls = 0
        self._garbage = given.garbage

    def run(self) -> None:
        buffer = b""
        reading = True
        while reading or self._pending or self._given.ignore_eof:
            due = self._pending[0][0] - time.monotonic() if self._pending else None
            ready, _, _ = select.select([0] if reading else [], [], [], None if due is None else max(due, 0))
            if ready:
                data = os.read(0, 1 << 16)
                reading = bool(data)
                *lines, buffer = (buffer + data).split(b"\n")
                for line in lines:
                    if line.strip():
                        self._line(line)
            while self._pending and self._pending[0][0] <= time.monotonic():
                self._write(heapq.heappop(self._pending)[3])

    def _line(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            self._write({"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "Parse error"}})
            return
        method = message.get("method")
        if method is None:
            settled = self._core.answered(message)
            if settled:
                self._write(settled[1])
            return
        if method == "notifications/cancelled":
            gone = (message.get("params") or {}).get("requestId")
            self._pending = [entry for entry in self._pending if entry[2] != gone]
            heapq.heapify(self._pending)
        if method == "tools/call":
            self._note_call()
        outs = self._core.answer(message)
        if named_in(method, self._given.hang):
            return
        due = time.monotonic() + (self._given.delay if method == "tools/call" else 0)
        for out in outs:
            due += out.delay
            if not out.asked:
                heapq.heappush(self._pending, (due, next(self._numbers), message.get("id"), out.message))
        if self._calls == self._given.list_changed_after and method == "tools/call":
            self._core.options.tools += 1
            changed = self._core.notification("notifications/tools/list_changed")
            heapq.heappush(self._pending, (due, next(self._numbers), None, changed))

    def _note_call(self) -> None:
        self._calls += 1
        if self._calls == self._given.crash_after:
            os._exit(1)
        _noise(self._given.noise_per_call)

    def _write(self, message: dict[str, Any]) -> None:
        data = encode(message) + b"\n"
        if self._garbage:
            data, self._garbage = b"Starting server, please wait...\n" + data, False
        while data:
            data = data[os.write(1, data) :]


def _noise(lines: int) -> None:
    for number in range(lines):
        os.write(2, b"noise line %d\n" % number)


def _fork(*, stray: bool) -> int:
    child = os.fork()
    if child == 0:
        if stray:
            os.setsid()
        signal.alarm(_LIFETIME)
        while True:
            signal.pause()
    return child


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A scriptable MCP server over stdio.")
    parser.add_argument("--era", choices=("2025", "2026", "both"), default="2025")
    for name in ("--crash-after", "--noise", "--noise-per-call", "--tools", "--list-changed-after"):
        parser.add_argument(name, type=int, default=0)
    for name in ("--slow-start", "--delay"):
        parser.add_argument(name, type=float, default=0.0)
    for name in ("--ignore-sigterm", "--ignore-eof", "--garbage", "--fork", "--stray", "--plain", "--crash-at-start"):
        parser.add_argument(name, action="store_true")
    for name in ("--hang", "--error"):
        parser.add_argument(name, action="append", default=[])
    parser.add_argument("--pid-file")
    parser.add_argument("--name", default="scripted")
    return parser.parse_args()


def main() -> None:
    given = _options()
    signal.alarm(_LIFETIME)
    if given.ignore_sigterm:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    pids = [os.getpid()] + [_fork(stray=given.stray) for _ in range(given.fork or given.stray)]
    if given.pid_file:
        Path(given.pid_file).write_text("\n".join(map(str, pids)), encoding="ascii")
    _noise(given.noise)
    if given.crash_at_start:
        sys.exit(3)
    time.sleep(given.slow_start)
    errors = {method: (-32601, f"Method not found: {method}") for method in given.error}
    options = Options(era=given.era, tools=given.tools, unknown_fields=not given.plain, errors=errors, name=given.name)
    Loop(Core(options), given).run()


if __name__ == "__main__":
    main()
