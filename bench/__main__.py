"""The command: `python -m bench [calls streams latency tools memory] [options]`.

Starts a mock upstream, nginx and the hub, measures each in turn, prints a table and writes it into
docs/performance.md. Stops everything that it started. Nothing here passes or fails: figures are for reading.
"""

import argparse
import asyncio
import importlib.util
import json
import shlex
import signal
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from bench.measure import CALLS, STREAMS, Figures, Plan, cpu_per_call, derive_events, latency, memory, tools
from bench.processes import NotReadyError
from bench.report import as_text, failures, table, write_page
from bench.targets import HUB, TARGETS, Target, targets

DEFAULT = Plan()
_OTHER = "any other relay; COMMAND may hold {port} and {upstream} (a base URL)"
WHAT = ("memory", "calls", "streams", "tools", "latency")  # memory first, while it is as it was started


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="What the hub costs beside nginx, in one run.")
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"what to measure: {', '.join(WHAT)} (default: all)")
    parser.add_argument("--targets", default="", help="of nginx, hub, fastmcp, with commas between (default: all)")
    parser.add_argument("--other", action="append", default=[], metavar="NAME=COMMAND", help=_OTHER)
    parser.add_argument(
        "--hub", default=HUB, metavar="COMMAND", help="starts the hub; may hold {port}, {data}, {config}"
    )
    parser.add_argument("--rounds", type=int, default=DEFAULT.rounds, help="the least of so many counts")
    parser.add_argument("--seconds", type=float, default=DEFAULT.seconds, help="length of a round")
    parser.add_argument("--concurrency", type=int, default=DEFAULT.concurrency, help="connections that call at once")
    parser.add_argument("--rate", type=float, default=DEFAULT.rate, help="calls a second for latency")
    parser.add_argument("--streams", type=int, default=DEFAULT.streams, help="open streams for memory")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--no-write", action="store_true", help="leave docs/performance.md as it is")
    given = parser.parse_args(arguments)
    unknown = set(given.what) - set(WHAT)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(WHAT)}")
    given.what = given.what or list(WHAT)
    unknown = set(given.targets.split(",")) - {"", *TARGETS}
    if unknown:
        parser.error(f"unknown target: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if not given.targets:
        comparable = "tools" in given.what and importlib.util.find_spec("fastmcp")
        given.targets = "nginx,hub,fastmcp" if comparable else "nginx,hub"
    return given


async def measure(given: argparse.Namespace, started: list[Target]) -> Figures:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    plan = Plan(given.rounds, given.seconds, given.concurrency, given.rate, given.streams)
    figures = Figures()
    chats = [target for target in started if target.door.chat_path]
    if "memory" in given.what:
        await memory(chats, plan, figures)
    if "calls" in given.what:
        await cpu_per_call(CALLS, chats, plan, figures)
    if "streams" in given.what:
        await cpu_per_call(STREAMS, chats, plan, figures)
        derive_events(chats, figures)
    if "tools" in given.what:
        await tools(started, plan, figures)
    if "latency" in given.what:
        await latency(chats, plan, figures)
    return figures


def show(given: argparse.Namespace, words: list[str], figures: Figures, names: list[str]) -> None:
    """The table on the terminal, in the page and as JSON."""
    lines = table(figures, names)
    print(as_text(lines))
    for line in failures(figures):
        print(f"failed: {line}")
    if given.json:
        given.json.write_text(json.dumps(figures.values, indent=2), "utf-8")
    if "hub" in names and not given.no_write:
        write_page(lines, shlex.join(["python", "-m", "bench", *words]))


def main(arguments: list[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    given = options(words)
    begun = time.perf_counter()
    names = [name for name in given.targets.split(",") if name]
    try:
        with (
            tempfile.TemporaryDirectory(prefix="hub-bench-") as folder,
            targets(names, Path(folder), given.hub, given.other) as started,
        ):
            figures = uvloop.run(measure(given, started))
    except (NotReadyError, FileNotFoundError) as fault:
        print(fault, file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        return 143
    show(given, words, figures, [target.name for target in started[1:]])
    took = time.perf_counter() - begun
    print(f"\n{took:.0f} s; the least of {given.rounds} rounds; x is the ratio to nginx in this run")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is stopped, here and in measure()
    sys.exit(main())
