"""Instructions that the hub executes per call, counted by valgrind: `python -m bench.instructions [KIND ...]`.

How long a call takes depends on what else a machine does, how many instructions it takes does not: what saves one
in a hundred shows. System calls count as nothing, and nothing waits for memory, so this is no substitute for CPU time.
"""

import argparse
import asyncio
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.load import closed_loop, connections
from bench.measure import open_session
from bench.targets import Target, hub, mock
from bench.traffic import LARGE_BYTES, Request, chat, tool_call

KINDS = ("plain", "burst-5", "large", "tool-2025", "tool-2026")
WARM_SECONDS, REST_SECONDS = 3.0, 3.0
MISSING = "valgrind counts the instructions and was not found; install it, on Debian with: apt-get install valgrind"


def command(folder: Path) -> str:
    """The hub under valgrind, which counts nothing yet; a file of counts for each thread."""
    tool = f"valgrind --tool=callgrind --instr-atstart=no --separate-threads=yes --callgrind-out-file={folder}/counts"
    python = shlex.quote(sys.executable)
    return f"{tool} {python} -m hub serve --host 127.0.0.1 --port {{port}} --data {{data}} --apply {{config}}"


async def request_of(target: Target, kind: str) -> tuple[Request, bytes, int]:
    """What is sent, what its answer ends with, and over how many connections."""
    if kind.startswith("tool-"):
        era = kind.removeprefix("tool-")
        return tool_call(target.door, era, await open_session(target, era)), b'"hello hello ', 16
    if kind == "large":
        return chat(target.door, "plain", LARGE_BYTES), b"}", 4
    return chat(target.door, kind), b"}" if kind == "plain" else b"[DONE]", 16


def control(target: Target, *arguments: str) -> None:
    """Tell valgrind."""
    subprocess.run(["callgrind_control", *arguments, str(target.program.pid)], check=True, capture_output=True)


async def counted(target: Target, kind: str, calls: int, folder: Path) -> list[int]:
    """Instructions per call of each thread, the most first."""
    request, wanted, count = await request_of(target, kind)
    async with connections(target.door.host, target.door.port, count) as pool:
        await closed_loop(pool, request, wanted, WARM_SECONDS)
        await asyncio.sleep(REST_SECONDS)
        control(target, "-z")
        control(target, "-i", "on")
        each = max(calls // count, 1)

        async def several(number: int) -> None:
            for _ in range(each):
                await pool[number].call(request(number))

        await asyncio.gather(*(several(number) for number in range(count)))
        await asyncio.sleep(REST_SECONDS)  # what is written after the answers belongs to the calls
        control(target, "-i", "off")
        control(target, "-d")
    return sorted((total // (each * count) for total in totals(folder)), reverse=True)


def totals(folder: Path) -> list[int]:
    """The instructions of each thread, by the files that valgrind has just written."""
    found: list[int] = []
    for file in folder.glob("counts.*"):
        text = file.read_text("utf-8", "replace")
        found += [int(total) for total in re.findall(r"^totals: (\d+)", text, re.MULTILINE)]
        file.unlink()
    return found


async def measure(kinds: list[str], calls: int) -> None:
    """Print a line for each kind."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with mock(folder) as direct, hub(folder, direct.door.port, command(folder)) as target:
            for kind in kinds:
                threads = await counted(target, kind, calls, folder)
                told = ", ".join(f"{each:,}" for each in threads if each > 1000)
                print(f"{kind}: {sum(threads):,} instructions a call; by thread: {told}")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=["plain"], choices=KINDS)
    parser.add_argument("--calls", type=int, default=800)
    chosen = parser.parse_args()
    if shutil.which("valgrind") is None:
        sys.exit(MISSING)
    asyncio.run(measure(chosen.kinds, chosen.calls))


if __name__ == "__main__":
    main()
