"""Plans that are worked out once: where nothing about a call but its size can change what its plan is."""

from msgspec.structs import replace

from hub.core.calls import ModelCall
from hub.core.plan import Plan
from hub.resources.snapshot import KeyGrant, Snapshot
from hub.routing.conditions import Conditions
from hub.routing.plan import plan, prompt_tokens

_MOST_KNOWN = 4096


class Plans:
    """`plan`, with the plain ones remembered for as long as their snapshot is the current one.

    A plan is plain when no route had a say, no credential is the caller's own, and a single target is left: then
    health, chance and the time of day are not asked either.
    """

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._snapshot: Snapshot | None = None
        self._known: dict[tuple[str, str, str, bool], Plan] = {}

    def of(self, snapshot: Snapshot, grant: KeyGrant, call: ModelCall) -> Plan:
        """The plan of a call. Raises what `plan` raises."""
        if snapshot is not self._snapshot:
            self._snapshot = snapshot
            self._known = {}
        if call.route or call.credential is not None or snapshot.attached or snapshot.own_credentials:
            return plan(snapshot, grant, call, self._conditions)
        place = (grant.principal.id, call.model, call.dialect, call.origin.session != "")
        known = self._known.get(place)
        if known is not None:
            return replace(known, tokens=prompt_tokens(call))
        made = plan(snapshot, grant, call, self._conditions)
        if not made.route and not made.rules and made.shadow is None and len(made.targets) == 1 and not made.dropped:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[place] = made
        return made
