"""How the MCP side bears up: many calls, calls at once, servers that hang, die and return. `python -m bench.tool_calls`.

Beside fastmcp's proxy where it is installed and has an answer to the question. Reported, never a gate.
"""

import argparse
import asyncio
import contextlib
import importlib.util
import itertools
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

from bench.load import CallFailedError, Connection, connections
from bench.measure import open_session
from bench.processes import Program, free_port, quiet, running
from bench.targets import Target, fastmcp, hub, mock
from bench.traffic import Door, Request, tool_call, tool_list

AT_ONCE = 30
_SOME = 200
_PATIENCE = 30.0


def say(what: str, value: str) -> None:
    """One line of the report."""
    print(f"{what:<70} {value}", flush=True)


def state(program: Program) -> str:
    """What a program holds."""
    return f"{program.resident_bytes() / 1e6:,.1f} MB, {program.descriptors()} descriptors"


async def many(target: Target, era: str, calls: int) -> None:
    """So many calls one after another over 16 connections: memory and descriptors before and after."""
    request = tool_call(target.door, era, await open_session(target, era))
    async with connections(target.door.host, target.door.port, 16) as opened:

        async def some(count: int) -> None:
            async def over(number: int) -> None:
                for _ in range(count // len(opened)):
                    await wanted(opened[number], request(number))

            await asyncio.gather(*map(over, range(len(opened))))

        await some(calls // 5)
        await quiet(target.program)
        before, began, cpu = state(target.program), time.perf_counter(), target.program.cpu_ns()
        await some(calls)
        took, cpu = time.perf_counter() - began, target.program.cpu_ns() - cpu
        await quiet(target.program)
        say(f"{target.name}, {era}: before {calls:,} calls (after {calls // 5:,})", before)
        say(f"{target.name}, {era}: after", state(target.program))
        say(f"{target.name}, {era}: calls a second; CPU a call", f"{calls / took:,.0f}; {cpu / calls / 1e3:,.0f} us")


async def wanted(connection: Connection, request: bytes, part: bytes = b'"hello hello ') -> float:
    """Call, and want an answer with this part; how long it took."""
    began = time.perf_counter()
    answer = await asyncio.wait_for(connection.call(request), _PATIENCE)
    if answer.status != 200 or part not in answer.tail:
        raise CallFailedError(f"{answer.status}: {answer.tail[-200:]!r}")
    return time.perf_counter() - began


async def at_once(targets: list[Target]) -> None:
    """Thirty calls at the same moment: until the last is answered, the median of 40 rounds in turn."""
    for era, text in itertools.product(("2025", "2026"), ("slow one", "at once")):
        took: dict[str, list[float]] = {}
        async with contextlib.AsyncExitStack() as stack:
            places: list[tuple[Target, list[Connection], Request]] = []
            for target in targets:
                opened = await stack.enter_async_context(connections(target.door.host, target.door.port, AT_ONCE))
                places.append((target, opened, tool_call(target.door, era, await open_session(target, era), text)))
            for _ in range(40):
                for target, opened, request in places:
                    began = time.perf_counter()
                    await asyncio.gather(*(wanted(one, request(number)) for number, one in enumerate(opened)))
                    took.setdefault(target.name, []).append(time.perf_counter() - began)
        direct = statistics.median(took["direct"])
        tool = "a tool of 50 ms" if text.startswith("slow") else "a tool of no time"
        for name, times in took.items():
            middle = statistics.median(times)
            say(
                f"{AT_ONCE} calls at once, {tool}, {era}, {name}",
                f"{middle * 1e3:.1f} ms ({middle / direct:.1f} x direct)",
            )


async def listing(target: Target, count: int = 2000) -> None:
    """What a list from memory costs."""
    request = tool_list(target.door)
    async with connections(target.door.host, target.door.port, 1) as (connection,):
        for _ in range(_SOME):
            await wanted(connection, request(0), b'"tools":[')
        await quiet(target.program)
        before = target.program.cpu_ns()
        for _ in range(count):
            await wanted(connection, request(0), b'"tools":[')
        cpu = target.program.cpu_ns() - before
    say("tools/list from memory, CPU", f"{cpu / count / 1e3:,.0f} us")


async def lists_and_calls(what: str, target: Target) -> None:
    """How long lists and calls of a server that is well take."""
    for name, request, part in (
        ("tools/list", tool_list(target.door), b'"tools":['),
        ("another's tool", tool_call(target.door, "2026", ""), b'"hello hello '),
    ):
        async with connections(target.door.host, target.door.port, 1) as (connection,):
            times = sorted([await wanted(connection, request(0), part) for _ in range(_SOME)])
        say(f"{what}: {name}, median / longest", f"{times[_SOME // 2] * 1e3:.2f} / {times[-1] * 1e3:.1f} ms")


@contextlib.asynccontextmanager
async def black_hole() -> AsyncIterator[str]:
    """A server that accepts and never answers; its URL."""

    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"


@contextlib.contextmanager
def second(folder: Path, port: int) -> Iterator[Program]:
    """A server of its own, to be stopped and killed."""
    command = [sys.executable, "-m", "bench.mock", "--port", str(port)]
    with running(command, port, folder / "second.log") as program:
        yield program


async def until_answered(door: Door) -> float:
    """How long until a tool of a server answers."""
    began = time.perf_counter()
    request = tool_call(door, "2026", "")
    while time.perf_counter() - began < _PATIENCE:
        with contextlib.suppress(CallFailedError, OSError, TimeoutError):
            async with connections(door.host, door.port, 1) as (connection,):
                await wanted(connection, request(0))
                return time.perf_counter() - began
        await asyncio.sleep(0.01)
    return float("inf")


async def trouble(folder: Path, upstream: int) -> None:
    """A server that hangs from the start, one that hangs later, and one that is killed and returns."""
    port = free_port()
    async with black_hole() as hung:
        with contextlib.ExitStack() as stack:
            program = stack.enter_context(second(folder, port))
            more = {"hung": hung, "second": f"http://127.0.0.1:{port}/mcp26"}
            target = stack.enter_context(hub(folder, upstream, more=more))
            say("a server hangs from the start: hub ready after", f"{target.program.ready_seconds:.2f} s")
            await lists_and_calls("a server hangs from the start", target)
            other = replace(target.door, tool_prefix=(("2026", "second__"),))
            await until_answered(other)
            os.kill(program.pid, signal.SIGSTOP)
            await lists_and_calls("another one hangs later", target)
            os.kill(program.pid, signal.SIGKILL)
            await asyncio.sleep(1)
            stack.enter_context(second(folder, port))
            say("killed, and back: its tools answer after", f"{await until_answered(other):.2f} s")


async def main(calls: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        direct = stack.enter_context(mock(folder))
        upstream = direct.door.port
        targets = [direct, stack.enter_context(hub(folder, upstream))]
        if importlib.util.find_spec("fastmcp"):
            targets.append(stack.enter_context(fastmcp(folder, upstream)))
        await at_once(targets)
        await lists_and_calls("all is well", targets[1])
        await listing(targets[1])
        for target in targets[1:]:
            for era in ("2025", "2026"):
                await many(target, era, calls if target.name == "hub" else calls // 10)
        (folder / "trouble").mkdir()
        await trouble(folder / "trouble", upstream)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.tool_calls", description="How the MCP side bears up.")
    parser.add_argument("--calls", type=int, default=10_000, help="calls of the long run")
    asyncio.run(main(parser.parse_args().calls))
