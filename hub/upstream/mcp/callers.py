"""Sessions with an old server, each for one kind of caller: the server is told exactly what that caller can do."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from hub.core.logs import get_logger
from hub.core.refusal import Refusal, Unavailable, UpstreamFailed
from hub.upstream.mcp.capabilities import handshake_form, has_roots
from hub.upstream.mcp.greeting import handshake_as
from hub.upstream.mcp.link import HUB, Ears, Link
from hub.upstream.mcp.pending import Limits
from hub.upstream.mcp.values import CallerContext, Pace

log = get_logger(__name__)

Open = Callable[[Ears], Awaitable[Link]]


class Kind(NamedTuple):
    """A kind of caller: what they can do, who they are where they can be asked, and which of their sessions."""

    capabilities: bytes
    principal: str = ""
    session: str = ""


def kind_of(caller: CallerContext) -> Kind | None:
    """The kind of a caller; None for one who can do nothing, whom the server's main connection serves."""
    capabilities = handshake_form(caller.capabilities)
    if capabilities == b"{}":
        return None
    if caller.ask is None:
        return Kind(capabilities)
    return Kind(capabilities, caller.principal.id, caller.session if has_roots(caller.capabilities) else "")


class CallerSession:
    """One session. The task that runs `run` alone opens, greets and closes its link."""

    def __init__(self, kind: Kind, open_link: Open, seconds: float) -> None:
        self.kind = kind
        self.used = time.monotonic()
        self._open = open_link
        self._seconds = seconds
        self._ended = asyncio.Event()
        self.opened: asyncio.Future[Link] = asyncio.get_running_loop().create_future()

    @property
    def link(self) -> Link | None:
        """The link, once it is there."""
        done = self.opened.done() and not self.opened.cancelled() and self.opened.exception() is None
        return self.opened.result() if done else None

    @property
    def is_busy(self) -> bool:
        """Whether a call runs on it, or will as soon as it is open."""
        return not self.opened.done() or (self.link is not None and len(self.link.calls) > 0)

    @property
    def is_over(self) -> bool:
        """Whether it takes no more calls."""
        failed = self.opened.done() and self.link is None
        return self._ended.is_set() or failed or (self.link is not None and self.link.failure is not None)

    def end(self) -> None:
        """Take no more calls."""
        self._ended.set()

    async def run(self) -> None:
        """Open it, and close it when it has ended and its calls are through."""
        link: Link | None = None
        try:
            link = await self._open(Ears(_nothing, self._ended.set))
            await self._greet(link)
            self.opened.set_result(link)
            await self._ended.wait()
            while len(link.calls) and link.failure is None:  # noqa: ASYNC110 - two ends, and seldom
                await asyncio.sleep(0.05)
        except Refusal as refusal:
            if not self.opened.done():
                self.opened.set_exception(refusal)
                self.opened.exception()  # seen, also when nobody waits any more
        finally:
            self._ended.set()
            if not self.opened.done():
                self.opened.cancel()
            if link is not None:
                await link.close()

    async def _greet(self, link: Link) -> None:
        limits = Limits(self._seconds)
        greeting = await handshake_as(
            lambda method, params, speech: link.request(method, params, HUB, limits, speech), self.kind.capabilities
        )
        link.calls.hold = True
        await link.greeted(greeting)


def _nothing() -> None:
    """The main connection hears of changes itself."""


class CallerSessions:
    """All such sessions of one server, at most `most`: the one that rested longest makes room."""

    def __init__(self, name: str, open_link: Open, pace: Pace, *, most: int, seconds: float) -> None:
        self._name = name
        self._open = open_link
        self._pace = pace
        self._most = most
        self._seconds = seconds
        self._sessions: dict[CallerSession, asyncio.Task[None]] = {}
        self._alone = False  # questions of this server cannot be told apart: one call at a time in each session

    def __len__(self) -> int:
        """How many there are."""
        return len(self._sessions)

    async def link(self, kind: Kind, end: float) -> Link:
        """A link for a call of that kind of caller. Raises Refusal."""
        self._sweep()
        session = self._free(kind) or self._start(kind)
        session.used = time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, end - time.monotonic())):
                return await asyncio.shield(session.opened)
        except TimeoutError:
            late = "it did not open another session in time"
            raise UpstreamFailed("upstream_timeout", late, status=504) from None

    @contextlib.asynccontextmanager
    async def for_listing(self, capabilities: bytes, end: float) -> AsyncIterator[Link]:
        """A link of one who can do all this, to see what the server offers them; closed afterwards."""
        kind = Kind(capabilities, session="listing")
        try:
            yield await self.link(kind, end)
        finally:
            for session in self._sessions:
                if session.kind == kind:
                    session.end()

    def links(self) -> list[Link]:
        """Those that are open."""
        return [session.link for session in self._sessions if session.link is not None]

    def tell(self, principal: str, session: str, message: bytes) -> None:
        """Send a notification to every session of this client."""
        for one in self._sessions:
            if one.link is not None and (one.kind.principal, one.kind.session) == (principal, session):
                one.link.tell(message)

    def _free(self, kind: Kind) -> CallerSession | None:
        own = [session for session in self._sessions if session.kind == kind and not session.is_over]
        self._alone = self._alone or any(one.link is not None and one.link.calls.astray for one in own)
        if self._alone:
            idle = [session for session in own if not session.is_busy]
            return idle[0] if idle or len(self._sessions) < self._most else (own or [None])[0]
        return own[0] if own else None

    def _start(self, kind: Kind) -> CallerSession:
        if len(self._sessions) >= self._most:
            self._make_room()
        session = CallerSession(kind, self._open, self._seconds)
        task = asyncio.get_running_loop().create_task(session.run(), name=f"session {self._name}")
        self._sessions[session] = task
        task.add_done_callback(lambda _: self._sessions.pop(session, None))
        return session

    def _make_room(self) -> None:
        resting = [session for session in self._sessions if not session.is_busy]
        if not resting:
            full = f"Server '{self._name}' has {self._most} sessions open, and all of them are in use."
            raise Unavailable("overloaded", full, retry_after=1)
        min(resting, key=lambda session: session.used).end()

    def _sweep(self) -> None:
        horizon = time.monotonic() - self._pace.resting
        for session in list(self._sessions):
            if session.used < horizon and not session.is_busy:
                session.end()

    async def close(self) -> None:
        """End them all; calls that still run fail."""
        tasks = list(self._sessions.values())
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
