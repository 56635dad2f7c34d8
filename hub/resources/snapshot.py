"""The snapshot: everything the request path reads, immutable, swapped whole."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from hub.core.calls import Dialect
from hub.core.plan import Deployment, Target, Timeouts
from hub.core.principal import Globs, Principal
from hub.core.refusal import Forbidden
from hub.resources.access import TeamSpec, UserSpec
from hub.resources.model_catalog import CatalogModel, ModelCatalog, Price
from hub.resources.notices import AnnouncementSpec, ExportSpec
from hub.resources.provider_kinds import KINDS, ProviderKind
from hub.resources.routes import Route
from hub.resources.safety import GuardrailSpec
from hub.resources.serving import ProviderSpec
from hub.resources.spending import BudgetSpec, LimitSpec
from hub.resources.tools import ProfileSpec, ServerSpec

Owner = tuple[str, str]  # ("team", NAME), ("user", NAME) or ("key", NAME)
# Claude Code lists only models whose names hold "claude"; by this prefix it can be given any.
VIA = "claude-via-hub/"
_MOST_FARES = 4096  # remembered at once: callers name models as they like
_OLDER = (Dialect.OPENAI_CHAT, Dialect.OPENAI_COMPLETIONS)  # than Responses
REVOKED = 0.0  # the `ends_at` of a secret that was revoked: it is as if it had never been


@dataclass(frozen=True, slots=True)
class KeySecret:
    """One secret of a key, as the store keeps it: SHA-256 of the whole credential, never the credential.

    `ends_at` (seconds since the epoch) is set on the old secret while a rotation overlaps.
    """

    key: str
    digest: bytes
    last_four: str = ""
    ends_at: float | None = None


@dataclass(frozen=True, slots=True)
class KeyGrant:
    """What presenting one secret of a key gives: the principal, until `ends_at` (seconds since the epoch).

    `strict` refuses calls that cannot be carried whole into a provider's dialect.
    """

    key: str
    principal: Principal
    routes: tuple[str, ...] = ()
    ends_at: float | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """An emergency stop: why, who made it, and when (ISO 8601)."""

    reason: str
    by: str
    at: str

    def refusal(self, scope: tuple[str, str]) -> Forbidden:
        """What callers are told of what is stopped. It is not to be tried again."""
        kind, name = scope
        what = f"{kind} '{name}' is" if name else "Everything is"
        why = f": {self.reason.rstrip(' .')}." if self.reason else "."
        return Forbidden(
            "forbidden",
            f"{what[0].upper()}{what[1:]} stopped by an administrator since {self.at[:19]}{why} It works again after "
            "'hub resume'.",
            headers={"x-hub-stopped": kind},
        )


@lru_cache(maxsize=256)
def _place_in(pattern: str, told: str) -> str:
    """The place that an address and a region name, by the pattern of the kind; asked for at each call that is priced."""
    found = re.search(pattern, told) if pattern else None
    return found[1] if found is not None else ""


def _paths(row: ProviderKind, model: str, known: CatalogModel | None) -> Mapping[Dialect, str]:
    """The paths at which a model answers. One that OpenAI's newer dialect alone reaches is not sent the older ones."""
    paths = row.paths_of(model)
    if known is None or known.mode != "responses" or Dialect.OPENAI_RESPONSES not in paths:
        return paths
    return {dialect: path for dialect, path in paths.items() if dialect not in _OLDER}


@dataclass(frozen=True, slots=True)
class Provider:
    """A configured provider; `deployment(model)` is one of its models, ready to be called."""

    name: str
    spec: ProviderSpec
    row: ProviderKind

    def deployment(self, model: str, known: CatalogModel | None = None) -> Deployment:
        """The deployment of upstream model `model`; `known` is what the catalogue knows of it."""
        own = self.spec.timeouts
        secrets = (*((self.spec.api_key,) if self.spec.api_key else ()), *self.spec.credentials)
        return Deployment(
            provider=self.name,
            model=model,
            kind=self.spec.kind,
            base_url=self.spec.base_url or self.row.base_url,
            paths=_paths(self.row, model, known),
            members=self.row.members,
            auth=self.row.auth,
            secret=secrets[0] if secrets else "",
            spares=secrets[1:],
            headers=(*self.row.headers, *((k.lower(), v) for k, v in self.spec.headers.items())),
            timeouts=Timeouts(own.connect, own.first_byte, own.idle, own.total),
            private=self.spec.allow_private,
            local=self.row.local,
            region=self.spec.region or "",
            context_window=known.context_window if known else None,
            missing_usage=self.spec.missing_usage,
            betas=tuple(self.spec.betas),
        )

    @property
    def place(self) -> str:
        """The place that calls are computed in, where that changes their price; "" where it does not."""
        return _place_in(self.row.place, f"{self.spec.base_url or self.row.base_url} {self.spec.region or ''}")

    @property
    def catalogue_prefix(self) -> str:
        """The company's name in the bundled catalogue, or "" for an endpoint of one's own."""
        return self.row.catalogue


@dataclass(frozen=True, slots=True)
class VirtualModel:
    """A public model name, compiled. `price` overrides the catalogue's for every target.

    `route` is the route that decides, or ""; `targets` are then those that it can lead to.
    """

    name: str
    targets: tuple[Target, ...]
    title: str = ""
    description: str = ""
    price: Price | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    route: str = ""
    capabilities: tuple[str, ...] = ()


