"""Specs of how much: budgets (money) and limits (rate). Each has one scope."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from hub.resources.access import Instant
from hub.resources.serving import HttpUrl, ModelName
from hub.resources.spec import SecretRef, Spec, Text, Title

EmailAddress = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^\s@,;<>\"]+@[^\s@,;<>\"]+$")]
EACH = r"^(end_user|tag:[A-Za-z0-9_.-]{1,64})$"
ScopeName = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class ScopeSpec(Spec):
    """Whom or what a rule is about: exactly one of these. `org: true` is the whole hub."""

    org: Literal[True] | None = None
    team: ScopeName | None = None
    user: ScopeName | None = None
    key: ScopeName | None = None
    model: ScopeName | None = None
    profile: ScopeName | None = None
    server: ScopeName | None = None
    tool: ScopeName | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "ScopeSpec":
        if sum(getattr(self, name) is not None for name in type(self).model_fields) != 1:
            raise ValueError("a scope names exactly one of org, team, user, key, model, profile, server, tool")
        return self

    @property
    def parts(self) -> tuple[str, str]:
        """The scope as (kind, name); the name of `org` is empty."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is not None:
                return name, "" if value is True else value
        raise AssertionError("validated: exactly one is set")


class ExtraSpec(Spec):
    """More money for a time: `usd` on top, until `until`."""

    usd: Annotated[float, Field(gt=0, le=1_000_000_000)]
    until: Instant
    reason: Text = ""


class NotifySpec(Spec):
    """Who is told: `url`, to which alerts are posted as JSON, signed with `secret`, or people by `email`, or both."""

    url: HttpUrl | None = None
    secret: SecretRef | None = None
    allow_private: bool = False
    email: list[EmailAddress] = Field(default_factory=list, max_length=20)

    @model_validator(mode="after")
    def _tells_somebody(self) -> "NotifySpec":
        if self.url is None and not self.email:
            raise ValueError("say who is told: a url, or email addresses")
        if (self.url is None) != (self.secret is None):
            raise ValueError("url and secret go together: what is posted is signed")
        return self


class BudgetSpec(Spec):
    """Money per period. `block` refuses before the call, `warn` lets it pass and says so.

    Quarters and years are those of a fiscal year that begins with the month `year_starts`.
    `downgrade` sends calls to `downgrade_to` once the money is spent, `shadow` only counts. With `carry_over`, what the
    last period left (at most one period's amount) is added to this one. `unpriced` is what becomes of a call whose price
    nobody knows: it is made and counted as such, or refused.
    """

    title: Title = ""
    scope: ScopeSpec
    usd: Annotated[float, Field(gt=0, le=1_000_000_000)]
    period: Literal["day", "week", "month", "quarter", "year", "total"] = "month"
    year_starts: Annotated[int, Field(ge=1, le=12)] = 1
    timezone: Annotated[str, StringConstraints(max_length=64)] = "UTC"
    mode: Literal["warn", "block", "downgrade", "shadow"] = "block"
    downgrade_to: ModelName | None = None
    unpriced: Literal["count", "refuse"] = "count"
    carry_over: bool = False
    extra: ExtraSpec | None = None
    alerts: list[Annotated[int, Field(ge=1, le=100)]] = Field(default_factory=list, max_length=10)
    notify: NotifySpec | None = None
    enabled: bool = True

    @model_validator(mode="after")
    def _holds_together(self) -> "BudgetSpec":
        if (self.mode == "downgrade") != (self.downgrade_to is not None):
            raise ValueError("downgrade_to goes with mode: downgrade")
        if self.mode == "downgrade" and any((self.scope.profile, self.scope.server, self.scope.tool)):
            raise ValueError("a tool has no cheaper model to go to: use block or warn")
        if self.unpriced == "refuse" and self.mode not in ("block", "downgrade"):
            raise ValueError("unpriced: refuse goes with mode: block or downgrade, the others refuse nothing")
        if self.notify is not None and not self.alerts:
            raise ValueError("notify goes with alerts: say at which percentages")
        if self.carry_over and self.period == "total":
            raise ValueError("a total has no last period to carry over from")
        return self


class QueueSpec(Spec):
    """How many calls may wait for others to end, and for how many seconds each."""

    most: Annotated[int, Field(gt=0, le=10_000)] = 100
    seconds: Annotated[float, Field(gt=0, le=300)] = 10


class LimitSpec(Spec):
    """Requests, tokens and tool calls per minute, and calls at the same time.

    With `queue`, calls beyond `parallel` wait for their turn instead of being refused at once; keys of a higher `priority`
    go first. What finds the queue full, or waits too long, is refused. With `each`, all of it holds for each `end_user` by
    itself, as calls name them in their body (`user`, `safety_identifier`, `metadata.user_id`), or for each value of a tag
    (`tag:NAME`); calls that do not say it count as one.
    """

    title: Title = ""
    scope: ScopeSpec
    rpm: Annotated[int, Field(gt=0, le=10_000_000)] | None = None
    tpm: Annotated[int, Field(gt=0, le=1_000_000_000_000)] | None = None
    tool_calls_per_minute: Annotated[int, Field(gt=0, le=10_000_000)] | None = None
    parallel: Annotated[int, Field(gt=0, le=100_000)] | None = None
    queue: QueueSpec | None = None
    each: Annotated[str, StringConstraints(pattern=EACH)] | None = None
    enabled: bool = True

    @model_validator(mode="after")
    def _says_something(self) -> "LimitSpec":
        if not any((self.rpm, self.tpm, self.tool_calls_per_minute, self.parallel)):
            raise ValueError("a limit sets at least one of rpm, tpm, tool_calls_per_minute, parallel")
        if self.queue is not None and self.parallel is None:
            raise ValueError("queue goes with parallel: only what ends makes room for those who wait")
        if self.queue is not None and self.each is not None:
            raise ValueError("a limit for each has no queue: give the queue to a limit for all")
        return self
