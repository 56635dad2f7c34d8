"""Closing links beside everything else, each after the calls that still run on it."""

import asyncio
import time

from hub.upstream.mcp.link import Link

_GLANCE = 0.05  # seconds between two looks at whether a link has calls left


class Closing:
    """The links of one server that are being closed. `stderr` is what the last process wrote last, unmasked.

    A link is given `seconds` for its calls; none once `hurried` is set.
    """

    def __init__(self, name: str, seconds: float) -> None:
        self._name = name
        self._seconds = seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self.hurried = False
        self.stderr: tuple[str, ...] = ()

    def close(self, link: Link) -> None:
        """Close a link."""
        task = asyncio.get_running_loop().create_task(self._close(link), name=f"closing {self._name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _close(self, link: Link) -> None:
        end = time.monotonic() + self._seconds
        while len(link.calls) and not self.hurried and time.monotonic() < end:  # noqa: ASYNC110 - three ends, and seldom
            await asyncio.sleep(_GLANCE)
        await link.close()
        if link.pid:
            self.stderr = link.tail()

    async def done(self) -> None:
        """Wait until all of them are closed."""
        if self._tasks:
            await asyncio.wait(set(self._tasks))
