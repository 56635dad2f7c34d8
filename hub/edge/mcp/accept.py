"""What an MCP client takes as an answer, by its `Accept`: JSON, an event stream, or both.

Clients are told to name both. One that names nothing, or `*/*`, takes both; one that names one of them gets that one;
one that names neither is refused.
"""

from functools import lru_cache

from msgspec import Struct

_JSON = frozenset({"application/json", "application/*", "*/*"})
_STREAM = frozenset({"text/event-stream", "text/*", "*/*"})


class Accepted(Struct, frozen=True):
    """Which of the two kinds of answer a client takes."""

    json: bool
    stream: bool


@lru_cache(maxsize=256)
def accepted(header: bytes) -> Accepted:
    """What a header says; b"" where there is none. A kind with `q=0` is not taken."""
    if not header.strip():
        return Accepted(json=True, stream=True)
    kinds: set[str] = set()
    for one in header.decode("latin-1").lower().split(","):
        kind, *parameters = (part.strip() for part in one.split(";"))
        if not any(_is_nothing(parameter) for parameter in parameters):
            kinds.add(kind)
    return Accepted(json=not kinds.isdisjoint(_JSON), stream=not kinds.isdisjoint(_STREAM))


def _is_nothing(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and not value.strip(" 0.")
