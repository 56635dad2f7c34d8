"""Whole validation: do the resources hold together?"""

from collections.abc import Callable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

from hub.core.refusal import Fault
from hub.resources.access import KeySpec, TeamSpec, UserSpec
from hub.resources.includes import include_faults
from hub.resources.kinds import Specs
from hub.resources.notices import ExportSpec
from hub.resources.safety import GuardrailSpec
from hub.resources.serving import ModelSpec, OwnerSpec, ProviderSpec, RouteSpec
from hub.resources.spending import BudgetSpec, LimitSpec
from hub.resources.tools import ProfileSpec


def _missing(specs: Specs, where: str, kind: str, name: str | None) -> Iterator[Fault]:
    if name is not None and name not in specs.get(kind, {}):
        known = ", ".join(sorted(specs.get(kind, {}))[:10]) or "none"
        yield Fault(where, f"there is no {kind.rstrip('s')} '{name}' (there are: {known})")


def _led_by(specs: Specs, where: str, route: str | None, team: str | None) -> Iterator[Fault]:
    """The fault of naming a route that there is not, or one of another team."""
    yield from _missing(specs, where, "routes", route)
    spec = specs.get("routes", {}).get(route or "")
    if isinstance(spec, RouteSpec) and spec.team is not None and spec.team != team:
        yield Fault(where, f"the route '{route}' is team '{spec.team}''s, and leads that team's keys alone")


def _targets(specs: Specs, where: str, spec: Any) -> Iterator[Fault]:
    for index, target in enumerate(spec.targets):
        name = target.model.partition("/")[0]
        yield from _missing(specs, f"{where}.targets.{index}.model", "providers", name)
        provider = specs.get("providers", {}).get(name)
        if isinstance(provider, ProviderSpec) and provider.owner is not None:
            yield Fault(
                f"{where}.targets.{index}.model", f"'{name}' is somebody's own credential; name '{provider.instead_of}'"
            )


def _model(specs: Specs, name: str, spec: ModelSpec) -> Iterator[Fault]:
    yield from _targets(specs, f"models.{name}", spec)
    yield from _led_by(specs, f"models.{name}.route", spec.route, None)
    first = name.partition("/")[0]
    if "/" in name and first in specs.get("providers", {}):
        yield Fault(
            f"models.{name}", f"'{first}/...' already names models of the provider '{first}'; choose another name"
        )


def _route(specs: Specs, name: str, spec: RouteSpec) -> Iterator[Fault]:
    yield from _missing(specs, f"routes.{name}.team", "teams", spec.team)
    yield from _targets(specs, f"routes.{name}", spec)
    for index, rule in enumerate(spec.rules):
        yield from _targets(specs, f"routes.{name}.rules.{index}", rule)
        yield from _led_by(specs, f"routes.{name}.rules.{index}.route", rule.route, spec.team)
    if spec.shadow is not None:
        yield from _missing(specs, f"routes.{name}.shadow.target", "providers", spec.shadow.target.partition("/")[0])


def _provider(specs: Specs, name: str, spec: ProviderSpec) -> Iterator[Fault]:
    yield from _missing(specs, f"providers.{name}.instead_of", "providers", spec.instead_of)
    yield from _owned(specs, f"providers.{name}", spec.owner)


def _export(specs: Specs, name: str, spec: ExportSpec) -> Iterator[Fault]:
    yield from _owned(specs, f"exports.{name}", spec.owner)


def _owned(specs: Specs, where: str, spec: OwnerSpec | None) -> Iterator[Fault]:
    if spec is not None:
        kind, owner = spec.parts
        yield from _missing(specs, f"{where}.owner.{kind}", f"{kind}s", owner)


def _team(specs: Specs, name: str, spec: TeamSpec) -> Iterator[Fault]:
    yield from _led_by(specs, f"teams.{name}.route", spec.route, name)


def _user(specs: Specs, name: str, spec: UserSpec) -> Iterator[Fault]:
    for team in spec.teams:
        yield from _missing(specs, f"users.{name}.teams.{team}", "teams", team)


