"""Sessions of legacy clients: cheap, bound to the credential that opened them, bounded in number and time.

What a session needs stands in its id, so none is lost with the process: one that is not here is made anew from it.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from hub.edge.mcp.asking import Asking
from hub.edge.mcp.envelope import INVALID_REQUEST, REFUSED, RpcFault
from hub.edge.mcp.handles import Handles
from hub.edge.mcp.journal import Journals
from hub.edge.mcp.streams import Outbox

IDLE_SECONDS = 1800.0
MOST = 10_000
MOST_EACH = 1_000
MOST_SUBSCRIPTIONS = 200  # of one session


class _Running:
    """One call that can be cancelled; the task that runs it ends at `Session.running`, not beyond."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self.cancelled = False

    def cancel(self) -> None:
        if self._task is not None and not self.cancelled:
            self.cancelled = True
            self._task.cancel()

    def take_back(self) -> bool:
        """Whether the cancellation that was just caught is this one alone; then it is taken back."""
        return self.cancelled and self._task is not None and self._task.uncancel() == 0


@dataclass(slots=True)
class Session:
    """One session. `capabilities` is what the client declared, raw JSON; `seen` a reading of the monotonic clock.

    `log_level` is what its client wants to read of servers' logs, "" until it says so; `asking` are the questions
    that were put to it; `subscriptions` how to stop watching each resource, by public URI.
    """

    id: str
    principal: str
    profile: str
    version: str
    capabilities: bytes
    seen: float
    busy: int = 0
    log_level: str = ""
    asking: Asking = field(default_factory=Asking)
    subscriptions: dict[str, Callable[[], None]] = field(default_factory=dict[str, Callable[[], None]])
    journals: Journals = field(default_factory=Journals)
    _running: dict[bytes, _Running] = field(default_factory=dict[bytes, _Running])
    _outbox: Outbox | None = None

    @contextlib.contextmanager
    def using(self) -> Iterator[None]:
        """While something of the session is going on, it does not expire."""
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1

    @contextlib.contextmanager
    def running(self, identifier: bytes) -> Iterator[None]:
        """While a request runs, it can be cancelled by its id, raw JSON. Raises RpcFault: in flight, or cancelled."""
        if identifier in self._running:
            raise RpcFault(INVALID_REQUEST, "A request with this id is still being answered. Choose another one.")
        running = self._running[identifier] = _Running()
        try:
            with self.using():
                yield
        except asyncio.CancelledError:
            if not running.take_back():
                raise
            fault = RpcFault(REFUSED, "The call was cancelled.", data={"code": "cancelled"}, status=200)
            raise fault from None
        finally:
            del self._running[identifier]

    def cancel(self, identifier: bytes) -> None:
        """Cancel a request, if it still runs."""
        running = self._running.get(identifier)
        if running is not None:
            running.cancel()

    @contextlib.contextmanager
    def streaming(self, outbox: Outbox) -> Iterator[None]:
        """While a stream of the session is open; the one before it ends, since a message goes to one stream only."""
        self.end()
        self._outbox = outbox
        try:
            with self.using():
                yield
        finally:
            if self._outbox is outbox:
                self._outbox = None

    def end(self) -> None:
        """End the session's stream, if one is open."""
        if self._outbox is not None:
            self._outbox.close()

    def subscribe(self, uri: str, stop: Callable[[], None]) -> None:
        """Keep how to stop watching a resource. Raises RpcFault where there are too many."""
        if len(self.subscriptions) >= MOST_SUBSCRIPTIONS:
            stop()
            raise RpcFault(REFUSED, f"A session watches at most {MOST_SUBSCRIPTIONS} resources.")
        self.unsubscribe(uri)
        self.subscriptions[uri] = stop

    def unsubscribe(self, uri: str) -> None:
        """Watch a resource no more."""
        stop = self.subscriptions.pop(uri, None)
        if stop is not None:
            stop()

    def notify(self, method: str, params: bytes) -> None:
        """Tell the client something that belongs to no request of its own, if it listens."""
        if self._outbox is not None:
            self._outbox.notify(method, params)

    def updated(self, uri: str) -> None:
        """A watched resource has changed."""
        self.notify("notifications/resources/updated", b'{"uri":' + msgspec.json.encode(uri) + b"}")

    def let_go(self) -> None:
        """The session is over."""
        self.end()
        for uri in list(self.subscriptions):
            self.unsubscribe(uri)


class Sessions:
    """All sessions of this process, and those of each principal, the least recently used first."""

    def __init__(
        self,
        handles: Handles,
        now: Callable[[], float] = time.monotonic,
        *,
        most: int = MOST,
        most_each: int = MOST_EACH,
    ) -> None:
        self._handles = handles
        self._now = now
        self._most = most
        self._most_each = most_each
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._owned: dict[str, OrderedDict[str, None]] = {}
        self._closed: OrderedDict[str, None] = OrderedDict()  # ids of those that their clients have ended

    def __len__(self) -> int:
        return len(self._sessions)

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._sessions

    def open(self, principal: str, profile: str, version: str, capabilities: bytes) -> Session:
        """A new session. Where there are too many, the one that rested longest goes: first of the same principal.

        Nobody is locked out for having opened many; a session that went comes back when its client does.
        """
        identifier = self._handles.make(principal, profile, version, capabilities)
        return self._keep(identifier, principal, profile, version, capabilities)

    def _keep(self, identifier: str, principal: str, profile: str, version: str, capabilities: bytes) -> Session:
        self._expire()
        owned = self._owned.get(principal)
        if owned is not None and len(owned) >= self._most_each:
            self._drop(next(iter(owned)))
        if len(self._sessions) >= self._most:
            self._drop(next(iter(self._sessions)))
        session = Session(identifier, principal, profile, version, capabilities, self._now())
        self._sessions[session.id] = session
        self._owned.setdefault(principal, OrderedDict())[session.id] = None
        return session

    def find(self, identifier: str, principal: str, profile: str) -> Session | None:
        """The session, if it belongs to this principal and profile and was not ended; made anew where it is not here."""
        session = self._sessions.get(identifier)
        if session is None:
            handle = None if identifier in self._closed else self._handles.read(identifier, principal, profile)
            if handle is None or not handle.capabilities:
                return None
            return self._keep(identifier, principal, profile, handle.version, handle.capabilities)
        if session.principal != principal or session.profile != profile:
            return None
        self._touch(session)
        return session

    def home_of(self, identifier: str, principal: str, profile: str) -> str:
        """The replica where a session that is not here was opened; "" for none."""
        if identifier in self._sessions or identifier in self._closed:
            return ""
        handle = self._handles.read(identifier, principal, profile)
        return handle.home if handle is not None else ""

    def close(self, session: Session) -> None:
        """End a session, for good."""
        self._drop(session.id)
        self._closed[session.id] = None
        while len(self._closed) > self._most:
            self._closed.popitem(last=False)

    def _touch(self, session: Session) -> None:
        session.seen = self._now()
        self._sessions.move_to_end(session.id)
        self._owned[session.principal].move_to_end(session.id)

    def _expire(self) -> None:
        horizon = self._now() - IDLE_SECONDS
        while self._sessions:
            oldest = next(iter(self._sessions.values()))
            if oldest.seen >= horizon:
                return
            if oldest.busy:
                self._touch(oldest)
            else:
                self._drop(oldest.id)

    def _drop(self, identifier: str) -> None:
        session = self._sessions.pop(identifier, None)
        if session is None:
            return
        session.let_go()
        owned = self._owned[session.principal]
        del owned[identifier]
        if not owned:
            del self._owned[session.principal]
