"""Whether the conditions of a rule hold for a call, and which one does not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hub.resources.routes import Hours, When
from hub.routing.facts import Facts
from hub.routing.order import share_of

_DAY = timedelta(days=1)


def failing(when: When, facts: Facts, anchor: str, name: str, pick: Callable[[], float]) -> str:
    """The first condition that does not hold, or "" when all do.

    A `share` is drawn by `anchor`, so that a session stays in or out; without one, by `pick`.
    """
    return (
        _about_caller(when, facts)
        or _about_headers(when, facts)
        or _about_body(when, facts)
        or (when.cel.failing(facts.for_expressions) if when.cel is not None else "")
        or _about_time(when, facts, anchor, name, pick)
    )


def _about_caller(when: When, facts: Facts) -> str:
    principal = facts.principal
    for condition, globs, value in (
        ("models", when.models, facts.call.model),
        ("keys", when.keys, principal.key),
        ("users", when.users, principal.user),
        ("teams", when.teams, principal.team),
    ):
        if globs is not None and not globs.allows(value):
            return condition
    if when.budget_used_over is not None and facts.budget_used <= when.budget_used_over:
        return "budget_used_over"
    return ""


def _about_headers(when: When, facts: Facts) -> str:
    for name, globs in when.headers:
        if not globs.allows(facts.header(name)):
            return f"headers.{name}"
    for name, globs in when.tags:
        if name not in facts.tags or not globs.allows(facts.tags[name]):
            return f"tags.{name}"
    return ""


def _about_body(when: When, facts: Facts) -> str:
    if when.stream is not None and when.stream is not facts.call.stream:
        return "stream"
    if when.tools is not None and when.tools is not facts.tools:
        return "tools"
    if when.tokens_over is not None and facts.tokens <= when.tokens_over:
        return "tokens_over"
    if when.tokens_under is not None and facts.tokens >= when.tokens_under:
        return "tokens_under"
    if when.images is not None and when.images is not facts.images:
        return "images"
    return ""


def _about_time(when: When, facts: Facts, anchor: str, name: str, pick: Callable[[], float]) -> str:
    if when.hours is not None and not within(when.hours, facts.now):
        return "hours"
    if when.share is not None:
        drawn = share_of(anchor, f"rule\0{name}") if anchor else pick()
        if drawn >= when.share:
            return "share"
    return ""


def within(hours: Hours, now: float) -> bool:
    """Whether a moment (seconds since the epoch) lies in a time of the week; a span past midnight belongs to its start."""
    local = datetime.fromtimestamp(now, UTC).astimezone(hours.zone)
    at = local.time()
    if hours.end is None or hours.start < hours.end:
        return local.weekday() in hours.days and at >= hours.start and (hours.end is None or at < hours.end)
    if at >= hours.start:
        return local.weekday() in hours.days
    return at < hours.end and (local - _DAY).weekday() in hours.days
