"""A whole answer as it is kept, in this process or on the shelf of all replicas, and how it is given again."""

from collections.abc import AsyncIterator

from msgspec import Struct

from hub.core.calls import Reply
from hub.core.usage import Usage
from hub.upstream.delivery import Delivery


class Kept(Struct, frozen=True):
    """A body, or the chunks of a stream as they went to the caller; `digest` is that of the request it belongs to."""

    digest: bytes
    status: int
    headers: dict[str, str]
    body: bytes
    chunks: tuple[bytes, ...] | None
    target: str
    usage: Usage

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return len(self.body) + sum(map(len, self.chunks or ())) + 1024

    def delivery(self, how: str) -> Delivery:
        """The answer once more; nothing is used by it."""
        headers = {**self.headers, "x-hub-cache": how, "x-hub-attempts": "0"}
        chunks = None if self.chunks is None else _replayed(self.chunks)
        return Delivery(Reply(self.status, headers, self.body, chunks), self.target, again=how, spared=self.usage)


async def _replayed(chunks: tuple[bytes, ...]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
