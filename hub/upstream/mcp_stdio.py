"""A connection to a server over the standard input and output of its process."""

from collections.abc import Iterator

from hub.core.refusal import UpstreamFailed
from hub.upstream import mcp_wire
from hub.upstream.mcp_calls import Pending
from hub.upstream.mcp_link import Ears, Greeting, Link
from hub.upstream.mcp_process import Command, Process
from hub.upstream.mcp_values import Era
from hub.upstream.mcp_wire import Speech

_LISTEN = b'{"notifications":{"toolsListChanged":true}}'


class StdioLink(Link):
    """Starts the process with `start`, and ends it and all that it started with `close`."""

    def __init__(self, numbers: Iterator[int], ears: Ears, *, step: float) -> None:
        super().__init__(numbers, ears)
        self._numbers = numbers
        self._step = step
        self.process: Process | None = None

    async def start(self, command: Command) -> None:
        """Start the process. Raises UpstreamFailed."""
        self.process = await Process.start(command, self._line, self._oversized, self._ended)

    def _line(self, line: bytes) -> None:
        if line.strip():
            for answer in self.calls.take(line):
                self._write(answer)

    def _oversized(self, head: bytes) -> None:
        self.calls.noise += 1
        for message in _numbers_in(head):
            failure = UpstreamFailed("upstream_protocol", "its answer is larger than the hub takes")
            if self.calls.fail_one(message, failure):
                return

    def _ended(self) -> None:
        how = self.process.exit if self.process else ""
        self.lose(UpstreamFailed("upstream_error", f"its process {how or 'closed its output'}"))

    def _write(self, data: bytes) -> None:
        if self.process is not None:
            self.process.write(data)

    async def _send(self, pending: Pending, params: bytes, speech: Speech) -> None:
        self._write(mcp_wire.request(pending.number, pending.method, params))
        if self.process is not None:
            await self.process.writable()

    def _abandon(self, pending: Pending, *, tell: bool) -> None:
        if tell and self.failure is None:
            params = b'{"requestId":%d,"reason":"the caller left"}' % pending.number
            self._write(mcp_wire.notification("notifications/cancelled", params))

    async def greeted(self, greeting: Greeting) -> None:
        """Say that the handshake is complete, or ask to be told of changes."""
        self.greeting = greeting
        if greeting.speech.era is Era.LEGACY:
            self._write(mcp_wire.notification("notifications/initialized"))
        elif b'"listChanged"' in greeting.capabilities:
            params, _ = mcp_wire.dressed(_LISTEN, greeting.speech, None)
            self._write(mcp_wire.request(next(self._numbers), "subscriptions/listen", params))

    async def close(self) -> None:
        """End the process."""
        self.lose(UpstreamFailed("upstream_error", "the hub closed the connection"))
        if self.process is not None:
            await self.process.stop(self._step)


def _numbers_in(head: bytes) -> Iterator[int]:
    """The ids that the beginning of a message may hold."""
    _, found, rest = head.partition(b'"id":')
    digits = rest.lstrip().split(b",")[0].strip(b' "}')
    if found and digits.isdigit():
        yield int(digits)
