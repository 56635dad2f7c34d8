"""Where a model call may go: the plan that routing makes and upstream carries out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from hub.core.calls import Dialect
from hub.core.refusal import Refusal


class Timeouts(Struct, frozen=True):
    """The clocks of one upstream, in seconds: connect, first byte, silence between bytes, and all of it."""

    connect: float = 5.0
    first_byte: float = 60.0
    idle: float = 60.0
    total: float = 600.0


@dataclass(frozen=True, slots=True)
class Deployment:
    """One model at one endpoint with one credential.

    `base_url` is what the provider's own SDK takes; `paths` gives the path to append for each dialect it
    speaks, `members` what a body in a dialect must hold there, or not (None). `auth` is (header name, prefix
    before the secret), or (a scheme of signing, its scope), and `secret` a reference (`env:`, `file:`,
    `vault:`) or "" for none; `spares` are further ones to turn to. `private` allows loopback and private
    addresses. `local` names an in-process provider ("demo") that needs no address. `context_window` is in
    tokens, None when it is not known; `region` is where the provider computes, as the operator says. `own` is
    whose credential it is instead of the hub's: `caller`, `user` or `team`, or "". `missing_usage` is what becomes of
    an answer that does not say what it used: `estimate`, `unpriced` or `refuse`. `betas`
    are globs over the values of beta headers that go out.
    """

    provider: str
    model: str
    kind: str
    base_url: str = ""
    paths: Mapping[Dialect, str] = field(default_factory=dict[Dialect, str])
    auth: tuple[str, str] = ("authorization", "Bearer ")
    secret: str = ""
    spares: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    members: Mapping[Dialect, Mapping[str, str | None]] = field(default_factory=dict[Dialect, Mapping[str, str | None]])
    timeouts: Timeouts = Timeouts()
    private: bool = False
    local: str = ""
    region: str = ""
    context_window: int | None = None
    own: str = ""
    missing_usage: str = "estimate"
    betas: tuple[str, ...] = ("*",)
    target: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """`target` is `provider/model`, as it stands in the ledger and in `x-hub-model`."""
        object.__setattr__(self, "target", f"{self.provider}/{self.model}")


@dataclass(frozen=True, slots=True)
class Target:
    """One weighted place of a virtual model. The lowest priority is tried first; weights split a priority."""

    deployment: Deployment
    priority: int
    weight: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """A target that this call does not use, and why."""

    target: str
    reason: str


@dataclass(frozen=True, slots=True)
class RuleSeen:
    """A rule that was asked, `route/rule`; `because` is the condition that did not hold, or "" when all did."""

    rule: str
    because: str = ""


@dataclass(frozen=True, slots=True)
class Retry:
    """How hard to try: `tries` in all, `same_target` further ones at a target before the next one.

    `statuses` replaces the table's choice of HTTP statuses that lead on; None leaves it. Waits grow from `first`
    to `longest` seconds. `content_policy` tries another target when a provider's filter refused. After `hedge` seconds
    without the beginning of an answer the next target is asked as well; None asks one at a time.
    """

    tries: int = 3
    same_target: int = 1
    statuses: frozenset[int] | None = None
    first: float = 0.1
    longest: float = 2.0
    content_policy: bool = False
    hedge: float | None = None


@dataclass(frozen=True, slots=True)
class Shadow:
    """A target that gets a copy of `share` (0 to 1) of the calls, at most `micro_usd_per_day` in cost."""

    deployment: Deployment
    share: float
    micro_usd_per_day: int


class Plan(Struct, frozen=True):
    """The targets to try, in order, and those left out with their reasons. `model` is the public name.

    `targets` are the attempts with their priority and weight. `route` is the route that gave them, or "";
    `rules` what was asked on the way there; `sticky` what keeps the call where it is (`session`, `prefix`, a
    header's name) and `kept` under which name, where the strategy does not follow from a hash. `tokens` is the
    estimate of the prompt.
    """

    model: str
    attempts: tuple[Deployment, ...]
    dropped: tuple[Dropped, ...] = ()
    targets: tuple[Target, ...] = ()
    route: str = ""
    rules: tuple[RuleSeen, ...] = ()
    strategy: str = "weighted"
    sticky: str = ""
    kept: str = ""
    tokens: int = 0
    retry: Retry = Retry()
    shadow: Shadow | None = None


class Foreseen(Struct, frozen=True):
    """What would become of a call: its plan, why it goes to the plan's model instead of its own, and what refuses it."""

    plan: Plan
    turn: Refusal | None = None
    refusal: Refusal | None = None
