"""`/mcp/{profile}/sse`: clients of 2024-11-05, with one stream for all answers and an address to post messages to."""

import asyncio

from msgspec.structs import replace

from hub.core.refusal import NotFound, Refusal
from hub.edge.in_flight import InFlight
from hub.edge.mcp.changes import ANNOUNCED, Changes, Watch
from hub.edge.mcp.envelope import Message, notification_bytes
from hub.edge.mcp.faults import Response, responded
from hub.edge.mcp.legacy import LegacyDesk
from hub.edge.mcp.request import Request
from hub.edge.mcp.sessions import Session, Sessions
from hub.edge.mcp.streams import Outbox, follow
from hub.tool_path import ToolPath
from hub.upstream import Era

VERSION = "2024-11-05"
MOST_WAITING = 16 << 20  # bytes for one client: answers come on the stream too
MOST_AT_ONCE = 64  # requests of one client
_CHANGED = {name: notification_bytes(f"notifications/{name}/list_changed", b"{}") for name in ANNOUNCED}


class _Line:
    """One client: its session, its stream, and the requests that run for it."""

    def __init__(self, session: Session, outbox: Outbox) -> None:
        self.session = session
        self.outbox = outbox
        self.running: set[asyncio.Task[None]] = set()


class OldSse:
    """Answers GET with the stream, and POST with 202 and an answer on the stream."""

    def __init__(
        self, path: ToolPath, desk: LegacyDesk, changes: Changes, in_flight: InFlight, sessions: Sessions
    ) -> None:
        self._path = path
        self._desk = desk
        self._changes = changes
        self._in_flight = in_flight
        self._sessions = sessions
        self._lines: dict[str, _Line] = {}

    async def stream(self, request: Request) -> None:
        """The stream of one client; its session lives as long."""
        visit = request.visit
        session = self._sessions.open(visit.principal.id, visit.view.name, VERSION, b"{}")
        line = self._lines[session.id] = _Line(session, Outbox(MOST_WAITING))
        watch = Watch(self._path, visit, request.credentials, line.outbox, _CHANGED)
        try:
            with self._changes.counted(session.principal), session.streaming(line.outbox), self._changes.told(watch):
                mode = f"&mode={visit.mode}" if visit.mode else ""
                target = f"/mcp/{visit.view.name}/messages?session={session.id}{mode}"
                await request.answer.named_event("endpoint", target.encode())
                await follow(request.answer, line.outbox, self._in_flight.draining, watch.look)
        finally:
            del self._lines[session.id]
            self._sessions.close(session)
            for task in line.running:
                task.cancel()
        await request.answer.end()

    def post(self, request: Request, identifier: str, messages: list[Message]) -> Response:
        """Take messages of a client. Raises NotFound `session_not_found`, or Refusal where there are too many."""
        line = self._lines.get(identifier)
        visit = request.visit
        if line is None or self._sessions.find(identifier, visit.principal.id, visit.view.name) is None:
            raise NotFound("session_not_found", "There is no such stream. Open /sse again.")
        if len(line.running) + len(messages) > MOST_AT_ONCE:
            raise Refusal("too_many_parallel", f"At most {MOST_AT_ONCE} requests at once.", status=429, retry_after=1)
        headers = {**request.headers, b"accept": b"text/event-stream"}
        inner = replace(request, session=line.session, headers=headers, raw=tuple(headers.items()))
        for message in messages:
            if not message.is_request:
                self._desk.heard(inner, message)
                continue
            task = asyncio.ensure_future(self._answered(inner, message, line))  # noqa: TID251 - ended by `stream`
            line.running.add(task)
            task.add_done_callback(line.running.discard)
        return Response(202, b"")

    async def _answered(self, request: Request, message: Message, line: _Line) -> None:
        if message.method == "initialize":
            work = self._desk.initialized(request, message, line.session)
        else:
            work = self._desk.result(request, message, line.outbox)
        line.outbox.put((await responded(message, work, Era.LEGACY, request.origin.request_id)).body)
