"""Likelihoods of tokens say once more what an answer says: where something is taken out of it, they are left out."""

from typing import Any

import msgspec

_NAMES = frozenset({"logprobs", "logprobsResult", "avgLogprobs"})
_SIGN = b"ogprobs"


def without_likelihoods(body: bytes) -> bytes:
    """A JSON body without them; byte for byte the same when it has none."""
    if _SIGN not in body:
        return body
    try:
        return msgspec.json.encode(_left(msgspec.json.decode(body)))
    except (msgspec.MsgspecError, RecursionError):
        return body  # which nobody can read as JSON


def event_without_likelihoods(event: bytes) -> bytes:
    """The same of an event, whose data is JSON on one line."""
    if _SIGN not in event:
        return event
    lines = event.splitlines(keepends=True)
    return b"".join(_line(line) if line.startswith(b"data:") else line for line in lines)


def _line(line: bytes) -> bytes:
    said = line.removeprefix(b"data:").strip()
    end = line[len(line.rstrip(b"\r\n")) :]
    return b"data: " + without_likelihoods(said) + end if _SIGN in said else line


def _left(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _left(one) for name, one in value.items() if name not in _NAMES}
    return [_left(one) for one in value] if isinstance(value, list) else value
