"""What was sent on a stream to an old client, kept for a while: a client that was cut off goes on where it was.

Each event of a stream has an id of its own. A client that comes back with the last one it has read gets what followed on
that stream, and the rest as it comes; the call goes on meanwhile. Kept are so many events and bytes of each stream, so many
streams of a session, and each for five minutes after its end.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable

from hub.core.refusal import NotFound
from hub.core.signal import Signal

MOST_EVENTS = 200
MOST_BYTES = 1 << 20
MOST_STREAMS = 16
KEPT_SECONDS = 300.0


class Journal:
    """One stream. `changed` is set when something was added, or nothing more will be."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ended_at: float | None = None
        self.changed = Signal()
        self._events: deque[bytes] = deque()
        self._size = 0
        self._first = 1  # the number of the first event that is kept

    def add(self, message: bytes) -> bytes:
        """Keep a message that is being sent; its event's id."""
        self._events.append(message)
        self._size += len(message)
        while len(self._events) > 1 and (len(self._events) > MOST_EVENTS or self._size > MOST_BYTES):
            self._size -= len(self._events.popleft())
            self._first += 1
        self.changed.set()
        return self.id_of(self._first + len(self._events) - 1)

    def id_of(self, number: int) -> bytes:
        """The id of an event."""
        return f"{self.name}-{number}".encode()

    def after(self, number: int) -> list[bytes]:
        """What followed event `number`. Raises NotFound when that is not kept any more."""
        if number + 1 < self._first:
            raise NotFound("not_found", "What followed on this stream is kept no more. Make the call again.")
        self.changed.clear()
        return list(self._events)[number + 1 - self._first :]

    def end(self, now: float) -> None:
        """Nothing more is sent on this stream."""
        self.ended_at = now
        self.changed.set()


class Journals:
    """The streams of one session, the oldest first."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._made = 0
        self._streams: OrderedDict[str, Journal] = OrderedDict()

    def open(self) -> Journal:
        """A new stream; the oldest one that has ended makes room."""
        self._forget()
        self._made += 1
        journal = self._streams[str(self._made)] = Journal(str(self._made))
        while len(self._streams) > MOST_STREAMS:
            ended = (name for name, one in self._streams.items() if one.ended_at is not None)
            del self._streams[next(ended, next(iter(self._streams)))]
        return journal

    def end(self, journal: Journal) -> None:
        """Nothing more is sent on a stream."""
        journal.end(self._now())

    def find(self, event_id: str) -> tuple[Journal, int] | None:
        """The stream that an event belongs to, and the event's number there."""
        self._forget()
        name, _, number = event_id[:40].partition("-")
        journal = self._streams.get(name)
        if journal is None or not (number.isascii() and number.isdigit()):
            return None
        return journal, int(number)

    def _forget(self) -> None:
        horizon = self._now() - KEPT_SECONDS
        for name in [n for n, one in self._streams.items() if one.ended_at is not None and one.ended_at < horizon]:
            del self._streams[name]
