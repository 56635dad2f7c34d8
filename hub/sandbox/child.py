"""The process that runs one program: no files, no network, no other processes, little memory, little time."""

import json
import resource
import sys
from collections.abc import Callable
from typing import Any

from hub.sandbox.interpreter import Interpreter
from hub.sandbox.seccomp import confine
from hub.sandbox.values import ProgramError, ToolError

_MOST_MESSAGE = 16 << 20  # bytes


def _limit(memory: int, seconds: int) -> None:
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_NOFILE, 3),
    ):
        resource.setrlimit(what, (most, most))
    if hasattr(resource, "RLIMIT_NPROC"):
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))


def _read() -> Any:
    line = sys.stdin.buffer.readline(_MOST_MESSAGE)
    if not line:
        raise SystemExit(0)
    return json.loads(line)


def _write(message: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(message).encode("utf-8", "replace") + b"\n")
    sys.stdout.buffer.flush()


def _tool(name: str) -> Callable[..., Any]:
    def call(*given: Any, **arguments: Any) -> Any:
        if len(given) > 1 or (given and not isinstance(given[0], dict)):
            raise TypeError(f"{name}() takes its arguments by name")
        _write({"call": name, "arguments": {**(given[0] if given else {}), **arguments}})
        answer = _read()
        if "stop" in answer:
            raise ProgramError(answer["stop"])
        if "error" in answer:
            raise ToolError(answer["error"])
        return answer["value"]

    return call


def _explained(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    if isinstance(error, MemoryError):
        return "the program needs too much memory"
    if isinstance(error, RecursionError):
        return "the program is nested too deep"
    return str(error) if isinstance(error, ProgramError) else f"{type(error).__name__}: {error}"


def main() -> None:
    """Read a program, run it, write what came of it."""
    task = _read()
    interpreter = Interpreter({name: _tool(name) for name in task["tools"]})
    sys.setrecursionlimit(5000)
    _limit(task["memory"], task["seconds"])
    confined = confine()
    if task["confined"] and not confined:
        _write({"error": "this system cannot confine the process", "printed": "", "confined": False})
        return
    answer: dict[str, Any]
    try:
        answer = {"value": interpreter.run(task["program"])}
    except (Exception, MemoryError) as error:  # noqa: BLE001 - whatever a program does, it is told
        answer = {"error": _explained(error)[:4000]}
    _write({**answer, "printed": "".join(interpreter.printed), "confined": confined})


if __name__ == "__main__":
    main()
