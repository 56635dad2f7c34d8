"""Specs of what to look for in traffic: guardrails."""

from typing import Annotated, Any, Literal

import re2
from pydantic import Field, StringConstraints, field_validator, model_validator

from hub.core.rarely import Part, load
from hub.resources.serving import HttpUrl, ModelName
from hub.resources.spec import Glob, SecretRef, Spec, Title
from hub.resources.spending import ScopeSpec

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Pii = Literal["email", "phone", "ssn", "card", "iban", "ip", "national-id"]
Language = Literal[
    "ar", "de", "el", "en", "es", "fr", "he", "hi", "it", "ja", "ko", "nl", "pl", "pt", "ru", "sv", "th", "zh"
]
# What finds places in a text, and so can be redacted and judged while a stream passes.
SPANS = ("words", "patterns", "pii", "secrets")
# What judges a text as a whole.
WHOLE = ("injection", "max_chars", "languages", "json_schema", "webhook", "moderation", "judge")
_MOST_SCHEMA_NODES = 2000


class WebhookSpec(Spec):
    """Somebody else's judgement: the texts are posted there, signed with `secret`, and its answer counts."""

    url: HttpUrl
    secret: SecretRef
    allow_private: bool = False


class ModerationSpec(Spec):
    """A provider's own moderation model, written `provider/model`."""

    model: ModelName


class JudgeSpec(Spec):
    """A model of this hub that answers `question` about the text with yes (it is found) or no."""

    model: ModelName
    question: Annotated[str, StringConstraints(min_length=1, max_length=4096)]


class GuardrailSpec(Spec):
    """A rule on traffic: where it looks (`on`), what for, and what then.

    It finds what any of its kinds finds. Patterns are RE2: they match in linear time, and back-references do not exist.
    `deadline_ms` bounds what is asked of others, `on_error` says what counts when they do not answer. `stream` says how
    a streamed output is judged: `window` holds back the last `window` characters, `hold` all of it, and `observe`
    enforces nothing. A `reversible` redaction is undone in the answer to the same call.
    """

    title: Title = ""
    scope: ScopeSpec
    on: Annotated[list[Literal["input", "output", "tool_call", "tool_result"]], Field(min_length=1, max_length=4)]
    words: list[Annotated[str, StringConstraints(min_length=1, max_length=512)]] = Field(
        default_factory=list, max_length=10_000
    )
    patterns: list[Pattern] = Field(default_factory=list, max_length=1000)
    pii: list[Pii] = Field(default_factory=list, max_length=20)
    secrets: bool = False
    injection: Literal["low", "medium", "high"] | None = None
    max_chars: Annotated[int, Field(gt=0, le=100_000_000)] | None = None
    languages: list[Language] = Field(default_factory=list, max_length=20)
    allowed_tools: Annotated[list[Glob] | None, Field(max_length=1000)] = None
    json_schema: dict[str, Any] | None = None
    webhook: WebhookSpec | None = None
    moderation: ModerationSpec | None = None
    judge: JudgeSpec | None = None
    action: Literal["block", "redact", "flag", "route"] = "block"
    route_to: ModelName | None = None
    reversible: bool = False
    shadow: bool = False
    on_error: Literal["closed", "open"] = "closed"
    deadline_ms: Annotated[int, Field(ge=1, le=60_000)] = 300
    stream: Literal["window", "hold", "observe"] = "window"
    window: Annotated[int, Field(ge=16, le=65_536)] = 512
    enabled: bool = True

    @field_validator("patterns")
    @classmethod
    def _linear(cls, patterns: list[str]) -> list[str]:
        for pattern in patterns:
            check_pattern(pattern)
        return patterns

    @field_validator("json_schema")
    @classmethod
    def _sound(cls, schema: dict[str, Any] | None) -> dict[str, Any] | None:
        if schema is not None:
            check_schema(schema)
        return schema

    @model_validator(mode="after")
    def _says_something(self) -> "GuardrailSpec":
        if not any(getattr(self, name) for name in (*SPANS, *WHOLE)) and self.allowed_tools is None:
            raise ValueError(f"a guardrail looks for something: {', '.join((*SPANS, *WHOLE, 'allowed_tools'))}")
        return self

    @model_validator(mode="after")
    def _action_fits(self) -> "GuardrailSpec":
        if self.action == "redact":
            other = [name for name in WHOLE if name != "webhook" and getattr(self, name)]
            if other or self.allowed_tools is not None:
                found = other[0] if other else "allowed_tools"
                raise ValueError(f"{found} judges a whole text, so there is nothing to redact: use block or flag")
        elif self.reversible:
            raise ValueError("reversible goes with action: redact")
        if (self.action == "route") != (self.route_to is not None):
            raise ValueError("route_to goes with action: route")
        if self.action == "route" and self.on != ["input"]:
            raise ValueError("a call is routed elsewhere before it is made: action route goes with on: [input]")
        return self

    @model_validator(mode="after")
    def _stream_fits(self) -> "GuardrailSpec":
        if "output" not in self.on or self.stream != "window":
            return self
        whole = [name for name in WHOLE if getattr(self, name)]
        if whole:
            raise ValueError(f"{whole[0]} judges a whole text: on output say stream: hold (or observe)")
        longest = max((len(word) for word in self.words), default=0)
        if longest > self.window:
            raise ValueError(f"window holds back {self.window} characters and a word has {longest}: enlarge window")
        return self


def check_pattern(pattern: str) -> None:
    """Raises ValueError for what RE2 does not take."""
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        raise ValueError(f"not a pattern that RE2 accepts: {pattern!r} ({error})") from None


def check_schema(schema: dict[str, Any]) -> None:
    """Raises ValueError for a JSON schema that is wrong, very large, refers elsewhere or has patterns RE2 does not take."""
    stack: list[Any] = [schema]
    nodes = 0
    while stack:
        node = stack.pop()
        nodes += 1
        if nodes > _MOST_SCHEMA_NODES:
            raise ValueError(f"a schema has at most {_MOST_SCHEMA_NODES} parts")
        if isinstance(node, dict):
            if "$ref" in node and not str(node["$ref"]).startswith("#"):
                raise ValueError("a $ref leads within the schema: nothing is fetched")
            if isinstance(node.get("pattern"), str):
                check_pattern(node["pattern"])
            if "patternProperties" in node:
                raise ValueError("patternProperties is not supported; name the properties")
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    if fault := load(Part.JSON_SCHEMAS).fault_of(schema):
        raise ValueError(f"not a JSON schema: {fault}")
