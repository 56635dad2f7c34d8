"""How often each rule of a route has held, since the process began."""

from collections.abc import Mapping

from hub.core.plan import Plan


class RuleHits:
    """Counters by `route/rule`. Rules are configured, so there are only so many; those of old ones stay."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self._asked: dict[str, int] = {}

    def count(self, plan: Plan) -> None:
        """Count the rules that a call has met."""
        for seen in plan.rules:
            self._asked[seen.rule] = self._asked.get(seen.rule, 0) + 1
            if not seen.because:
                self._held[seen.rule] = self._held.get(seen.rule, 0) + 1

    def of(self, route: str) -> Mapping[str, Mapping[str, int]]:
        """For each rule of a route that was asked: how often, and how often it held."""
        prefix = f"{route}/"
        return {
            rule.removeprefix(prefix): {"asked": asked, "held": self._held.get(rule, 0)}
            for rule, asked in self._asked.items()
            if rule.startswith(prefix)
        }
