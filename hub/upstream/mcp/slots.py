"""The places for calls of one server: so many at a time, and none is held while a caller is asked something."""

import asyncio
import time

from msgspec.structs import replace

from hub.core.refusal import Unavailable
from hub.upstream.mcp.values import CallerContext, RpcReply


class Slot:
    """One place. It is given back while the caller is asked something."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._held = True
        self._asking = 0

    def for_caller(self, caller: CallerContext) -> CallerContext:
        """The same caller, who holds no place while they are asked."""
        ask = caller.ask
        if ask is None:
            return caller

        async def asked(method: str, params: bytes) -> RpcReply:
            self._asking += 1
            self._release()
            try:
                return await ask(method, params)
            finally:
                self._asking -= 1
                if not self._asking:
                    await self._places.acquire()
                    self._held = True

        return replace(caller, ask=asked)

    def _release(self) -> None:
        if self._held:
            self._held = False
            self._places.release()

    def leave(self) -> None:
        """The call is over."""
        self._release()


class Slots:
    """The places of one server. `in_flight` counts the calls that run."""

    def __init__(self, server: str, most: int) -> None:
        self._server = server
        self._most = most
        self._places = asyncio.Semaphore(most)
        self.in_flight = 0

    async def take(self, end: float) -> Slot:
        """A place, waited for until `end` (monotonic); give it back. Raises Unavailable `overloaded`."""
        if self._places.locked():
            try:
                async with asyncio.timeout(max(0.0, end - time.monotonic())):
                    await self._places.acquire()
            except TimeoutError:
                full = f"Server '{self._server}' has {self._most} calls running, and none ended in time."
                raise Unavailable("overloaded", full, retry_after=1) from None
        else:
            await self._places.acquire()
        self.in_flight += 1
        return Slot(self._places)

    def give_back(self, slot: Slot) -> None:
        """The call is over."""
        self.in_flight -= 1
        slot.leave()
