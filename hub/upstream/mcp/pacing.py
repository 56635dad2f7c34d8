"""When a server that failed may be tried again: later each time, and a process not for ever."""

import time
from collections import deque
from collections.abc import Callable

from hub.upstream.mcp.values import Pace


class Pacing:
    """The history of one server's connections. `limited` is for processes: only so many restarts in a window."""

    def __init__(self, pace: Pace, *, limited: bool, now: Callable[[], float] = time.monotonic) -> None:
        self._pace = pace
        self._limited = limited
        self._now = now
        self._restarts: deque[float] = deque(maxlen=pace.restarts)
        self._begun = 0
        self._ended_at = 0.0
        self._failures = 0
        self._delay = 0.0
        self.given_up = False

    @property
    def restarts(self) -> int:
        """How often it was begun again."""
        return max(0, self._begun - 1)

    @property
    def troubled(self) -> bool:
        """Whether the last attempt got nowhere."""
        return self._failures > 0 and self._delay > 0

    def begun(self) -> None:
        """An attempt begins."""
        self._begun += 1
        self.given_up = False
        if self._begun > 1:
            self._restarts.append(self._now())

    def ended(self, served: float | None) -> None:
        """An attempt has ended: the server was of use for `served` seconds, or never (None).

        The first loss of one that had been of use is made good at once; then the delays double.
        """
        self._ended_at = self._now()
        if served is not None and served >= self._pace.steady:
            self._failures = 0
        self._failures += 1
        steps = self._failures - (1 if served is None else 2)
        self._delay = 0.0 if steps < 0 else min(self._pace.first_delay * 2 ** min(steps, 20), self._pace.ceiling)
        self.given_up = self._limited and self._is_spent()

    def wait(self, *, wanted: bool) -> float | None:
        """Seconds until the next attempt; None when there is none by itself.

        A call that wants the server (`wanted`) brings the next attempt forward, where that costs no process,
        and gives one to a server that was given up once the window is past.
        """
        if self.given_up:
            return 0.0 if wanted and not self._is_spent() else None
        delay = self._delay
        if wanted and not self._limited:
            delay = min(delay, self._pace.first_delay)
        return max(0.0, self._ended_at + delay - self._now())

    def retry_after(self) -> int:
        """Whole seconds, at least one, after which a call may find the server."""
        wait = self.wait(wanted=True)
        if wait is None:
            wait = self._restarts[0] + self._pace.window - self._now()
        return max(1, round(wait + 0.5))

    def _is_spent(self) -> bool:
        full = len(self._restarts) == self._pace.restarts
        return full and self._restarts[0] > self._now() - self._pace.window
