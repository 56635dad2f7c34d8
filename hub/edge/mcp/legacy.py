"""What clients of the old era ask and say, whatever carries it: a handshake, requests of a session, notifications."""

from contextlib import AbstractContextManager, nullcontext

import msgspec

from hub.edge.mcp.answers import initialized
from hub.edge.mcp.envelope import INVALID_PARAMS, Message, RpcFault, is_object, notification_bytes, result_bytes
from hub.edge.mcp.era import LEGACY
from hub.edge.mcp.methods import RELAYED, Methods
from hub.edge.mcp.request import Request
from hub.edge.mcp.sessions import Session
from hub.edge.mcp.streams import Outbox
from hub.tool_path import ToolPath
from hub.upstream import handshake_form

MOST_CAPABILITIES = 64 << 10  # bytes that a session keeps of what its client declared
_ROOTS_CHANGED = "notifications/roots/list_changed"


class LegacyDesk:
    """Answers one message at a time."""

    def __init__(self, path: ToolPath, methods: Methods) -> None:
        self._path = path
        self._methods = methods

    def agreed(self, message: Message) -> tuple[str, bytes]:
        """The revision for a client that initializes, and what it can do, raw JSON. Raises RpcFault -32602."""
        asked = message.text("protocolVersion")
        capabilities = message.params.get("capabilities", msgspec.Raw(b"{}"))
        if not is_object(capabilities) or len(bytes(capabilities)) > MOST_CAPABILITIES:
            size = f"{MOST_CAPABILITIES >> 10} KiB"
            raise RpcFault(INVALID_PARAMS, f"params.capabilities is an object of at most {size}.")
        able = handshake_form(bytes(capabilities))  # such a client can do nothing with a modern server's tasks
        return (asked if asked in LEGACY else LEGACY[0]), able

    async def initialized(self, request: Request, message: Message, session: Session) -> bytes:
        """The answer to `initialize` of a client whose session is there already."""
        session.version, session.capabilities = self.agreed(message)
        return result_bytes(message.id, initialized(self._path, request.visit, session.version))

    async def result(self, request: Request, message: Message, outbox: Outbox | None) -> bytes:
        """A response; what a server is asked for can be cancelled by the id of its request."""
        with self._watched(request, message):
            return result_bytes(message.id, await self._methods.legacy(request, message, outbox))

    def _watched(self, request: Request, message: Message) -> AbstractContextManager[None]:
        """Outside of a session a call can be cancelled only by leaving."""
        if request.session is None or message.method not in RELAYED:
            return nullcontext()
        return request.session.running(message.id)

    def heard(self, request: Request, message: Message) -> None:
        """A notification, or the answer to a question."""
        session = request.session
        if session is None:
            return
        if not message.method:
            session.asking.answered(message)
        elif message.method == "notifications/cancelled":
            session.cancel(bytes(message.params.get("requestId", b"")))
        elif message.method == _ROOTS_CHANGED:
            told = notification_bytes(_ROOTS_CHANGED, b"{}")
            self._path.servers.tell(request.visit.principal.id, session.id, told)
