"""Views of profiles, made once and served from memory until a definition or the snapshot changes."""

from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

from hub.resources.snapshot import Snapshot
from hub.resources.tools import ProfileSpec


class Versioned(Protocol):
    """What a server offers; `revision`, `state` and `since` tell one state of it from another."""

    @property
    def revision(self) -> int: ...  # noqa: D102 - said above
    @property
    def state(self) -> str: ...  # noqa: D102 - said above
    @property
    def since(self) -> float: ...  # noqa: D102 - said above


class Digested(Protocol):
    """A view; `digest` changes when the visible list does."""

    @property
    def digest(self) -> str: ...  # noqa: D102 - said above


OfferT = TypeVar("OfferT", bound=Versioned)
ViewT = TypeVar("ViewT", bound=Digested)
Stamp = tuple[tuple[str, int, str, float], ...]
Listener = Callable[[], None]


class Catalogue(Generic[OfferT, ViewT]):
    """Keeps the view of each profile. Nothing here waits for a server.

    `offer` gives what a server offers (from memory), `compose` makes a view of it.
    """

    def __init__(
        self,
        offer: Callable[[str], OfferT],
        compose: Callable[[str, ProfileSpec, Mapping[str, OfferT]], ViewT],
    ) -> None:
        self._offer = offer
        self._compose = compose
        self._views: dict[str, tuple[ProfileSpec, Stamp, ViewT]] = {}
        self._listeners: dict[str, list[Listener]] = {}

    def view(self, snapshot: Snapshot, profile: str) -> ViewT | None:
        """The view of a profile, or None when there is no such profile."""
        spec = snapshot.profiles.get(profile)
        if spec is None:
            return None
        offers = {server: self._offer(server) for server in spec.servers if server in snapshot.servers}
        stamp = tuple((name, o.revision, o.state, o.since) for name, o in offers.items())
        kept = self._views.get(profile)
        if kept is not None and kept[0] is spec and kept[1] == stamp:
            return kept[2]
        view = self._compose(profile, spec, offers)
        self._views[profile] = (spec, stamp, view)
        return view

    def listen(self, profile: str, listener: Listener) -> Callable[[], None]:
        """Call `listener` when the visible list of a profile has changed; returns how to stop that."""
        self._listeners.setdefault(profile, []).append(listener)

        def stop() -> None:
            if listener in self._listeners.get(profile, ()):
                self._listeners[profile].remove(listener)

        return stop

    def refresh(self, snapshot: Snapshot) -> None:
        """Something may have changed: make the views anew and tell those who listen where the list differs."""
        for profile in list(self._views):
            before = self._views[profile][2].digest
            after = self.view(snapshot, profile)
            if after is None:
                del self._views[profile]
            if after is None or after.digest != before:
                for listener in list(self._listeners.get(profile, ())):
                    listener()
