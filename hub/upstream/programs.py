"""Runs programs in processes of their own, and carries their tool calls out."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from hub.core.refusal import Malformed, Throttled
from hub.sandbox import COMMAND

_MOST_LINE = 16 << 20  # bytes


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one program may use: seconds of computing and in all, bytes of memory, calls, characters of source."""

    compute: int = 10
    total: float = 120.0
    memory: int = 512 << 20
    calls: int = 50
    source: int = 64 << 10
    parallel: int = 4  # programs of the whole hub at a time
    confined: bool = False  # refuse to run where the kernel offers no filter


class CallFailed(Exception):
    """A tool call of a program failed; the program may catch it."""


class Outcome(msgspec.Struct, frozen=True):
    """What came of a program: its value or its error, and what it printed. `calls` counts its tool calls."""

    value: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""
    printed: str = ""
    confined: bool = False
    calls: int = 0


class _Line(msgspec.Struct, frozen=True):
    call: str = ""
    arguments: msgspec.Raw = msgspec.Raw(b"{}")
    value: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""
    printed: str = ""
    confined: bool = False


_line = msgspec.json.Decoder(_Line)
Call = Callable[[str, bytes], Awaitable[bytes]]


class Sandbox:
    """A place for programs. It holds nothing between two of them."""

    def __init__(self, bounds: Bounds = Bounds()) -> None:
        self._bounds = bounds
        self._running = 0

    async def run(self, program: str, tools: Sequence[str], call: Call) -> Outcome:
        """Run a program. `call(name, arguments)` gives a tool's value as JSON, or raises CallFailed.

        Raises Malformed when the source is too long, Throttled when too many programs run.
        """
        if len(program) > self._bounds.source:
            raise Malformed("malformed", f"A program has at most {self._bounds.source} characters.")
        if self._running >= self._bounds.parallel:
            raise Throttled("too_many_parallel", "Too many programs run at once. Try again.", retry_after=2)
        self._running += 1
        try:
            return await self._run(program, tools, call)
        finally:
            self._running -= 1

    async def _run(self, program: str, tools: Sequence[str], call: Call) -> Outcome:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *COMMAND,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            env={}, cwd="/", start_new_session=True, limit=_MOST_LINE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(self._bounds.total):
                return await self._converse(process, program, tools, call)
        except TimeoutError:
            return Outcome(error=f"the program takes longer than {self._bounds.total:g} seconds")
        except (ConnectionError, ValueError, msgspec.DecodeError):
            return Outcome(error="the program ended without an answer")
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _converse(
        self, process: asyncio.subprocess.Process, program: str, tools: Sequence[str], call: Call
    ) -> Outcome:
        assert process.stdin is not None
        assert process.stdout is not None
        bounds = self._bounds
        task = {"program": program, "tools": tools, "memory": bounds.memory, "seconds": bounds.compute}
        await _tell(process, {**task, "confined": bounds.confined})
        calls = 0
        while line := await process.stdout.readline():
            message = _line.decode(line)
            if not message.call:
                return Outcome(message.value, message.error, message.printed, message.confined, calls)
            calls += 1
            if calls > bounds.calls:
                await _tell(process, {"stop": f"a program may make {bounds.calls} calls"})
                continue
            try:
                value = await call(message.call, bytes(message.arguments))
                one_line = msgspec.json.format(value, indent=-1) if b"\n" in value else value
                await _tell(process, {"value": msgspec.Raw(one_line)})
            except CallFailed as failure:
                await _tell(process, {"error": str(failure)[:4000]})
        return Outcome(error=_ended(await process.wait(), bounds), calls=calls)


def _ended(status: int, bounds: Bounds) -> str:
    if status in (-24, -9):  # SIGXCPU, or SIGKILL after it
        return f"the program computes longer than {bounds.compute} seconds"
    return "the program ended without an answer: it may have needed too much memory"


async def _tell(process: asyncio.subprocess.Process, message: Mapping[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(message) + b"\n")
    await process.stdin.drain()
