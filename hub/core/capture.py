"""How much of a call is kept: a scale from nothing at all to whole bodies, on which the stricter side can win."""

from enum import StrEnum
from functools import cache


class Capture(StrEnum):
    """What stays of a call beside its entry, from the strictest to the most.

    `none` keeps no entry either, so the call is in no log, no usage and no export. `off` keeps the entry and
    nothing of the bodies; `metadata` also the call's parameters, never text; `redacted` also both bodies with
    credentials and personal data taken out; `full` both bodies as they were.
    """

    NONE = "none"
    OFF = "off"
    METADATA = "metadata"
    REDACTED = "redacted"
    FULL = "full"


_RANK = {mode: rank for rank, mode in enumerate(Capture)}


def strictest(*modes: Capture) -> Capture:
    """The one of `modes` that keeps least."""
    return min(modes, key=_RANK.__getitem__)


@cache
def effective(boundary: Capture, granted: Capture, asked: Capture | None) -> Capture:
    """What a call keeps: what its key, team or hub grants, within the boundary; the caller may only ask for less.

    A caller cannot ask for `none`: who calls is not who decides that a call leaves no trace.
    """
    mode = strictest(boundary, granted)
    if asked is None:
        return mode
    return strictest(mode, Capture.OFF if asked is Capture.NONE else asked)
