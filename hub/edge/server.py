"""The HTTP server: guarded connections, one sweep over their deadlines, and an end that finishes what it can."""

import asyncio
import contextlib
import resource
import signal
import socket
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial

from uvicorn import Config, Server

from hub.core.logs import get_logger
from hub.edge.guards import App
from hub.edge.heads import HttpLimits
from hub.edge.in_flight import InFlight
from hub.edge.protocol import Connections, GuardedProtocol

log = get_logger(__name__)

_BACKLOG = 2048
_SWEEP_SECONDS = 0.5
_POLL = 0.02
_SETTLE_SECONDS = 1.0  # for calls that were ended to settle, after the drain
_CLOSE_SECONDS = 10.0  # for the application to close


def _nothing(port: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Serving:
    """How to serve. `started` is told the port once connections are accepted, `refused` each refusal's HTTP status."""

    limits: HttpLimits = HttpLimits()
    drain_seconds: float = 30.0
    started: Callable[[int], None] = _nothing
    refused: Callable[[int], None] = _nothing


def listen(host: str, port: int, *, shared: bool = False) -> list[socket.socket]:
    """Bind every address of `host`; port 0 takes a free one, the same for all. Raises OSError naming the address.

    A `shared` port can be listened on by several sockets, between which the system divides the connections.
    """
    sockets: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in found:
            if family not in (socket.AF_INET, socket.AF_INET6):
                continue
            wanted = (str(address[0]), port or (sockets[0].getsockname()[1] if sockets else 0))
            bound = socket.create_server(wanted, family=family, backlog=_BACKLOG, reuse_port=shared)
            stack.callback(bound.close)
            sockets.append(bound)
        stack.pop_all()
    return sockets


def raise_file_limit(wanted: int = 65_536) -> int:
    """Let this process open as many files as it may, up to `wanted`: each stream takes two. Returns the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


class GuardedServer(Server):
    """uvicorn's server with our connections and our way to stop.

    uvicorn by itself would cancel what is left after the drain and close the application at once, beside it.
    Here the calls that are left are ended first, each with an error its caller can read, and settle before the
    application closes.
    """

    def __init__(self, app: App, in_flight: InFlight, serving: Serving = Serving()) -> None:
        self._shared = Connections(serving.limits, serving.refused)
        config = Config(
            app,
            http=partial(GuardedProtocol, shared=self._shared),  # type: ignore[arg-type]
            ws="none",
            interface="asgi3",
            lifespan="on",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            forwarded_allow_ips=[],
            server_header=False,
            workers=1,
            backlog=_BACKLOG,
        )
        super().__init__(config)
        self._in_flight = in_flight
        self._serving = serving

    def stop(self) -> None:
        """Stop: not ready at once, then drain. A second time: end everything now."""
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True
        self._in_flight.draining.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to `serve`: uvicorn would raise them again at the end, and so die of them."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then accept connections."""
        await super().startup(sockets)
        if self.started and sockets:
            self._serving.started(sockets[0].getsockname()[1])

    async def main_loop(self) -> None:
        """Twice a second until the end: enforce the deadlines, renew the date."""
        while not await self.on_tick(0):
            self._sweep()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SWEEP_SECONDS):
                    await self._in_flight.draining.wait()

    def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in tuple(self.server_state.connections):
            if isinstance(connection, GuardedProtocol):
                connection.check(now)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more, let answers finish, end the rest, close the application."""
        for server in self.servers:
            server.close()
        for sock in sockets or ():
            sock.close()
        for connection in tuple(self.server_state.connections):
            connection.shutdown()
        await self._until_idle(self._serving.drain_seconds, lambda: self.force_exit)
        self._in_flight.end()
        await self._until_idle(_SETTLE_SECONDS)
        tasks = tuple(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            log.warning("requests were cut off at the end", requests=len(tasks))
            await asyncio.wait(tasks, timeout=_SETTLE_SECONDS / 2)
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.lifespan.shutdown(), _CLOSE_SECONDS)

    async def _until_idle(self, seconds: float, hurry: Callable[[], bool] = lambda: False) -> None:
        """Wait until nothing is answered or written any more, at most `seconds`."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while (self.server_state.tasks or self.server_state.connections) and loop.time() < ends and not hurry():
            self._sweep()
            await asyncio.sleep(_POLL)


@contextlib.contextmanager
def _on_signals(stop: Callable[[], None]) -> Generator[None]:
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def serve(app: App, sockets: Sequence[socket.socket], in_flight: InFlight, serving: Serving = Serving()) -> None:
    """Serve until SIGTERM or SIGINT, then drain. A second signal ends everything at once.

    Run it with `uvloop.run(serve(...))`, in the main thread. Raises SystemExit (3) when the application does not start.
    """
    server = GuardedServer(app, in_flight, serving)
    with _on_signals(server.stop):
        await server.serve(list(sockets))
