"""Resources in, snapshot out: pure, so it is tested alone and can be run before anything is written."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import orjson

from hub.core.capture import Capture
from hub.core.plan import Deployment, Shadow, Target, Timeouts
from hub.core.principal import EVERYTHING, NOTHING, Access, Globs, Principal, Role
from hub.core.refusal import InvalidSpec
from hub.resources.access import AccessSpec, KeySpec, TeamSpec, UserSpec
from hub.resources.composition import check_composition
from hub.resources.includes import confirming, flat
from hub.resources.kinds import Specs, dump
from hub.resources.model_catalog import ModelCatalog, Price
from hub.resources.references import check_references
from hub.resources.routes import Route, Rule, reachable, retry_of, when_of
from hub.resources.rules import RuleSpec, ShadowSpec
from hub.resources.serving import ModelSpec, PriceSpec, ProviderSpec, RouteSpec
from hub.resources.snapshot import REVOKED, KeyGrant, KeySecret, Owner, Snapshot, Stop, VirtualModel, provider_of
from hub.resources.targets import TargetSpec

NO_STOPS: Mapping[tuple[str, str], Stop] = MappingProxyType({})


def canonical(specs: Specs) -> bytes:
    """All specs as canonical JSON: sorted keys, defaults left out."""
    plain = {kind: {name: dump(spec) for name, spec in named.items()} for kind, named in specs.items() if named}
    return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)


def _enabled(specs: Specs, kind: str) -> dict[str, Any]:
    return {name: spec for name, spec in sorted(specs.get(kind, {}).items()) if getattr(spec, "enabled", True)}


class _Serving:
    """What is known while models and routes are compiled: the enabled providers, and the catalogue."""

    def __init__(self, specs: Specs, catalogue: ModelCatalog) -> None:
        enabled: dict[str, ProviderSpec] = _enabled(specs, "providers")
        self.providers = {name: provider_of(name, spec) for name, spec in enabled.items() if spec.owner is None}
        self.own_credentials = {
            (spec.instead_of, spec.owner.parts): spec.api_key
            for spec in enabled.values()
            if spec.instead_of and spec.owner and spec.api_key
        }
        self._catalogue = catalogue
        given: dict[str, RouteSpec] = specs.get("routes", {})  # pyright: ignore[reportAssignmentType]
        self.routes = {name: self._route(name, spec) for name, spec in sorted(given.items())}

    def deployment(self, target: str) -> Deployment | None:
        """The deployment of `provider/model`; None when the provider is disabled."""
        name, _, model = target.partition("/")
        provider = self.providers.get(name)
        if provider is None:
            return None
        prefix = provider.catalogue_prefix
        return provider.deployment(model, self._catalogue.get(f"{prefix}/{model}") if prefix else None)

    def targets(self, given: Iterable[TargetSpec], timeouts: Timeouts | None = None) -> tuple[Target, ...]:
        """The targets whose providers are enabled, by priority."""
        found: list[Target] = []
        for target in given:
            deployment = self.deployment(target.model)
            if deployment is not None:
                deployment = replace(deployment, timeouts=timeouts) if timeouts else deployment
                found.append(Target(deployment, target.priority, target.weight))
        return tuple(sorted(found, key=lambda target: target.priority))

    def _route(self, name: str, spec: RouteSpec) -> Route:
        clocks = spec.timeouts
        timeouts = Timeouts(clocks.connect, clocks.first_byte, clocks.idle, clocks.total) if clocks else None
        return Route(
            name=name,
            targets=self.targets(spec.targets, timeouts),
            rules=tuple(self._rule(rule, timeouts) for rule in spec.rules if rule.enabled),
            strategy=spec.strategy,
            sticky=spec.sticky,
            residency=Globs(tuple(spec.residency)) if spec.residency else None,
            retry=retry_of(spec.retries) if spec.retries else None,
            timeouts=timeouts,
            shadow=self._shadow(spec.shadow) if spec.shadow else None,
            active=spec.enabled,
            team=spec.team or "",
        )

    def _rule(self, spec: RuleSpec, timeouts: Timeouts | None) -> Rule:
        return Rule(
            spec.name, when_of(spec.when), self.targets(spec.targets, timeouts), spec.route or "", spec.strategy or ""
        )

    def _shadow(self, spec: ShadowSpec) -> Shadow | None:
        deployment = self.deployment(spec.target)
        return deployment and Shadow(deployment, spec.share / 100, round(spec.usd_per_day * 1_000_000))

    def model(self, name: str, spec: ModelSpec) -> VirtualModel:
        """A virtual model."""
        route = self.routes.get(spec.route or "")
        return VirtualModel(
            name=name,
            targets=reachable(route, self.routes) if route else self.targets(spec.targets),
            title=spec.title,
            description=spec.description,
            price=_price(spec.price),
            context_window=spec.context_window,
            max_output_tokens=spec.max_output_tokens,
            route=spec.route or "",
            capabilities=tuple(spec.capabilities),
        )

    def names(self, models: Mapping[str, ModelSpec]) -> dict[str, str]:
        """Other names that lead to a model: the plain ids of real ones, their dated forms, and declared aliases."""
        found: dict[str, str] = {}
        for provider in self.providers.values():
            allowed = Globs(tuple(provider.spec.models))
            for known in self._catalogue.for_provider(provider.catalogue_prefix) if provider.catalogue_prefix else ():
                own = known.id.partition("/")[2]
                for name in (own, *known.aliases):
                    if allowed.allows(name):
                        found.setdefault(name, f"{provider.name}/{name}")
        for name, spec in models.items():
            found.update(dict.fromkeys(spec.aliases, name))
        return {alias: name for alias, name in found.items() if alias not in models}


def _price(spec: PriceSpec | None) -> Price | None:
    return None if spec is None else Price.from_usd_per_million(**spec.model_dump(exclude_none=True))


def _attached(keys: Mapping[str, KeySpec], teams: Mapping[str, TeamSpec]) -> dict[Owner, str]:
    owned = [*((("key", name), spec.route) for name, spec in keys.items())]
    owned += [(("team", name), spec.route) for name, spec in teams.items()]
    return {owner: route for owner, route in owned if route}


def _level(spec: AccessSpec, default: Globs) -> Access:
    def grant(given: list[str] | None) -> Globs:
        return default if given is None else Globs(tuple(given))

    # Tools and endpoints lie behind models and profiles, which are granted, so they are open until they are narrowed.
    return Access(
        models=grant(spec.models),
        profiles=grant(spec.profiles),
        tools=EVERYTHING if spec.tools is None else Globs(tuple(spec.tools)),
        endpoints=EVERYTHING if spec.endpoints is None else Globs(tuple(spec.endpoints)),
        networks=tuple(spec.networks or ()),
        headers=tuple(sorted((name.lower(), value) for name, value in (spec.headers or {}).items())),
    )


def chain_of(team: TeamSpec | None, user: UserSpec | None, key: KeySpec | None) -> tuple[Access, ...]:
    """The levels of access, outermost first. Only the first one must grant; the others may narrow."""
    levels: list[Access] = []
    if user is not None and user.role is Role.ADMIN:
        levels.append(Access(EVERYTHING, EVERYTHING, EVERYTHING))
    for spec in (team, user, key):
        if spec is not None:
            levels.append(_level(spec, EVERYTHING if levels else NOTHING))
    return tuple(levels)


def _bounds(levels: tuple[Access, ...], *specs: AccessSpec | None) -> dict[str, Any]:
    """When a principal with these specs ends, and which of its levels are conditional."""
    ends = [spec.expires_at.timestamp() for spec in specs if spec is not None and spec.expires_at is not None]
    return {
        "access": levels,
        "ends_at": min(ends, default=None),
        "conditions": tuple(level for level in levels if level.is_conditional),
    }


def _kept(team: TeamSpec | None, key: KeySpec | None) -> Capture | None:
    """What the key says is kept of its calls, else what its team says."""
    if key is not None and key.capture is not None:
        return key.capture
    return team.capture if team is not None else None


_PRIORITIES = ("high", "normal", "low")


def _priority(team: TeamSpec | None, key: KeySpec | None) -> int:
    """The lower one of the team's and the key's; without a team, a key's own."""
    said = [spec.priority for spec in (team, key) if spec is not None and spec.priority is not None]
    return max(map(_PRIORITIES.index, said), default=1)


