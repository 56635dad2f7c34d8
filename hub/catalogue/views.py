"""Views of profiles, made once and served from memory until a definition or the snapshot changes."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter, is_
from typing import Generic, Protocol, TypeVar

from hub.resources.snapshot import Snapshot
from hub.resources.tools import ProfileSpec

MOST_OWN = 128  # views that are one person's: each holds all of its lists


class Versioned(Protocol):
    """What a server offers; `revision`, `state`, `since` and `error` tell one state of it from another."""

    @property
    def revision(self) -> int: ...  # noqa: D102 - said above
    @property
    def state(self) -> str: ...  # noqa: D102 - said above
    @property
    def since(self) -> float: ...  # noqa: D102 - said above
    @property
    def error(self) -> str: ...  # noqa: D102 - said above


_state = attrgetter("revision", "state", "since", "error")
OfferT = TypeVar("OfferT", bound=Versioned)
ViewT = TypeVar("ViewT")
Listener = Callable[[], None]


@dataclass(slots=True)
class _Kept(Generic[OfferT, ViewT]):
    """A view, and what it was made of."""

    spec: ProfileSpec
    remembered: int
    names: list[str]
    offers: list[OfferT]
    view: ViewT

    def is_of(self, spec: ProfileSpec, names: list[str], offers: list[OfferT]) -> bool:
        """Whether the view would be the same when made of these. Nearly always they are the very same objects."""
        if self.names != names or (self.spec is not spec and self.spec != spec):
            return False
        if all(map(is_, self.offers, offers)):
            return True
        return list(map(_state, self.offers)) == list(map(_state, offers))


class Catalogue(Generic[OfferT, ViewT]):
    """Keeps the view of each profile. Nothing here waits for a server.

    `offer` gives what a server offers (from memory), `compose` makes a view of it; of what one person is offered it
    also gets the view that everybody has. `remembered` is another number when what is remembered of a profile has
    changed. `own` gives what a server offers to one person, None where that is what it offers to everybody.
    """

    def __init__(
        self,
        offer: Callable[[str], OfferT],
        compose: Callable[[str, ProfileSpec, Mapping[str, OfferT], ViewT | None], ViewT],
        remembered: Callable[[str], int] = lambda profile: 0,
        own: Callable[[str, str], OfferT | None] = lambda server, user: None,
    ) -> None:
        self._offer = offer
        self._own = own
        self._compose = compose
        self._remembered = remembered
        self._views: dict[str, _Kept[OfferT, ViewT]] = {}
        self._own_views: OrderedDict[tuple[str, str], _Kept[OfferT, ViewT]] = OrderedDict()
        self._listeners: dict[str, list[Listener]] = {}

    def view(self, snapshot: Snapshot, profile: str) -> ViewT | None:
        """The view of a profile, or None when there is no such profile."""
        spec = snapshot.profiles.get(profile)
        if spec is None:
            return None
        names = [server for server in spec.servers if server in snapshot.servers]
        offers = [self._offer(server) for server in names]
        remembered = self._remembered(profile)
        kept = self._views.get(profile)
        if kept is not None and kept.remembered == remembered and kept.is_of(spec, names, offers):
            return kept.view
        view = self._compose(profile, spec, dict(zip(names, offers, strict=True)), None)
        self._views[profile] = _Kept(spec, remembered, names, offers, view)
        return view

    def view_of(self, snapshot: Snapshot, profile: str, user: str, servers: frozenset[str]) -> ViewT | None:
        """The view of a profile that a person has, to whom some of its `servers` may offer something else."""
        view = self.view(snapshot, profile)
        kept = self._views.get(profile)
        if kept is None or view is None or not user or servers.isdisjoint(kept.names):
            return view
        own = {server: offer for server in servers if (offer := self._own(server, user)) is not None}
        offers = [own.get(name, offer) for name, offer in zip(kept.names, kept.offers, strict=True)]
        if all(map(is_, offers, kept.offers)):
            return view
        place = (profile, user)
        theirs = self._own_views.get(place)
        if theirs is None or theirs.remembered != kept.remembered or not theirs.is_of(kept.spec, kept.names, offers):
            made = self._compose(profile, kept.spec, dict(zip(kept.names, offers, strict=True)), view)
            theirs = self._own_views[place] = _Kept(kept.spec, kept.remembered, kept.names, offers, made)
        self._own_views.move_to_end(place)
        while len(self._own_views) > MOST_OWN:
            self._own_views.popitem(last=False)
        return theirs.view

    def listen(self, profile: str, listener: Listener) -> Callable[[], None]:
        """Call `listener` when what somebody sees of a profile may have changed; returns how to stop that."""
        listeners = self._listeners.setdefault(profile, [])
        listeners.append(listener)

        def stop() -> None:
            if listener in listeners:
                listeners.remove(listener)
            if not listeners and self._listeners.get(profile) is listeners:
                del self._listeners[profile]

        return stop

    def refresh(self, snapshot: Snapshot) -> None:
        """Servers, profiles or grants may have changed: forget profiles that are gone, and tell all who listen.

        Whether the change is one to them depends on what they may see, so each finds out for itself.
        """
        for profile in self._views.keys() - snapshot.profiles.keys():
            del self._views[profile]
        for place in [one for one in self._own_views if one[0] not in snapshot.profiles]:
            del self._own_views[place]
        for listeners in list(self._listeners.values()):
            for listener in tuple(listeners):
                listener()
