"""Those who wait for one thing to come, each for as long as they can."""

import asyncio
from typing import Generic, TypeVar

from hub.core.refusal import Refusal

T = TypeVar("T")


class Waiters(Generic[T]):
    """Any number of them; what comes is given to all who wait at that moment."""

    def __init__(self) -> None:
        self._futures: set[asyncio.Future[T]] = set()

    async def wait(self, seconds: float) -> T:
        """What comes next. Raises TimeoutError, or the Refusal that came instead."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._futures.add(future)
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                return await future
        finally:
            self._futures.discard(future)

    def give(self, value: T) -> None:
        """It is there."""
        for future in self._futures:
            if not future.done():
                future.set_result(value)

    def refuse(self, refusal: Refusal) -> None:
        """It does not come."""
        for future in self._futures:
            if not future.done():
                future.set_exception(refusal)
