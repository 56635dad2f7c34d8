"""The requests that wait for an answer on one connection, and what becomes of everything that comes in on it."""

from collections.abc import Callable, Iterator

from msgspec import Raw

from hub.core.refusal import UpstreamFailed
from hub.upstream.mcp import wire
from hub.upstream.mcp.pending import Pending
from hub.upstream.mcp.values import MOST_MESSAGE, MOST_RESULT, CallerContext, Era
from hub.upstream.mcp.wire import Message, NotRpc

PROGRESS = "notifications/progress"
CANCELLED = "notifications/cancelled"
_LOG = "notifications/message"
_MOST_HELD = 16
_HEAD = 1024  # bytes of what cannot be read, in which the id of a message is looked for
_LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
_OF_THE_SERVER = ("/list_changed", "resources/updated", "notifications/tasks", "elicitation/complete")


def severity(level: str) -> int:
    """How severe a level of the log is; the least for one that nobody knows."""
    return _LEVELS.index(level) if level in _LEVELS else 0


class Calls:
    """Correlates answers with requests by numbers that no other connection of the process uses.

    `heard(method, params)` gets each notification that belongs to no call, `ask(pending, message)` each question
    with the call that caused it; it gives what is to be said at once, or b"". A connection that serves one kind of
    caller (`hold` is set) keeps what is asked outside of any call for the next one. `astray` says that a question
    could have belonged to several calls.
    """

    def __init__(
        self,
        numbers: Iterator[int],
        heard: Callable[[str, bytes], None],
        ask: Callable[[Pending, Message], bytes],
    ) -> None:
        self._numbers = numbers
        self._heard = heard
        self._ask = ask
        self._waiting: dict[int, Pending] = {}
        self._held: list[Message] = []
        self.hold = False
        self.astray = False
        self.late = 0
        self.noise = 0

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def waits(self, number: int) -> bool:
        """Whether somebody still waits for the answer to that request."""
        return number in self._waiting

    def open(self, method: str, caller: CallerContext) -> Pending:
        """A new request."""
        pending = Pending(next(self._numbers), method, caller)
        self._waiting[pending.number] = pending
        if self._held and caller.ask is not None:
            held, self._held = self._held, []
            for message in held:
                self._ask(pending, message)
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
            messages = wire.parse(data)
        except NotRpc as error:
            self.garbled(data[:_HEAD], f"its answer is no JSON-RPC message: {error}")
            return []
        answers = (self._take(message, own) for message in messages)
        return [answer for answer in answers if answer]

    def most(self, head: bytes) -> int:
        """How many bytes a message may have that begins with `head`: as many as whoever waits for it takes."""
        number = wire.number_in(head)
        if number is None:  # its id may come at its end
            return MOST_MESSAGE if self._waiting else MOST_RESULT
        return self._waiting[number].caller.most if number in self._waiting else MOST_RESULT

    def oversized(self, head: bytes) -> None:
        """A message was dropped that has more bytes than it may have."""
        self.garbled(head, wire.too_large(self.most(head)), wire.TOO_LARGE)

    def garbled(self, head: bytes, fault: str, code: str = "upstream_protocol") -> None:
        """Something came that is no message. Whoever waits for the answer that it was to be does so in vain."""
        self.noise += 1
        number = wire.number_in(head)
        if number is not None:
            self.fail_one(number, UpstreamFailed(code, fault))

    def _take(self, message: Message, own: Pending | None) -> bytes:
        if not message.method:
            self._settle(message, own)
        elif message.id and bytes(message.id) != b"null":
            return self._asked(message, own)
        elif message.method == PROGRESS:
            self._progress(message.params)
        elif message.method.endswith(_OF_THE_SERVER) or message.method == CANCELLED:
            self._heard(message.method, bytes(message.params))
        else:
            self._told(message, own)
        return b""

    def _settle(self, message: Message, own: Pending | None) -> None:
        if not message.result and not message.error:
            self.noise += 1
            return
        number = wire.number_of(message.id)
        pending = self._waiting.get(number) if number is not None else None
        if pending is None and own is not None and message.error and bytes(message.id) in (b"", b"null"):
            pending = own  # refused before its id was read
        if pending is None:
            self.late += 1
        elif len(message.result) > pending.caller.most:
            pending.fail(UpstreamFailed(wire.TOO_LARGE, wire.too_large(pending.caller.most)))
        else:
            pending.settle(message)

    def _asked(self, message: Message, own: Pending | None) -> bytes:
        """The answer to a server's own request, where it can be given at once."""
        if message.method == "ping":
            return wire.result(message.id, b"{}")
        pending = own if own is not None and not own.answer.done() else self._whose()
        if pending is not None and pending.caller.ask is not None:
            return self._ask(pending, message)
        if pending is None and self.hold and len(self._held) < _MOST_HELD:
            self._held.append(message)
            return b""
        text = f"nobody can be asked {message.method[:64]}: the client declared no such capability"
        return wire.error(message.id, wire.METHOD_NOT_FOUND, text)

    def _whose(self) -> Pending | None:
        """The call that a question belongs to which came on no call's own stream: the last one that it can be."""
        able = [pending for pending in self._waiting.values() if pending.caller.ask is not None]
        self.astray = self.astray or len(able) > 1
        return able[-1] if able else None

    def _told(self, message: Message, own: Pending | None) -> None:
        """A notification for a caller: by the stream it came on, else when only one call can be meant."""
        pending = own
        if pending is None and len(self._waiting) == 1:
            pending = next(iter(self._waiting.values()))
        if pending is None or pending.caller.notify is None:
            return
        pending.stir()
        if message.method != _LOG or _is_wanted(message.params, pending.caller):
            pending.caller.notify(message.method, bytes(message.params))

    def _progress(self, params: Raw) -> None:
        """Tell the caller, under the token that they chose."""
        try:
            members = wire.parse_object(bytes(params))
        except NotRpc:
            self.noise += 1
            return
        number = wire.number_of(members.get("progressToken", b""))
        pending = self._waiting.get(number) if number is not None else None
        if pending is None:
            return
        pending.stir()
        if pending.token is None or pending.caller.notify is None:
            return
        members["progressToken"] = pending.token
        pending.caller.notify(PROGRESS, wire.encode_object(members))


def _is_wanted(params: Raw, caller: CallerContext) -> bool:
    """Whether a line of the log is severe enough. A modern caller who named no level wants none, an old one all."""
    if not caller.log_level:
        return caller.era is Era.LEGACY
    try:
        level = wire.parse_text(bytes(wire.parse_object(bytes(params)).get("level", b"")))
    except NotRpc:
        return False
    return severity(level) >= severity(caller.log_level)
