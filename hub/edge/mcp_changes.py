"""Streams on which clients hear that their list of tools has changed, as long as they are let in."""

import contextlib
from collections import Counter
from collections.abc import Iterator

from hub.core.calls import Credentials
from hub.core.refusal import Refusal, Throttled
from hub.edge.mcp_streams import Outbox
from hub.tool_path import ToolPath, Visit

MOST_STREAMS = 1000  # open at once, of one principal


class Changes:
    """All streams that wait for changes, counted by principal."""

    def __init__(self, path: ToolPath) -> None:
        self._path = path
        self._open: Counter[str] = Counter()

    @contextlib.contextmanager
    def counted(self, principal: str) -> Iterator[None]:
        """While a stream of a principal is open. Raises Throttled `too_many_parallel`."""
        if self._open[principal] >= MOST_STREAMS:
            message = f"There are {MOST_STREAMS} open streams of this key. Close one first."
            raise Throttled("too_many_parallel", message, retry_after=10)
        self._open[principal] += 1
        try:
            yield
        finally:
            self._open[principal] -= 1
            if not self._open[principal]:
                del self._open[principal]

    @contextlib.contextmanager
    def told(self, watch: "Watch") -> Iterator[None]:
        """While `watch` looks whenever there may be something new."""
        stop = self._path.listen(watch.profile, watch.look)
        try:
            watch.look()  # something may have changed since the request was let in
            yield
        finally:
            stop()


class Watch:
    """Compares what one caller sees of a profile with what they saw, and tells them when it differs.

    `message` is put in `outbox` on each change; an empty one never. Whoever is no longer let in has their outbox
    closed.
    """

    __slots__ = ("_credentials", "_message", "_mode", "_outbox", "_path", "_seen", "profile")

    def __init__(self, path: ToolPath, visit: Visit, credentials: Credentials, outbox: Outbox, message: bytes) -> None:
        self._path = path
        self._credentials = credentials
        self._outbox = outbox
        self._message = message
        self._seen = visit.view.listing(visit.principal)
        self._mode = visit.mode
        self.profile = visit.view.name

    def look(self) -> None:
        """Look once."""
        try:
            visit = self._path.visit(self.profile, self._credentials, self._mode)
        except Refusal:
            self._outbox.close()
            return
        listing = visit.view.listing(visit.principal)
        if listing != self._seen:
            self._seen = listing
            if self._message:
                self._outbox.put(self._message)
