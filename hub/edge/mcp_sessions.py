"""Sessions of legacy clients: cheap, bound to the credential that opened them, bounded in number and time."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from hub.core.refusal import Throttled

IDLE_SECONDS = 1800.0
MOST = 10_000
MOST_PER_PRINCIPAL = 1_000


@dataclass(slots=True)
class Session:
    """One session. `capabilities` is what the client declared, raw JSON; `running` are its calls, by raw id."""

    id: str
    principal: str
    profile: str
    version: str
    capabilities: bytes
    seen: float
    running: dict[bytes, Callable[[], object]] = field(default_factory=dict[bytes, Callable[[], object]])


class Sessions:
    """All sessions of this process, the least recently used first."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._counts: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, principal: str, profile: str, version: str, capabilities: bytes) -> Session:
        """A new session. When there are too many, the one that rested longest ends.

        Raises Throttled `too_many_parallel` when one principal holds all it may.
        """
        self._expire()
        if self._counts.get(principal, 0) >= MOST_PER_PRINCIPAL:
            message = (
                f"This key has {MOST_PER_PRINCIPAL} open MCP sessions. Close some (DELETE), or wait until they expire."
            )
            raise Throttled("too_many_parallel", message, retry_after=60)
        if len(self._sessions) >= MOST:
            self._drop(next(iter(self._sessions)))
        session = Session(secrets.token_urlsafe(24), principal, profile, version, capabilities, self._now())
        self._sessions[session.id] = session
        self._counts[principal] = self._counts.get(principal, 0) + 1
        return session

    def find(self, identifier: str, principal: str, profile: str) -> Session | None:
        """The session, if it is alive and belongs to this principal and profile."""
        session = self._sessions.get(identifier)
        if session is None or session.principal != principal or session.profile != profile:
            return None
        if session.seen + IDLE_SECONDS < self._now():
            self._drop(identifier)
            return None
        session.seen = self._now()
        self._sessions.move_to_end(identifier)
        return session

    def close(self, session: Session) -> None:
        """End a session."""
        self._drop(session.id)

    def _expire(self) -> None:
        horizon = self._now() - IDLE_SECONDS
        while self._sessions:
            oldest = next(iter(self._sessions.values()))
            if oldest.seen >= horizon:
                return
            self._drop(oldest.id)

    def _drop(self, identifier: str) -> None:
        session = self._sessions.pop(identifier, None)
        if session is not None:
            left = self._counts[session.principal] - 1
            if left:
                self._counts[session.principal] = left
            else:
                del self._counts[session.principal]
