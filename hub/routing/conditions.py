"""What a plan depends on beside the snapshot and the call: how targets fare, chance, and the time."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from hub.core.health import FRESH, HealthView, TargetState
from hub.core.plan import Deployment


class _Unknown:
    """Nothing is known of any target."""

    def of(self, deployment: Deployment) -> TargetState:
        return FRESH

    def kept(self, key: str) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Conditions:
    """`health` is how the targets fare, `pick` gives numbers in [0, 1), `now` seconds since the epoch."""

    health: HealthView = _Unknown()
    pick: Callable[[], float] = random.random
    now: Callable[[], float] = time.time
