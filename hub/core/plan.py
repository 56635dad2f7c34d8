"""Where a model call may go: the plan that routing makes and upstream carries out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hub.core.calls import Dialect


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The clocks of one upstream, in seconds: connect, first byte, silence between bytes, and all of it."""

    connect: float = 5.0
    first_byte: float = 60.0
    idle: float = 60.0
    total: float = 600.0


@dataclass(frozen=True, slots=True)
class Deployment:
    """One model at one endpoint with one credential.

    `base_url` is what the provider's own SDK takes; `paths` gives the path to append for each dialect it
    speaks. `auth` is (header name, prefix before the secret) and `secret` a reference (`env:`, `file:`,
    `vault:`) or "" for none. `private` allows loopback and private addresses. `local` names an in-process
    provider ("demo") that needs no address.
    """

    provider: str
    model: str
    kind: str
    base_url: str = ""
    paths: Mapping[Dialect, str] = field(default_factory=dict[Dialect, str])
    auth: tuple[str, str] = ("authorization", "Bearer ")
    secret: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    timeouts: Timeouts = Timeouts()
    private: bool = False
    local: str = ""

    @property
    def target(self) -> str:
        """`provider/model`, as it stands in the ledger and in `x-hub-model`."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class Dropped:
    """A target that this call does not use, and why."""

    target: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The targets to try, in order, and those left out with their reasons. `model` is the public name."""

    model: str
    attempts: tuple[Deployment, ...]
    dropped: tuple[Dropped, ...] = ()
