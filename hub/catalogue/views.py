"""Views of profiles, made once and served from memory until a definition or the snapshot changes."""

from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

from hub.resources.snapshot import Snapshot
from hub.resources.tools import ProfileSpec


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


OfferT = TypeVar("OfferT", bound=Versioned)
ViewT = TypeVar("ViewT")
Stamp = tuple[tuple[str, int, str, float, str], ...]
Listener = Callable[[], None]


class Catalogue(Generic[OfferT, ViewT]):
    """Keeps the view of each profile. Nothing here waits for a server.

    `offer` gives what a server offers (from memory), `compose` makes a view of it. `remembered` is another number
    when what is remembered of a profile has changed.
    """

    def __init__(
        self,
        offer: Callable[[str], OfferT],
        compose: Callable[[str, ProfileSpec, Mapping[str, OfferT]], ViewT],
        remembered: Callable[[str], int] = lambda profile: 0,
    ) -> None:
        self._offer = offer
        self._compose = compose
        self._remembered = remembered
        self._views: dict[str, tuple[ProfileSpec, tuple[int, Stamp], ViewT]] = {}
        self._listeners: dict[str, list[Listener]] = {}

    def view(self, snapshot: Snapshot, profile: str) -> ViewT | None:
        """The view of a profile, or None when there is no such profile."""
        spec = snapshot.profiles.get(profile)
        if spec is None:
            return None
        offers = {server: self._offer(server) for server in spec.servers if server in snapshot.servers}
        states = tuple((name, o.revision, o.state, o.since, o.error) for name, o in offers.items())
        stamp = (self._remembered(profile), states)
        kept = self._views.get(profile)
        if kept is not None and kept[1] == stamp and (kept[0] is spec or kept[0] == spec):
            return kept[2]
        view = self._compose(profile, spec, offers)
        self._views[profile] = (spec, stamp, view)
        return view

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
        for listeners in list(self._listeners.values()):
            for listener in tuple(listeners):
                listener()
