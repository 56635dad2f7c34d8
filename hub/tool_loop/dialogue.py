"""What the loop asks of a dialect: the next request, the meaning of a turn, and how results and the end are told."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from msgspec import Struct

from hub.core.ids import new_id
from hub.tool_loop.results import Outcome
from hub.tool_loop.toolbox import Function


class Use(Struct, frozen=True):
    """One call of a tool that the model wants. `id` is the model's own for it, `shown` the caller's.

    `approval` is the id of the approval that it was given, or "".
    """

    id: str
    shown: str
    function: Function
    arguments: str
    approval: str = ""


class Dialogue(Protocol):
    """One call in its dialect, turn by turn. What is told is bytes of a stream; a whole reply is `final`."""

    @property
    def due(self) -> list[Use]:
        """The calls of tools that are to be made now."""
        ...

    @property
    def goes_on(self) -> bool:
        """Whether the model is asked again once the calls are made, or the caller has to act first."""
        ...

    @property
    def broken(self) -> bool:
        """Whether the stream has told of a failure, after which nothing follows."""
        ...

    def body(self) -> bytes:
        """The request for the next turn of the model."""
        ...

    def event(self, event: bytes) -> Iterator[bytes]:
        """Take one event of the model's stream, and give what the caller is told."""
        ...

    def whole(self, reply: dict[str, Any]) -> None:
        """Take the model's whole reply."""
        ...

    def made(self, use: Use, outcome: Outcome) -> Iterator[bytes]:
        """A call was made, and this came of it."""
        ...

    def exhausted(self) -> None:
        """No more turns are allowed: say so at the end."""
        ...

    def end(self) -> Iterator[bytes]:
        """The end of the stream."""
        ...

    def final(self) -> dict[str, Any]:
        """The whole reply."""
        ...


class Names:
    """The caller's ids for calls, each one once in the whole answer, whatever a model calls them in each turn."""

    def __init__(self, prefix: str, cut: str = "") -> None:
        self._prefix = prefix
        self._cut = cut
        self._given: set[str] = set()
        self._turn: dict[str, str] = {}

    def of(self, identifier: str) -> str:
        """The caller's id for the call that the model calls so in this turn."""
        if identifier not in self._turn:
            plain = f"{self._prefix}{identifier.removeprefix(self._cut) or new_id()}"
            shown = plain if plain not in self._given else f"{plain}_{new_id()}"
            self._given.add(shown)
            self._turn[identifier] = shown
        return self._turn[identifier]

    def next_turn(self) -> None:
        """What comes is of another turn."""
        self._turn = {}


def added(one: Any, other: Any) -> Any:
    """Two counts of what was used: numbers are added, whatever else is there is the later one's."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        names = {**one, **other}  # pyright: ignore[reportUnknownVariableType]
        return {name: added(one.get(name), other.get(name)) for name in names}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType, reportUnknownMemberType]
    if _is_number(one) and _is_number(other):
        return one + other
    return one if other is None else other


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
