"""The order in which targets are tried: by priority, then by weight, the same one again for the same session."""

import math
from collections.abc import Callable, Iterable
from hashlib import blake2b

from hub.resources.snapshot import Target


def share_of(session: str, target: str) -> float:
    """A number in [0, 1) that is the same whenever `session` meets `target`."""
    digest = blake2b(f"{session}\0{target}".encode(errors="surrogatepass"), digest_size=7).digest()
    return int.from_bytes(digest) / 2**56


def ordered(targets: Iterable[Target], session: str, pick: Callable[[], float]) -> list[Target]:
    """The targets in the order to try them. Those of weight 0 must be left out before.

    Within a priority each target draws an exponential waiting time with its weight as rate; the shortest
    goes first. So a target leads as often as its weight says, and losing one leaves the others as they were.
    With a session the draw is a hash, which keeps the session at its target (and at that target's cache).
    """

    def turn(target: Target) -> tuple[int, float]:
        drawn = share_of(session, target.deployment.target) if session else pick()
        return target.priority, -math.log(1.0 - drawn) / target.weight

    return sorted(targets, key=turn)
