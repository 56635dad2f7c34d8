"""One server: a task that keeps it connected, and what is known of it."""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Mapping

from hub.core.logs import get_logger
from hub.core.refusal import Refusal, Unavailable, UpstreamFailed
from hub.resources.tools import ServerSpec
from hub.upstream.mcp.callers import CallerSessions
from hub.upstream.mcp.closing import Closing
from hub.upstream.mcp.definitions import Listing
from hub.upstream.mcp.greeting import greet
from hub.upstream.mcp.http import HttpLink
from hub.upstream.mcp.inspection import Use, overrun
from hub.upstream.mcp.keeping import restored, saved
from hub.upstream.mcp.knowledge import Knowledge
from hub.upstream.mcp.link import HUB, Ears, Link, Rejected
from hub.upstream.mcp.listing import ListRefused
from hub.upstream.mcp.lists import looked
from hub.upstream.mcp.opening import Mask, Means, open_link
from hub.upstream.mcp.pacing import Pacing
from hub.upstream.mcp.pending import Limits
from hub.upstream.mcp.relay import Relay
from hub.upstream.mcp.values import CallerContext, RpcReply, ServerDefinitions, ServerStatus
from hub.upstream.mcp.waiters import Waiters
from hub.upstream.mcp.watched import Watched

log = get_logger(__name__)


