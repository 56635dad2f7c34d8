"""Specs of how a route decides: conditions on a call, rules in order, tries, copies."""

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from hub.resources.expressions import LONGEST, compiled
from hub.resources.spec import Glob, Header, Name, Spec, Text
from hub.resources.targets import TargetSpec

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Strategy = Literal[
    "weighted", "priority", "least_busy", "power_of_two", "most_headroom", "lowest_ttft", "lowest_latency", "lowest_cost"
]  # fmt: skip
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
# Headers that hold credentials: a rule on them would put a secret into a resource.
SECRET_HEADERS = frozenset(
    {"authorization", "x-api-key", "api-key", "x-goog-api-key", "x-hub-key", "cookie", "proxy-authorization"}
)


def _clock(value: str) -> str:
    if not _CLOCK.fullmatch(value):
        raise ValueError("a time of day is written HH:MM, for example 08:30")
    return value


Clock = Annotated[str, AfterValidator(_clock)]
Percent = Annotated[float, Field(gt=0, le=100)]
Tokens = Annotated[int, Field(gt=0, le=1_000_000_000)]


class HoursSpec(Spec):
    """A time of the week. An `end` before its `start` lies on the next day."""

    days: list[Day] = Field(default_factory=lambda: list(DAYS), min_length=1, max_length=7)
    start: Clock = "00:00"
    end: Clock = "24:00"
    timezone: Annotated[str, StringConstraints(max_length=64)] = "UTC"

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError, KeyError):
            raise ValueError(f"there is no time zone '{name[:40]}'; for example Europe/Berlin") from None
        return name


class WhenSpec(Spec):
    """Conditions on a call; all that are given must hold. Names and values are globs, several are alternatives.

    `tokens_over` and `tokens_under` are about the prompt, by the hub's estimate. `budget_used_over` is a percentage of
    the fullest budget that the call falls under, spent or reserved; budgets in mode `shadow` do not count. `share` is a
    percentage of the calls, the same ones again by session: that is how a canary is cut. `cel` is an expression in CEL
    over the same facts, for what globs cannot say; it needs the extra `cel`.
    """

    models: list[Glob] = Field(default_factory=list, max_length=100)
    keys: list[Glob] = Field(default_factory=list, max_length=100)
    users: list[Glob] = Field(default_factory=list, max_length=100)
    teams: list[Glob] = Field(default_factory=list, max_length=100)
    headers: dict[Header, Glob] = Field(default_factory=dict, max_length=20)
    tags: dict[Annotated[str, StringConstraints(max_length=64)], Glob] = Field(default_factory=dict, max_length=20)
    tokens_over: Tokens | None = None
    tokens_under: Tokens | None = None
    tools: bool | None = None
    images: bool | None = None
    stream: bool | None = None
    budget_used_over: Percent | None = None
    hours: HoursSpec | None = None
    share: Percent | None = None
    cel: Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)] | None = None

    @field_validator("headers")
    @classmethod
    def _no_credentials(cls, headers: dict[str, str]) -> dict[str, str]:
        secret = SECRET_HEADERS.intersection(name.lower() for name in headers)
        if secret:
            raise ValueError(f"a rule never looks at a credential: {', '.join(sorted(secret))}")
        return {name.lower(): value for name, value in headers.items()}

    @field_validator("cel")
    @classmethod
    def _compiles(cls, text: str | None) -> str | None:
        if text is not None:
            compiled(text)
        return text


class RuleSpec(Spec):
    """One rule of a route: when it holds, its targets answer, or the route that it names decides."""

    name: Name
    about: Text = ""
    when: WhenSpec = WhenSpec()
    targets: list[TargetSpec] = Field(default_factory=list, max_length=50)
    route: Name | None = None
    strategy: Strategy | None = None
    enabled: bool = True

    @model_validator(mode="after")
    def _leads_somewhere(self) -> "RuleSpec":
        if bool(self.targets) == bool(self.route):
            raise ValueError("give either targets or a route")
        if self.targets and not any(target.weight for target in self.targets):
            raise ValueError("at least one target needs a weight above 0")
        return self


class BackoffSpec(Spec):
    """Seconds to wait before the same target is tried again: doubling from `first` to `longest`."""

    first: Annotated[float, Field(ge=0, le=60)] = 0.1
    longest: Annotated[float, Field(ge=0, le=60)] = 2.0


class RetriesSpec(Spec):
    """How hard to try. `attempts` are all tries of a call, `same_target` the further ones before the next target.

    `statuses` are the provider's answers that lead to another try; left out, the hub's own table decides.
    `on_content_policy` turns to another target when a provider's filter refuses the content. `hedge_after` asks the next
    target as well when the first has not begun to answer after so many seconds; whichever begins first answers.
    """

    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    same_target: Annotated[int, Field(ge=0, le=5)] = 1
    statuses: list[Annotated[int, Field(ge=400, le=599)]] | None = Field(None, max_length=100)
    backoff: BackoffSpec = BackoffSpec()
    on_content_policy: bool = False
    hedge_after: Annotated[float, Field(ge=0.05, le=60)] | None = None


class ShadowSpec(Spec):
    """A copy of some calls for a target whose answers nobody gets: to compare it under real traffic.

    `share` is a percentage of the calls; `usd_per_day` (UTC) bounds what the copies may cost. Without a known price there
    are none: that of the catalogue, or of a model which leads to the target alone.
    """

    target: str
    share: Percent = 100.0
    usd_per_day: Annotated[float, Field(gt=0, le=100_000)]

    @field_validator("target")
    @classmethod
    def _a_target(cls, target: str) -> str:
        return TargetSpec.model_validate({"model": target}).model
