"""Work that runs beside requests, and ends with the hub."""

import asyncio
from collections.abc import Coroutine
from typing import Self


class Background:
    """Owns the tasks that run beside requests, and ends them with the hub."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None]) -> None:
        """Run `work` until it is done or the hub ends."""
        task = asyncio.ensure_future(work)  # noqa: TID251 - kept here, ended in __aexit__
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
