"""Streams on which clients hear that something has changed, as long as they are let in."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from hub.core.calls import Credentials
from hub.core.refusal import Refusal, Throttled
from hub.edge.mcp.streams import Outbox
from hub.profile import Kind
from hub.tool_path import OPEN_PROFILE, ToolPath, Visit

MOST_STREAMS = 50  # open at once, of one key or person
MOST_AT_ALL = 1000  # of one process; whoever comes to an open profile without a key has as many together
# The lists whose changes are announced under one name, by that name.
ANNOUNCED: Mapping[str, tuple[Kind, ...]] = {
    "tools": (Kind.TOOLS,),
    "prompts": (Kind.PROMPTS,),
    "resources": (Kind.RESOURCES, Kind.TEMPLATES),
}


class Changes:
    """All streams that wait for changes, counted by principal."""

    def __init__(self, path: ToolPath) -> None:
        self._path = path
        self._open: Counter[str] = Counter()

    @contextlib.contextmanager
    def counted(self, principal: str) -> Iterator[None]:
        """While a stream of a principal (its id) is open. Raises Throttled `too_many_parallel`."""
        most = MOST_AT_ALL if principal == OPEN_PROFILE.id else MOST_STREAMS
        if self._open[principal] >= most or self._open.total() >= MOST_AT_ALL:
            message = f"There are {most} open streams of this key, or {MOST_AT_ALL} of all. Close one first."
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

    `messages` holds what is put in `outbox` for each name in ANNOUNCED whose lists changed; what is not there is
    not told. Whoever is no longer let in has their outbox closed.
    """

    __slots__ = ("_credentials", "_messages", "_mode", "_outbox", "_path", "_seen", "profile")

    def __init__(
        self, path: ToolPath, visit: Visit, credentials: Credentials, outbox: Outbox, messages: Mapping[str, bytes]
    ) -> None:
        self._path = path
        self._credentials = credentials
        self._outbox = outbox
        self._messages = messages
        self._seen = {name: _listings(visit, name) for name in messages}
        self._mode = visit.mode
        self.profile = visit.view.name
        path.look_for_own(visit)  # whoever listens wants to hear of what is theirs alone, too

    def look(self) -> None:
        """Look once."""
        try:
            visit = self._path.visit(self.profile, self._credentials, self._mode)
        except Refusal:
            self._outbox.close()
            return
        for name, message in self._messages.items():
            listings = _listings(visit, name)
            if listings != self._seen[name]:
                self._seen[name] = listings
                self._outbox.put(message)


def _listings(visit: Visit, name: str) -> tuple[bytes, ...]:
    return tuple(visit.view.listing(visit.principal, kind) for kind in ANNOUNCED[name])


class Stops:
    """How to end what was begun for one stream; called in turn by `close`."""

    def __init__(self) -> None:
        self._stops: list[Callable[[], None]] = []

    def add(self, stop: Callable[[], None]) -> None:
        """One more."""
        self._stops.append(stop)

    def close(self) -> None:
        """End them all."""
        for stop in self._stops:
            stop()
        self._stops.clear()
