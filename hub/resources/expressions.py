"""Conditions written as CEL expressions: compiled when they are saved, true or false about one call. An optional extra."""

import importlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

LONGEST = 1000
# Without the macros that bind a name, what an expression makes grows with its length only, never in a loop.
_LIBRARY = "stdlib:\n  include_macros: [has]\n"
_TEXTS = ("model", "key", "user", "team")
_FLAGS = ("tools", "images", "stream")
_FIRST_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_CODE = re.compile(r"[A-Z_]{1,40}")


class Expression:
    """A compiled expression over the facts of a call."""

    def __init__(self, program: Any, failed: Any) -> None:
        self._program = program
        self._failed = failed

    def failing(self, facts: Mapping[str, Any]) -> str:
        """Why it does not hold for these facts: it is false, or cannot be told; "" when it is true. Never raises."""
        try:
            found = self._program.eval(data=facts)
            if found.type() != self._failed:
                return "" if found.value() is True else "cel"
            code = _CODE.match(found.value())
        except Exception as error:  # noqa: BLE001 - whatever an expression does, a call is routed without it
            code = _CODE.match(str(error))
        reason = code[0] if code else "it failed"
        # Only the code: the library's text quotes values of the call, and this is kept in the ledger.
        return "cel: the call has no such header or tag" if reason == "NOT_FOUND" else f"cel: {reason}"


@lru_cache(maxsize=512)
def compiled(text: str) -> Expression:
    """An expression, ready to be asked. Raises ValueError with line and column, or with the extra that is missing."""
    cel = _library()
    kinds = cel.Type
    known = {
        **dict.fromkeys(_TEXTS, kinds.STRING),
        **dict.fromkeys(_FLAGS, kinds.BOOL),
        "headers": kinds.Map(kinds.STRING, kinds.STRING),
        "tags": kinds.Map(kinds.STRING, kinds.STRING),
        "tokens": kinds.INT,
        "budget_used": kinds.INT,
        "now": kinds.TIMESTAMP,
    }
    environment = cel.NewEnv(config=cel.NewEnvConfigFromYaml(_LIBRARY), variables=known)
    try:
        program = environment.compile(text)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(_told(str(error))) from None
    if program.return_type() != kinds.BOOL:
        raise ValueError(f"a condition is true or false, this is {program.return_type().name().lower()}")
    return Expression(program, kinds.ERROR)


def _library() -> Any:
    try:
        return importlib.import_module("cel_expr_python.cel")
    except ImportError:
        raise ValueError(
            "an expression needs an extra: pip install 'agent-tool-hub[cel]'. The other conditions need none"
        ) from None


def _told(error: str) -> str:
    found = _FIRST_ERROR.search(error)
    if not found:
        return "this is not an expression in CEL"
    line, column, about = found.groups()
    about = about.replace(" (in container '')", "").partition(" expecting {")[0][:200]
    return f"line {line}, column {column}: {about}"
