"""One HTTP request to a profile, its caller let in, and who that caller is to the servers."""

from collections.abc import Mapping

from msgspec import Struct

from hub.core.calls import Credentials, Origin
from hub.edge.in_flight import Exchange
from hub.edge.mcp.accept import Accepted, accepted
from hub.edge.mcp.envelope import Headers, Message, text_of
from hub.edge.mcp.era import META
from hub.edge.mcp.sessions import Session
from hub.edge.mcp.streams import Answer, Outbox
from hub.tool_path import Visit
from hub.upstream import Ask, CallerContext, Era, Resume, can_be_asked

CAPABILITIES = f"{META}clientCapabilities"
_LOG_LEVEL = f"{META}logLevel"
NOTHING = b"{}"


class Request(Struct, frozen=True):
    """One HTTP request to a profile. `raw` are the headers as they came, twice if they did; `site` is the hub's address."""

    visit: Visit
    credentials: Credentials
    headers: Mapping[bytes, bytes]
    raw: Headers
    origin: Origin
    answer: Answer
    exchange: Exchange
    session: Session | None = None
    site: str = ""

    @property
    def accepts(self) -> Accepted:
        """What the client takes as an answer."""
        if len(self.headers) == len(self.raw):  # each came once
            return accepted(self.headers.get(b"accept", b""))
        return accepted(b",".join(value for name, value in self.raw if name == b"accept"))

    @property
    def may_stream(self) -> bool:
        """Whether the client takes event streams."""
        return self.accepts.stream


def modern_caller(request: Request, message: Message, outbox: Outbox, resume: Resume | None) -> CallerContext:
    """Who calls, in the modern era: every request says for itself what its client can do."""
    return CallerContext(
        principal=request.visit.principal,
        capabilities=bytes(message.meta[CAPABILITIES]),
        notify=outbox.notify,
        era=Era.MODERN,
        log_level=text_of(message.meta.get(_LOG_LEVEL)),
        resume=resume,
        site=request.site,
        headers=request.headers,
    )


def legacy_caller(request: Request, outbox: Outbox | None) -> CallerContext:
    """Who calls, in the old era: what the session's client can do, as far as it can be reached on this request."""
    session = request.session
    if session is None or outbox is None:
        notify = outbox.notify if outbox is not None else None
        return CallerContext(
            principal=request.visit.principal, notify=notify, site=request.site, headers=request.headers
        )
    able = can_be_asked(session.capabilities)
    reachable = request.may_stream or not able
    ask: Ask | None = session.asking.on(outbox) if able and reachable else None
    return CallerContext(
        principal=request.visit.principal,
        capabilities=session.capabilities if reachable else NOTHING,
        notify=outbox.notify,
        ask=ask,
        session=session.id,
        log_level=session.log_level,
        site=request.site,
        headers=request.headers,
        later=session.notify,
    )
