"""`hub serve --workers N`: processes that share a port, forked from one that does nothing but watch over them."""

import asyncio
import gc
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from urllib.parse import urlsplit

from hub.core.logs import get_logger
from hub.edge import listen

log = get_logger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_LONGEST_PAUSE = 30.0
_STEADY_SECONDS = 60.0  # a worker that lived so long is replaced at once


def _nothing() -> None:
    pass


def _noted(number: int, frame: object) -> None:
    """A signal is read from the pipe that it is written to."""


@dataclass(frozen=True, slots=True)
class Post:
    """What one process serves on. `address` is where the other workers reach it, "" when there are none.

    `crew` names all of them, from their start to their end. `ready` says that it serves; `keep_watched`, called in the
    worker's loop, has it stop when nobody watches any more.
    """

    sockets: Sequence[socket.socket]
    number: int = 1
    of: int = 1
    address: str = ""
    crew: str = ""
    ready: Callable[[], None] = _nothing
    keep_watched: Callable[[], None] = _nothing


@dataclass(slots=True)
class _Worker:
    """One worker as the watcher sees it. Its sockets stay open here, so that a replacement finds what came meanwhile."""

    number: int
    public: list[socket.socket]
    private: list[socket.socket]
    address: str
    pid: int = 0
    began: float = 0.0
    due: float = 0.0
    losses: int = 0
    was_ready: bool = False
    news: list[int] = field(default_factory=list[int])  # the pipe on which it says that it serves


class Crew:
    """`count` workers on one port. The first one starts alone: it brings the database and the configuration up to date.

    `reach` is the address of this machine for others: its workers are reached at the ports after it. Left out, they
    reach each other on loopback.
    """

    def __init__(self, host: str, port: int, count: int, reach: str) -> None:
        self._host = host
        self._port = port
        self._count = count
        self._reach = urlsplit(reach)
        self._name = token_hex(8)
        self._workers: list[_Worker] = []
        self._stopping = False
        self._status = 0
        # Whoever holds the other end knows that this process lives.
        self._alive, self._living = os.pipe()
        self._signalled, self._signals = os.pipe()

    def muster(self) -> Post:
        """Returns in each worker, with its post. In the watcher it never does: SystemExit when all of them are gone.

        Raises OSError naming the address when a port cannot be had.
        """
        self._workers.append(self._hired(1))
        gc.collect()
        gc.freeze()  # what is loaded is shared with the workers as long as nobody writes to it
        for end in (self._signalled, self._signals):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._signals)
        for number in _SIGNALS:
            signal.signal(number, _noted)
        while (post := self._next_post()) is None:
            if self._stopping and not any(worker.pid for worker in self._workers):
                raise SystemExit(self._status)
            self._wait()
        return post

    def _wait(self) -> None:
        """Until a signal comes, a worker says that it serves, or one is due."""
        due = [worker.due - time.monotonic() for worker in self._workers if not worker.pid and not self._stopping]
        news = [descriptor for worker in self._workers for descriptor in worker.news]
        heard, _, _ = select.select([self._signalled, *news], [], [], max(min(due), 0.0) if due else None)
        for worker in self._workers:
            self._read(worker)
        told = os.read(self._signalled, 4096) if self._signalled in heard else b""
        if signal.SIGTERM in told or signal.SIGINT in told:
            self._stop()
        for worker in self._workers:
            if worker.pid and (ended := os.waitpid(worker.pid, os.WNOHANG))[0]:
                self._lost(worker, os.waitstatus_to_exitcode(ended[1]))

    def _hired(self, number: int) -> _Worker:
        """A worker with its sockets: the shared port's, and its own."""
        public = listen(self._host, self._port, shared=True)
        self._port = public[0].getsockname()[1]
        if not self._reach.hostname:
            private = listen("127.0.0.1", 0)
            return _Worker(number, public, private, f"http://127.0.0.1:{private[0].getsockname()[1]}")
        port = (self._reach.port or (443 if self._reach.scheme == "https" else 80)) + number
        host = f"[{self._reach.hostname}]" if ":" in self._reach.hostname else self._reach.hostname
        return _Worker(number, public, listen(self._host, port), f"{self._reach.scheme}://{host}:{port}")

    # -- in the watcher --------------------------------------------------------------------------------------------

    def _next_post(self) -> Post | None:
        """Fork who is due; the post in the one that was forked, None in the watcher."""
        if self._stopping:
            return None
        if self._workers[0].was_ready:
            while len(self._workers) < self._count:
                self._workers.append(self._hired(len(self._workers) + 1))
        for worker in self._workers:
            if not worker.pid and worker.due <= time.monotonic():
                post = self._forked(worker)
                if post is not None:
                    return post
        return None

    def _forked(self, worker: _Worker) -> Post | None:
        news, telling = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # none is for the one who still listens like the watcher
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            os.close(telling)
            os.set_blocking(news, False)
            worker.pid, worker.news, worker.began = pid, [news], time.monotonic()
            return None
        os.setpgid(0, 0)  # what is typed at the terminal goes to the watcher alone, which tells each worker once
        self._leave_the_watch(worker, news)

        def ready() -> None:
            os.write(telling, b"1")
            os.close(telling)

        sockets = (*worker.public, *worker.private)
        return Post(sockets, worker.number, self._count, worker.address, self._name, ready, self._keep_watched)

    # -- in a worker -----------------------------------------------------------------------------------------------

    def _leave_the_watch(self, worker: _Worker, news: int) -> None:
        signal.set_wakeup_fd(-1)
        for number in _SIGNALS:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        for descriptor in (news, self._living, self._signalled, self._signals):
            os.close(descriptor)
        for other in self._workers:
            for descriptor in other.news:
                os.close(descriptor)
            for sock in (*other.public, *other.private) if other is not worker else ():
                sock.close()

    def _keep_watched(self) -> None:
        """Stop when nobody watches any more: whoever started the watcher takes the hub for ended."""
        loop = asyncio.get_running_loop()

        def unwatched() -> None:
            loop.remove_reader(self._alive)
            os.kill(os.getpid(), signal.SIGTERM)

        loop.add_reader(self._alive, unwatched)

    # -- in the watcher --------------------------------------------------------------------------------------------

    def _read(self, worker: _Worker) -> None:
        """Note whether a worker says that it serves."""
        for descriptor in worker.news:
            try:
                told = os.read(descriptor, 1)
            except BlockingIOError:
                return
            worker.was_ready = worker.was_ready or bool(told)
            os.close(descriptor)
        worker.news = []

    def _stop(self) -> None:
        """Have everybody stop; a second time: at once. Nothing more is taken on the port."""
        self._stopping = True
        for worker in self._workers:
            for sock in (*worker.public, *worker.private):
                sock.close()
            if worker.pid:
                os.kill(worker.pid, signal.SIGTERM)

    def _lost(self, worker: _Worker, status: int) -> None:
        worker.pid = 0
        if self._stopping:
            self._status = self._status or (max(0, status))
            return
        if not worker.was_ready:  # it never served, and has said why
            self._status = status if status > 0 else 1
            self._stop()
            return
        now = time.monotonic()
        worker.losses = 0 if now - worker.began > _STEADY_SECONDS else worker.losses + 1
        pause = min(2.0 ** (worker.losses - 1), _LONGEST_PAUSE) if worker.losses > 1 else 0.0
        worker.due = now + pause
        log.error("a worker is gone and is replaced", worker=worker.number, status=status, seconds=pause)
