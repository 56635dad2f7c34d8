"""Specs of what to look for in traffic: guardrails."""

from typing import Annotated, ClassVar, Literal

import re2
from pydantic import Field, StringConstraints, field_validator, model_validator

from hub.resources.spec import Spec, Title
from hub.resources.spending import ScopeSpec

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
_LATER_POINTS = {"output", "tool_result"}


class GuardrailSpec(Spec):
    """A rule on prompts (`input`) or tool arguments (`tool_call`): words or patterns, and what then.

    Patterns are RE2: they match in linear time, and back-references do not exist.
    """

    LATER: ClassVar[dict[str, str]] = {
        "shadow": "comes with guardrail governance",
        "webhook": "comes with guardrail governance",
    }

    title: Title = ""
    scope: ScopeSpec
    on: Annotated[list[Literal["input", "tool_call"]], Field(min_length=1)]
    words: list[Pattern] = Field(default_factory=list, max_length=10_000)
    patterns: list[Pattern] = Field(default_factory=list, max_length=1000)
    action: Literal["block", "flag"] = "block"
    enabled: bool = True

    @field_validator("on", mode="before")
    @classmethod
    def _points_supported(cls, value: object) -> object:
        later = sorted(_LATER_POINTS.intersection(value)) if isinstance(value, list) else []
        if later:
            raise ValueError(f"'{later[0]}' is not supported yet; use input or tool_call")
        return value

    @field_validator("action", mode="before")
    @classmethod
    def _action_supported(cls, value: object) -> object:
        if value == "redact":
            raise ValueError("action 'redact' is not supported yet; use block or flag")
        return value

    @field_validator("patterns")
    @classmethod
    def _linear(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            try:
                re2.compile(pattern)
            except re2.error as error:
                raise ValueError(f"not a pattern that RE2 accepts: {pattern!r} ({error})") from None
        return patterns

    @model_validator(mode="after")
    def _says_something(self) -> "GuardrailSpec":
        if not self.words and not self.patterns:
            raise ValueError("a guardrail needs words or patterns")
        return self
