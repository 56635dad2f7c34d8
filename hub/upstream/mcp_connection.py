"""One server: a task that keeps it connected, and what is known of it."""

import asyncio
import math
import time
from collections.abc import Callable

from hub.core.logs import get_logger
from hub.core.refusal import Refusal, Unavailable, UpstreamFailed
from hub.resources.tools import ServerSpec
from hub.upstream.mcp_callers import CallerSessions
from hub.upstream.mcp_greeting import greet
from hub.upstream.mcp_http import HttpLink
from hub.upstream.mcp_keeping import restored, saved
from hub.upstream.mcp_knowledge import Knowledge
from hub.upstream.mcp_link import HUB, Ears, Link
from hub.upstream.mcp_listing import ListRefused, list_all
from hub.upstream.mcp_opening import Mask, Means, open_link
from hub.upstream.mcp_pacing import Pacing
from hub.upstream.mcp_pending import Limits
from hub.upstream.mcp_relay import Relay
from hub.upstream.mcp_values import CallerContext, RpcReply, ServerDefinitions, ServerStatus

log = get_logger(__name__)

_GLANCE = 0.05  # seconds between two looks at whether a link has calls left


class ServerConnection:
    """Owned by the task that runs `run`, which alone opens, greets and closes links. Requests are handed to it.

    `changed` is called with the name when what is known of the server changes.
    """

    def __init__(self, name: str, spec: ServerSpec, means: Means, changed: Callable[[str], None]) -> None:
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
        self._waiting: set[asyncio.Future[Link]] = set()
        self._looked: set[asyncio.Future[None]] = set()
        self._stir = asyncio.Event()  # something happened that the owner looks at
        self._wanted = False
        self._look = False
        self._retired = False
        self._hurried = False
        self._shy = False
        self._mask = Mask(means.ports.redact)
        self._stderr: tuple[str, ...] = ()
        self._closing: set[asyncio.Task[None]] = set()

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
            stderr=tuple(map(self._mask, link.tail())) if link and link.pid else self._stderr,
            restarts=self._pacing.restarts,
            in_flight=self._relay.in_flight,
            tools=len(known.tools),
            prompts=len(known.prompts),
            resources=len(known.resources) + len(known.templates),
            rejected=known.rejected,
            noise=link.calls.noise if link else 0,
            late=link.calls.late if link else 0,
        )

    # -- calls ---------------------------------------------------------------------------------------------------

    async def request(self, method: str, params: bytes, caller: CallerContext) -> RpcReply:
        """Relay a request. Raises UpstreamFailed or Unavailable, each naming the server, and Malformed."""
        return await self._relay.request(method, params, caller)

    def tell(self, principal: str, session: str, message: bytes) -> None:
        """Send a client's notification to the sessions that are its own."""
        self._callers.tell(principal, session, message)

    def mask(self, text: str) -> str:
        """Text without the server's secrets."""
        return self._mask(text)

    async def linked(self, end: float) -> Link:
        """The link. A server that starts is waited for; one that failed last time only for a moment."""
        link = self._link
        if link is not None and link.failure is None:
            return link
        self._wanted = True
        self._stir.set()
        patience = self._pace.patience if self._pacing.troubled else self.spec.timeouts.connect
        next_try = self._pacing.wait(wanted=True)
        if next_try is None or next_try > patience:
            raise self._unavailable()
        waiter: asyncio.Future[Link] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            async with asyncio.timeout(max(0.0, min(patience, end - time.monotonic()))):
                return await waiter
        except TimeoutError:
            raise self._unavailable() from None
        finally:
            self._waiting.discard(waiter)

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
        looked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._looked.add(looked)
        self.doubt_link()
        await asyncio.wait((looked,), timeout=self.spec.timeouts.list)
        self._looked.discard(looked)

    def doubt_link(self) -> None:
        """Something may have changed, or the server may be gone: the owner looks at its lists."""
        self._look = True
        self._stir.set()

    # -- the owner's task ----------------------------------------------------------------------------------------

    def retire(self) -> None:
        """Take no more requests, and end once those that run have their answers."""
        self._retired = True
        self._stir.set()

    async def run(self) -> None:
        """Keep the server connected until it is retired. Cancelling ends its calls too."""
        try:
            while not self._retired:
                self._pacing.begun()
                self._wanted = False
                error, served = await self._attempt()
                self._pacing.ended(served)
                if not self._retired:
                    self._failed(self._mask(error))
                    await self._rest()
            await self._closed()
        finally:
            self._hurried = True
            await self._callers.close()
            await self._closed()

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
        for waiter in self._waiting:
            if not waiter.done() and self._pacing.wait(wanted=True) != 0:
                waiter.set_exception(self._unavailable())

    async def _attempt(self) -> tuple[str, float | None]:
        """One life of a connection, from opening to its end: why it ended, and how many seconds it was of use."""
        useful = math.nan
        link: Link | None = None
        try:
            link, self._mask = await open_link(self.name, self.spec, self._means, Ears(self.doubt_link, self._stir.set))
            await self._greet(link)
            useful = time.monotonic()
            await self._serve(link)
            failure: Refusal = link.failure or UpstreamFailed("upstream_error", "the connection has ended")
        except Refusal as refusal:  # it cannot be reached, or a secret is missing
            failure = refusal
        except Exception as error:
            log.exception("server_connection_failed", server=self.name)
            failure = UpstreamFailed("upstream_error", f"the hub failed: {type(error).__name__}")
        finally:
            self._link = None
            if link is not None:
                self._close(link)
        if link is not None and link.pid:
            await self._closed()  # two processes of one server might hinder each other
        return failure.message, None if math.isnan(useful) else time.monotonic() - useful

    async def _open_for(self, ears: Ears) -> Link:
        """A link for a session of one kind of caller."""
        link, _ = await open_link(self.name, self.spec, self._means, Ears(self.doubt_link, ears.lost))
        return link

    def _close(self, link: Link) -> None:
        """Close a link beside everything else, after the calls that still run on it."""
        task = asyncio.get_running_loop().create_task(self._ending(link), name=f"closing {self.name}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _ending(self, link: Link) -> None:
        end = time.monotonic() + self.spec.timeouts.call
        while len(link.calls) and not self._hurried and time.monotonic() < end:  # noqa: ASYNC110 - three ends, and seldom
            await asyncio.sleep(_GLANCE)
        await link.close()
        if link.pid:
            self._stderr = tuple(map(self._mask, link.tail()))

    async def _closed(self) -> None:
        """Wait for the links that are being closed."""
        if self._closing:
            await asyncio.wait(set(self._closing))

    async def _greet(self, link: Link) -> None:
        """Find out what the server speaks, and hand its link to those who wait. Raises UpstreamFailed."""
        seconds = self.spec.timeouts.connect
        try:
            async with asyncio.timeout(seconds):
                greeting = await greet(
                    lambda method, params, speech: link.request(method, params, HUB, Limits(seconds), speech),
                    self._pace.hush,
                    shy=self._shy,
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
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(link)

    async def _serve(self, link: Link) -> None:
        """Look at the lists: first, when they change, and now and then; until the link is lost."""
        while link.failure is None and not self._retired:
            self._look = False
            looked_at = time.monotonic()
            pause = await self._refresh(link)
            await self._until(looked_at + pause, link)
            if self._look and link.failure is None:
                await asyncio.sleep(max(self._pace.settle, looked_at + self._pace.relook - time.monotonic()))

    async def _until(self, then: float, link: Link) -> None:
        """Wait until `then`, or until there is something to do."""
        while not (link.failure or self._retired or self._look) and time.monotonic() < then:
            self._stir.clear()
            try:
                async with asyncio.timeout(then - time.monotonic()):
                    await self._stir.wait()
            except TimeoutError:
                return

    async def _refresh(self, link: Link) -> float:
        """Ask for the lists; the seconds until they are asked for again."""
        seconds = self.spec.timeouts.list
        try:
            async with asyncio.timeout(seconds):
                listing = await list_all(
                    lambda method, params: link.request(method, params, HUB, Limits(seconds)), link.greeting.declares
                )
        except (TimeoutError, UpstreamFailed) as error:
            failure = error if isinstance(error, UpstreamFailed) else _late(seconds)
            return self._not_listed(link, failure)
        changed = self._knowledge.confirm(listing, link.greeting)
        self._mirror(link)
        for looked in self._looked:
            if not looked.done():
                looked.set_result(None)
        if changed:
            log.info("server_tools", server=self.name, tools=len(listing.tools), rejected=len(listing.rejected))
            await self._save()
        return self._pace.refresh

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


def _late(seconds: float) -> UpstreamFailed:
    return UpstreamFailed("upstream_timeout", f"it did not list its tools within {seconds:.3g} s", status=504)
