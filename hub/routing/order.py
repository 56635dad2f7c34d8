"""The order in which targets are tried: by priority, then as the strategy says, the same one again for a session."""

import math
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from itertools import groupby
from operator import attrgetter

from hub.core.health import HealthView, TargetState
from hub.core.plan import Target
from hub.resources.model_catalog import Price

_EXPLORED = 0.05  # of the calls go anywhere, so that a target that was slow once is measured again
_LEAST_SECONDS = 0.05  # that an answer takes, also where none was measured
_LEAST_GOOD = 0.05  # of the tries, so that a target that always fails is still compared
_TYPICAL_OUTPUT = 300  # tokens, to weigh the time to the first against the time for each


def share_of(session: str, target: str) -> float:
    """A number in [0, 1) that is the same whenever `session` meets `target`."""
    digest = blake2b(f"{session}\0{target}".encode(errors="surrogatepass"), digest_size=7).digest()
    return int.from_bytes(digest) / 2**56


def ordered(targets: Iterable[Target], session: str, pick: Callable[[], float]) -> list[Target]:
    """The targets in the order to try them, by weight. Those of weight 0 must be left out before.

    Within a priority each target draws an exponential waiting time with its weight as rate; the shortest
    goes first. So a target leads as often as its weight says, and losing one leaves the others as they were.
    With a session the draw is a hash, which keeps the session at its target (and at that target's cache).
    """

    def turn(target: Target) -> tuple[int, float]:
        drawn = share_of(session, target.deployment.target) if session else pick()
        return target.priority, -math.log(1.0 - drawn) / target.weight

    return sorted(targets, key=turn)


class Order:
    """Sorts targets by a strategy. `costs` gives what a call is expected to cost at each target, None when unknown."""

    def __init__(self, health: HealthView, costs: Mapping[str, int | None], pick: Callable[[], float]) -> None:
        self._health = health
        self._costs = costs
        self._pick = pick

    def by(self, strategy: str, targets: list[Target], anchor: str, kept: str) -> list[Target]:
        """The targets in order. `kept` is the target that the session was at before: first within its priority."""
        if strategy == "weighted":
            return ordered(targets, anchor, self._pick)
        if strategy == "priority":
            return sorted(targets, key=lambda target: target.priority)
        if strategy == "power_of_two":
            return self._of_two(ordered(targets, "", self._pick), kept)
        measured = self._measure(strategy)
        explore = strategy.startswith("lowest_") and strategy != "lowest_cost" and self._pick() < _EXPLORED
        rank = (lambda target: self._pick()) if explore else measured
        drawn = ordered(targets, "", self._pick)  # what is equal is left to the weights
        return sorted(drawn, key=lambda target: (target.priority, target.deployment.target != kept, rank(target)))

    def _of_two(self, drawn: list[Target], kept: str) -> list[Target]:
        """Of the two that were drawn first in each priority, the one that carries less leads: so none is run down by all."""
        found: list[Target] = []
        for _, tied in groupby(drawn, key=attrgetter("priority")):
            tier = list(tied)
            tier[:2] = sorted(tier[:2], key=self._load)
            found += sorted(tier, key=lambda target: target.deployment.target != kept)
        return found

    def _load(self, target: Target) -> float:
        """What a target carries: its calls at work, times the time of an answer, times the tries that one takes."""
        state = self._state(target)
        return (state.in_flight + 1) * max(_whole(state), _LEAST_SECONDS) / max(1.0 - state.failing, _LEAST_GOOD)

    def _measure(self, strategy: str) -> Callable[[Target], float]:
        def busy(target: Target) -> float:
            return self._state(target).in_flight / target.weight

        def first(target: Target) -> float:
            return self._state(target).ttft or 0.0  # what was never measured is tried

        def whole(target: Target) -> float:
            return _whole(self._state(target))

        def used(target: Target) -> float:
            return 1.0 - self._state(target).room

        def cost(target: Target) -> float:
            known = self._costs.get(target.deployment.target)
            return math.inf if known is None else known

        measures = {"least_busy": busy, "lowest_ttft": first, "lowest_latency": whole, "lowest_cost": cost}
        return {**measures, "most_headroom": used}[strategy]

    def _state(self, target: Target) -> TargetState:
        return self._health.of(target.deployment)


def _whole(state: TargetState) -> float:
    """The seconds that a typical answer takes; 0 where none was measured."""
    return (state.ttft or 0.0) + (state.per_token or 0.0) * _TYPICAL_OUTPUT


def expected_pico(price: Price | None, prompt: int, output: int) -> int | None:
    """What a call is expected to cost, in pico-dollars, to compare targets by; None when the price is not known."""
    if price is None:
        return None
    rates = price.above if price.above is not None and prompt > price.threshold else price.rates
    if rates.input is None or rates.output is None:
        return None
    return prompt * rates.input + output * rates.output
