"""The figures as a table: for the terminal, and between the markers of docs/performance.md."""

import datetime as dt
import platform
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Figures

PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


@dataclass(frozen=True, slots=True)
class Row:
    """One line: a measure, its unit, and the first goal: at most so many times nginx, or at most so many units."""

    measure: str
    title: str
    unit: str
    times: float | None = None
    most: float | None = None

    def goal(self) -> str:
        parts = [f"≤ {self.times:g} x" if self.times else "", f"≤ {self.most:g} {self.unit}" if self.most else ""]
        return ", ".join(part for part in parts if part)


ROWS = (
    Row("call", "call of 2 kB, CPU", "µs", times=12),
    Row("large", "call of 400 kB, CPU", "µs", times=6),
    Row("burst-5", "stream of 5 events, CPU", "µs", times=10),
    Row("event-burst", "one more event in a burst, CPU", "µs", most=3),
    Row("event-paced", "one more event on its own, CPU", "µs", times=2.5),
    Row("tool-2025", "tools/call, 2025-11-25, CPU", "µs", most=300),
    Row("tool-2026", "tools/call, 2026-07-28, CPU", "µs", most=300),
    Row("added-p50", "added to p50", "ms", times=3),
    Row("added-p99", "added to p99", "ms"),
    Row("idle", "memory, idle", "MB", most=120),
    Row("streaming", "memory with the open streams", "MB", most=250),
    Row("ready", "start to ready", "s", most=3),
)


def table(figures: Figures, names: list[str]) -> list[list[str]]:
    """Rows of cells, the head first. Relays after nginx have their ratio to nginx behind the figure."""
    measured = [row for row in ROWS if row.measure in figures.values or row.measure in figures.failures]
    lines = [[row.title, *(_cell(row, figures, name) for name in names), row.goal()] for row in measured]
    return [["", *names, "goal"], *lines]


def _cell(row: Row, figures: Figures, name: str) -> str:
    value = figures.value(row.measure, name)
    if value is None:
        return "failed" if name in figures.failures.get(row.measure, {}) else "-"
    text = f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f} {row.unit}"
    yardstick = figures.value(row.measure, "nginx")
    # Below its own noise the yardstick is none; memory and start are not compared with nginx.
    comparable = row.unit in ("µs", "ms") and yardstick is not None and yardstick > (0.02 if row.unit == "ms" else 0.1)
    return f"{text} ({value / yardstick:.1f} x)" if comparable and name != "nginx" and yardstick else text


def as_text(lines: list[list[str]]) -> str:
    """Columns for a terminal."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def as_markdown(lines: list[list[str]]) -> str:
    head, *body = lines
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, rule, *body])


def surroundings(command: str) -> str:
    """Where and how the figures were made."""
    return (
        f"Made by `{command}` on {dt.datetime.now(dt.UTC):%Y-%m-%d}: {_cpu()}, Python "
        f"{platform.python_version()}, {_nginx()}."
    )


def _cpu() -> str:
    names = _found(r"model name\s*: *(.+)", Path("/proc/cpuinfo"))
    count = len(names)
    return f"{names[0] if names else platform.machine()}, {count} {'core' if count == 1 else 'cores'}"


def _found(pattern: str, path: Path) -> list[str]:
    return re.findall(pattern, path.read_text("utf-8")) if path.exists() else []


def _nginx() -> str:
    try:
        said = subprocess.run(["/usr/sbin/nginx", "-v"], capture_output=True, text=True, check=False).stderr
    except OSError:
        return "without nginx"
    return said.strip().rpartition(": ")[2].replace("/", " ") or "nginx"


def write_page(lines: list[list[str]], command: str, page: Path = PAGE) -> None:
    """Put the table between the markers of the page; ValueError when it has none."""
    text = page.read_text("utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"{page} has no markers {BEGIN} and {END}")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text("\n".join([before + BEGIN, surroundings(command), "", as_markdown(lines), END]) + after, "utf-8")


def failures(figures: Figures) -> Iterator[str]:
    """One line for each measure that a target did not get through."""
    for measure, by_target in figures.failures.items():
        for name, why in by_target.items():
            yield f"{measure}, {name}: {why.splitlines()[0] if why else 'failed'}"
