"""Becomes a server's command, after arranging that the kernel kills it when the hub dies. Run by path, not imported.

    python -I -S launch.py PARENT COMMAND [ARGUMENT ...]

A program of its own rather than a function between fork and exec: the hub has threads, and code that runs in a
forked copy of a threaded process may hang for ever.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_NOT_FOUND = 127


def main(parent: int, command: list[str]) -> None:
    """Replace this process by `command`; end at once when `parent` is already gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec would keep that
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the command stands in a resource that an administrator wrote
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
        sys.exit(_NOT_FOUND)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
