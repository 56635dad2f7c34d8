"""How the calls of a server went lately, for people who ask how it does."""

import contextlib
import statistics
import time
from collections import deque
from collections.abc import Iterator

from hub.core.accounts import SignInNeeded
from hub.core.refusal import Unavailable, UpstreamFailed
from hub.upstream.mcp.values import Lately

_MOST = 100


class Recent:
    """Keeps the last hundred. A call that its caller gave up, or has to sign in for, says nothing of the server."""

    def __init__(self) -> None:
        self._calls: deque[tuple[float, bool]] = deque(maxlen=_MOST)
        self._at = 0.0

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Whatever becomes of a call."""
        begun = time.monotonic()
        try:
            yield
        except SignInNeeded:
            raise
        except (UpstreamFailed, Unavailable):
            self._note(begun, failed=True)
            raise
        self._note(begun, failed=False)

    def _note(self, begun: float, *, failed: bool) -> None:
        self._calls.append(((time.monotonic() - begun) * 1000, failed))
        self._at = time.time()

    def seen(self) -> Lately:
        """How they went."""
        if not self._calls:
            return Lately()
        median = statistics.median(ms for ms, _ in self._calls)
        return Lately(len(self._calls), sum(failed for _, failed in self._calls), round(median, 1), self._at)
