"""The routes that lead somebody's calls, as they may see them: why each applies, and which rules can ever hold for them."""

from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from hub.core.principal import Globs, Principal
from hub.resources import Snapshot
from hub.routing import visible_models
from hub.store import Resource

Spec = Mapping[str, Any]
_UNTOLD = "..."  # an expression may be about anybody
_TOLD = ("title", "targets", "strategy", "sticky", "residency", "enabled")


@dataclass(frozen=True, slots=True)
class _Own:
    """What a caller's rules can be about: names of their own teams, keys and models, and of themselves."""

    teams: AbstractSet[str]
    users: AbstractSet[str]
    keys: AbstractSet[str]
    models: AbstractSet[str]


def _own(snapshot: Snapshot, principal: Principal) -> _Own:
    mine = {grant.key for grant in snapshot.keys.values() if principal.user and grant.principal.user == principal.user}
    return _Own(
        teams={principal.team, *principal.roles} - {""},
        users={principal.user} - {""},
        keys={principal.key, *mine} - {""},
        models={model.id for model in visible_models(snapshot, principal)},
    )


def _leading(snapshot: Snapshot, own: _Own) -> dict[str, list[str]]:
    """The routes that calls of theirs can meet first, each with what brings it: `team NAME`, `key NAME`, `model NAME`."""
    found: dict[str, list[str]] = {}
    for (kind, name), route in snapshot.attached.items():
        if name in (own.teams if kind == "team" else own.keys):
            found.setdefault(route, []).append(f"{kind} {name}")
    for grant in snapshot.keys.values():
        for route in snapshot.routes if grant.key in own.keys and grant.routes else ():
            if Globs(grant.routes).allows(route):
                found.setdefault(route, []).append(f"x-hub-route with key {grant.key}")
    for name, model in snapshot.models.items():
        if model.route and name in own.models:
            found.setdefault(model.route, []).append(f"model {name}")
    return {route: list(dict.fromkeys(reasons)) for route, reasons in found.items()}


def _when(when: Spec, own: _Own) -> dict[str, Any] | None:
    """Conditions as the caller may see them: of teams, users, keys and models only theirs; None where none is."""
    told = dict(when)
    for field in ("teams", "users", "keys"):
        if when.get(field):
            told[field] = sorted(name for name in getattr(own, field) if Globs(tuple(when[field])).allows(name))
            if not told[field]:
                return None
    if when.get("models"):
        if not any(Globs(tuple(when["models"])).allows(name) for name in own.models):
            return None
        alike = {one: Globs((one.removeprefix("!"),)) for one in when["models"]}
        told["models"] = [one for one, globs in alike.items() if any(globs.allows(name) for name in own.models)]
    return told | {"cel": _UNTOLD} if when.get("cel") else told


def _rules(spec: Spec, own: _Own) -> list[dict[str, Any]]:
    seen = ((rule, _when(rule.get("when") or {}, own)) for rule in spec.get("rules", ()) if rule.get("enabled", True))
    return [{**rule, "when": when} for rule, when in seen if when is not None]


async def own_routes(
    snapshot: Snapshot, principal: Principal, find: Callable[[str, str], Awaitable[Resource | None]]
) -> list[dict[str, Any]]:
    """The routes of a caller, also those that rules of theirs lead to, without what is about others.

    `find` gives a resource by its kind and name, None where there is none any more.
    """
    own = _own(snapshot, principal)
    reasons = _leading(snapshot, own)
    items: list[dict[str, Any]] = []
    waiting = list(reasons)
    for name in waiting:  # grows by the routes that rules lead to
        resource = await find("routes", name)
        if resource is None:
            continue
        spec = resource.spec
        rules = _rules(spec, own)
        told = {field: spec[field] for field in _TOLD if field in spec}
        items.append({"name": name, "via": reasons[name], "spec": {**told, "rules": rules}})
        for rule in rules:
            following = rule.get("route")
            if following and following not in reasons:
                reasons[following] = [f"rule {name}/{rule['name']}"]
                waiting.append(following)
    return sorted(items, key=lambda item: str(item["name"]))
