"""One server: a task that keeps it connected, what it offers, and the way its calls take."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

from hub.core.logs import get_logger
from hub.core.plan import Timeouts
from hub.core.refusal import Refusal, Unavailable, UpstreamFailed
from hub.resources.tools import ServerSpec
from hub.upstream.mcp_definitions import list_tools
from hub.upstream.mcp_greeting import greet
from hub.upstream.mcp_http import Address, HttpLink
from hub.upstream.mcp_keeping import restored, saved
from hub.upstream.mcp_link import HUB, Ears, Link, Undelivered
from hub.upstream.mcp_pids import MARK, Pids
from hub.upstream.mcp_process import Command, environment_of
from hub.upstream.mcp_stdio import StdioLink
from hub.upstream.mcp_values import CallerContext, Pace, Ports, RpcReply, ServerDefinitions, ServerState, ServerStatus

log = get_logger(__name__)
NUMBERS = count(1)


class ServerConnection:
    """Owned by one task, which alone opens, uses and closes the link. `changed` is called when definitions change."""

    def __init__(
        self, name: str, spec: ServerSpec, ports: Ports, pids: Pids, pace: Pace, changed: Callable[[str], None]
    ) -> None:
        self.name = name
        self.spec = spec
        self._ports = ports
        self._pids = pids
        self._pace = pace
        self._changed = changed
        self._numbers: Iterator[int] = NUMBERS
        self._link: Link | None = None
        self._ready = asyncio.Event()
        self._wake = asyncio.Event()
        self._lost = asyncio.Event()
        self._slots = asyncio.Semaphore(pace.parallel)
        self._in_flight = 0
        self._starts: list[float] = []
        self._stderr: tuple[str, ...] = ()
        self._restarts = -1
        self.definitions = ServerDefinitions(since=time.time())

    # -- what is known ---------------------------------------------------------------------------------------------

    def restore(self, content: bytes) -> None:
        """Offer what the server offered when the hub last saw it."""
        known = restored(content)
        if known is not None:
            self.definitions = replace(known, state=ServerState.STALE, since=time.time())

    def status(self) -> ServerStatus:
        """How it does."""
        link = self._link
        process = link.process if isinstance(link, StdioLink) else None
        stderr = process.tail() if process else self._stderr
        known = self.definitions
        return ServerStatus(
            name=self.name,
            transport="stdio" if self.spec.command else "http",
            state=known.state,
            since=known.since,
            era=known.era,
            version=known.version,
            server_info=known.server_info,
            pid=process.pid if process else None,
            last_error=known.error,
            stderr=tuple(self._ports.redact(line) for line in stderr),
            restarts=max(0, self._restarts),
            in_flight=self._in_flight,
            tools=len(known.tools),
            rejected=known.rejected,
            noise=link.calls.noise if link else 0,
            late=link.calls.late if link else 0,
        )

    def _now_in(self, state: ServerState, error: str = "") -> None:
        known = self.definitions
        if known.state is not state or known.error != error:
            self.definitions = replace(known, state=state, error=self._ports.redact(error), since=time.time())
            self._changed(self.name)

    # -- calls -----------------------------------------------------------------------------------------------------

    async def request(self, method: str, params: bytes, caller: CallerContext) -> RpcReply:
        """Relay a request. Raises UpstreamFailed or Unavailable, each naming the server."""
        async with self._slots:
            self._in_flight += 1
            try:
                return await self._request(method, params, caller)
            except UpstreamFailed as failure:
                text = self._ports.redact(failure.message)
                raise UpstreamFailed(failure.code, f"Server '{self.name}': {text}", status=failure.status) from None
            finally:
                self._in_flight -= 1

    async def _request(self, method: str, params: bytes, caller: CallerContext) -> RpcReply:
        seconds = self.spec.timeouts.call
        if caller.deadline is not None:
            seconds = max(0.001, min(seconds, caller.deadline - time.monotonic()))
        link = await self._connected()
        try:
            return await link.request(method, params, caller, seconds)
        except Undelivered:
            # It is certain that nothing was begun: once more, over a new connection.
            link = await self._connected()
            return await link.request(method, params, caller, seconds)

    async def _connected(self) -> Link:
        """The link, waiting for it as long as a start may take, and not at all where the last one failed."""
        if self._link is not None and self._ready.is_set() and self._link.failure is None:
            return self._link
        self._wake.set()
        known = self.definitions
        patience = (
            self._pace.patience
            if known.error and known.state is not ServerState.STARTING
            else self.spec.timeouts.connect
        )
        try:
            async with asyncio.timeout(patience):
                while self._link is None or not self._ready.is_set() or self._link.failure is not None:
                    await self._ready.wait()
                    if self._link is None or self._link.failure is not None:
                        await asyncio.sleep(0.01)
        except TimeoutError:
            reason = self.definitions.error or "it has not answered yet"
            raise Unavailable(
                "upstream_error", f"Server '{self.name}' is not connected: {reason}", retry_after=5
            ) from None
        return self._link

    # -- the owner's task ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the server connected until cancelled."""
        delay = self._pace.first_delay
        while True:
            began = time.monotonic()
            try:
                await self._live()
            except UpstreamFailed as failure:
                self._fail(failure.message)
            except Refusal as refusal:  # a secret that is missing
                self._fail(refusal.message)
            except Exception as error:
                log.exception("a server's connection failed", server=self.name)
                self._fail(f"internal error: {type(error).__name__}")
            if time.monotonic() - began > self._pace.steady:
                delay = self._pace.first_delay
            if self._is_looping():
                delay = self._pace.ceiling
                error = f"{self.definitions.error} (started {self._pace.restarts} times in {self._pace.window:g} s; waiting)"
                self._now_in(ServerState.FAILED, error)
            self._wake.clear()
            try:
                async with asyncio.timeout(delay):
                    await self._wake.wait()
                    await asyncio.sleep(min(delay, self._pace.first_delay))
            except TimeoutError:
                pass
            delay = min(delay * 2, self._pace.ceiling)

    def _is_looping(self) -> bool:
        now = time.monotonic()
        self._starts = [at for at in self._starts if at > now - self._pace.window]
        return self.spec.command is not None and len(self._starts) > self._pace.restarts

    def _fail(self, message: str) -> None:
        self._now_in(ServerState.STALE if self.definitions.tools else ServerState.FAILED, message)

    async def _live(self) -> None:
        """One life of the connection: open, greet, list, serve until it is lost. Raises Refusal with the reason."""
        self._starts.append(time.monotonic())
        self._restarts += 1
        self._lost.clear()
        lists = asyncio.Event()
        ears = Ears(changed=lambda method: lists.set(), lost=lambda failure: self._lost.set())
        link = await self._open(ears)
        self._link = link
        try:
            async with asyncio.timeout(self.spec.timeouts.connect):
                greeting = await greet(
                    lambda m, p, s: link.request(m, p, HUB, self.spec.timeouts.connect, s), self._pace.hush
                )
                await link.greeted(greeting)
            await self._refresh(link)
            self._ready.set()
            await self._serve(link, lists)
            raise link.failure or UpstreamFailed("upstream_error", "the connection is gone")
        except TimeoutError:
            seconds = self.spec.timeouts.connect
            raise UpstreamFailed("upstream_timeout", f"it did not answer within {seconds:g} s", status=504) from None
        finally:
            self._ready.clear()
            if isinstance(link, StdioLink) and link.process is not None:
                self._stderr = link.process.tail()
            await link.close()
            self._link = None
            if isinstance(link, StdioLink) and link.process is not None:
                self._pids.remove(link.process.pid)

    async def _serve(self, link: Link, lists: asyncio.Event) -> None:
        """Look at the lists again when they change, and now and then."""
        while link.failure is None:
            waits = [asyncio.ensure_future(event.wait()) for event in (lists, self._lost)]  # noqa: TID251 - ended below
            try:
                done, _ = await asyncio.wait(waits, timeout=self._pace.refresh, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            if self._lost.is_set():
                return
            if done:
                await asyncio.sleep(self._pace.settle)
            lists.clear()
            await self._refresh(link)

    async def _refresh(self, link: Link) -> None:
        seconds = self.spec.timeouts.list
        listing = await list_tools(lambda method, params: link.request(method, params, HUB, seconds))
        if isinstance(link, HttpLink):
            link.mirrored = {tool.name: tool.mirrored for tool in listing.tools}
        known = self.definitions
        same = known.tools == listing.tools
        greeting = link.greeting
        self.definitions = ServerDefinitions(
            tools=listing.tools,
            instructions=greeting.instructions,
            server_info=greeting.server_info,
            capabilities=greeting.capabilities,
            era=greeting.speech.era,
            version=greeting.speech.version,
            state=ServerState.READY,
            since=known.since if known.state is ServerState.READY else time.time(),
            revision=known.revision if same else known.revision + 1,
            rejected=listing.rejected,
        )
        if not same or known.state is not ServerState.READY:
            self._changed(self.name)
        if not same:
            await self._ports.snapshots.save(self.name, saved(self.definitions))

    async def _open(self, ears: Ears) -> Link:
        if self.spec.command is not None:
            return await self._open_stdio(ears)
        headers = [(name, value) for name, value in self.spec.headers.items()]
        auth = self.spec.auth
        if auth is not None and auth.secret is not None:
            secret = await self._ports.resolve(auth.secret)
            headers.append(
                ("Authorization", f"Bearer {secret}") if auth.type == "bearer" else (auth.header or "", secret)
            )
        clocks = self.spec.timeouts
        timeouts = Timeouts(connect=clocks.connect, first_byte=clocks.call, idle=clocks.call, total=clocks.call)
        address = Address(self.spec.url or "", tuple(headers), timeouts, self.spec.allow_private)
        return HttpLink(self._numbers, ears, self._ports.transport, address)

    async def _open_stdio(self, ears: Ears) -> Link:
        declared: dict[str, str] = {}
        for name, value in self.spec.env.items():
            secret = value.startswith(("env:", "file:", "vault:"))
            declared[name] = await self._ports.resolve(value) if secret else value
        mark = self._pids.mark()
        environment = environment_of(self._ports.environment, {**declared, MARK: mark})
        link = StdioLink(self._numbers, ears, step=self._pace.stop)
        await link.start(Command(tuple(self.spec.command or ()), environment, self.spec.cwd))
        if link.process is not None:
            self._pids.add(self.name, link.process.pid, mark)
        return link
