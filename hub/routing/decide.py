"""Which route decides about a call, by its rules: the first that holds, in the order of named, key, team, model."""

from collections.abc import Iterator

from msgspec import Struct

from hub.core.plan import Retry, RuleSeen, Shadow, Target, Timeouts
from hub.core.principal import Globs
from hub.core.refusal import Forbidden, NotFound, Unavailable
from hub.resources.routes import Route, Rule
from hub.resources.snapshot import KeyGrant, Snapshot, VirtualModel
from hub.routing.conditions import Conditions
from hub.routing.facts import Facts
from hub.routing.rules import failing

SHOWN = 100


class Decided(Struct):
    """What the routes say. Regions of every route on the way hold, whichever of them gave the targets."""

    targets: tuple[Target, ...]
    route: str = ""
    rules: list[RuleSeen] = []
    strategy: str = "weighted"
    sticky: str = "session"
    regions: list[Globs] = []
    retry: Retry | None = None
    timeouts: Timeouts | None = None
    shadow: Shadow | None = None
    own: bool = False  # the targets are a team's own choice

    def follow(self, route: Route) -> None:
        """Take over what a route says beside its targets; what an earlier one said stays."""
        if route.residency is not None:
            self.regions.append(route.residency)
        self.retry = self.retry or route.retry
        self.timeouts = self.timeouts or route.timeouts
        self.shadow = self.shadow or route.shadow

    def settle(self, route: Route, targets: tuple[Target, ...], strategy: str = "") -> None:
        """These targets answer."""
        self.targets = targets
        self.route = route.name
        self.own = bool(route.team)
        self.strategy = strategy or route.strategy
        self.sticky = route.sticky


def decide(snapshot: Snapshot, grant: KeyGrant, virtual: VirtualModel, facts: Facts, at: Conditions) -> Decided:
    """The targets for a call, and what else its routes say.

    Raises NotFound or Forbidden about the route that the caller named, Unavailable `model_not_ready` when the model's
    only route is switched off.
    """
    decided = Decided(() if virtual.route else virtual.targets)
    if not (facts.call.route or snapshot.attached or virtual.route):
        return decided
    settled = False
    for route in _chain(snapshot, grant, virtual, facts.call.route):
        decided.follow(route)
        if not settled and not (route.team and facts.call.sent):
            settled = _walk(snapshot, route, decided, facts, at)
    return decided


def _chain(snapshot: Snapshot, grant: KeyGrant, virtual: VirtualModel, named: str) -> Iterator[Route]:
    """The routes that apply to a call, the most particular first."""
    principal = grant.principal
    if named:
        yield _named(snapshot, grant, named)
    for owner in (("key", principal.key), ("team", principal.team)):
        route = snapshot.routes.get(snapshot.attached.get(owner, ""))
        if route is not None and route.active:
            yield route
    if virtual.route:
        route = snapshot.routes[virtual.route]
        if not route.active:
            raise Unavailable(
                "model_not_ready",
                f"The model '{virtual.name[:SHOWN]}' is served by the route '{route.name}', which is switched off. "
                "An administrator switches it on: enabled: true.",
                retry_after=30,
            )
        yield route


def _named(snapshot: Snapshot, grant: KeyGrant, name: str) -> Route:
    shown = name[:SHOWN]
    if not grant.principal.is_admin and not Globs(grant.routes).allows(name):
        raise Forbidden("forbidden", f"This key may not use the route '{shown}'. Grant it in the key's 'routes'.")
    route = snapshot.routes.get(name)
    theirs = route is not None and (route.team in ("", grant.principal.team) or grant.principal.is_admin)
    if route is None or not route.active or not theirs:
        raise NotFound("not_found", f"There is no route '{shown}' (named in x-hub-route) that is switched on.")
    return route


def _walk(snapshot: Snapshot, route: Route, decided: Decided, facts: Facts, at: Conditions) -> bool:
    """Ask the rules of a route, and of those that they lead to; whether targets were settled on.

    A saved route leads in no circle, so this ends.
    """
    for rule in route.rules:
        if _holds(route, rule, decided, facts, at):
            if not rule.route:
                decided.settle(route, rule.targets, rule.strategy)
                return True
            following = snapshot.routes[rule.route]
            decided.follow(following)
            return following.active and _walk(snapshot, following, decided, facts, at)
    if route.targets:
        decided.settle(route, route.targets)
        return True
    return False


def _holds(route: Route, rule: Rule, decided: Decided, facts: Facts, at: Conditions) -> bool:
    name = f"{route.name}/{rule.name}"
    because = failing(rule.when, facts, facts.anchor(route.sticky), name, at.pick)
    decided.rules.append(RuleSeen(name, because))
    return not because
