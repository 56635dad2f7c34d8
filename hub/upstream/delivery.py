"""An answer on its way: the reply, who gave it, what it has used, and how to let go of it."""

from collections.abc import AsyncIterator, Callable

from msgspec import Struct
from msgspec.structs import replace

from hub.core.calls import Reply
from hub.core.usage import Usage
from hub.upstream.streaming import ModelStream

_NOTHING = Usage()


class Delivery(Struct, frozen=True):
    """An answer on its way. `usage` tells what was used until now; `close` lets go of the upstream, at any time.

    `own` is whose credential it was called on instead of the hub's, or "". `again` says how an answer that was
    kept is given (`hit` from the cache, `replay` for an idempotency key), `spared` what it used the first time.
    `tier` is the service tier that a whole answer names.
    """

    reply: Reply
    target: str
    counted: Usage = _NOTHING
    stream: ModelStream | None = None
    own: str = ""
    again: str = ""
    spared: Usage = _NOTHING
    closing: Callable[[], None] | None = None
    tier: str = ""

    @property
    def usage(self) -> Usage:
        """What was used: final when the answer was read to its end, else what was delivered until now."""
        return self.stream.usage if self.stream is not None else self.counted

    @property
    def answered_at(self) -> str:
        """The service tier that the provider said it answered at, or ""."""
        return self.stream.tier if self.stream is not None else self.tier

    @property
    def complete(self) -> bool:
        """Whether the answer has come to its proper end, and all of it was taken."""
        return self.stream is None or self.stream.complete

    @property
    def passed(self) -> bool:
        """Whether a stream was passed on to its terminator, though its provider may not have closed it yet."""
        return self.stream is not None and self.stream.passed

    def marked(self, how: str) -> "Delivery":
        """The same delivery, saying in `x-hub-cache` that its answer is a new one."""
        return replace(self, reply=self.reply.with_headers({"x-hub-cache": how}))

    def through(self, chunks: AsyncIterator[bytes], closing: Callable[[], None]) -> "Delivery":
        """The same delivery, whose stream passes through `chunks`; `closing` is called when it is let go of."""
        reply = Reply(self.reply.status, self.reply.headers, self.reply.body, chunks)
        return replace(self, reply=reply, closing=closing)

    def close(self) -> None:
        """Let go of the upstream and write down how a stream ended."""
        if self.stream is not None:
            self.stream.close()
        if self.closing is not None:
            self.closing()
