"""How a conversation goes on that a provider keeps: from which of its responses, and with which results that it lacks."""

from collections import OrderedDict
from typing import Any

import msgspec
from msgspec import Struct

_MOST_BYTES = 16 << 20


class Thread(Struct, frozen=True):
    """The provider's `response` that stands for one of the caller's, and the results that it has not heard, as JSON."""

    response: str
    unheard: tuple[bytes, ...] = ()

    @property
    def items(self) -> list[Any]:
        """The results, as items of the input."""
        return [msgspec.json.decode(one) for one in self.unheard]


class Threads:
    """What is kept, by whose it is and the caller's response; the oldest make room."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most = most_bytes
        self._bytes = 0
        self._threads: OrderedDict[tuple[str, str], Thread] = OrderedDict()

    def keep(self, principal: str, shown: str, response: str, unheard: list[dict[str, Any]]) -> None:
        """Keep how the conversation goes on after the response that the caller knows as `shown`."""
        if not shown or (shown == response and not unheard):
            return
        place = (principal, shown)
        self._drop(self._threads.pop(place, None))
        self._threads[place] = thread = Thread(response, tuple(map(msgspec.json.encode, unheard)))
        self._bytes += _size(thread)
        while self._bytes > self._most:
            self._drop(self._threads.popitem(last=False)[1])

    def after(self, principal: str, shown: str) -> Thread:
        """How it goes on after that response."""
        return self._threads.get((principal, shown)) or Thread(shown)

    def _drop(self, thread: Thread | None) -> None:
        if thread is not None:
            self._bytes -= _size(thread)


def _size(thread: Thread) -> int:
    return 200 + sum(map(len, thread.unheard))