def _key(specs: Specs, name: str, spec: KeySpec) -> Iterator[Fault]:
    yield from _missing(specs, f"keys.{name}.team", "teams", spec.team)
    yield from _missing(specs, f"keys.{name}.user", "users", spec.user)
    yield from _led_by(specs, f"keys.{name}.route", spec.route, spec.team)
    user = specs.get("users", {}).get(spec.user or "")
    if spec.team and isinstance(user, UserSpec) and user.role is None and spec.team not in user.teams:
        yield Fault(f"keys.{name}.team", f"user '{spec.user}' is not a member of team '{spec.team}'")


def _profile(specs: Specs, name: str, spec: ProfileSpec) -> Iterator[Fault]:
    yield from _missing(specs, f"profiles.{name}.team", "teams", spec.team)
    for server in spec.servers:
        yield from _missing(specs, f"profiles.{name}.servers.{server}", "servers", server)
    for index, rule in enumerate(spec.guardrails):
        yield from _missing(specs, f"profiles.{name}.guardrails.{index}", "guardrails", rule)


_SCOPE_KINDS = {"team": "teams", "user": "users", "key": "keys", "profile": "profiles", "server": "servers"}


def _scoped(kind: str) -> Callable[[Specs, str, Any], Iterator[Fault]]:
    def check(specs: Specs, name: str, spec: Any) -> Iterator[Fault]:
        scope, value = spec.scope.parts
        if scope in _SCOPE_KINDS:
            yield from _missing(specs, f"{kind}.{name}.scope.{scope}", _SCOPE_KINDS[scope], value)

    return check


def _budget(specs: Specs, name: str, spec: BudgetSpec) -> Iterator[Fault]:
    yield from _scoped("budgets")(specs, name, spec)
    yield from _callable_model(specs, f"budgets.{name}.downgrade_to", spec.downgrade_to)
    try:
        ZoneInfo(spec.timezone)
    except (ValueError, OSError, KeyError):
        yield Fault(f"budgets.{name}.timezone", f"there is no time zone '{spec.timezone}'; for example Europe/Berlin")


def _callable_model(specs: Specs, where: str, model: str | None) -> Iterator[Fault]:
    """Whether there is such a model: a public one, or `provider/upstream-model`."""
    if model is None or model in specs.get("models", {}):
        return
    if "/" not in model:
        yield from _missing(specs, where, "models", model)
    else:
        yield from _missing(specs, where, "providers", model.partition("/")[0])


def _guardrail(specs: Specs, name: str, spec: GuardrailSpec) -> Iterator[Fault]:
    yield from _scoped("guardrails")(specs, name, spec)
    yield from _callable_model(specs, f"guardrails.{name}.route_to", spec.route_to)
    if spec.judge is not None:
        yield from _callable_model(specs, f"guardrails.{name}.judge.model", spec.judge.model)
    if spec.moderation is not None:
        provider = spec.moderation.model.partition("/")[0]
        yield from _missing(specs, f"guardrails.{name}.moderation.model", "providers", provider)


def _limit(specs: Specs, name: str, spec: LimitSpec) -> Iterator[Fault]:
    yield from _scoped("limits")(specs, name, spec)
    scope, _ = spec.scope.parts
    if scope == "model" and spec.tool_calls_per_minute:
        yield Fault(f"limits.{name}.tool_calls_per_minute", "a model has no tool calls")


_CHECKS: dict[str, Callable[[Specs, str, Any], Iterator[Fault]]] = {
    "providers": _provider,
    "teams": _team,
    "models": _model,
    "routes": _route,
    "users": _user,
    "keys": _key,
    "profiles": _profile,
    "budgets": _budget,
    "limits": _limit,
    "guardrails": _guardrail,
    "exports": _export,
}


def check_references(specs: Specs) -> list[Fault]:
    """Every fault that shows only when all resources are seen together; empty when they hold."""
    found = [
        fault
        for kind, check in _CHECKS.items()
        for name, spec in sorted(specs.get(kind, {}).items())
        for fault in check(specs, name, spec)
    ]
    profiles = {name: spec for name, spec in specs.get("profiles", {}).items() if isinstance(spec, ProfileSpec)}
    return [*found, *include_faults(profiles)]
