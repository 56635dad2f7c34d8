"""Pages that old clients were sent to: whoever was sent there hears that what they did there is done, and nobody else."""

from collections import OrderedDict
from collections.abc import Callable

from msgspec import DecodeError, Raw, Struct, json

from hub.upstream.mcp.rounds import mode_of
from hub.upstream.mcp.values import CallerContext
from hub.upstream.mcp.wire import NotRpc, parse_error, parse_object, parse_text

COMPLETE = "notifications/elicitation/complete"
URL_NEEDED = -32042
MOST = 64  # pages at once, of one connection or for one account
_LONGEST = 512  # characters of an id

Tell = Callable[[str, bytes], None]


class Needed(Struct, frozen=True):
    """The `data` of the error that asks for pages to be opened first."""

    elicitations: list[dict[str, Raw]] = []


def needed_in(error: bytes) -> Needed:
    """The pages that such an error asks for; none where it cannot be read."""
    try:
        return json.decode(parse_error(error).data or b"{}", type=Needed)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return Needed()


class Completions:
    """By the id of each page, how its client is told; the oldest is forgotten first."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Tell] = OrderedDict()

    def expect(self, identifier: str, tell: Tell | None) -> None:
        """A client was sent to a page; `tell(method, params)` reaches it, if anything does."""
        if tell is None or not 0 < len(identifier) <= _LONGEST:
            return
        self._open[identifier] = tell
        while len(self._open) > MOST:
            self._open.popitem(last=False)

    def asked(self, params: bytes, tell: Tell | None) -> None:
        """A server asks for a page while a call waits: params of `elicitation/create`."""
        if tell is not None and mode_of(params):
            self.expect(_identifier(params), tell)

    def refused(self, error: bytes, caller: CallerContext) -> None:
        """A server wants pages opened before it takes a call."""
        if caller.later is not None and b"%d" % URL_NEEDED in error and parse_error(error).code == URL_NEEDED:
            for page in needed_in(error).elicitations[:MOST]:
                self.expect(parse_text(bytes(page.get("elicitationId", b""))), caller.later)

    def ended(self, params: bytes) -> None:
        """A server says that somebody is through with a page: params of the notification."""
        tell = self._open.pop(_identifier(params), None)
        if tell is not None:
            tell(COMPLETE, params)

    def end_all(self) -> None:
        """Whatever these pages are for is done."""
        while self._open:
            identifier, tell = self._open.popitem(last=False)
            tell(COMPLETE, json.encode({"elicitationId": identifier}))


def _identifier(params: bytes) -> str:
    try:
        return parse_text(bytes(parse_object(params).get("elicitationId", b"")))
    except NotRpc:
        return ""
