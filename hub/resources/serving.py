"""Specs of what serves models: providers, models (virtual models) and routes."""

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from hub.resources.provider_kinds import KINDS
from hub.resources.spec import Glob, Header, HeaderValue, Name, SecretRef, Spec, Text, Title

_MODEL_NAME = r"^[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,199}$"
ModelName = Annotated[str, StringConstraints(pattern=_MODEL_NAME)]
_TARGET = re.compile(r"^[a-z0-9][a-z0-9._-]{0,63}/[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,199}$")


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an http:// or https:// address with a host is needed")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("an address holds no credential, query or fragment; give a credential by its own field")
    return value.rstrip("/")


HttpUrl = Annotated[str, StringConstraints(max_length=2048), AfterValidator(_http_url)]


def _money(value: str) -> str:
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise ValueError('a decimal number in quotes is needed, for example "0.15"') from None
    if not amount.is_finite() or amount < 0 or amount > 1_000_000:
        raise ValueError("a price lies between 0 and 1000000 USD per million tokens")
    if -int(amount.as_tuple().exponent) > 6:
        raise ValueError("a price has at most 6 decimal places (USD per million tokens)")
    return value


Money = Annotated[str, AfterValidator(_money)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class TimeoutsSpec(Spec):
    """Clocks of an upstream, in seconds."""

    connect: Seconds = 5.0
    first_byte: Seconds = 60.0
    idle: Seconds = 60.0
    total: Seconds = 600.0


class ProviderSpec(Spec):
    """A company or endpoint that serves models.

    `models` are globs over the upstream's own model names that may be called as `provider/model`.
    """

    LATER: ClassVar[dict[str, str]] = {
        "region": "comes with Vertex and Bedrock",
        "credentials": "several credentials per provider come with key rotation",
    }

    kind: str
    title: Title = ""
    base_url: HttpUrl | None = None
    api_key: SecretRef | None = None
    headers: dict[Header, HeaderValue] = Field(default_factory=dict)
    models: list[Glob] = Field(default_factory=lambda: ["*"], max_length=1000)
    allow_private: bool = False
    timeouts: TimeoutsSpec = TimeoutsSpec()
    enabled: bool = True

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, kind: str) -> str:
        if kind not in KINDS:
            raise ValueError(f"unknown provider kind '{kind}'; supported: {', '.join(sorted(KINDS))}")
        return kind

    @model_validator(mode="after")
    def _has_address(self) -> "ProviderSpec":
        row = KINDS[self.kind]
        if not row.base_url and not row.local and self.base_url is None:
            raise ValueError(f"a provider of kind '{self.kind}' needs base_url")
        return self


class PriceSpec(Spec):
    """Prices in USD per million tokens, as decimal strings. What is left out is unknown, not free."""

    input: Money | None = None
    output: Money | None = None
    cache_read: Money | None = None
    cache_write_5m: Money | None = None
    cache_write_1h: Money | None = None


class TargetSpec(Spec):
    """One place that can answer: `provider/upstream-model`. The lowest priority is tried first."""

    model: str
    priority: Annotated[int, Field(ge=0, le=100)] = 0
    weight: Annotated[int, Field(ge=0, le=1_000_000)] = 1

    @field_validator("model")
    @classmethod
    def _names_a_provider(cls, model: str) -> str:
        if not _TARGET.fullmatch(model):
            raise ValueError("a target is written provider/upstream-model")
        return model


class ModelSpec(Spec):
    """A public model name over one or more targets, with overrides of what the catalogue says."""

    LATER: ClassVar[dict[str, str]] = {"capabilities": "comes with routing by capability"}

    title: Title = ""
    description: Text = ""
    targets: list[TargetSpec] = Field(default_factory=list, max_length=50)
    route: Name | None = None
    price: PriceSpec | None = None
    context_window: Annotated[int, Field(gt=0)] | None = None
    max_output_tokens: Annotated[int, Field(gt=0)] | None = None
    enabled: bool = True

    @model_validator(mode="after")
    def _one_way_to_serve(self) -> "ModelSpec":
        if bool(self.targets) == bool(self.route):
            raise ValueError("give either targets or a route")
        if self.targets and not any(target.weight for target in self.targets):
            raise ValueError("at least one target needs a weight above 0")
        return self


class RouteSpec(Spec):
    """A reusable list of targets with its own clocks, attached to a model or named by `x-hub-route`."""

    LATER: ClassVar[dict[str, str]] = {
        "rules": "comes with rule-based routing",
        "retries": "comes with rule-based routing",
        "sticky": "comes with rule-based routing",
        "residency": "comes with rule-based routing",
    }

    title: Title = ""
    targets: list[TargetSpec] = Field(min_length=1, max_length=50)
    timeouts: TimeoutsSpec | None = None
