"""An event for the path of a call, where nearly always nobody has to wait for it."""

import asyncio
import contextlib


class Signal:
    """An event that costs next to nothing as long as nobody waits for it."""

    __slots__ = ("_event", "is_set")

    def __init__(self) -> None:
        self.is_set = False
        self._event: asyncio.Event | None = None

    def set(self) -> None:
        """It has happened."""
        self.is_set = True
        if self._event is not None:
            self._event.set()

    def clear(self) -> None:
        """It may happen again."""
        self.is_set = False
        if self._event is not None:
            self._event.clear()

    async def wait(self) -> None:
        """Wait until it happens."""
        if not self.is_set:
            if self._event is None:
                self._event = asyncio.Event()
            await self._event.wait()

    async def within(self, seconds: float) -> bool:
        """Wait until it happens, for at most `seconds`; whether it did."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.wait()
        return self.is_set
