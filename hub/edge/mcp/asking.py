"""Questions to clients of the old era: put on the stream of the call that caused them, answered by another POST."""

import asyncio
import itertools
import secrets
from collections.abc import Awaitable, Callable

import msgspec

from hub.edge.mcp.envelope import Message, request_bytes
from hub.edge.mcp.streams import Outbox
from hub.upstream import RpcReply

_INTERNAL = b'{"code":-32603,"message":"the client answered with neither a result nor an error"}'


class Asking:
    """The open questions of one session, by their ids, which nobody can guess."""

    def __init__(self) -> None:
        self._open: dict[bytes, asyncio.Future[RpcReply]] = {}
        self._numbers = itertools.count(1)
        self._token = secrets.token_urlsafe(9)

    def on(self, outbox: Outbox) -> Callable[[str, bytes], Awaitable[RpcReply]]:
        """Something that asks on this stream."""

        async def ask(method: str, params: bytes) -> RpcReply:
            identifier = msgspec.json.encode(f"hub-{self._token}-{next(self._numbers)}")
            answer = self._open[identifier] = asyncio.get_running_loop().create_future()
            outbox.put(request_bytes(identifier, method, params))
            try:
                return await answer
            except asyncio.CancelledError:
                reason = b'{"requestId":' + identifier + b',"reason":"no answer is needed any more"}'
                outbox.notify("notifications/cancelled", reason)
                raise
            finally:
                del self._open[identifier]

        return ask

    def answered(self, message: Message) -> bool:
        """A response has come; whether it is one to an open question."""
        answer = self._open.get(message.id)
        if answer is None or answer.done():
            return False
        if message.error:
            answer.set_result(RpcReply(error=message.error))
        elif message.result.startswith(b"{"):
            answer.set_result(RpcReply(result=message.result))
        else:
            answer.set_result(RpcReply(error=_INTERNAL))
        return True
