"""Specs of how much: budgets (money) and limits (rate). Each has one scope."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from hub.resources.spec import Spec, Title

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


class BudgetSpec(Spec):
    """Money per period. `block` refuses before the call, `warn` lets it pass and says so."""

    LATER: ClassVar[dict[str, str]] = {
        "carry_over": "comes with budget governance",
        "raise": "comes with budget governance",
        "downgrade_to": "comes with budget governance",
    }

    title: Title = ""
    scope: ScopeSpec
    usd: Annotated[float, Field(gt=0, le=1_000_000_000)]
    period: Literal["day", "week", "month", "quarter", "total"] = "month"
    timezone: Annotated[str, StringConstraints(max_length=64)] = "UTC"
    mode: Literal["warn", "block"] = "block"
    alerts: list[Annotated[int, Field(ge=1, le=100)]] = Field(default_factory=list, max_length=10)
    enabled: bool = True

    @field_validator("mode", mode="before")
    @classmethod
    def _mode_supported(cls, value: object) -> object:
        if value in ("downgrade", "shadow"):
            raise ValueError(f"mode '{value}' is not supported yet; use warn or block")
        return value


class LimitSpec(Spec):
    """Requests, tokens and tool calls per minute, and calls at the same time."""

    title: Title = ""
    scope: ScopeSpec
    rpm: Annotated[int, Field(gt=0, le=10_000_000)] | None = None
    tpm: Annotated[int, Field(gt=0, le=1_000_000_000_000)] | None = None
    tool_calls_per_minute: Annotated[int, Field(gt=0, le=10_000_000)] | None = None
    parallel: Annotated[int, Field(gt=0, le=100_000)] | None = None
    enabled: bool = True

    @model_validator(mode="after")
    def _says_something(self) -> "LimitSpec":
        if not any((self.rpm, self.tpm, self.tool_calls_per_minute, self.parallel)):
            raise ValueError("a limit sets at least one of rpm, tpm, tool_calls_per_minute, parallel")
        return self
