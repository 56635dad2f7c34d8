"""Where a record is written: the spool, or nowhere, for calls of which nothing is kept."""

from collections.abc import Awaitable, Callable
from typing import Protocol


class Place(Protocol):
    """Takes the opening and the closing of a call. `hub.ledger.Spool` is one."""

    def open(self, call: str, payload: bytes) -> None:
        """Write down that a call begins. Raises Unavailable `overloaded`."""
        ...

    def close(self, call: str, payload: bytes) -> None:
        """Write down how a call ended."""
        ...

    @property
    def confirm(self) -> Callable[[], Awaitable[None]]:
        """Wait until what was written is as durable as promised. Raises Unavailable `overloaded`."""
        ...


class Nowhere:
    """The place of calls that leave no record."""

    def open(self, call: str, payload: bytes) -> None:
        """Nothing is written."""

    def close(self, call: str, payload: bytes) -> None:
        """Nothing is written."""

    async def confirm(self) -> None:
        """Nothing was written."""