class ServerConnection:
    """Owned by the task that runs `run`, which alone opens, greets and closes links. Requests are handed to it.

    `changed` is called with the name when what is known of the server changes.
    """

    def __init__(
        self, name: str, spec: ServerSpec, means: Means, changed: Callable[[str], None], watched: Watched
    ) -> None:
        self.name = name
        self.spec = spec
        self._means = means
        self._pace = means.pace
        self._pacing = Pacing(means.pace, limited=spec.command is not None)
        self._knowledge = Knowledge(lambda: changed(name))
        most = means.pace.sessions if spec.command is None else means.pace.copies
        self._callers = CallerSessions(name, self._open_for, means.pace, most=most, seconds=spec.timeouts.connect)
        self._relay = Relay(self, self._callers, means.parking, means.pace)
        self._link: Link | None = None  # that takes requests
        self._watched = watched
        self._waiting: Waiters[Link] = Waiters()
        self._looked: Waiters[None] = Waiters()
        self._stir = asyncio.Event()  # something happened that the owner looks at
        self._wanted = False
        self._asleep = False  # stopped, since nobody called
        self._used = time.monotonic()
        self._look = False
        self._rewatch = True
        self._retired = False
        self._shy = False
        self._old = False  # it speaks HTTP+SSE
        self._again = False  # the next attempt is another way of this one
        self._mask = Mask(means.ports.redact)
        self._closing = Closing(name, spec.timeouts.call)

    # -- what is known -------------------------------------------------------------------------------------------

    @property
    def definitions(self) -> ServerDefinitions:
        """What it offers, from memory."""
        return self._knowledge.definitions

    def recall(self, content: bytes | ServerDefinitions) -> None:
        """Offer what it offered before: as kept on disk, or as known to its predecessor of the same identity."""
        known = content if isinstance(content, ServerDefinitions) else restored(content, self.spec)
        if known is not None:
            self._knowledge.recall(known)

    def status(self) -> ServerStatus:
        """How it does."""
        link, known = self._link, self.definitions
        return ServerStatus(
            name=self.name,
            transport="stdio" if self.spec.command else "http",
            state=known.state,
            since=known.since,
            era=known.era,
            version=known.version,
            server_info=known.server_info,
            pid=link.pid if link else None,
            last_error=known.error,
            stderr=tuple(map(self._mask, link.tail() if link and link.pid else self._closing.stderr)),
            restarts=self._pacing.restarts,
            in_flight=self._relay.in_flight,
            tools=len(known.tools),
            prompts=len(known.prompts),
            resources=len(known.resources) + len(known.templates),
            rejected=(*known.rejected, *([("changes", link.trouble)] if link and link.trouble else ())),
            noise=link.calls.noise if link else 0,
            late=link.calls.late if link else 0,
        )

    @property
    def is_connected(self) -> bool:
        """Whether a request can be sent at once."""
        return self._link is not None and self._link.failure is None

    # -- calls ---------------------------------------------------------------------------------------------------

    async def request(self, method: str, params: bytes, caller: CallerContext) -> RpcReply:
        """Relay a request. Raises UpstreamFailed or Unavailable, each naming the server, and Malformed."""
        return await self._relay.request(method, params, caller)

    def tell(self, principal: str, session: str, message: bytes) -> None:
        """Send a client's notification to the sessions that are its own."""
        self._callers.tell(principal, session, message)

    async def rewatch(self) -> None:
        """Have the server announce what is watched now, if it is connected; a new connection does so by itself."""
        link = self._link
        if link is None or link.failure is not None:
            return
        try:
            await link.watch(self._watched.of(self.name), Limits(self.spec.timeouts.list))
        except UpstreamFailed as failure:
            log.info("server_not_watched", server=self.name, reason=failure.code)

    def rewatch_soon(self) -> None:
        """The same, later, in the owner's task."""
        self._rewatch = True
        self._stir.set()

    def _updated(self, params: bytes) -> None:
        self._watched.told(self.name, params)

    def mask(self, text: str) -> str:
        """Text without the server's secrets."""
        return self._mask(text)

    async def linked(self, end: float) -> Link:
        """The link. A server that starts is waited for; one that failed last time only for a moment."""
        self._used = time.monotonic()
        link = self._link
        if link is not None and link.failure is None and not self._asleep:
            return link
        self._wanted = True
        self._stir.set()
        patience = self._pace.patience if self._pacing.troubled else self.spec.timeouts.connect
        next_try = self._pacing.wait(wanted=True)
        if next_try is None or next_try > patience:
            raise self._unavailable()
        try:
            return await self._waiting.wait(min(patience, end - time.monotonic()))
        except TimeoutError:
            raise self._unavailable() from None

    def _unavailable(self) -> Unavailable:
        reason = self.definitions.error or "it has not answered yet"
        given_up = "; the hub has stopped restarting it" if self._pacing.given_up else ""
        return Unavailable(
            "upstream_error",
            f"Server '{self.name}' is not available: {reason.rstrip('.')}{given_up}.",
            retry_after=self._pacing.retry_after(),
        )

    async def look_again(self) -> None:
        """Have the owner look at the lists, and wait until it has, or could not in time."""
        self.doubt_link()
        with contextlib.suppress(TimeoutError):
            await self._looked.wait(self.spec.timeouts.list)

    def doubt_link(self) -> None:
        """Something may have changed, or the server may be gone: the owner looks at its lists."""
        self._look = True
        self._stir.set()

    # -- the owner's task ----------------------------------------------------------------------------------------

    def wake(self) -> None:
        """What kept it from being connected may be gone: the next attempt is made at once."""
        self._pacing = Pacing(self._means.pace, limited=self.spec.command is not None)
        self._wanted = True
        self._stir.set()

    def retire(self) -> None:
        """Take no more requests, and end once those that run have their answers."""
        self._retired = True
        self._stir.set()

    async def run(self) -> None:
        """Keep the server connected until it is retired. Cancelling ends its calls too."""
        try:
            while not self._retired:
                if not self._asleep:
                    self._pacing.begun()
                self._asleep = self._wanted = False
                error, served = await self._attempt()
                if self._again:
                    self._again = False
                    error, served = await self._attempt()
                if self._asleep:
                    await self._sleep()
                    continue
                self._pacing.ended(served)
                if not self._retired:
                    self._failed(self._mask(error))
                    await self._rest()
            await self._closing.done()
        finally:
            self._closing.hurried = True
            await self._callers.close()
            await self._closing.done()

    async def _sleep(self) -> None:
        """Wait until a call wants the process again."""
        log.info("server_idle", server=self.name)
        while not self._wanted and not self._retired:
            self._stir.clear()
            await self._stir.wait()

    async def _rest(self) -> None:
        """Wait until the next attempt is due, or a call wants one that may be made."""
        while not self._retired:
            wait = self._pacing.wait(wanted=self._wanted)
            if wait is not None and wait <= 0:
                return
            self._stir.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._stir.wait()
            except TimeoutError:
                continue

    def _failed(self, error: str) -> None:
        self._knowledge.doubt(error, given_up=self._pacing.given_up)
        state = self.definitions.state
        log.warning("server_unavailable", server=self.name, state=state, error=error, given_up=self._pacing.given_up)
        if self._pacing.wait(wanted=True) != 0:
            self._waiting.refuse(self._unavailable())

    async def _attempt(self) -> tuple[str, float | None]:
        """One life of a connection, from opening to its end: why it ended, and how many seconds it was of use."""
        useful = math.nan
        link: Link | None = None
        try:
            ears = Ears(self.doubt_link, self._stir.set, self._updated)
            link, self._mask = await open_link(self.name, self.spec, self._means, ears, old=self._old)
            await self._greet(link)
            useful = time.monotonic()
            await self._serve(link)
            failure: Refusal = link.failure or UpstreamFailed("upstream_error", "the connection has ended")
        except Rejected as refusal:  # it is there: it may be of those that speak HTTP+SSE
            failure = refusal
            self._old = not self._old
            self._again = self._old and self.spec.url is not None
        except Refusal as refusal:  # it cannot be reached, or a secret is missing
            failure = refusal
        except Exception as error:
            log.exception("server_connection_failed", server=self.name)
            failure = UpstreamFailed("upstream_error", f"the hub failed: {type(error).__name__}")
        finally:
            self._link = None
            if link is not None:
                self._closing.close(link)
        if link is not None and link.pid:
            await self._closing.done()  # two processes of one server might hinder each other
        return failure.message, None if math.isnan(useful) else time.monotonic() - useful

    async def _open_for(self, ears: Ears) -> Link:
        """A link for a session of one kind of caller."""
        link, _ = await open_link(
            self.name, self.spec, self._means, Ears(self.doubt_link, ears.lost, self._updated), old=self._old
        )
        return link

    async def _greet(self, link: Link) -> None:
        """Find out what the server speaks, and hand its link to those who wait. Raises UpstreamFailed."""
        seconds = self.spec.timeouts.connect
        try:
            async with asyncio.timeout(seconds):
                greeting = await greet(
                    lambda method, params, speech: link.request(method, params, HUB, Limits(seconds), speech),
                    self._pace.hush,
                    shy=self._shy or self._old,
                )
                await link.greeted(greeting)
        except TimeoutError:
            late = f"it did not answer within {seconds:.3g} s of being connected"
            raise UpstreamFailed("upstream_timeout", late, status=504) from None
        except UpstreamFailed:
            self._shy = link.pid is not None and link.failure is not None and not self._shy
            raise
        self._use(link)

    def _mirror(self, link: Link) -> None:
        """Tell the link which arguments of which tools are repeated in headers."""
        if isinstance(link, HttpLink):
            link.mirrored = {tool.name: tool.mirrored for tool in self.definitions.tools if tool.mirrored}

    def _use(self, link: Link) -> None:
        self._mirror(link)
        self._link = link
        self._used = time.monotonic()
        self._waiting.give(link)

    async def _serve(self, link: Link) -> None:
        """Look at the lists: first, when they change, and now and then; until the link is lost."""
        self._rewatch = True
        while link.failure is None and not self._retired and not self._is_idle(link):
            self._look = False
            looked_at = time.monotonic()
            pause = await self._refresh(link)
            await self._until(min(looked_at + pause, self._idle_at(link)), link)
            if self._look and link.failure is None:
                await asyncio.sleep(max(self._pace.settle, looked_at + self._pace.relook - time.monotonic()))

    def _idle_at(self, link: Link) -> float:
        """When a process that nobody calls is stopped; what is watched keeps it."""
        if link.pid is None or self._watched.of(self.name):
            return math.inf
        return max(self._used, time.monotonic() if len(link.calls) else 0.0) + self.spec.idle_stop

    def _is_idle(self, link: Link) -> bool:
        self._asleep = self._idle_at(link) <= time.monotonic()
        return self._asleep

    def groups(self) -> list[int]:
        """The process groups of this server."""
        return [link.pid for link in self._links() if link.pid]

    def check(self, used: Mapping[int, Use]) -> None:
        """End a process that uses more than its server may."""
        for link in self._links():
            over = overrun(used.get(link.pid or 0, Use()), self.spec.memory_mib, self.spec.processes)
            if over:
                failure = UpstreamFailed("upstream_error", f"the hub ended it: {over}")
                link.lose(failure)
                link.calls.fail(failure)

    def _links(self) -> list[Link]:
        return [*([self._link] if self._link else []), *self._callers.links()]

    async def _until(self, then: float, link: Link) -> None:
        """Wait until `then`, or until there is something to do."""
        while not (link.failure or self._retired or self._look) and time.monotonic() < then:
            if self._rewatch:
                self._rewatch = False
                await self.rewatch()
            self._stir.clear()
            try:
                async with asyncio.timeout(then - time.monotonic()):
                    await self._stir.wait()
            except TimeoutError:
                return

    async def _refresh(self, link: Link) -> float:
        """Ask for the lists; the seconds until they are asked for again."""
        known = self.definitions
        try:
            listing = await looked(
                link, self.spec.timeouts.list, known, self._callers, lambda some: self._confirm(some, link)
            )
        except UpstreamFailed as failure:
            return self._not_listed(link, failure)
        changed = self._confirm(listing, link) or not known.revision
        self._mirror(link)
        self._looked.give(None)
        if changed:
            log.info("server_tools", server=self.name, tools=len(listing.tools), rejected=len(listing.rejected))
            await self._save()
        return min(self._pace.refresh, max(self._pace.fresh, listing.ttl))

    def _confirm(self, listing: Listing, link: Link) -> bool:
        return self._knowledge.confirm(listing, link.greeting)

    def _not_listed(self, link: Link, failure: UpstreamFailed) -> float:
        """A server that refuses the question may still serve calls; so may a process that is busy with some.

        Any other that does not answer is hung or gone: its link is given up, and made anew.
        """
        if link.failure is None:
            busy = link.pid and len(link.calls)
            if not busy and not isinstance(failure, ListRefused):
                link.lose(failure)
            self._knowledge.doubt(self._mask(failure.message))
        return min(self._pace.refresh, self._pace.ceiling)

    async def _save(self) -> None:
        try:
            await self._means.ports.snapshots.save(self.name, saved(self.definitions, self.spec))
        except Exception as error:  # noqa: BLE001 - a list that is not kept is only asked for again
            log.warning("server_snapshot_not_saved", server=self.name, error=type(error).__name__)
