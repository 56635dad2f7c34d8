"""What a plan depends on beside the snapshot and the call: how targets fare, chance, the time, and money."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from hub.core.health import FRESH, HealthView, TargetState
from hub.core.plan import Deployment
from hub.core.principal import Principal


class _Unknown:
    """Nothing is known of any target."""

    def of(self, deployment: Deployment) -> TargetState:
        return FRESH

    def kept(self, key: str) -> str:
        return ""


def _unbudgeted(principal: Principal, model: str) -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """`health` is how the targets fare, `pick` gives numbers in [0, 1), `now` seconds since the epoch.

    `budget_used` is how many percent of the fullest budget are used that a caller's calls of a model fall under.
    """

    health: HealthView = _Unknown()
    pick: Callable[[], float] = random.random
    now: Callable[[], float] = time.time
    budget_used: Callable[[Principal, str], float] = _unbudgeted
