"""Bytes that all replicas share for a while, by the name of their place."""

from typing import Protocol


class ShelfAway(Exception):
    """What is shared cannot be reached right now."""


class Shelf(Protocol):
    """Places are texts of any length; data is encrypted by whoever keeps it. Every method may raise ShelfAway."""

    async def find(self, place: str) -> bytes | None:
        """What stands there."""
        ...

    async def put(self, place: str, data: bytes, seconds: float) -> None:
        """Put it there, in place of what was."""
        ...

    async def claim(self, place: str, mark: bytes, seconds: float) -> bytes | None:
        """Put `mark` there if nothing is: None when it stands there now, else what does."""
        ...

    async def change(self, place: str, mark: bytes, data: bytes | None, seconds: float) -> bool:
        """Put `data` in place of `mark`, or take that away; whether it stood there still."""
        ...
