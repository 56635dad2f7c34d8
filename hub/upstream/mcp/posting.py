"""A connection to a server that is sent each message in a request of its own."""

import asyncio
from abc import abstractmethod
from collections.abc import Iterator

from hub.upstream.mcp.link import Ears, Link
from hub.upstream.mcp.pending import Pending

MOST_TELLING = 64  # messages on their way at once, beyond which the server gets only what it must have


class PostingLink(Link):
    """What nobody waits for is sent by tasks of the link, each with one message."""

    def __init__(self, numbers: Iterator[int], ears: Ears) -> None:
        super().__init__(numbers, ears)
        self._telling: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def _tell(self, message: bytes) -> None:
        """Send a notification, or an answer to a question. Whether it arrives is not for certain."""

    def _reply(self, message: bytes) -> None:
        task = self._start(self._tell(message))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    @property
    def _is_behind(self) -> bool:
        return len(self._telling) >= MOST_TELLING

    def _given_up(self, pending: Pending) -> None:
        """It had an exchange of its own, which says nothing of any other."""
