"""What is remembered of every profile: names that were given, definitions that were approved. Kept by whoever listens."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from hub.profile.compose import Known, compose
from hub.profile.lock import Drift, Pin, Variant, drifted
from hub.profile.naming import Given, Key
from hub.profile.offers import Offer
from hub.profile.view import ProfileView
from hub.resources.tools import ProfileSpec

_MOST_WAITING = 200  # definitions of one profile that wait for approval and only some accounts are offered


@dataclass(frozen=True, slots=True)
class Remembered:
    """What was learnt of a profile: new names, new pins, and whether pins from before are to be forgotten.

    `variants` are definitions that only some accounts are offered: with `by` they are approved, without they wait for it.
    Those of the tools in `settled` that waited before do so no more.
    """

    profile: str
    names: tuple[Given, ...] = ()
    pins: tuple[Pin, ...] = ()
    forget_pins: bool = False
    variants: tuple[Pin, ...] = ()
    settled: tuple[Key, ...] = ()


@dataclass(slots=True)
class _Profile:
    names: dict[tuple[str, str], Given] = field(default_factory=dict[tuple[str, str], Given])
    pins: dict[Key, Pin] = field(default_factory=dict[Key, Pin])
    variants: dict[Variant, Pin] = field(default_factory=dict[Variant, Pin])
    revision: int = 0

    def take(self, learnt: Remembered) -> None:
        """Know what was learnt, too."""
        before, self.variants = ({}, {}) if learnt.forget_pins else (self.pins, self.variants)
        self.names |= {(one.kind, one.name): one for one in learnt.names}
        self.pins = {**before, **{pin.key: pin for pin in learnt.pins}}
        kept = {which: pin for which, pin in self.variants.items() if pin.by or pin.key not in learnt.settled}
        self.variants = {**kept, **{pin.variant: pin for pin in learnt.variants}}


Listener = Callable[[Remembered], None]


class Memory:
    """Composes profiles with what is remembered of them, and remembers what they then give and see."""

    def __init__(self) -> None:
        self._profiles: dict[str, _Profile] = {}
        self._listeners: list[Listener] = []

    def load(self, remembered: Iterable[Remembered]) -> bool:
        """Know what was kept, and nothing else; whether that is anything new. The views that it concerns are made anew."""
        kept = {one.profile: one for one in remembered}
        names = kept.keys() | self._profiles.keys()
        return bool([name for name in names if self._replace(kept.get(name, Remembered(name)))])

    def _replace(self, kept: Remembered) -> bool:
        own = self._profiles.setdefault(kept.profile, _Profile())
        made = _Profile(revision=own.revision)
        made.take(kept)
        if made == own:
            return False
        made.revision += 1
        self._profiles[kept.profile] = made
        return True

    def on_change(self, listener: Listener) -> None:
        """Call `listener` with everything that is learnt."""
        self._listeners.append(listener)

    def known(self, profile: str) -> Known:
        """What is remembered of a profile."""
        own = self._profiles.get(profile, _NOTHING)
        return Known(
            tuple(own.names.values()), own.pins, frozenset(which for which, pin in own.variants.items() if pin.by)
        )

    def revision(self, profile: str) -> int:
        """Grows when what is remembered changes from outside: by an approval, or another replica."""
        own = self._profiles.get(profile)
        return own.revision if own else 0

    def compose(
        self, name: str, spec: ProfileSpec, offers: Mapping[str, Offer], common: ProfileView | None = None
    ) -> ProfileView:
        """What a profile shows. The names that it gives, and the definitions it sees first, are remembered.

        `common` is what everybody sees of it, where this is one person's view: what differs there alone waits for
        approval, too.
        """
        view = compose(name, spec, offers, self.known(name))
        self._learn(view, locks=spec.lock is not None)
        if common is not None:
            shared = {drift.variant for drift in common.drifts}
            self._await([drift for drift in view.drifts if drift.variant not in shared], name)
        return view

    def _learn(self, view: ProfileView, *, locks: bool) -> None:
        own = self._profiles.setdefault(view.name, _Profile())
        names = tuple(one for one in view.given if own.names.get((one.kind, one.name)) != one)
        forget = not locks and bool(own.pins or own.variants)
        if names or view.first_seen or forget:
            self._take(Remembered(view.name, names, view.first_seen, forget))

    def _await(self, drifts: Iterable[Drift], name: str) -> None:
        """Have definitions wait for approval that only some accounts are offered. The oldest give way to so many."""
        known = self._profiles[name].variants
        new = [Pin(*drift.key, drift.definition) for drift in drifts if drift.variant not in known]
        waiting = [pin.key for pin in known.values() if not pin.by]
        beyond = len(waiting) + len(new) - _MOST_WAITING
        if new:
            settled = tuple(dict.fromkeys(waiting[: max(0, beyond)]))
            self._take(Remembered(name, variants=tuple(new[-_MOST_WAITING:]), settled=settled))

    def waiting(self, name: str) -> list[Drift]:
        """The definitions that wait for approval and only some accounts are offered."""
        own = self._profiles.get(name, _NOTHING)
        approved = {**{pin.key: pin for pin in own.variants.values() if pin.by}, **own.pins}
        found = [(approved.get(pin.key), pin) for pin in own.variants.values() if not pin.by]
        return [
            drifted(before, pin, personal=True) for before, pin in found if not before or before.digest != pin.digest
        ]

    def approve(self, name: str, drifts: Iterable[Drift], by: str) -> None:
        """Pin these definitions in a profile. Others of the same tools that waited are asked for anew where they are met."""
        good = [(drift.personal, Pin(*drift.key, drift.definition, by)) for drift in drifts]
        pins = tuple(pin for personal, pin in good if not personal)
        variants = tuple(pin for personal, pin in good if personal)
        self._take(
            Remembered(name, pins=pins, variants=variants, settled=tuple(dict.fromkeys(pin.key for _, pin in good)))
        )
        self._profiles[name].revision += 1

    def _take(self, learnt: Remembered) -> None:
        self._profiles.setdefault(learnt.profile, _Profile()).take(learnt)
        for listener in self._listeners:
            listener(learnt)


_NOTHING = _Profile()


def merged(one: Remembered, other: Remembered) -> Remembered:
    """Two lessons about a profile as one: the later wins."""
    both = _Profile()
    both.take(one)
    both.take(other)
    return replace(
        other,
        names=tuple(both.names.values()),
        pins=tuple(both.pins.values()),
        forget_pins=one.forget_pins or other.forget_pins,
        variants=tuple(both.variants.values()),
        settled=(*one.settled, *other.settled),
    )
