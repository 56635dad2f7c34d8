"""Structured logs: one line per event, as JSON or for people, with secrets taken out before anything is written."""

import logging
import re
import sys
import time
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO, cast

import orjson
import structlog
from structlog.stdlib import ProcessorFormatter

Event = MutableMapping[str, Any]

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


def redact_event(logger: Any, method: str, event: Event) -> Event:
    """A processor: takes credentials out of everything in the event, by the field's name and by their form."""
    for name, value in event.items():
        if not name.startswith("_"):
            event[name] = _member(name, value, 0)
    return event


class Thin:
    """At most `limit` lines a second of the same event; the next second says how many were left out.

    A processor for our own events and a filter for those of libraries.
    """

    def __init__(self, limit: int = 20, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._second = 0
        self._seen: dict[str, int] = {}
        self._over: dict[str, int] = {}

    def _count(self, key: str) -> int | None:
        """How many of these were left out in the last second; None when this one is left out too."""
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._over = {key: count - self._limit for key, count in self._seen.items() if count > self._limit}
            self._seen = {}
        count = self._seen[key] = self._seen.get(key, 0) + 1
        return self._over.pop(key, 0) if count <= self._limit else None

    def __call__(self, logger: Any, method: str, event: Event) -> Event:
        """Pass the event on, or raise DropEvent."""
        left_out = self._count(f"{event.get('logger', '')} {str(event.get('event', ''))[:80]}")
        if left_out is None:
            raise structlog.DropEvent
        if left_out:
            event["left_out"] = left_out
        return event

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a library's record passes; our own were counted already."""
        return isinstance(record.msg, dict) or self._count(f"{record.name} {str(record.msg)[:80]}") is not None


def _json(event: Event, **_: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def configure(level: str = "info", form: str = "auto", stream: TextIO | None = None) -> None:
    """Send all logs of the process, the libraries' too, to `stream` (standard error). May be called again.

    `level` is debug, info, warning or error; `form` is `json` (one object per line), `text` for people, or `auto`:
    text on a terminal.
    """
    output: TextIO = stream or sys.stderr
    thin = Thin()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
        redact_event,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(serializer=_json)
        if form == "json" or (form == "auto" and not output.isatty())
        else structlog.dev.ConsoleRenderer(colors=output.isatty(), pad_event_to=0)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_logger_name,
            thin,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(output)
    handler.set_name("hub")
    handler.addFilter(thin)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [*(kept for kept in root.handlers if kept.get_name() != "hub"), handler]
    root.setLevel(level.upper())
    for noisy in ("uvicorn", "asyncio", "aiosqlite", "sqlalchemy", "alembic", "mcp"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def get_logger(name: str) -> Any:
    """The logger of a module: `log.info("what happened", field=value)`; the event is constant, fields vary."""
    return structlog.stdlib.get_logger(name)
