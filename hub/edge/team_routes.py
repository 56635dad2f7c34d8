"""Routes of a team: its owners and developers make and change them, and attach them to keys, within what they may call."""

from collections.abc import Mapping
from typing import Any

from hub.core.principal import Principal
from hub.core.refusal import Forbidden
from hub.edge.own_profiles import check_of_team
from hub.identity import Permission
from hub.resources import Snapshot, parse
from hub.resources.serving import RouteSpec

Spec = Mapping[str, Any]


def check_team_route(
    snapshot: Snapshot, principal: Principal, name: str, new: dict[str, Any] | None, old: Spec | None
) -> None:
    """Refuse a change of a route that is not the principal's team's, or that leads beyond what they may call.

    `new` is None for a deletion, `old` for a creation. Raises Forbidden, InvalidSpec.
    """
    check_of_team(principal, Permission.ROUTES_OWN, "Routes", old, new)
    if new is None:
        return
    route = parse("routes", name, new)
    assert isinstance(route, RouteSpec)
    if route.shadow is not None:
        raise Forbidden("forbidden", "Only an administrator sends copies of calls: leave out the shadow.")
    for target in (*route.targets, *(target for rule in route.rules for target in rule.targets)):
        if not principal.may_use_model(target.model):
            raise Forbidden(
                "forbidden", f"Your access to models does not grant '{target.model[:128]}': leave this target out."
            )
    for rule in route.rules:
        if rule.route and not _is_of(snapshot, rule.route, route.team):
            raise Forbidden("forbidden", f"The rule '{rule.name}' leads to a route that is not your team's.")


def check_key_routes(snapshot: Snapshot, spec: Spec) -> None:
    """Refuse a key of a team that is led by, or may name, a route that is not that team's. Raises Forbidden."""
    named = spec.get("routes") or ()
    for route in (spec.get("route"), *(named if isinstance(named, list | tuple) else (named,))):
        if route is not None and not _is_of(snapshot, route, spec.get("team")):
            raise Forbidden(
                "forbidden",
                f"Only an administrator gives a key the route '{str(route)[:64]}'. Name routes of its own team, each in full.",
            )


def _is_of(snapshot: Snapshot, route: object, team: object) -> bool:
    found = snapshot.routes.get(route) if isinstance(route, str) else None
    return found is not None and found.team != "" and found.team == team
