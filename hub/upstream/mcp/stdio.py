"""A connection to a server over the standard input and output of its process."""

import asyncio
from collections.abc import Callable, Iterator

from hub.core.refusal import UpstreamFailed
from hub.upstream.mcp import wire
from hub.upstream.mcp.lines import Lines
from hub.upstream.mcp.link import Ears, Greeting, Link
from hub.upstream.mcp.pending import Pending
from hub.upstream.mcp.process import Command, Process
from hub.upstream.mcp.values import MOST_RESULT, Era
from hub.upstream.mcp.wire import Speech

_MOST_UNREAD = 1 << 20  # bytes that the process has not read yet, beyond which it gets only what it must have


class StdioLink(Link):
    """Starts the process with `start`, and ends it and all that it started with `close`."""

    def __init__(self, numbers: Iterator[int], ears: Ears, *, step: float) -> None:
        super().__init__(numbers, ears)
        self._step = step
        self._process: Process | None = None
        self._gone: Callable[[int], None] = lambda pid: None
        self._listening = 0  # the number of the request that asks for changes
        self._now = asyncio.get_running_loop().time
        self._spoke = self._doubted = 0.0  # when it said something last, and when it left a request unanswered

    async def start(self, command: Command, gone: Callable[[int], None]) -> int:
        """Start the process; its id, which `gone` is told once it has ended. Raises UpstreamFailed."""
        self._gone = gone
        out = Lines(MOST_RESULT, self.calls.oversized, self.calls.most)
        self._process = await Process.start(command, out, self._line, self._ended)
        return self._process.pid

    @property
    def pid(self) -> int | None:
        """The process's id."""
        return self._process.pid if self._process is not None else None

    def tail(self) -> tuple[str, ...]:
        """The last lines of its stderr, unmasked."""
        return self._process.tail() if self._process is not None else ()

    def _line(self, line: bytes) -> None:
        if line.strip():
            self._spoke = self._now()
            for answer in self.calls.take(line):
                self._answer(answer)

    @property
    def _is_behind(self) -> bool:
        return self._process is not None and self._process.unread > _MOST_UNREAD

    def _ended(self) -> None:
        how = self._process.exit if self._process is not None else ""
        failure = UpstreamFailed("upstream_error", f"its process {how or 'closed its input or output'}")
        self.lose(failure)
        self.calls.fail(failure)

    def _given_up(self, pending: Pending) -> None:
        """A process that leaves one request unanswered is busy. One that then leaves another so, without a word, hangs."""
        if self._spoke < self._doubted <= pending.began:
            failure = UpstreamFailed(
                "upstream_timeout", "its process hangs: it has left two requests unanswered", status=504
            )
            self.lose(failure)
            self.calls.fail(failure)
        self._doubted = self._now()

    def _write(self, data: bytes) -> None:
        if self._process is not None:
            self._process.write(data)

    async def _send(self, pending: Pending, params: bytes, speech: Speech) -> None:
        if self._process is not None:
            await self._process.writable()
        self._write(wire.request(pending.number, pending.method, params))

    def _abandon(self, pending: Pending, *, tell: bool) -> None:
        if tell and self.failure is None:
            self._write(wire.cancelled(pending.number))

    def _reply(self, message: bytes) -> None:
        self._write(message)

    async def greeted(self, greeting: Greeting) -> None:
        """Say that the handshake is complete, or ask to be told of changes."""
        self.greeting = greeting
        if greeting.speech.era is Era.LEGACY:
            self._write(wire.notification("notifications/initialized"))
        elif self.listens:
            self.listen_anew()

    def listen_anew(self) -> None:
        """Ask to be told of changes, in place of what was asked for before."""
        before, self._listening = self._listening, next(self._numbers)
        self._write(wire.request(self._listening, "subscriptions/listen", self.listening()))
        if before:
            self._write(wire.cancelled(before))

    async def close(self) -> None:
        """End the process."""
        failure = UpstreamFailed("upstream_error", "the hub closed the connection")
        self.lose(failure)
        self.calls.fail(failure)
        await self._end_tasks()
        if self._process is not None and await self._process.stop(self._step):
            self._gone(self._process.pid)
