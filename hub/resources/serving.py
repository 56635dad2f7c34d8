"""Specs of what serves models: providers, models (virtual models) and routes."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from hub.resources.provider_kinds import KINDS
from hub.resources.rules import RetriesSpec, RuleSpec, ShadowSpec, Strategy
from hub.resources.spec import Glob, Header, HeaderValue, Name, SecretRef, Spec, Text, Title
from hub.resources.targets import TargetSpec

_MODEL_NAME = r"^[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,199}$"
ModelName = Annotated[str, StringConstraints(pattern=_MODEL_NAME)]


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an http:// or https:// address with a host is needed")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("an address holds no credential, query or fragment; give a credential by its own field")
    return value.rstrip("/")


HttpUrl = Annotated[str, StringConstraints(max_length=2048), AfterValidator(_http_url)]


_MOST_MONEY = 100_000  # USD per million tokens; the dearest published rate is 600
_LEAST_MONEY = Decimal("0.0005")  # the cheapest published rate is 0.003, the dearest of a single token 0.0006


def _money(value: str) -> str:
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise ValueError('a decimal number in quotes is needed, for example "0.15"') from None
    if not amount.is_finite() or amount < 0 or amount > _MOST_MONEY:
        raise ValueError(f"a price lies between 0 and {_MOST_MONEY} USD per million tokens")
    if 0 < amount < _LEAST_MONEY:
        meant = f"{amount * 1_000_000:.6f}".rstrip("0").rstrip(".")
        raise ValueError(f'a price is in USD per million tokens: if {value[:40]} is for one token, write "{meant}"')
    if -int(amount.as_tuple().exponent) > 6:
        raise ValueError("a price has at most 6 decimal places (USD per million tokens)")
    return value


Money = Annotated[str, AfterValidator(_money)]


def _factor(value: str) -> str:
    try:
        factor = Decimal(value)
    except InvalidOperation:
        raise ValueError('a decimal number in quotes is needed, for example "0.9" where a tenth is off') from None
    if not factor.is_finite() or not Decimal("0.01") <= factor <= 100 or -int(factor.as_tuple().exponent) > 6:
        raise ValueError("a factor lies between 0.01 and 100, with at most 6 decimal places")
    return value


Factor = Annotated[str, AfterValidator(_factor)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class TimeoutsSpec(Spec):
    """Clocks of an upstream, in seconds."""

    connect: Seconds = 5.0
    first_byte: Seconds = 60.0
    idle: Seconds = 60.0
    total: Seconds = 600.0


class OwnerSpec(Spec):
    """Whose it is: a team's or a user's."""

    team: Name | None = None
    user: Name | None = None

    @model_validator(mode="after")
    def _one(self) -> "OwnerSpec":
        if (self.team is None) == (self.user is None):
            raise ValueError("an owner is either a team or a user")
        return self

    @property
    def parts(self) -> tuple[str, str]:
        """The owner as (kind, name)."""
        return ("team", self.team) if self.team else ("user", self.user or "")


_SIGNED = ("google-jwt", "aws-sigv4")  # what is no header


class ProviderSpec(Spec):
    """A company or endpoint that serves models.

    `models` are globs over the upstream's own model names that may be called as `provider/model`. `credentials`
    are further ones beside `api_key`; calls are spread over them, and one that is throttled or refused rests.
    `betas` are globs over the values of `anthropic-beta` and `openai-beta` that go out to it: `["*", "!new-thing-*"]`
    holds back what it would refuse.
    `region` says where the provider computes, for routes with `residency`. `other_paths` lets callers who may call all
    its models call any other path of it too, at `/v1/providers/NAME/PATH`; what that costs is known only where the
    provider says it, so budgets cannot hold such a call back. `missing_usage` is what becomes of an answer that does not
    say what it used: it is charged by an estimate of its size, its cost is unknown (`unpriced`), or it is refused.
    Without `passthrough` no caller's own credential (beside `x-hub-key`) goes out to it.
    `price_factor` is what the catalogue's prices of its tokens are multiplied by, for a discount or a margin; prices of your
    own, in models, are taken as they are.

    With `instead_of` and `owner` it is a team's or a person's own credential: their calls to the provider that it
    names go out with it instead of the hub's, and to no other address.
    """

    kind: str
    title: Title = ""
    base_url: HttpUrl | None = None
    api_key: SecretRef | None = None
    credentials: list[SecretRef] = Field(default_factory=list, max_length=50)
    region: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")] | None = None
    instead_of: Name | None = None
    owner: OwnerSpec | None = None
    headers: dict[Header, HeaderValue] = Field(default_factory=dict)
    betas: list[Glob] = Field(default_factory=lambda: ["*"], max_length=100)
    models: list[Glob] = Field(default_factory=lambda: ["*"], max_length=1000)
    allow_private: bool = False
    other_paths: bool = False
    passthrough: bool = True
    price_factor: Factor = "1"
    missing_usage: Literal["estimate", "unpriced", "refuse"] = "estimate"
    timeouts: TimeoutsSpec = TimeoutsSpec()
    enabled: bool = True

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, kind: str) -> str:
        if kind not in KINDS:
            raise ValueError(f"unknown provider kind '{kind}'; supported: {', '.join(sorted(KINDS))}")
        return kind

    @model_validator(mode="after")
    def _own_or_not(self) -> "ProviderSpec":
        if (self.instead_of is None) != (self.owner is None):
            raise ValueError("instead_of and owner belong together: whose credential stands for which provider's")
        if self.owner is not None:
            given = self.model_fields_set - {
                "kind",
                "title",
                "api_key",
                "credentials",
                "instead_of",
                "owner",
                "enabled",
            }
            if given:
                raise ValueError(f"an own credential changes nothing else of the provider: leave out {min(given)}")
            if self.api_key is None:
                raise ValueError("an own credential needs api_key")
        return self

    @model_validator(mode="after")
    def _has_address(self) -> "ProviderSpec":
        row = KINDS[self.kind]
        if self.owner is not None:
            return self
        if self.other_paths and (row.local or row.auth[0] in _SIGNED):
            raise ValueError(f"other_paths does not work for a provider of kind '{self.kind}'")
        if not row.base_url and not row.local and self.base_url is None:
            raise ValueError(f"a provider of kind '{self.kind}' needs base_url")
        if "{region}" in row.base_url and self.base_url is None and self.region is None:
            raise ValueError(f"a provider of kind '{self.kind}' needs region, or base_url")
        return self


class PriceSpec(Spec):
    """Prices in USD per million tokens, as decimal strings. What is left out is unknown, not free.

    `image` is for pictures that are drawn, `image_in` for those that an image endpoint is given. `searches` is in USD
    per thousand: what the web searches cost that the provider makes itself.
    """

    input: Money | None = None
    output: Money | None = None
    cache_read: Money | None = None
    cache_write_5m: Money | None = None
    cache_write_1h: Money | None = None
    audio_in: Money | None = None
    audio_out: Money | None = None
    image: Money | None = None
    image_in: Money | None = None
    searches: Money | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "PriceSpec":
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError("a price names at least one rate; leave price out to take the catalogue's")
        return self


class ModelSpec(Spec):
    """A public model name over one or more targets, with overrides of what the catalogue says.

    `capabilities` and `context_window` are promises: saving fails when a target is known not to hold them.
    """

    title: Title = ""
    description: Text = ""
    aliases: list[ModelName] = Field(default_factory=list, max_length=50)
    targets: list[TargetSpec] = Field(default_factory=list, max_length=50)
    route: Name | None = None
    price: PriceSpec | None = None
    context_window: Annotated[int, Field(gt=0)] | None = None
    max_output_tokens: Annotated[int, Field(gt=0)] | None = None
    capabilities: list[Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]] = Field(
        default_factory=list, max_length=40
    )
    enabled: bool = True

    @model_validator(mode="after")
    def _one_way_to_serve(self) -> "ModelSpec":
        if bool(self.targets) == bool(self.route):
            raise ValueError("give either targets or a route")
        if self.targets and not any(target.weight for target in self.targets):
            raise ValueError("at least one target needs a weight above 0")
        return self


class RouteSpec(Spec):
    """A reusable routing policy, attached to a model, a key or a team, or named by `x-hub-route`.

    Its `rules` are asked in order and the first that holds decides; else its own `targets` answer. Without
    targets of its own the model's stay, so that a route can be a set of rules, or nothing but `residency`:
    regions of providers (globs) outside of which no target is ever used, whatever else applies to the call.
    `sticky` keeps a conversation at its target: `session` (the agent's own session id, or `x-hub-session`),
    `prefix` (a hash of how the conversation begins), `header:NAME`, or `none`. A route that is not `enabled` is
    kept and not followed. `team` says whose it is: the owners and developers of that team change it, too. Such a route
    leads nobody but the team's keys, and only to targets that the caller may call by their own names; where a guardrail or
    a budget sends a call to another model, it has no say.
    """

    title: Title = ""
    team: Name | None = None
    targets: list[TargetSpec] = Field(default_factory=list, max_length=50)
    rules: list[RuleSpec] = Field(default_factory=list, max_length=100)
    strategy: Strategy = "weighted"
    sticky: Annotated[str, StringConstraints(pattern=r"^(session|prefix|none|header:[A-Za-z0-9-]{1,64})$")] = "session"
    residency: list[Glob] = Field(default_factory=list, max_length=50)
    retries: RetriesSpec | None = None
    timeouts: TimeoutsSpec | None = None
    shadow: ShadowSpec | None = None
    enabled: bool = True

    @model_validator(mode="after")
    def _says_something(self) -> "RouteSpec":
        if not (self.targets or self.rules or self.residency or self.shadow or self.retries or self.timeouts):
            raise ValueError("a route needs targets, rules, residency, retries, timeouts or a shadow")
        if self.targets and not any(target.weight for target in self.targets):
            raise ValueError("at least one target needs a weight above 0")
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two rules are named '{twice[0]}'; give each its own name")
        return self
