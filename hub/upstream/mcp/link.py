"""One live connection to a server, whatever carries it: requests go out, answers, cancellations and its end are known."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any

from msgspec import json

from hub.core.logs import get_logger
from hub.core.refusal import UpstreamFailed
from hub.upstream.mcp.calls import CANCELLED, Calls, severity
from hub.upstream.mcp.completions import COMPLETE, Completions, Tell
from hub.upstream.mcp.pending import Limits, Pending
from hub.upstream.mcp.questions import Questions
from hub.upstream.mcp.values import CallerContext, Era, RpcReply
from hub.upstream.mcp.wire import HANDSHAKE, Message, NotRpc, Speech, dressed, parse_object

log = get_logger(__name__)

_UNCANCELLABLE = ("initialize", "server/discover", "subscriptions/listen")
_UNTOLD = 99  # beyond every level of the log: the server was told none yet
_LISTENER = b'{"extensions":{"io.modelcontextprotocol/tasks":{}}}'  # what who listens to tasks must be able to
HUB = CallerContext()  # the hub asks for itself


class Undelivered(UpstreamFailed):
    """It is certain that the server did not begin the request, so it may be sent again."""


class Rejected(UpstreamFailed):
    """The server was there and would not have the request: no JSON-RPC answer, only an HTTP status."""


class Failing(Rejected):
    """It says itself that it is not well: an HTTP status of 500 or more."""


def rejection(status: int, retry_after: int | None = None) -> Rejected:
    """That it answers with this HTTP status."""
    kind = Failing if status >= 500 else Rejected
    return kind("upstream_error", f"it answers with HTTP status {status}", retry_after=retry_after)


@dataclass(frozen=True, slots=True)
class Greeting:
    """What is agreed with a server when it is connected. `server_info` and `capabilities` are raw JSON."""

    speech: Speech
    server_info: bytes = b"{}"
    capabilities: bytes = b"{}"
    instructions: str = ""

    def declares(self, kind: str, feature: str = "") -> bool:
        """Whether the server says that it has `kind` (tools, prompts, resources), and that feature of it."""
        try:
            declared = bytes(parse_object(self.capabilities).get(kind, b""))
            return declared[:1] == b"{" and (not feature or bytes(parse_object(declared).get(feature, b"")) == b"true")
        except NotRpc:
            return False

    @property
    def announced(self) -> tuple[str, ...]:
        """The kinds whose changes the server announces."""
        return tuple(kind for kind in ("tools", "prompts", "resources") if self.declares(kind, "listChanged"))


def _nobody(params: bytes) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True)
class Ears:
    """Whom a link tells things: the server's lists may have changed; the link takes no more requests.

    `updated` gets the params of each notice that a resource has changed.
    """

    changed: Callable[[], None]
    lost: Callable[[], None]
    updated: Callable[[bytes], None] = _nobody


class Link(ABC):
    """Opened, used and closed by the one task that owns it. `greeting` is set once the server was greeted.

    `watched` is what the server is to announce updates of, each `uri URI` or `task ID`.
    """

    def __init__(self, numbers: Iterator[int], ears: Ears) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._questions = Questions(self._start, self._reply, self._answer)
        self._completions = Completions()
        self.calls = Calls(numbers, self._heard, self._asked)
        self.greeting = Greeting(HANDSHAKE)
        self.failure: UpstreamFailed | None = None
        self.watched: frozenset[str] = frozenset()
        self._numbers = numbers
        self._ears = ears
        self._level = _UNTOLD
        self.trouble = ""  # what is wrong with the stream of changes, for people

    async def request(
        self, method: str, params: bytes, caller: CallerContext, limits: Limits, speech: Speech | None = None
    ) -> RpcReply:
        """The server's answer.

        Raises UpstreamFailed (`upstream_timeout` by `limits`; Undelivered when it may be sent again) and
        NotRpc when `params` is no object. A caller who leaves, or is late, is no longer worked for: the
        server is told.
        """
        if self.failure is not None:
            raise Undelivered(self.failure.code, self.failure.message)
        speech = speech or self.greeting.speech
        pending = self.calls.open(method, caller)
        pending.era = speech.era
        worked_on = False
        try:
            number = pending.number if caller.notify else None
            body, pending.token = dressed(params, speech, number, caller.capabilities, caller.log_level)
            worked_on = True
            with pending.timed(limits):
                await self._send(pending, body, speech)
                reply = await pending.answer
            worked_on = False
            if reply.error is not None:
                self._completions.refused(reply.error, caller)
            return reply
        except TimeoutError:
            self._given_up(pending)
            raise UpstreamFailed("upstream_timeout", pending.late(limits), status=504) from None
        except UpstreamFailed:
            worked_on = False  # or nobody is there any more to be told
            raise
        finally:
            self.calls.close(pending)
            self._questions.close(pending)
            if worked_on:
                self._abandon(pending, tell=method not in _UNCANCELLABLE)

    async def logged(self, caller: CallerContext, limits: Limits) -> None:
        """See that an old server writes as much of its log as this caller wants to read; who wants less gets less."""
        wanted = severity(caller.log_level)
        if self.greeting.speech.era is Era.MODERN or wanted >= self._level or not self.greeting.declares("logging"):
            return
        self._level = wanted
        await self.request("logging/setLevel", json.encode({"level": caller.log_level}), HUB, limits)

    @property
    def pid(self) -> int | None:
        """The id of the server's process, where it has one."""
        return None

    def tail(self) -> tuple[str, ...]:
        """The last lines that the server wrote for people, unmasked."""
        return ()

    @abstractmethod
    async def _send(self, pending: Pending, params: bytes, speech: Speech) -> None:
        """Put the request on the wire, or see that it gets there; its answer goes to `calls`."""

    @abstractmethod
    def _abandon(self, pending: Pending, *, tell: bool) -> None:
        """Nobody waits for this request: stop it, and tell the server if that is allowed."""

    @abstractmethod
    def _given_up(self, pending: Pending) -> None:
        """This request was not answered in time."""

    @abstractmethod
    def _reply(self, message: bytes) -> None:
        """Send an answer to a question, or a notification, some time soon."""

    @property
    @abstractmethod
    def _is_behind(self) -> bool:
        """Whether the server does not take what it is sent."""

    def _answer(self, message: bytes) -> None:
        """Send what the server has brought about, unless it brings about more than it takes: that is not heaped up."""
        if self._is_behind:
            self.calls.noise += 1
        else:
            self._reply(message)

    @abstractmethod
    async def greeted(self, greeting: Greeting) -> None:
        """The server was greeted: say so where the protocol wants it, and listen for changes."""

    @abstractmethod
    async def close(self) -> None:
        """End the connection; what still waits fails."""

    @abstractmethod
    def listen_anew(self) -> None:
        """A modern server: `watched` has changed, so that the stream of changes is opened again."""

    def tell(self, message: bytes) -> None:
        """Send a notification of the caller's."""
        self._answer(message)

    async def watch(self, what: frozenset[str], limits: Limits) -> None:
        """Have the server announce exactly this (`uri URI`, `task ID`). Its refusals are passed over."""
        added, dropped = what - self.watched, self.watched - what
        if not added and not dropped:
            return
        self.watched = what
        if self.greeting.speech.era is Era.MODERN:
            self.listen_anew()
            return
        if not self.greeting.declares("resources", "subscribe"):
            return
        for method, some in (("resources/subscribe", added), ("resources/unsubscribe", dropped)):
            for one in sorted(some):
                kind, _, uri = one.partition(" ")
                if kind == "uri":
                    await self.request(method, json.encode({"uri": uri}), HUB, limits)

    def lose(self, failure: UpstreamFailed) -> None:
        """The connection takes no more requests. The first reason counts; what is on its way may still arrive."""
        if self.failure is None:
            self.failure = failure
            self._ears.lost()

    @property
    def listens(self) -> bool:
        """Whether there is anything to listen to."""
        return bool(self.greeting.announced or self.watched)

    def listening(self) -> bytes:
        """The params of `subscriptions/listen`: the lists whose changes the server announces, and what is watched."""
        wanted: dict[str, object] = {f"{kind}ListChanged": True for kind in self.greeting.announced}
        for kind, member in (("uri ", "resourceSubscriptions"), ("task ", "taskIds")):
            some = sorted(one.removeprefix(kind) for one in self.watched if one.startswith(kind))
            if some:
                wanted[member] = some
        capabilities = _LISTENER if "taskIds" in wanted else b"{}"
        return dressed(json.encode({"notifications": wanted}), self.greeting.speech, None, capabilities)[0]

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something in a task that ends with the link."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended_task)
        return task

    def _ended_task(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("mcp_exchange_failed", exc_info=error)

    async def _end_tasks(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _heard(self, method: str, params: bytes) -> None:
        if method.endswith("/list_changed"):
            self._ears.changed()
        elif method in ("notifications/resources/updated", "notifications/tasks"):
            self._ears.updated(params)
        elif method == CANCELLED:
            self._questions.withdraw(params)
        elif method == COMPLETE:
            self._completions.ended(params)

    def _asked(self, pending: Pending, message: Message) -> bytes:
        """A question for the caller of `pending`; what the server is told at once, or b""."""
        if message.method == "elicitation/create":
            self._completions.asked(bytes(message.params), self._teller(pending.number, pending.caller))
        return self._questions.ask(pending, message)

    def _teller(self, number: int, caller: CallerContext) -> Tell | None:
        """How an old client is told something about a call: with it as long as it runs, and later on its stream."""
        later, now = caller.later, caller.notify
        if later is None:
            return None

        def tell(method: str, params: bytes) -> None:
            (now if now is not None and self.calls.waits(number) else later)(method, params)

        return tell
