"""Routes as the request path reads them: conditions compiled, targets resolved."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import time
from zoneinfo import ZoneInfo

from hub.core.plan import Retry, Shadow, Target, Timeouts
from hub.core.principal import Globs
from hub.resources.expressions import Expression, compiled
from hub.resources.rules import DAYS, HoursSpec, RetriesSpec, WhenSpec


@dataclass(frozen=True, slots=True)
class Hours:
    """A time of the week: weekdays (Monday is 0), from `start` until `end` (None: the end of the day), in a zone."""

    days: frozenset[int]
    start: time
    end: time | None
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class When:
    """Conditions on a call. None is no condition; header names are lower case."""

    models: Globs | None = None
    keys: Globs | None = None
    users: Globs | None = None
    teams: Globs | None = None
    headers: tuple[tuple[str, Globs], ...] = ()
    tags: tuple[tuple[str, Globs], ...] = ()
    tokens_over: int | None = None
    tokens_under: int | None = None
    tools: bool | None = None
    images: bool | None = None
    stream: bool | None = None
    budget_used_over: float | None = None  # percent
    hours: Hours | None = None
    share: float | None = None  # 0 to 1
    cel: Expression | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: where its conditions hold, `targets` answer, or the route named `route` decides."""

    name: str
    when: When
    targets: tuple[Target, ...] = ()
    route: str = ""
    strategy: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """A routing policy. None means that it says nothing about the matter. `team` is whose it is; "" is the whole hub's."""

    name: str
    targets: tuple[Target, ...] = ()
    rules: tuple[Rule, ...] = ()
    strategy: str = "weighted"
    sticky: str = "session"
    residency: Globs | None = None
    retry: Retry | None = None
    timeouts: Timeouts | None = None
    shadow: Shadow | None = None
    active: bool = True
    team: str = ""


def reachable(route: Route, routes: Mapping[str, Route]) -> tuple[Target, ...]:
    """Every target that a call of this route can be led to, each once; its own come first."""
    found: dict[str, Target] = {}
    seen: set[str] = set()
    waiting = [route]
    while waiting:
        current = waiting.pop(0)
        if current.name in seen:
            continue
        seen.add(current.name)
        for targets in (current.targets, *(rule.targets for rule in current.rules)):
            for target in targets:
                found.setdefault(target.deployment.target, target)
        waiting += [routes[rule.route] for rule in current.rules if rule.route in routes]
    return tuple(found.values())


def when_of(spec: WhenSpec) -> When:
    """Conditions from their spec."""
    return When(
        models=_globs(spec.models),
        keys=_globs(spec.keys),
        users=_globs(spec.users),
        teams=_globs(spec.teams),
        headers=tuple((name, Globs((value,))) for name, value in spec.headers.items()),
        tags=tuple((name, Globs((value,))) for name, value in spec.tags.items()),
        tokens_over=spec.tokens_over,
        tokens_under=spec.tokens_under,
        tools=spec.tools,
        images=spec.images,
        stream=spec.stream,
        budget_used_over=spec.budget_used_over,
        hours=_hours(spec.hours) if spec.hours else None,
        share=spec.share / 100 if spec.share is not None else None,
        cel=compiled(spec.cel) if spec.cel else None,
    )


def retry_of(spec: RetriesSpec) -> Retry:
    """How hard to try, from its spec."""
    return Retry(
        tries=spec.attempts,
        same_target=spec.same_target,
        statuses=None if spec.statuses is None else frozenset(spec.statuses),
        first=spec.backoff.first,
        longest=spec.backoff.longest,
        content_policy=spec.on_content_policy,
        hedge=spec.hedge_after,
    )


def _globs(patterns: Iterable[str]) -> Globs | None:
    return Globs(tuple(patterns)) if patterns else None


def _hours(spec: HoursSpec) -> Hours:
    end = None if spec.end == "24:00" else time.fromisoformat(spec.end)
    start = time.fromisoformat("00:00" if spec.start == "24:00" else spec.start)
    return Hours(frozenset(DAYS.index(day) for day in spec.days), start, end, ZoneInfo(spec.timezone))
