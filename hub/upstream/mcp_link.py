"""One live connection to a server, whatever carries it: requests go out, answers, cancellations and its end are known."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from msgspec import json

from hub.core.refusal import UpstreamFailed
from hub.upstream.mcp_calls import Calls, Pending
from hub.upstream.mcp_values import CallerContext, RpcReply
from hub.upstream.mcp_wire import HANDSHAKE, NotRpc, Speech, dressed, parse_object

_UNCANCELLABLE = ("initialize", "server/discover", "subscriptions/listen")
HUB = CallerContext()  # the hub asks for itself


class Undelivered(UpstreamFailed):
    """It is certain that the server did not begin the request, so it may be sent again."""


class Rejected(UpstreamFailed):
    """The server was there and would not have the request: no JSON-RPC answer, only an HTTP status."""


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


@dataclass(frozen=True, slots=True)
class Ears:
    """Whom a link tells things: the server's lists may have changed; the link takes no more requests."""

    changed: Callable[[], None]
    lost: Callable[[], None]


class Link(ABC):
    """Opened, used and closed by the one task that owns it. `greeting` is set once the server was greeted."""

    def __init__(self, numbers: Iterator[int], ears: Ears) -> None:
        self.calls = Calls(numbers, self._heard)
        self.greeting = Greeting(HANDSHAKE)
        self.failure: UpstreamFailed | None = None
        self._ears = ears

    async def request(
        self, method: str, params: bytes, caller: CallerContext, seconds: float, speech: Speech | None = None
    ) -> RpcReply:
        """The server's answer.

        Raises UpstreamFailed (`upstream_timeout` after `seconds`; Undelivered when it may be sent again) and
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
            body, pending.token = dressed(params, speech, pending.number if caller.notify else None)
            worked_on = True
            async with asyncio.timeout(seconds):
                await self._send(pending, body, speech)
                reply = await pending.answer
            worked_on = False
            return reply
        except TimeoutError:
            late = f"it did not answer {method} within {seconds:.3g} s"
            raise UpstreamFailed("upstream_timeout", late, status=504) from None
        except UpstreamFailed:
            worked_on = False  # or nobody is there any more to be told
            raise
        finally:
            self.calls.close(pending)
            if worked_on:
                self._abandon(pending, tell=method not in _UNCANCELLABLE)

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
    async def greeted(self, greeting: Greeting) -> None:
        """The server was greeted: say so where the protocol wants it, and listen for changes."""

    @abstractmethod
    async def close(self) -> None:
        """End the connection; what still waits fails."""

    def lose(self, failure: UpstreamFailed) -> None:
        """The connection takes no more requests. The first reason counts; what is on its way may still arrive."""
        if self.failure is None:
            self.failure = failure
            self._ears.lost()

    def listening(self) -> bytes:
        """The params of `subscriptions/listen`: every list whose changes the server announces."""
        wanted = {f"{kind}ListChanged": True for kind in self.greeting.announced}
        return dressed(json.encode({"notifications": wanted}), self.greeting.speech, None)[0]

    def _heard(self, method: str, params: bytes) -> None:
        if method.endswith("/list_changed"):
            self._ears.changed()
