"""One live connection to a server, whatever carries it: requests go out, answers, cancellations and its end are known."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hub.core.refusal import UpstreamFailed
from hub.upstream.mcp_calls import Calls, Pending
from hub.upstream.mcp_values import CallerContext, RpcReply
from hub.upstream.mcp_wire import HANDSHAKE, Speech, dressed

_UNCANCELLABLE = ("initialize", "server/discover", "subscriptions/listen")
HUB = CallerContext()  # the hub asks for itself


class Undelivered(UpstreamFailed):
    """It is certain that the server did not begin the request, so it may be sent again."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """What is agreed with a server when it is connected. `server_info` and `capabilities` are raw JSON."""

    speech: Speech
    server_info: bytes = b"{}"
    capabilities: bytes = b"{}"
    instructions: str = ""


@dataclass(frozen=True, slots=True)
class Ears:
    """Whom a link tells things: a list of the server has changed; the link is no more, and why."""

    changed: Callable[[str], None]
    lost: Callable[[UpstreamFailed], None]


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
        answered = False
        try:
            body, pending.token = dressed(params, speech, pending.number if caller.notify else None)
            async with asyncio.timeout(seconds):
                await self._send(pending, body, speech)
                reply = await pending.answer
            answered = True
            return reply
        except TimeoutError:
            raise UpstreamFailed(
                "upstream_timeout", f"it did not answer {method} within {seconds:g} s", status=504
            ) from None
        except UpstreamFailed:
            answered = True  # or nobody is there any more to be told
            raise
        finally:
            self.calls.close(pending)
            if not answered:
                self._abandon(pending, tell=method not in _UNCANCELLABLE)

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
        """The connection is of no more use. The first reason counts."""
        if self.failure is None:
            self.failure = failure
            self.calls.fail(failure)
            self._ears.lost(failure)

    def _heard(self, method: str, params: bytes) -> None:
        if method.endswith("/list_changed"):
            self._ears.changed(method)
