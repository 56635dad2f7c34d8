"""Copies of calls for a shadow target: run beside the call, bounded in number and in money, without effect on it."""

import time
from collections.abc import Callable, Coroutine
from typing import Any

from hub.core.background import Background
from hub.core.logs import get_logger

log = get_logger(__name__)
MOST = 64  # at the same time
_DAY = 86_400


class Copies(Background):
    """Owns the tasks of copies, and what each target's copies have cost today (UTC). `now` is since the epoch."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._now = now
        self._spent: dict[str, tuple[int, int]] = {}  # target -> (day, micro-dollars)

    def reserve(self, target: str, micro_usd: int, most: int) -> bool:
        """Whether a copy that may cost so much is within the day's bound and the number at a time; it is then counted."""
        if len(self._tasks) >= MOST:
            return False
        day = int(self._now() // _DAY)
        before = self._spent.get(target, (day, 0))
        spent = before[1] if before[0] == day else 0
        if spent + micro_usd > most:
            return False
        self._spent[target] = (day, spent + micro_usd)
        return True

    def settle(self, target: str, difference: int) -> None:
        """Correct what was reserved to what it came to."""
        day, spent = self._spent.get(target, (0, 0))
        self._spent[target] = (day, max(spent + difference, 0))

    def start(self, work: Coroutine[Any, Any, None], name: str | None = None) -> None:
        """Run a copy until it is done or the hub ends. What goes wrong in it is logged, never raised."""
        super().start(self._guarded(work), name)

    async def _guarded(self, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - a copy must not be felt, whatever happens to it
            log.info("a shadow copy failed", error=type(error).__name__)
