"""What servers ask in the middle of a call: each question goes to the caller whose call it is, its answer back."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import Raw

from hub.core.logs import get_logger
from hub.core.refusal import Refusal
from hub.upstream.mcp import wire
from hub.upstream.mcp.pending import Pending
from hub.upstream.mcp.rounds import check_question
from hub.upstream.mcp.wire import Message, NotRpc

log = get_logger(__name__)

MOST = 16  # open at once, of one call
_GONE = b'{"action":"cancel"}'
_INTERNAL = -32603

Start = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Questions:
    """All open questions of one connection. `start` runs a coroutine beside it, `reply` sends the server an answer.

    `refuse` sends one too, unless the server has more of them than it takes.
    """

    def __init__(self, start: Start, reply: Callable[[bytes], None], refuse: Callable[[bytes], None]) -> None:
        self._start = start
        self._reply = reply
        self._refuse = refuse
        self._open: dict[bytes, tuple[asyncio.Task[None], Pending]] = {}

    def ask(self, pending: Pending, message: Message) -> bytes:
        """Put a question to the caller of `pending`; what the server is told at once, or b""."""
        identifier = bytes(message.id)
        if identifier in self._open or sum(one is pending for _, one in self._open.values()) >= MOST:
            return wire.error(identifier, wire.INVALID_REQUEST, "too many questions, or this id is open")
        task = self._start(self._answered(pending, message))
        self._open[identifier] = (task, pending)
        task.add_done_callback(lambda _: self._open.pop(identifier, None))
        return b""

    def withdraw(self, params: bytes) -> bool:
        """The server says that it needs no answer any more; whether it speaks of an open question."""
        try:
            identifier = bytes(wire.parse_object(params).get("requestId", b""))
        except NotRpc:
            return False
        task, _ = self._open.pop(identifier, (None, None))
        if task is not None:
            task.cancel()
        return task is not None

    def close(self, pending: Pending) -> None:
        """The call is over: whatever is still asked in its name is moot."""
        for task, own in list(self._open.values()):
            if own is pending:
                task.cancel()

    async def _answered(self, pending: Pending, message: Message) -> None:
        ask = pending.caller.ask
        assert ask is not None
        try:
            check_question(message.method, bytes(message.params))
            with pending.asking():
                reply = await ask(message.method, _stripped(bytes(message.params)))
        except asyncio.CancelledError:
            self._refuse(_moot(message))
            raise
        except Refusal as refusal:
            self._refuse(wire.error(message.id, _INTERNAL, refusal.message))
            return
        except Exception:
            log.exception("question_failed", method=message.method)
            self._refuse(wire.error(message.id, _INTERNAL, "the hub could not ask its caller"))
            return
        if reply.error is not None:
            self._reply(wire.error_raw(message.id, reply.error))
        else:
            self._reply(wire.result(message.id, reply.result or b"{}"))


def _moot(message: Message) -> bytes:
    if message.method == "elicitation/create":
        return wire.result(message.id, _GONE)
    return wire.error(message.id, _INTERNAL, "the call that this belongs to is over")


def _stripped(params: bytes) -> bytes:
    """The params without the server's progress token, which would mean nothing to the caller."""
    if b"progressToken" not in params:
        return params or b"{}"
    try:
        members = wire.parse_object(params)
        meta = wire.parse_object(bytes(members.get("_meta", b"")))
    except NotRpc:
        return params
    meta.pop("progressToken", None)
    members["_meta"] = Raw(wire.encode_object(meta))
    return wire.encode_object(members)
