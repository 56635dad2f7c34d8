"""Resources in, snapshot out: pure, so it is tested alone and can be run before anything is written."""

import hashlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import orjson

from hub.core.capture import Capture
from hub.core.plan import Timeouts
from hub.core.principal import EVERYTHING, NOTHING, Access, Globs, Principal, Role
from hub.core.refusal import InvalidSpec
from hub.resources.access import AccessSpec, KeySpec, TeamSpec, UserSpec
from hub.resources.includes import flat
from hub.resources.kinds import Specs, dump
from hub.resources.model_catalog import ModelCatalog, Price
from hub.resources.references import check_references
from hub.resources.serving import ModelSpec, PriceSpec, RouteSpec, TargetSpec
from hub.resources.snapshot import (
    REVOKED,
    KeyGrant,
    KeySecret,
    Provider,
    Snapshot,
    Stop,
    Target,
    VirtualModel,
    provider_of,
)

NO_STOPS: Mapping[tuple[str, str], Stop] = MappingProxyType({})


def canonical(specs: Specs) -> bytes:
    """All specs as canonical JSON: sorted keys, defaults left out."""
    plain = {kind: {name: dump(spec) for name, spec in named.items()} for kind, named in specs.items() if named}
    return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)


def _enabled(specs: Specs, kind: str) -> dict[str, Any]:
    return {name: spec for name, spec in sorted(specs.get(kind, {}).items()) if getattr(spec, "enabled", True)}


def _targets(
    given: Iterable[TargetSpec], providers: Mapping[str, Provider], timeouts: Timeouts | None = None
) -> tuple[Target, ...]:
    targets: list[Target] = []
    for target in given:
        name, _, model = target.model.partition("/")
        if name in providers:
            targets.append(Target(providers[name].deployment(model, timeouts), target.priority, target.weight))
    return tuple(sorted(targets, key=lambda target: target.priority))


def _route(spec: RouteSpec, providers: Mapping[str, Provider]) -> tuple[Target, ...]:
    clocks = spec.timeouts
    timeouts = Timeouts(clocks.connect, clocks.first_byte, clocks.idle, clocks.total) if clocks else None
    return _targets(spec.targets, providers, timeouts)


def _price(spec: PriceSpec | None) -> Price | None:
    return None if spec is None else Price.from_usd_per_million(**spec.model_dump(exclude_none=True))


def _model(
    name: str, spec: ModelSpec, providers: Mapping[str, Provider], routes: Mapping[str, tuple[Target, ...]]
) -> VirtualModel:
    return VirtualModel(
        name=name,
        targets=routes.get(spec.route, ()) if spec.route else _targets(spec.targets, providers),
        title=spec.title,
        description=spec.description,
        price=_price(spec.price),
        context_window=spec.context_window,
        max_output_tokens=spec.max_output_tokens,
    )


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
        grants[secret.digest] = KeyGrant(
            secret.key, principal, routes=tuple(spec.routes), strict=spec.strict, ends_at=min(ends) if ends else None
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
    faults = check_references(specs)
    if faults:
        raise InvalidSpec(faults)
    providers = {name: provider_of(name, spec) for name, spec in _enabled(specs, "providers").items()}
    routes = {name: _route(spec, providers) for name, spec in _enabled(specs, "routes").items()}
    teams = _enabled(specs, "teams")
    users = _enabled(specs, "users")
    return Snapshot(
        generation=generation,
        digest=hashlib.sha256(canonical(specs)).hexdigest(),
        catalogue=catalogue,
        providers=providers,
        routes=routes,
        models={name: _model(name, spec, providers, routes) for name, spec in _enabled(specs, "models").items()},
        servers=_enabled(specs, "servers"),
        profiles=flat(_enabled(specs, "profiles")),
        teams=teams,
        users=users,
        keys=_keys(_enabled(specs, "keys"), secrets, teams, users),
        budgets=_enabled(specs, "budgets"),
        limits=_enabled(specs, "limits"),
        guardrails=_enabled(specs, "guardrails"),
        announcements=_enabled(specs, "announcements"),
        exports=_enabled(specs, "exports"),
        stops=stops,
    )
