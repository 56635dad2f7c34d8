"""Where a record is written: the spool, or nowhere, for calls of which nothing is kept."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from hub.core.entry import Entry


class Place(Protocol):
    """Takes the opening and the closing of a call. `hub.ledger.Spool` is one."""

    def check(self) -> None:
        """Raise Unavailable `overloaded` while nothing can be written."""
        ...

    def open(self, call: str, payload: bytes) -> None:
        """Write down that a call begins; `confirm` says that it is written."""
        ...

    def close(self, call: str, payload: bytes, entry: Entry | None = None) -> None:
        """Write down how a call ended, as `payload` and as the entry that it holds."""
        ...

    @property
    def confirm(self) -> Callable[[], Awaitable[None]]:
        """Wait until what was written is as durable as promised. Raises Unavailable `overloaded`."""
        ...


class Nowhere:
    """The place of calls that leave no record."""

    def check(self) -> None:
        """Nothing will be written."""

    def open(self, call: str, payload: bytes) -> None:
        """Nothing is written."""

    def close(self, call: str, payload: bytes, entry: Entry | None = None) -> None:
        """Nothing is written."""

    async def confirm(self) -> None:
        """Nothing was written."""
