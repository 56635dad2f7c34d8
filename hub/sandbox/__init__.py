"""The process in which programs run: started with COMMAND, it reads a program and says what came of it. Stdlib only."""

from pathlib import Path

_ROOT = str(Path(__file__).parents[2])
# Isolated and without site packages: nothing of the machine's configuration reaches it.
COMMAND = ("-I", "-S", "-c", f"import sys; sys.path[:0] = [{_ROOT!r}]; from hub.sandbox.child import main; main()")

__all__ = ["COMMAND"]
