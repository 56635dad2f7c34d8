"""How targets fare: circuits, resting credentials, speed, and the last five minutes of each provider. Pure: time is given.

A circuit opens after five failures in a row, or when half of at least ten tries in half a minute failed. It
stays open for 5 seconds, then one call probes it (half open); each failed probe doubles the pause, to 10 seconds at
most, so that a target that is well again is used within 15.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from hub.core.health import FRESH, Change, Circuit, Failure, Observation, TargetState, Turn
from hub.core.plan import Deployment

IN_A_ROW = 5
WINDOW, AT_LEAST, PART = 30.0, 10, 0.5
PAUSE, LONGEST_PAUSE = 5.0, 10.0
DEAD_SECONDS = 60.0  # a refused credential is asked again then: it may have been renewed or topped up
COOL_SECONDS, LONGEST_COOL = 2.0, 60.0
_SMOOTH = 0.2
_MOST = 4096  # targets, credentials and sessions that are remembered
_KEEP_ROOM = 60.0  # limits are per minute
_KEEP_SESSION = 3600.0
SPAN, SLOT = 300.0, 10.0
_COUNTED = (Failure.OVERLOADED, Failure.DOWN)
_CALLERS = (Failure.CALLER, Failure.CONTEXT_WINDOW, Failure.CONTENT_POLICY)  # what says nothing of the provider


@dataclass(slots=True)
class _Target:
    in_a_row: int = 0
    recent: deque[tuple[float, bool]] = field(default_factory=lambda: deque(maxlen=200))
    opened_until: float | None = None
    pause: float = PAUSE
    probing: bool = False
    in_flight: int = 0
    ttft: float | None = None
    per_token: float | None = None
    failing: float = 0.0
    room: tuple[float, float] = (1.0, 0.0)  # what was left of the provider's limits, and until when that says something

    def close(self) -> None:
        """It is well again: what was is forgotten."""
        self.in_a_row = 0
        self.opened_until = None
        self.pause = PAUSE
        self.recent.clear()


@dataclass(slots=True)
class _Provider:
    slots: deque[list[float]] = field(default_factory=deque)  # [start, observed, failures]
    reachable: bool = True
    failed_at: float | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class ProviderState:
    """The last five minutes of one provider. `reachable` is None without traffic; `last_failure_at` since the epoch."""

    reachable: bool | None = None
    observed: int = 0
    failures: int = 0
    last_failure_at: float | None = None
    last_failure_code: str = ""
    circuits: tuple[tuple[str, Circuit], ...] = ()


class Health:
    """The state of every target that this process has tried, or was told of by others.

    `now` is monotonic, `wall` is since the epoch.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._now = now
        self._wall = wall
        self._tell: Callable[[Change], None] = lambda change: None
        self._targets: OrderedDict[str, _Target] = OrderedDict()
        self._rests: OrderedDict[tuple[str, str], float] = OrderedDict()  # (target or "", credential) -> until
        self._providers: dict[str, _Provider] = {}
        self._sessions: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._turn = 0

    # -- what routing reads ----------------------------------------------------------------------------------------

    def of(self, deployment: Deployment) -> TargetState:
        """The state of a target; `FRESH` when nothing is known."""
        target = self._targets.get(deployment.target)
        if target is None and not self._rests:
            return FRESH
        now = self._now()
        rests = min(self._rest(deployment.target, s, now) for s in (deployment.secret, *deployment.spares))
        if target is None:
            return TargetState(rests=rests) if rests else FRESH
        return TargetState(
            self._circuit(target, now), rests, target.in_flight, target.ttft, target.per_token, target.failing,
            target.room[0] if now < target.room[1] else 1.0,
        )  # fmt: skip

    def kept(self, key: str) -> str:
        """The target that `key` was given within the last hour, or ""."""
        target, until = self._sessions.get(key, ("", 0.0))
        return target if self._now() < until else ""

    def keep(self, key: str, target: str) -> None:
        """Remember where `key` went."""
        self._sessions[key] = (target, self._now() + _KEEP_SESSION)
        self._sessions.move_to_end(key)
        _trim(self._sessions)

    # -- what sending writes ---------------------------------------------------------------------------------------

    def began(self, target: str) -> None:
        """A try begins; at a half-open circuit it is the probe."""
        state = self._targets.get(target)
        if state is None:
            state = self._targets[target] = _Target()
            _trim(self._targets)
        state.in_flight += 1
        if state.opened_until is not None and self._now() >= state.opened_until:
            state.probing = True

    def ended(self, seen: Observation) -> None:
        """A try has ended."""
        state = self._targets.get(seen.target)
        if state is None:
            return  # forgotten meanwhile
        if state.in_flight:
            state.in_flight -= 1
        probed, state.probing = state.probing, False
        if seen.abandoned:
            return
        now = self._now()
        self._note(seen, now)
        if seen.room is not None:
            state.room = (seen.room, now + _KEEP_ROOM)
        before = state.opened_until
        if seen.failure in _COUNTED:
            self._count_failure(state, probed)
        elif seen.failure is None:
            self._count_success(state, seen, now)
        if state.opened_until is not before:
            turn = Turn.CLOSED if state.opened_until is None else Turn.OPENED
            self._tell(Change(turn, seen.target, seconds=state.pause))
        if seen.failure is not None and not seen.callers:
            self._cool(seen)

    def share(self, tell: Callable[[Change], None]) -> None:
        """Call `tell`, which waits for nothing, with what other replicas shall know."""
        self._tell = tell

    def learn(self, change: Change) -> None:
        """Another replica found this out. Each still probes for itself, so that one's wrong view does not last."""
        now = self._now()
        if change.turn is Turn.RESTS:
            self._let_rest((change.target, change.secret), min(change.seconds, max(DEAD_SECONDS, LONGEST_COOL)))
            return
        state = self._targets.setdefault(change.target, _Target())
        _trim(self._targets)
        if change.turn is Turn.CLOSED:
            state.close()
        elif state.opened_until is None or state.opened_until < now:
            state.pause = min(max(change.seconds, PAUSE), LONGEST_PAUSE)
            state.opened_until = now + state.pause

    def credential(self, target: str, secrets: Sequence[str], session: str) -> str:
        """The credential to use now: one that does not rest, in turn; the same again for a session.

        When all rest it is the one that is due first.
        """
        now = self._now()
        self._turn += 1
        first = (
            int.from_bytes(blake2b(session.encode(errors="replace"), digest_size=4).digest()) if session else self._turn
        )
        rotated = [secrets[(first + place) % len(secrets)] for place in range(len(secrets))]
        return min(rotated, key=lambda secret: self._rest(target, secret, now))

    def closed(self, target: str) -> bool:
        """Whether the target's circuit is closed."""
        state = self._targets.get(target)
        return state is None or state.opened_until is None

    # -- what is shown ---------------------------------------------------------------------------------------------

    def provider(self, name: str) -> ProviderState:
        """The last five minutes of a provider."""
        now = self._now()
        circuits = tuple(
            (target, self._circuit(state, now))
            for target, state in self._targets.items()
            if target.partition("/")[0] == name and state.opened_until is not None
        )
        seen = self._providers.get(name)
        if seen is None:
            return ProviderState(circuits=circuits)
        recent = [slot for slot in seen.slots if slot[0] > now - SPAN]
        observed = int(sum(slot[1] for slot in recent))
        return ProviderState(
            reachable=seen.reachable if observed else None,
            observed=observed,
            failures=int(sum(slot[2] for slot in recent)),
            last_failure_at=seen.failed_at,
            last_failure_code=seen.code,
            circuits=circuits,
        )

    # -- within ----------------------------------------------------------------------------------------------------

    def _circuit(self, target: _Target, now: float) -> Circuit:
        if target.opened_until is None:
            return Circuit.CLOSED
        return Circuit.HALF_OPEN if now >= target.opened_until and not target.probing else Circuit.OPEN

    def _rest(self, target: str, secret: str, now: float) -> float:
        until = max(self._rests.get((target, secret), 0.0), self._rests.get(("", secret), 0.0) if secret else 0.0)
        return max(until - now, 0.0)

    def _count_failure(self, state: _Target, probed: bool) -> None:
        now = self._now()
        state.in_a_row += 1
        state.failing = _smoothed(state.failing, 1.0)
        state.recent.append((now, False))
        if state.opened_until is not None:
            if probed:
                state.pause = min(state.pause * 2, LONGEST_PAUSE)
                state.opened_until = now + state.pause
            return
        recent = [good for at, good in state.recent if at > now - WINDOW]
        if state.in_a_row >= IN_A_ROW or (len(recent) >= AT_LEAST and recent.count(False) >= PART * len(recent)):
            state.opened_until = now + state.pause

    def _count_success(self, state: _Target, seen: Observation, now: float) -> None:
        state.in_a_row = 0
        state.failing = _smoothed(state.failing, 0.0)
        if state.opened_until is not None:
            state.close()
        state.recent.append((now, True))
        if seen.ttft is not None:
            state.ttft = _smoothed(state.ttft, seen.ttft)
            if seen.output_tokens > 0:
                state.per_token = _smoothed(state.per_token, max(seen.duration - seen.ttft, 0.0) / seen.output_tokens)

    def _cool(self, seen: Observation) -> None:
        """Let a credential rest: at every target when it is dead, at this one when it is throttled."""
        if seen.failure is Failure.KEY_DEAD:
            place, seconds = ("" if seen.secret else seen.target, seen.secret), DEAD_SECONDS
        elif seen.failure is Failure.KEY_THROTTLED:
            wish = COOL_SECONDS if seen.retry_after is None else seen.retry_after
            place, seconds = (seen.target, seen.secret), min(wish, LONGEST_COOL)
        else:
            return
        self._let_rest(place, seconds)
        self._tell(Change(Turn.RESTS, *place, seconds=seconds))

    def _let_rest(self, place: tuple[str, str], seconds: float) -> None:
        self._rests[place] = self._now() + seconds
        self._rests.move_to_end(place)
        _trim(self._rests)

    def _note(self, seen: Observation, now: float) -> None:
        """Count for the provider, in slots of ten seconds."""
        name = seen.target.partition("/")[0]
        known = self._providers.get(name)
        if known is None:
            known = self._providers[name] = _Provider()
        if not known.slots or now - known.slots[-1][0] >= SLOT:
            known.slots.append([now, 0, 0])
            while known.slots[0][0] <= now - SPAN:
                known.slots.popleft()
        slot = known.slots[-1]
        slot[1] += 1
        known.reachable = seen.reached
        if seen.failure is not None and seen.failure not in _CALLERS:
            slot[2] += 1
            known.failed_at = self._wall()
            known.code = seen.code


def _smoothed(old: float | None, new: float) -> float:
    return new if old is None else old + _SMOOTH * (new - old)


def _trim(remembered: "OrderedDict[Any, Any]") -> None:
    while len(remembered) > _MOST:
        remembered.popitem(last=False)
