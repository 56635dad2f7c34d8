"""The port to what is counted: rates per minute, slots in use, and purses of money. In this process, or shared."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class Kind(StrEnum):
    """What a meter counts."""

    RATE = "rate"  # amounts over the last 60 seconds
    SLOTS = "slots"  # calls at the same time
    PURSE = "purse"  # micro-dollars: spent, and reserved by calls in flight


# Looking a member up in its enum costs more than counting does.
RATE, SLOTS, PURSE = Kind.RATE, Kind.SLOTS, Kind.PURSE


class Ask(Struct, frozen=True, gc=False):
    """What one call wants of one meter: `amount`, so that no more than `limit` is used (None: count only).

    `known` is what this process knows to be spent of a purse, for a meter that has forgotten; `tokens` whether it is
    tokens that are counted, of which nobody knows beforehand how many a call uses.
    """

    meter: str
    kind: Kind
    limit: int | None
    amount: int
    known: int = 0
    tokens: bool = False


class Level(Struct, frozen=True, gc=False):
    """What of a meter is used, and reserved; `rest` is in how many whole seconds a rate is all there again."""

    used: int = 0
    reserved: int = 0
    rest: int = 0


class Claim(Struct, frozen=True):
    """All that one call wants: granted whole, or not at all. `id` is the call's."""

    id: str
    asks: tuple[Ask, ...]


class Taken(Struct, frozen=True):
    """The answer to a claim. `refused` is the place of the ask that there was no room for, `level` its meter's level.

    `wait` is in how many whole seconds there will be room. `second` is when a granted claim was counted.
    """

    second: int = 0
    refused: int | None = None
    level: Level = Level()
    wait: int = 0


class Meters(Protocol):
    """Counts exactly, whatever arrives together."""

    async def take(self, claim: Claim) -> Taken:
        """Count a claim, or refuse it. Raises Unavailable when nobody can tell."""
        ...

    def settle(self, claim: Claim, taken: Taken, used: tuple[int, ...]) -> None:
        """A call is over: what it really used of each ask. Slots and reservations are given back."""
        ...

    def credit(self, meter: str, amount: int) -> None:
        """What was spent of a purse before it was counted here. Once per purse."""
        ...

    def level(self, meter: str, kind: Kind) -> Level:
        """How a meter stands, as far as is known here."""
        ...

    async def look(self, meters: Iterable[tuple[str, Kind]]) -> None:
        """Find out how meters stand that others count too, so that `level` tells it."""
        ...

    def forget(self, meter: str) -> None:
        """Let go of a rate or of slots of which nothing is used: nobody asks for the meter any more."""
        ...
