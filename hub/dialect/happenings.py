"""What happens in a stream, in a form that no vendor owns: blocks begin, grow and end, one at a time."""

from typing import Any

from msgspec import Struct

from hub.core.refusal import UpstreamFailed
from hub.core.usage import Usage
from hub.dialect.neutral import Citation, Media, Refused, Text, Thinking, ToolUse

MOST_HELD = 8 << 20  # characters that wait for an earlier block to end


class Begun(Struct, frozen=True, gc=False):
    """The answer begins. `usage` is what is known of the prompt by then."""

    id: str
    model: str
    usage: Usage | None = None
    created: int = 0


class Opened(Struct, frozen=True):
    """Block number `index` begins; `block` is what it starts with, and all of it where it is a picture or a sound."""

    index: int
    block: Text | Thinking | ToolUse | Refused | Media


class Grown(Struct, frozen=True, gc=False):
    """More text of a block: of its text, its thinking, its arguments or its refusal."""

    index: int
    text: str


class Signed(Struct, frozen=True, gc=False):
    """The signature of the thinking in a block."""

    index: int
    signature: str


class Cited(Struct, frozen=True):
    """A source of the text in a block."""

    index: int
    citation: Citation


class Weighed(Struct, frozen=True):
    """How likely the tokens of a block were, in OpenAI's form."""

    index: int
    logprobs: tuple[Any, ...]


class Shut(Struct, frozen=True, gc=False):
    """A block is complete."""

    index: int


class Ended(Struct, frozen=True):
    """The answer is complete. `usage` is all that was used, when the provider says so; `ratings` as in an `Answer`."""

    stop: str
    sequence: str = ""
    usage: Usage | None = None
    tier: str = ""
    ratings: tuple[Any, ...] = ()


class Searched(Struct, frozen=True, gc=False):
    """The provider has searched the web, which it charges. Nothing of it is for the caller."""


Happening = Begun | Opened | Grown | Signed | Cited | Weighed | Shut | Ended


class InOrder:
    """Puts blocks in order that a provider interleaves, and numbers them from 0.

    What belongs to a later block waits until the open one ends. Dialects that never say that a block ends
    (Chat Completions) end it by `Shut`, as soon as it can be known.
    """

    def __init__(self) -> None:
        self._open: int | None = None
        self._held: dict[int, list[Happening]] = {}
        self._size = 0
        self._number = -1

    def put(self, what: Happening) -> tuple[Happening, ...] | list[Happening]:
        """What may go on now. Raises UpstreamFailed when too much waits."""
        if isinstance(what, Begun):
            return (what,)
        if isinstance(what, Ended):
            return [*self._rest(), what]
        if isinstance(what, Opened) and self._open is None:
            self._open = what.index
            self._number += 1
            return (Opened(self._number, what.block),)
        if what.index != self._open:
            self._hold(what)
            return ()
        if isinstance(what, Shut):
            return self._shut()
        return (_numbered(what, self._number),)

    def _hold(self, what: "Opened | Grown | Signed | Cited | Weighed | Shut") -> None:
        if isinstance(what, Opened) or what.index in self._held:
            self._held.setdefault(what.index, []).append(what)
            self._size += len(what.text) if isinstance(what, Grown) else 200
            if self._size > MOST_HELD:
                raise UpstreamFailed("upstream_protocol", "The provider interleaves more than 8 MiB of its answer.")

    def _shut(self) -> list[Happening]:
        out: list[Happening] = [Shut(self._number)]
        self._open = None
        while self._held and self._open is None:
            waiting = self._held.pop(next(iter(self._held)))
            for what in waiting:
                out += self.put(what)
        return out

    def _rest(self) -> list[Happening]:
        out: list[Happening] = []
        while self._open is not None:
            out += self._shut()
        return out


def _numbered(what: "Opened | Grown | Signed | Cited | Weighed", number: int) -> Happening:
    if what.index == number:
        return what
    match what:
        case Grown(_, text):
            return Grown(number, text)
        case Signed(_, signature):
            return Signed(number, signature)
        case Cited(_, citation):
            return Cited(number, citation)
        case Weighed(_, logprobs):
            return Weighed(number, logprobs)
        case Opened(_, block):
            return Opened(number, block)
