"""How a target fares: the closed table of failures, and what of its state others read and write."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from hub.core.plan import Deployment


class Failure(StrEnum):
    """Whose fault it is that a try did not succeed. There are no others; `hub.upstream.failures` says what follows.

    | class | what it is | same target again | other credential | other target | what rests |
    |---|---|---|---|---|---|
    | caller | the request is wrong: 4xx | no | no | no | nothing |
    | key_dead | the credential is refused, or has no money left: 401, 402, 403 | no | yes | yes | the credential |
    | key_throttled | the credential is over its limit: 429 | no | yes | yes | the credential at this target |
    | overloaded | the provider has too much to do: 503, 529 | yes | no | yes | counts for the circuit |
    | down | no answer, a broken one, or another 5xx | yes, after an answer | no | yes | counts for the circuit |
    | context_window | the prompt is longer than the model reads | no | no | larger ones | nothing |
    | content_policy | the provider's filter refuses the content | no | no | where the route says so | nothing |
    """

    CALLER = "caller"
    KEY_DEAD = "key_dead"
    KEY_THROTTLED = "key_throttled"
    OVERLOADED = "overloaded"
    DOWN = "down"
    CONTEXT_WINDOW = "context_window"
    CONTENT_POLICY = "content_policy"


class Circuit(StrEnum):
    """Whether a target is asked: `open` is not until its pause is over, `half_open` by one call that probes it."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class TargetState:
    """What is observed of one target. Times in seconds; None where nothing was measured.

    `rests` is for how long every credential of it is still cooling; `ttft` the time to the first token and
    `per_token` the time for each further one, both smoothed. `failing` is the share of tries that failed, smoothed, `room`
    the share that is left of the tightest of its provider's limits, as its answers told; 1 where they told nothing lately.
    """

    circuit: Circuit = Circuit.CLOSED
    rests: float = 0.0
    in_flight: int = 0
    ttft: float | None = None
    per_token: float | None = None
    failing: float = 0.0
    room: float = 1.0


FRESH = TargetState()


class HealthView(Protocol):
    """What routing reads."""

    def of(self, deployment: Deployment) -> TargetState:
        """The state of a target; `FRESH` when nothing is known."""
        ...

    def kept(self, key: str) -> str:
        """The target that `key` (a session at a model) was given before, or ""."""
        ...


class Observation(Struct, frozen=True):
    """How one try at a target ended: `failure` is None for an answer. Seconds; `retry_after` is the provider's wish."""

    target: str
    secret: str = ""
    failure: Failure | None = None
    code: str = ""
    reached: bool = True
    retry_after: float | None = None
    ttft: float | None = None
    duration: float = 0.0
    output_tokens: int = 0
    room: float | None = None
    abandoned: bool = False  # the caller left: it says nothing about the target
    callers: bool = False  # the credential was the caller's own: it says nothing about the hub's


class Turn(StrEnum):
    """What replicas tell each other of a target."""

    OPENED = "opened"
    CLOSED = "closed"
    RESTS = "rests"


class Change(Struct, frozen=True, omit_defaults=True):
    """The circuit of a target opened for `seconds`, or closed; or a credential rests, at one target or ("") at all.

    `secret` is the reference of the credential, never itself.
    """

    turn: Turn
    target: str
    secret: str = ""
    seconds: float = 0.0


class HealthLog(Protocol):
    """What sending writes."""

    def began(self, target: str) -> None:
        """A try begins."""
        ...

    def ended(self, seen: Observation) -> None:
        """A try has ended."""
        ...

    def credential(self, target: str, secrets: Sequence[str], session: str) -> str:
        """The reference of the credential to use now: one that does not rest, the same again for a session."""
        ...

    def closed(self, target: str) -> bool:
        """Whether the target's circuit is closed."""
        ...

    def keep(self, key: str, target: str) -> None:
        """Remember where `key` (a session at a model) went."""
        ...