def principal_of_user(name: str, spec: UserSpec, teams: Mapping[str, TeamSpec]) -> Principal:
    """The person, as they are when they sign in to the web apps."""
    roles: dict[str, Role] = dict(spec.teams)
    if spec.role is not None:
        roles[""] = spec.role
    team = next(iter(sorted(spec.teams)), "")
    bounds = _bounds(chain_of(teams.get(team), spec, None), teams.get(team), spec)
    return Principal(
        id=f"user:{name}",
        kind="user",
        user=name,
        team=team,
        roles=roles,
        capture=_kept(teams.get(team), None),
        priority=_priority(teams.get(team), None),
        **bounds,
    )


def _principal(
    name: str, spec: KeySpec, teams: Mapping[str, TeamSpec], users: Mapping[str, UserSpec]
) -> Principal | None:
    user = users.get(spec.user) if spec.user else None
    if spec.user and user is None:  # disabled: the key rests with its user
        return None
    roles: dict[str, Role] = {}
    if user is not None:
        roles = dict(user.teams) if not spec.team else {t: r for t, r in user.teams.items() if t == spec.team}
        if user.role is not None:
            roles[""] = user.role
    team = spec.team or (next(iter(sorted(user.teams)), "") if user else "")
    bounds = _bounds(chain_of(teams.get(team), user, spec), teams.get(team), user, spec)
    return Principal(
        id=f"key:{name}",
        kind="key",
        key=name,
        user=spec.user or "",
        team=team,
        roles=roles,
        capture=_kept(teams.get(team), spec),
        priority=_priority(teams.get(team), spec),
        **bounds,
    )


