"""Structured logs: one line per event, as JSON or for people, with secrets taken out before anything is written."""

import logging
import re
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO, cast

import orjson

MASK = "***"
# A key of the hub keeps its id, which is no secret; of everything else nothing is kept.
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\b(hub_[0-9a-z]{4,32})_[0-9A-Za-z]{16,}"), rf"\1_{MASK}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), rf"\1 {MASK}"),
    (re.compile(r"\b(?:sk|pk|rk|gsk|xai|ghp|gho|ghs|glpat|xox[abprs]|hf|AIza|AKIA)[-_A-Za-z0-9]{12,}"), MASK),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), MASK),
    (re.compile(r"(?i)(\w://[^\s:/@]{1,256}):[^\s/@]{1,1024}@"), rf"\1:{MASK}@"),
)
_SECRET_NAME = re.compile(r"(?i)authorization|cookie|password|passwd|secret|api[-_]?key|token$|credential")
_DEEPEST = 6


def redact(text: str) -> str:
    """`text` without what looks like a credential."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def _redacted(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes):
        return redact(value.decode("utf-8", "replace"))
    if isinstance(value, bool | int | float | None):
        return value
    if depth >= _DEEPEST:
        return MASK
    if isinstance(value, dict):
        members = cast("dict[Any, Any]", value)
        return {str(name): _member(str(name), member, depth) for name, member in members.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(item, depth + 1) for item in cast("list[Any]", value)]
    return redact(str(value))


def _member(name: str, value: Any, depth: int) -> Any:
    return MASK if value and _SECRET_NAME.search(name) else _redacted(value, depth + 1)


class Thin(logging.Filter):
    """At most `limit` lines a second of the same event; the next second's first says how many were left out."""

    def __init__(self, limit: int = 20, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._limit = limit
        self._clock = clock
        self._second = 0
        self._seen: dict[str, int] = {}
        self._over: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record passes; its `left_out` is then how many did not."""
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._over = {key: count - self._limit for key, count in self._seen.items() if count > self._limit}
            self._seen = {}
        key = f"{record.name} {str(record.msg)[:80]}"
        count = self._seen[key] = self._seen.get(key, 0) + 1
        if count > self._limit:
            return False
        record.left_out = self._over.pop(key, 0)
        return True


class _Lines(logging.Formatter):
    """A record as its line: the time in UTC, level, logger and event, and the fields; a traceback as `exception`."""

    def __init__(self, render: Callable[[dict[str, Any]], str]) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        """The line, without what looks like a credential by its name or its form."""
        event: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": redact(record.getMessage()),
        }
        fields: Mapping[str, Any] = getattr(record, "fields", {})
        event |= {name: _member(name, value, 0) for name, value in fields.items()}
        if left_out := getattr(record, "left_out", 0):
            event["left_out"] = left_out
        if record.exc_info and record.exc_info[0] is not None:
            event["exception"] = redact(self.formatException(record.exc_info))
        return self._render(event)


def _json(event: dict[str, Any]) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_COLOURS = {"debug": 32, "info": 32, "warning": 33, "error": 31, "critical": 31}  # of a terminal: green, yellow, red


def _text(event: dict[str, Any], coloured: bool) -> str:
    at, level, logger, what, *_ = event.values()
    told = [f"{name}={_shown(value)}" for name, value in list(event.items())[4:] if name != "exception"]
    line = " ".join((f"[{logger}]", *told))
    exception = f"\n{event['exception']}" if "exception" in event else ""
    # What comes from outside does not drive the terminal.
    what, line = _CONTROL.sub("?", what), _CONTROL.sub("?", line + exception)
    if coloured:
        return f"\x1b[2m{at}\x1b[0m [\x1b[{_COLOURS.get(level, 31)}m{level:<8}\x1b[0m] \x1b[1m{what}\x1b[0m {line}"
    return f"{at} [{level:<8}] {what} {line}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and value.isprintable() and value and " " not in value else repr(value)


def configure(level: str = "info", form: str = "auto", stream: TextIO | None = None) -> None:
    """Send all logs of the process, the libraries' too, to `stream` (standard error). May be called again.

    `level` is debug, info, warning or error; `form` is `json` (one object per line), `text` for people, or `auto`:
    text on a terminal.
    """
    output: TextIO = stream or sys.stderr
    terminal = output.isatty()
    as_json = form == "json" or (form == "auto" and not terminal)
    handler = logging.StreamHandler(output)
    handler.set_name("hub")
    handler.addFilter(Thin())
    handler.setFormatter(_Lines(_json if as_json else lambda event: _text(event, terminal)))
    root = logging.getLogger()
    root.handlers[:] = [*(kept for kept in root.handlers if kept.get_name() != "hub"), handler]
    root.setLevel(level.upper())
    for noisy in ("uvicorn", "asyncio", "aiosqlite", "sqlalchemy", "alembic", "mcp"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


class Logger:
    """The log of a module: `log.info("what happened", field=value)`; the event is constant, fields vary."""

    __slots__ = ("_log",)

    def __init__(self, name: str) -> None:
        self._log = logging.getLogger(name)

    def debug(self, event: str, **fields: Any) -> None:
        """What only a developer asks for."""
        self._tell(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        """What an operator may want to know."""
        self._tell(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """What an operator should look at."""
        self._tell(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """What failed. With `exc_info`, an exception, its traceback too."""
        self._tell(logging.ERROR, event, fields, fields.pop("exc_info", None))

    def exception(self, event: str, **fields: Any) -> None:
        """What failed, with the traceback of the exception that is being handled."""
        self._tell(logging.ERROR, event, fields, True)

    def _tell(self, level: int, event: str, fields: dict[str, Any], exc_info: Any = None) -> None:
        if self._log.isEnabledFor(level):
            self._log.log(level, event, exc_info=exc_info, extra={"fields": fields})


def get_logger(name: str) -> Logger:
    """The logger of a module."""
    return Logger(name)
