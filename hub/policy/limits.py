"""Rates: requests, tokens and tool calls per minute, and calls at the same time, per scope."""

from collections.abc import Mapping
from dataclasses import dataclass

from hub.core.refusal import Throttled
from hub.policy.window import Window
from hub.resources.spending import LimitSpec


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """What of a limit is used now: in the last minute, and in flight."""

    requests: int
    tokens: int
    tool_calls: int
    parallel: int


class LimitState:
    """The counters of one limit. They survive a change of its numbers."""

    __slots__ = ("name", "parallel", "requests", "spec", "tokens", "tools")

    def __init__(self, name: str, spec: LimitSpec) -> None:
        self.name = name
        self.spec = spec
        self.requests = Window()
        self.tokens = Window()
        self.tools = Window()
        self.parallel = 0

    def check(self, now: float, tokens: int, tool_calls: int) -> None:
        """Refuse if one more call would be too much. Changes nothing but the passing of time.

        Raises Throttled: `rate_limited` with `retry_after`, or `too_many_parallel`.
        """
        for window, limit, amount, unit in (
            (self.requests, self.spec.rpm, 1, "requests"),
            (self.tokens, self.spec.tpm, tokens, "tokens"),
            (self.tools, self.spec.tool_calls_per_minute, tool_calls, "tool calls"),
        ):
            if limit is None:
                continue
            window.advance(now)
            if amount and window.total + amount > limit:
                self._refuse(window, limit, amount, unit, now)
        if self.spec.parallel is not None and self.parallel >= self.spec.parallel:
            raise Throttled(
                "too_many_parallel",
                f"Limit '{self.name}' allows {self.spec.parallel} calls at the same time. Wait for one to end.",
                retry_after=1,
            )

    def _refuse(self, window: Window, limit: int, amount: int, unit: str, now: float) -> None:
        if amount > limit:
            message = f"Limit '{self.name}' allows {limit} {unit} a minute and this call alone needs about {amount}."
            raise Throttled("rate_limited", message, retryable=False)
        wait = window.wait(limit - amount, now)
        message = f"Limit '{self.name}' allows {limit} {unit} a minute. Try again in {wait} s."
        raise Throttled("rate_limited", message, retry_after=wait, headers=self.headers(now))

    def take(self, tokens: int, tool_calls: int) -> int:
        """Count one call; returns the second by which its tokens are corrected."""
        self.requests.add(1)
        self.tools.add(tool_calls)
        self.parallel += 1
        return self.tokens.add(tokens)

    def give_back(self, second: int, difference: int) -> None:
        """A call ended; its tokens turned out to differ by `difference` from what was taken."""
        self.parallel -= 1
        if difference:
            self.tokens.correct(second, difference)

    def headers(self, now: float) -> dict[str, str]:
        """`x-ratelimit-*` for what this limit limits (seconds until it is all there again)."""
        headers: dict[str, str] = {}
        for window, limit, unit in ((self.requests, self.spec.rpm, "requests"), (self.tokens, self.spec.tpm, "tokens")):
            if limit is not None:
                headers[f"x-ratelimit-limit-{unit}"] = str(limit)
                headers[f"x-ratelimit-remaining-{unit}"] = str(max(0, limit - window.total))
                headers[f"x-ratelimit-reset-{unit}"] = f"{window.rest(now)}s"
        return headers

    def status(self, now: float) -> LimitStatus:
        """What is used now."""
        for window in (self.requests, self.tokens, self.tools):
            window.advance(now)
        return LimitStatus(self.requests.total, self.tokens.total, self.tools.total, self.parallel)


def tightest(states: tuple[LimitState, ...], now: float) -> Mapping[str, str]:
    """The `x-ratelimit-*` headers of whichever limit leaves the least room, for requests and for tokens."""
    if not states:
        return {}
    if len(states) == 1:
        return states[0].headers(now)
    best: dict[str, str] = {}
    for state in states:
        found = state.headers(now)
        for unit in ("requests", "tokens"):
            key = f"x-ratelimit-remaining-{unit}"
            if key in found and (key not in best or int(found[key]) < int(best[key])):
                best.update({name: value for name, value in found.items() if name.endswith(unit)})
    return best
