"""Ends what the hub's servers leave behind: outlives the hub, if only for a moment. Run by path, not imported.

    python -I -S warden.py NAME     # NAME: the variable that holds the mark of a server, and of all that it starts

Reads lines: `+MARK` before a server starts, `-MARK` once it has ended. At the end of a server, whatever still carries its
mark is killed, also what left its process group; at the end of the input, which is the hub's end however it came about,
whatever carries any of the marks. It imports next to nothing: that costs memory for as long as the hub runs.
"""

import os
import sys

_KILL = 9
_ROUNDS = 100  # of looking for what was started while the others were killed


def end(marks: set[bytes]) -> None:
    """Kill all that carries one of these variables."""
    for _ in range(_ROUNDS):
        found = [pid for pid in os.listdir("/proc") if pid.isdigit() and not marks.isdisjoint(_environment(pid))]  # noqa: PTH208 - no pathlib here
        for pid in found:
            try:
                os.kill(int(pid), _KILL)
            except OSError:
                continue
        if not found:
            return


def _environment(pid: str) -> list[bytes]:
    """The variables of a process; those of a zombie, or of another user's process, are none."""
    try:
        file = os.open(f"/proc/{pid}/environ", os.O_RDONLY)
    except OSError:
        return []
    try:
        data = b""
        while more := os.read(file, 1 << 16):
            data += more
    except OSError:
        return []
    finally:
        os.close(file)
    return data.split(b"\0")


def main(name: bytes) -> None:
    """Follow the hub until its end."""
    marks: set[bytes] = set()
    rest = b""
    while data := os.read(0, 1 << 12):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            mark = name + b"=" + line[1:]
            if line[:1] == b"+":
                marks.add(mark)
            else:
                marks.discard(mark)
                end({mark})
    if marks:
        end(marks)


if __name__ == "__main__":
    main(os.fsencode(sys.argv[1]))