class Fare(NamedTuple):
    """What a call to a model may cost at a target: its price, and the most tokens that it can produce, where known."""

    price: Price | None
    most_output: int | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent state of all resources. Stages read the one they were handed and no other.

    `digest` is the SHA-256 of all specs in canonical form: two hubs with the same resources agree on it.
    `keys` maps the SHA-256 of a credential to what it gives. `attached` is the route of a ("key", NAME) or
    ("team", NAME). `own_credentials` gives, for a provider and an owner ("user", NAME) or ("team", NAME), the
    reference of their own credential. `names` leads from every other name of a model to its own. `budgets`,
    `limits` and `guardrails` map a resource's name to its spec, disabled ones left out. `confirm` says which tools of
    a profile's server (profile, server) wait for their user. `stops` are the emergency stops, by scope.
    """

    generation: int
    digest: str
    catalogue: ModelCatalog
    providers: Mapping[str, Provider] = field(default_factory=dict[str, Provider])
    models: Mapping[str, VirtualModel] = field(default_factory=dict[str, VirtualModel])
    routes: Mapping[str, Route] = field(default_factory=dict[str, Route])
    attached: Mapping[Owner, str] = field(default_factory=dict[Owner, str])
    own_credentials: Mapping[tuple[str, Owner], str] = field(default_factory=dict[tuple[str, Owner], str])
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    servers: Mapping[str, ServerSpec] = field(default_factory=dict[str, ServerSpec])
    profiles: Mapping[str, ProfileSpec] = field(default_factory=dict[str, ProfileSpec])
    confirm: Mapping[tuple[str, str], tuple[Globs, ...]] = field(
        default_factory=dict[tuple[str, str], tuple[Globs, ...]]
    )
    teams: Mapping[str, TeamSpec] = field(default_factory=dict[str, TeamSpec])
    users: Mapping[str, UserSpec] = field(default_factory=dict[str, UserSpec])
    keys: Mapping[bytes, KeyGrant] = field(default_factory=dict[bytes, KeyGrant])
    budgets: Mapping[str, BudgetSpec] = field(default_factory=dict[str, BudgetSpec])
    limits: Mapping[str, LimitSpec] = field(default_factory=dict[str, LimitSpec])
    guardrails: Mapping[str, GuardrailSpec] = field(default_factory=dict[str, GuardrailSpec])
    announcements: Mapping[str, AnnouncementSpec] = field(default_factory=dict[str, AnnouncementSpec])
    exports: Mapping[str, ExportSpec] = field(default_factory=dict[str, ExportSpec])
    stops: Mapping[tuple[str, str], Stop] = field(default_factory=dict[tuple[str, str], Stop])
    _fares: dict[tuple[str, str], Fare] = field(default_factory=dict[tuple[str, str], Fare], compare=False, repr=False)

    def asks_first(self, profile: str, server: str, tool: str) -> bool:
        """Whether a call of a server's tool (by its own name) through a profile waits until its user has agreed."""
        return any(globs.allows(tool) for globs in self.confirm.get((profile, server), ()))

    def catalogue_model(self, target: str) -> CatalogModel | None:
        """What the bundled catalogue knows about `provider/model`, by the provider's kind."""
        name, _, model = target.partition("/")
        provider = self.providers.get(name)
        if provider is None or not provider.catalogue_prefix:
            return None
        return self.catalogue.get(f"{provider.catalogue_prefix}/{model}")

    def price(self, model: str, target: str) -> Price | None:
        """The price of a call to public model `model` that `target` answered; None when it is not known."""
        virtual = self.models.get(model)
        if virtual is not None and virtual.price is not None:
            return virtual.price
        return self.target_price(target)

    def fare(self, model: str, target: str) -> Fare:
        """What is reserved by for a call to `model` at `target`, looked up once."""
        found = self._fares.get((model, target))
        if found is None:
            if len(self._fares) >= _MOST_FARES:
                self._fares.clear()
            virtual, known = self.models.get(model), self.catalogue_model(target)
            most = (virtual and virtual.max_output_tokens) or (known and known.max_output_tokens) or None
            found = self._fares[model, target] = Fare(self.price(model, target), most)
        return found

    def target_price(self, target: str) -> Price | None:
        """The catalogue's price of `provider/model`; None when it is not known."""
        known = self.catalogue_model(target)
        if known is None:
            return None
        provider = self.providers[target.partition("/")[0]]
        if not known.uplifts and provider.spec.price_factor == "1":
            return known.price
        return known.price_in(provider.place, provider.spec.price_factor)

    def told_price(self, target: str) -> Price | None:
        """The price of `provider/model`: the catalogue's, else the one that a model has which leads there alone."""
        found = self._fares.get(("", target))
        if found is None:
            found = self._fares["", target] = Fare(self.target_price(target) or self._price_alone(target), None)
        return found.price

    def _price_alone(self, target: str) -> Price | None:
        return next(
            (
                model.price
                for model in self.models.values()
                if model.price is not None and [one.deployment.target for one in model.targets] == [target]
            ),
            None,
        )

    def canonical(self, model: str) -> str:
        """The own name of the model that is called `model`: aliases and Claude Code's prefix lead to it."""
        if model in self.models:
            return model
        if model.startswith(VIA):
            model = model.removeprefix(VIA)
        return self.names.get(model, model)

    def resolve(self, model: str) -> VirtualModel | None:
        """The virtual model of that name, or `provider/upstream-model` where the provider allows the model."""
        virtual = self.models.get(model)
        if virtual is not None:
            return virtual
        name, slash, upstream = model.partition("/")
        provider = self.providers.get(name)
        if provider is None or not slash or not upstream:
            return None
        if not Globs(tuple(provider.spec.models)).allows(upstream):
            return None
        return VirtualModel(model, (Target(provider.deployment(upstream, self.catalogue_model(model)), 0, 1),))


def provider_of(name: str, spec: ProviderSpec) -> Provider:
    """A provider from its spec."""
    return Provider(name, spec, KINDS[spec.kind])
