"""Rates: requests, tokens and tool calls per minute, and calls at the same time, per scope."""

from dataclasses import dataclass
from math import ceil

from hub.core.meters import RATE, SLOTS, Ask, Kind, Level, Meters, Taken
from hub.core.refusal import Throttled
from hub.policy.queues import Queue
from hub.resources.spending import LimitSpec

_UNITS = (("requests", "rpm"), ("tokens", "tpm"), ("tool calls", "tool_calls_per_minute"))

_NAMES = {
    unit: tuple(f"x-ratelimit-{what}-{unit.replace(' ', '-')}" for what in ("limit", "remaining", "reset"))
    for unit, _ in _UNITS
}


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """What of a limit is used now: in the last minute, and in flight; how many wait.

    `rest` is in how many seconds nothing of it is used, if no call comes.
    """

    requests: int
    tokens: int
    tool_calls: int
    parallel: int
    waiting: int = 0
    rest: int = 0


class LimitRule:
    """One limit. What is counted survives a change of its numbers, and not of its scope.

    `value` is of whom it counts, where the limit holds for each by itself.
    """

    __slots__ = ("_limits", "_meters", "_parallel", "_request", "_told", "name", "queue", "spec")

    def __init__(self, name: str, spec: LimitSpec, queue: Queue | None = None, value: str = "") -> None:
        self.name = name
        self.queue = Queue() if queue is None else queue
        self.spec = spec
        where = "/".join((*spec.scope.parts, spec.each or "", value) if value else spec.scope.parts)
        meters = self._meters = {unit: f"limit:{name}:{where}:{unit}" for unit, _ in (*_UNITS, ("parallel", ""))}
        limits: dict[str, int | None] = {unit: getattr(spec, field) for unit, field in _UNITS}
        self._limits = limits
        self._request = Ask(meters["requests"], RATE, limits["requests"], 1)
        self._parallel = Ask(meters["parallel"], SLOTS, spec.parallel, 1)
        self._told = tuple((meters[unit], limit, _NAMES[unit]) for unit, limit in limits.items() if limit is not None)

    def asks(self, tokens: int, tool_calls: int) -> list[Ask]:
        """What a call wants of it. Requests and calls in flight are counted always, the rest where it is limited."""
        asks, meters, limits = [self._request], self._meters, self._limits
        if tokens and limits["tokens"] is not None:
            asks.append(Ask(meters["tokens"], RATE, limits["tokens"], tokens, tokens=True))
        if tool_calls and limits["tool calls"] is not None:
            asks.append(Ask(meters["tool calls"], RATE, limits["tool calls"], tool_calls))
        asks.append(self._parallel)
        return asks

    def refusal(self, ask: Ask, taken: Taken) -> Throttled:
        """The refusal for want of room: `rate_limited` with `retry_after`, or `too_many_parallel`."""
        if ask.kind is SLOTS:
            queue = self.spec.queue
            waited = (
                "" if queue is None else f", {queue.most} can wait for {queue.seconds:g} s, and {len(self.queue)} do"
            )
            return Throttled(
                "too_many_parallel",
                f"Limit '{self.name}' allows {self.spec.parallel} calls at the same time{waited}. Wait for one to end.",
                retry_after=1 if queue is None else ceil(queue.seconds),
            )
        unit, limit = ask.meter.rpartition(":")[2], ask.limit or 0
        if ask.amount > limit:
            message = (
                f"Limit '{self.name}' allows {limit} {unit} a minute and this call alone needs about {ask.amount}."
            )
            return Throttled("rate_limited", message, retryable=False)
        message = f"Limit '{self.name}' allows {limit} {unit} a minute. Try again in {taken.wait} s."
        headers: dict[str, str] = {}
        _tell(headers, _NAMES[unit], limit, taken.level)
        return Throttled("rate_limited", message, retry_after=taken.wait, headers=headers)

    def headers(self, meters: Meters) -> dict[str, str]:
        """`x-ratelimit-*` for what this limit limits (seconds until it is all there again)."""
        headers: dict[str, str] = {}
        for meter, limit, names in self._told:
            _tell(headers, names, limit, meters.level(meter, RATE))
        return headers

    def rests(self, meters: Meters) -> bool:
        """Whether nothing of it is used; what counted it is then forgotten."""
        if any(meters.level(meter, kind).used for meter, kind in self.meters):
            return False
        for meter, _ in self.meters:
            meters.forget(meter)
        return True

    @property
    def meters(self) -> list[tuple[str, Kind]]:
        """What counts it."""
        return [(meter, SLOTS if unit == "parallel" else RATE) for unit, meter in self._meters.items()]

    def status(self, meters: Meters) -> LimitStatus:
        """What is used now."""
        levels = [meters.level(self._meters[unit], RATE) for unit, _ in _UNITS]
        return LimitStatus(
            *(level.used for level in levels),
            parallel=meters.level(self._meters["parallel"], SLOTS).used,
            waiting=len(self.queue),
            rest=max(level.rest for level in levels),
        )


def _tell(headers: dict[str, str], names: tuple[str, ...], limit: int, level: Level) -> None:
    """Write how one unit stands, under its three `names`."""
    most, remaining, reset = names
    headers[most] = str(limit)
    headers[remaining] = str(limit - level.used) if level.used < limit else "0"
    headers[reset] = f"{level.rest}s"


def tightest(rules: tuple[LimitRule, ...], meters: Meters) -> dict[str, str]:
    """The `x-ratelimit-*` headers of whichever limit leaves the least room, for each unit by itself."""
    if not rules:
        return {}
    if len(rules) == 1:
        return rules[0].headers(meters)
    best: dict[str, str] = {}
    for rule in rules:
        found = rule.headers(meters)
        for unit in ("requests", "tokens", "tool-calls"):
            key = f"x-ratelimit-remaining-{unit}"
            if key in found and (key not in best or int(found[key]) < int(best[key])):
                best.update({name: value for name, value in found.items() if name.endswith(f"-{unit}")})
    return best
