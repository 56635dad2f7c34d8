"""Reading the few fields of a request that the hub acts on, with errors that name the field."""

from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from hub.core.refusal import Malformed
from hub.dialect.members import UNREADABLE, Places

T = TypeVar("T")
MOST_TOKENS = 1_000_000_000

MODEL = msgspec.json.Decoder(str)
FLAG = msgspec.json.Decoder(bool | None)
COUNT = msgspec.json.Decoder(int | float | None)


class Peek(Struct, frozen=True):
    """What the hub reads of a request before it passes the rest on.

    `max_output` is the caller's own cap on output tokens, `answers` how many of that they want; `wants_usage` whether
    the stream shall report usage; `places` where the fields of the body stand.
    """

    model: str
    stream: bool
    places: Places
    max_output: int | None = None
    answers: int = 1
    wants_usage: bool = True
    has_tools: bool = False


def read(body: bytes, places: Places, name: str, decoder: "msgspec.json.Decoder[T]", default: T) -> T:
    """The field `name`, or `default` when it is missing. Raises Malformed naming the field."""
    place = places.get(name)
    if place is None:
        return default
    try:
        return decoder.decode(body[place[0] : place[1]])
    except UNREADABLE as error:
        raise Malformed("malformed", f"The field '{name}' is wrong: {_reason(error, name)}.") from None


def _reason(error: Exception, name: str) -> str:
    what, _, where = str(error).partition(" - at `")
    return f"{what} at {name}{where.rstrip('`').removeprefix('$')}" if where else what


def model(body: bytes, places: Places) -> str:
    """The model that is asked for. Raises Malformed when none is."""
    name = read(body, places, "model", MODEL, "")
    if not name:
        raise Malformed("malformed", "The field 'model' is missing. GET /v1/models lists what this key may call.")
    return name


def tokens(body: bytes, places: Places, *names: str) -> int | None:
    """The first of these fields that holds a number of tokens, within what is sane."""
    for name in names:
        given: Any = read(body, places, name, COUNT, None) if name in places else None
        if given is not None:
            return _sane(given)
    return None


def answers(body: bytes, places: Places, *names: str) -> int:
    """How many answers are asked for: the most that one of these fields says."""
    return max([1, *(tokens(body, places, name) or 1 for name in names if name in places)])


def _sane(given: float) -> int:
    return int(given) if 0 <= given <= MOST_TOKENS else int(min(max(given, 0), MOST_TOKENS))


def peek_in_path(body: bytes, places: Places, limit: int | None, tools: str, count: int = 1) -> Peek:
    """What is read of a call whose model and way to answer stand in its path. `tools` is the field that offers them."""
    most = None if limit is None else _sane(limit)
    return Peek(
        model="", stream=False, places=places, max_output=most, answers=max(_sane(count), 1),
        has_tools=filled(body, places, tools),
    )  # fmt: skip


def filled(body: bytes, places: Places, name: str) -> bool:
    """Whether the field is a list or object with something in it."""
    start, end = places.get(name, (0, 0))
    return end - start > 2 and body[start : start + 1] in (b"[", b"{")
