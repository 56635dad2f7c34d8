"""What is remembered of every profile: names that were given, definitions that were approved. Kept by whoever listens."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from hub.profile.compose import Known, compose
from hub.profile.lock import Pin
from hub.profile.naming import Given, Key
from hub.profile.offers import Offer
from hub.profile.view import ProfileView
from hub.resources.tools import ProfileSpec


@dataclass(frozen=True, slots=True)
class Remembered:
    """What was learnt of a profile: new names, new pins, and whether pins from before are to be forgotten."""

    profile: str
    names: tuple[Given, ...] = ()
    pins: tuple[Pin, ...] = ()
    forget_pins: bool = False


@dataclass(slots=True)
class _Profile:
    names: dict[tuple[str, str], Given] = field(default_factory=dict[tuple[str, str], Given])
    pins: dict[Key, Pin] = field(default_factory=dict[Key, Pin])
    revision: int = 0


Listener = Callable[[Remembered], None]


class Memory:
    """Composes profiles with what is remembered of them, and remembers what they then give and see."""

    def __init__(self) -> None:
        self._profiles: dict[str, _Profile] = {}
        self._listeners: list[Listener] = []

    def load(self, remembered: Iterable[Remembered]) -> None:
        """Begin with what was kept. What is known already is replaced, and its views are made anew."""
        for one in remembered:
            own = self._profiles.setdefault(one.profile, _Profile())
            names = {(given.kind, given.name): given for given in one.names}
            pins = {pin.key: pin for pin in one.pins}
            if (names, pins) != (own.names, own.pins):
                own.names, own.pins = names, pins
                own.revision += 1

    def on_change(self, listener: Listener) -> None:
        """Call `listener` with everything that is learnt."""
        self._listeners.append(listener)

    def known(self, profile: str) -> Known:
        """What is remembered of a profile."""
        own = self._profiles.get(profile)
        return Known(tuple(own.names.values()), own.pins) if own else Known()

    def revision(self, profile: str) -> int:
        """Grows when what is remembered changes from outside: by an approval, or another replica."""
        own = self._profiles.get(profile)
        return own.revision if own else 0

    def compose(self, name: str, spec: ProfileSpec, offers: Mapping[str, Offer]) -> ProfileView:
        """What a profile shows. The names that it gives, and the definitions it sees first, are remembered."""
        view = compose(name, spec, offers, self.known(name))
        self._learn(view, locks=spec.lock is not None)
        return view

    def _learn(self, view: ProfileView, *, locks: bool) -> None:
        own = self._profiles.setdefault(view.name, _Profile())
        names = tuple(one for one in view.given if own.names.get((one.kind, one.name)) != one)
        forget = not locks and bool(own.pins)
        if not (names or view.first_seen or forget):
            return
        own.names |= {(one.kind, one.name): one for one in names}
        own.pins = {} if forget else {**own.pins, **{pin.key: pin for pin in view.first_seen}}
        self._tell(Remembered(view.name, names, view.first_seen, forget))

    def approve(self, view: ProfileView, offers: Mapping[str, Offer], wanted: Iterable[Key], by: str) -> list[Pin]:
        """Pin tools of a profile as they are now. What is not held back, or not there, is left out of the answer."""
        held = {(drift.server, drift.own): drift for drift in view.drifts}
        now = {
            (server, tool.name): tool.raw
            for server, offer in offers.items()
            for tool in offer.tools
            if (server, tool.name) in held
        }
        pins = [Pin(*key, now[key], by) for key in wanted if key in now]
        if pins:
            own = self._profiles.setdefault(view.name, _Profile())
            own.pins = {**own.pins, **{pin.key: pin for pin in pins}}
            own.revision += 1
            self._tell(Remembered(view.name, pins=tuple(pins)))
        return pins

    def _tell(self, learnt: Remembered) -> None:
        for listener in self._listeners:
            listener(learnt)


def merged(one: Remembered, other: Remembered) -> Remembered:
    """Two lessons about a profile as one: the later wins."""
    names = {(given.kind, given.name): given for given in (*one.names, *other.names)}
    before = () if other.forget_pins else one.pins
    pins = {pin.key: pin for pin in (*before, *other.pins)}
    return replace(
        other, names=tuple(names.values()), pins=tuple(pins.values()), forget_pins=one.forget_pins or other.forget_pins
    )
