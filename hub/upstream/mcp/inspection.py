"""What the processes of servers use: memory and further processes, by process group, as the kernel tells it."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Use:
    """What one group uses: resident memory in bytes, and how many processes it has."""

    memory: int = 0
    processes: int = 0


def overrun(use: Use, memory_mib: int, processes: int) -> str:
    """What is too much in a use; "" for nothing."""
    if use.memory > memory_mib << 20:
        return f"its process used more than {memory_mib} MiB of memory (see memory_mib)"
    if use.processes > processes:
        return f"it started more than {processes} processes (see processes)"
    return ""


def used_by(groups: Collection[int], proc: Path = Path("/proc")) -> dict[int, Use]:
    """The use of each of these process groups; one that is gone uses nothing. Empty where there is no /proc."""
    found = dict.fromkeys(groups, Use())
    try:
        entries = [entry for entry in proc.iterdir() if entry.name.isdigit()]
    except OSError:
        return {}
    for entry in entries:
        group, pages = _read(entry / "stat")
        if group in found:
            before = found[group]
            found[group] = Use(before.memory + pages * _PAGE, before.processes + 1)
    return found


def _read(stat: Path) -> tuple[int, int]:
    """Process group and resident pages of a process; zeros for one that is gone."""
    try:
        fields = stat.read_text(encoding="latin-1").rpartition(")")[2].split()
        return int(fields[2]), int(fields[21])
    except (OSError, IndexError, ValueError):
        return 0, 0
