"""The requests that wait for an answer on one connection, and what becomes of everything that comes in on it."""

import asyncio
from collections.abc import Callable, Iterator

from msgspec import Raw

from hub.core.refusal import UpstreamFailed
from hub.upstream import mcp_wire
from hub.upstream.mcp_values import CallerContext, Era, RpcReply
from hub.upstream.mcp_wire import Message, NotRpc

PROGRESS = "notifications/progress"
MOST_RESULT = 16 << 20  # bytes of one message


class Pending:
    """One request and the future of its answer. `token` is the caller's own progress token, if they gave one."""

    __slots__ = ("answer", "caller", "era", "method", "number", "token")

    def __init__(self, number: int, method: str, caller: CallerContext) -> None:
        self.number = number
        self.method = method
        self.caller = caller
        self.era = Era.LEGACY
        self.token: Raw | None = None
        self.answer: asyncio.Future[RpcReply] = asyncio.get_running_loop().create_future()

    def settle(self, message: Message) -> None:
        """Hand the answer over, unless nobody waits any more."""
        if self.answer.done():
            return
        result, error = bytes(message.result), bytes(message.error)
        if error and error != b"null":
            self.answer.set_result(RpcReply(error=error, era=self.era))
        elif result[:1] == b"{":
            self.answer.set_result(RpcReply(result=result, era=self.era))
        else:
            self.fail(
                UpstreamFailed("upstream_protocol", "its answer has neither a result that is an object nor an error")
            )

    def fail(self, refusal: UpstreamFailed) -> None:
        """There will be no answer."""
        if not self.answer.done():
            self.answer.set_exception(refusal)


class Calls:
    """Correlates answers with requests by numbers that no other connection of the process uses.

    `heard(method, params)` gets each notification that belongs to no call.
    """

    def __init__(self, numbers: Iterator[int], heard: Callable[[str, bytes], None]) -> None:
        self._numbers = numbers
        self._heard = heard
        self._waiting: dict[int, Pending] = {}
        self.late = 0
        self.noise = 0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def open(self, method: str, caller: CallerContext) -> Pending:
        """A new request."""
        pending = Pending(next(self._numbers), method, caller)
        self._waiting[pending.number] = pending
        return pending

    def close(self, pending: Pending) -> None:
        """Nobody waits for it any more."""
        self._waiting.pop(pending.number, None)

    def fail(self, refusal: UpstreamFailed) -> None:
        """None of them will be answered."""
        for pending in list(self._waiting.values()):
            pending.fail(refusal)

    def fail_one(self, number: int, refusal: UpstreamFailed) -> bool:
        """This one will not be answered; whether there was such a one."""
        pending = self._waiting.get(number)
        if pending is not None:
            pending.fail(refusal)
        return pending is not None

    def take(self, data: bytes, own: Pending | None = None) -> list[bytes]:
        """Take what came in, and give what is to be sent in return.

        `own` is the request on whose own stream it came, where the transport knows that. Whatever is no
        message is counted and passed over.
        """
        try:
            messages = mcp_wire.parse(data)
        except NotRpc:
            self.noise += 1
            return []
        answers = (self._take(message, own) for message in messages)
        return [answer for answer in answers if answer]

    def _take(self, message: Message, own: Pending | None) -> bytes:
        if not message.method:
            self._settle(message, own)
        elif message.id and bytes(message.id) != b"null":
            return self._asked(message)
        elif message.method == PROGRESS:
            self._progress(message.params)
        else:
            self._heard(message.method, bytes(message.params))
        return b""

    def _settle(self, message: Message, own: Pending | None) -> None:
        if not message.result and not message.error:
            self.noise += 1
            return
        number = mcp_wire.number_of(message.id)
        pending = self._waiting.get(number) if number is not None else None
        if pending is None and own is not None and not own.answer.done() and bytes(message.id) in (b"", b"null"):
            pending = own  # refused before its id was read
        if pending is None:
            self.late += 1
        else:
            pending.settle(message)

    def _asked(self, message: Message) -> bytes:
        """The answer to a server's own request. Here a question will find its way to the caller it belongs to."""
        if message.method == "ping":
            return mcp_wire.result(message.id, b"{}")
        return mcp_wire.error(
            message.id,
            mcp_wire.METHOD_NOT_FOUND,
            f"{message.method} is not supported yet: the hub declared no such capability",
        )

    def _progress(self, params: Raw) -> None:
        """Tell the caller, under the token that they chose."""
        try:
            members = mcp_wire.parse_object(bytes(params))
        except NotRpc:
            self.noise += 1
            return
        number = mcp_wire.number_of(members.get("progressToken", b""))
        pending = self._waiting.get(number) if number is not None else None
        if pending is None or pending.token is None or pending.caller.notify is None:
            return
        members["progressToken"] = pending.token
        pending.caller.notify(PROGRESS, mcp_wire.encode_object(members))
