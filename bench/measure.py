"""The measurements. Each is taken from every target in turn, several times over; the least of the rounds counts."""

import asyncio
import json
import re
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.load import Answer, CallFailedError, Connection, Tally, closed_loop, connections, open_loop
from bench.processes import quiet
from bench.targets import Target
from bench.traffic import LARGE_BYTES, Request, chat, envelope, handshake, tool_call

SHORT, LONG = 5, 105  # events of the two streams whose difference gives the cost of one event
_JSON_END = b"}"
_STREAM_END = b"[DONE]"


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure."""

    rounds: int = 5
    seconds: float = 0.8
    concurrency: int = 16
    rate: float = 100.0
    streams: int = 1000


@dataclass(slots=True)
class Figures:
    """What came out: `values[measure][target]`, and what went wrong: `failures[measure][target]`."""

    values: dict[str, dict[str, float]] = field(default_factory=dict)
    failures: dict[str, dict[str, str]] = field(default_factory=dict)

    def keep_least(self, measure: str, target: str, value: float) -> None:
        known = self.values.setdefault(measure, {})
        known[target] = min(value, known.get(target, value))

    def fail(self, measure: str, target: str, why: str) -> None:
        self.failures.setdefault(measure, {}).setdefault(target, why)
        print(f"  {measure}, {target}: {why}", file=sys.stderr)

    def value(self, measure: str, target: str) -> float | None:
        if target in self.failures.get(measure, {}):
            return None
        return self.values.get(measure, {}).get(target)


@dataclass(frozen=True, slots=True)
class CpuScenario:
    """CPU per call of one kind of call."""

    measure: str
    request: Callable[[Target], Request]
    wanted: bytes
    concurrency: int = 0  # 0: as planned


def _chat(kind: str, size: int = 2_000) -> Callable[[Target], Request]:
    return lambda target: chat(target.door, kind, size)


CALLS = (
    CpuScenario("call", _chat("plain"), _JSON_END),
    CpuScenario("large", _chat("plain", LARGE_BYTES), _JSON_END, concurrency=4),
)
STREAMS = tuple(
    CpuScenario(f"{kind}-{count}", _chat(f"{kind}-{count}"), _STREAM_END, concurrency=8 if kind == "paced" else 0)
    for kind in ("burst", "paced")
    for count in (SHORT, LONG)
)


async def cpu_per_call(scenarios: tuple[CpuScenario, ...], targets: list[Target], plan: Plan, figures: Figures) -> None:
    """CPU of each target per call, in µs. The mock upstream is not one of them."""
    for scenario in scenarios:
        print(f"{scenario.measure} ...", file=sys.stderr)
        for number in range(plan.rounds + 1):
            for target in targets[1:]:
                if target.name in figures.failures.get(scenario.measure, {}):
                    continue
                seconds = plan.seconds if number else plan.seconds / 2  # the first round warms up
                tally, cpu = await _round(scenario, target, plan, seconds)
                if tally.failures or not tally.calls:
                    figures.fail(scenario.measure, target.name, tally.first_failure or "no call ended")
                elif number:
                    figures.keep_least(scenario.measure, target.name, cpu / tally.calls)


async def _round(scenario: CpuScenario, target: Target, plan: Plan, seconds: float) -> tuple[Tally, float]:
    count = scenario.concurrency or plan.concurrency
    async with connections(target.door.host, target.door.port, count) as pool:
        before = target.program.cpu_ns()
        tally = await closed_loop(pool, scenario.request(target), scenario.wanted, seconds)
    await quiet(target.program)  # what is written after the answers (a ledger, say) belongs to the calls
    return tally, (target.program.cpu_ns() - before) / 1000


def derive_events(targets: list[Target], figures: Figures) -> None:
    """The cost of one event, from the difference of the long and the short stream."""
    for kind in ("burst", "paced"):
        for target in targets[1:]:
            short, long = (figures.value(f"{kind}-{count}", target.name) for count in (SHORT, LONG))
            if short is not None and long is not None:
                figures.values.setdefault(f"event-{kind}", {})[target.name] = (long - short) / (LONG - SHORT)


async def latency(targets: list[Target], plan: Plan, figures: Figures) -> None:
    """What a target adds to p50 and p99 of a plain call at a steady rate, in ms; the least of the rounds."""
    print("latency ...", file=sys.stderr)
    for number in range(plan.rounds):
        for target in targets:
            async with connections(target.door.host, target.door.port, plan.concurrency) as pool:
                request = chat(target.door, "plain")
                if not number:
                    await closed_loop(pool, request, _JSON_END, 0.3)
                tally = await open_loop(pool, request, _JSON_END, plan.rate, plan.seconds * 2)
            if tally.failures or len(tally.durations) < 2:
                figures.fail("p50", target.name, tally.first_failure or "no call ended")
                continue
            cuts = statistics.quantiles(tally.durations, n=100, method="inclusive")
            figures.keep_least("p50", target.name, cuts[49] * 1000)
            figures.keep_least("p99", target.name, cuts[98] * 1000)
    for measure in ("p50", "p99"):
        direct = figures.value(measure, "direct")
        for target in targets[1:]:
            value = figures.value(measure, target.name)
            if direct is not None and value is not None:
                figures.values.setdefault(f"added-{measure}", {})[target.name] = value - direct


async def tools(targets: list[Target], plan: Plan, figures: Figures) -> None:
    """CPU per tools/call, in both eras of MCP."""
    for era in ("2025", "2026"):
        sessions = {}
        for target in targets[1:]:
            try:
                sessions[target.name] = await open_session(target, era)
            except (CallFailedError, OSError, TimeoutError) as fault:
                figures.fail(f"tool-{era}", target.name, str(fault) or "no answer in time")

        def request(target: Target, era: str = era, sessions: dict[str, str] = sessions) -> Request:
            return tool_call(target.door, era, sessions[target.name])

        await cpu_per_call((CpuScenario(f"tool-{era}", request, b'"hello hello '),), targets, plan, figures)


async def open_session(target: Target, era: str) -> str:
    """The id of a new legacy session, "" where none is needed. CallFailedError when the tool is not listed."""
    door = target.door
    path = dict(door.mcp_paths)[era]
    async with connections(door.host, door.port, 1) as pool:
        session = ""
        headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
        params = {}
        if era == "2026":
            headers |= {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list"}
            params = {"_meta": envelope()}
        else:
            opening, initialized = handshake(door)
            session = (await _ok(pool[0], opening)).header("mcp-session-id")
            await _ok(pool[0], initialized(session))
            headers |= {"mcp-session-id": session} if session else {}
        listing = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": params}).encode()
        wanted = dict(door.tool_prefix).get(era, "") + "echo"
        await _until_listed(pool[0], door.post(path, listing, headers), wanted)
        return session


async def _until_listed(connection: Connection, request: bytes, wanted: str) -> None:
    """A relay may still be connecting to its upstream when it is ready itself."""
    for _ in range(50):
        answer = await _ok(connection, request)
        if re.search(rb'"name": ?"' + wanted.encode() + b'"', answer.tail):
            return
        await asyncio.sleep(0.1)
    raise CallFailedError(f"tools/list does not show {wanted}: {answer.tail[:300]!r}")


async def _ok(connection: Connection, request: bytes) -> Answer:
    answer = await asyncio.wait_for(connection.call(request), 30)
    if answer.status not in (200, 202):
        raise CallFailedError(f"{answer.status} {answer.tail[:300]!r}")
    return answer


async def memory(targets: list[Target], plan: Plan, figures: Figures) -> None:
    """Resident memory when idle and with open streams, in MB, and the time from start to ready, in s."""
    print("memory ...", file=sys.stderr)
    for target in targets[1:]:
        figures.keep_least("ready", target.name, target.program.ready_seconds)
        figures.keep_least("idle", target.name, target.program.resident_bytes() / 1e6)
        request = chat(target.door, "hold")(0)
        async with connections(target.door.host, target.door.port, plan.streams) as pool:
            try:
                for start in range(0, len(pool), 50):
                    await asyncio.gather(*(one.open_stream(request) for one in pool[start : start + 50]))
                figures.keep_least("streaming", target.name, target.program.resident_bytes() / 1e6)
            except (CallFailedError, OSError, TimeoutError) as fault:
                figures.fail("streaming", target.name, str(fault) or "no answer in time")