def _keys(
    keys: Mapping[str, KeySpec],
    secrets: Iterable[KeySecret],
    teams: Mapping[str, TeamSpec],
    users: Mapping[str, UserSpec],
) -> dict[bytes, KeyGrant]:
    grants: dict[bytes, KeyGrant] = {}
    principals = {name: _principal(name, spec, teams, users) for name, spec in keys.items()}
    for secret in secrets:
        principal = principals.get(secret.key)
        if principal is None or secret.ends_at == REVOKED:
            continue
        spec = keys[secret.key]
        ends = [end for end in (secret.ends_at, principal.ends_at) if end is not None]
        own = replace(principal, via=secret.digest.hex()[:16])
        grants[secret.digest] = KeyGrant(
            secret.key, own, routes=tuple(spec.routes), strict=spec.strict, ends_at=min(ends) if ends else None
        )
    return grants


def compile_snapshot(
    specs: Specs,
    *,
    secrets: Iterable[KeySecret],
    catalogue: ModelCatalog,
    generation: int,
    stops: Mapping[tuple[str, str], Stop] = NO_STOPS,
) -> Snapshot:
    """Compile all resources into a snapshot.

    Raises InvalidSpec with every fault when the resources do not hold together.
    """
    faults = check_references(specs) or check_composition(specs, catalogue)
    if faults:
        raise InvalidSpec(faults)
    serving = _Serving(specs, catalogue)
    models: dict[str, ModelSpec] = _enabled(specs, "models")
    keys: dict[str, KeySpec] = _enabled(specs, "keys")
    teams = _enabled(specs, "teams")
    users = _enabled(specs, "users")
    servers, profiles = _enabled(specs, "servers"), _enabled(specs, "profiles")
    laid = flat(profiles)
    return Snapshot(
        generation=generation,
        digest=hashlib.sha256(canonical(specs)).hexdigest(),
        catalogue=catalogue,
        providers=serving.providers,
        routes=serving.routes,
        attached=_attached(keys, teams),
        own_credentials=serving.own_credentials,
        names=serving.names(models),
        models={name: serving.model(name, spec) for name, spec in models.items()},
        servers=servers,
        profiles=laid,
        confirm=confirming(profiles, laid, servers),
        teams=teams,
        users=users,
        keys=_keys(keys, secrets, teams, users),
        budgets=_enabled(specs, "budgets"),
        limits=_enabled(specs, "limits"),
        guardrails=_enabled(specs, "guardrails"),
        announcements=_enabled(specs, "announcements"),
        exports=_enabled(specs, "exports"),
        stops=stops,
    )
