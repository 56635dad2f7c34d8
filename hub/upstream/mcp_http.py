"""A connection to a server over streamable HTTP: one exchange per request, in either era."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from hub.core.plan import Timeouts
from hub.core.refusal import UpstreamFailed
from hub.upstream import mcp_wire
from hub.upstream.exchange import Endpoint, Exchange, Response
from hub.upstream.mcp_calls import MOST_RESULT, Pending
from hub.upstream.mcp_greeting import Rejected
from hub.upstream.mcp_headers import Mirrored, name_header, param_headers
from hub.upstream.mcp_link import Ears, Greeting, Link, Undelivered
from hub.upstream.mcp_values import Era
from hub.upstream.mcp_wire import Speech

_ACCEPT = "application/json, text/event-stream"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, and what every request to it carries. `mirrored` is by the tool's name."""

    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    timeouts: Timeouts = Timeouts()
    private: bool = False


class HttpLink(Link):
    """Nothing is open between requests but what the transport pools."""

    def __init__(self, numbers: Iterator[int], ears: Ears, endpoint: Endpoint, address: Address) -> None:
        super().__init__(numbers, ears)
        self._endpoint = endpoint
        self._address = address
        self._session = ""
        self.mirrored: dict[str, Mirrored] = {}

    async def _send(self, pending: Pending, params: bytes, speech: Speech) -> None:
        body = mcp_wire.request(pending.number, pending.method, params)
        response = await self._post(body, self._headers(pending.method, params, speech))
        try:
            if response.status >= 400:
                await self._refused(response, pending)
                return
            if pending.method == "initialize":
                self._session = response.headers.get("mcp-session-id", "")
            async for data in _messages(response):
                for answer in self.calls.take(data, own=pending):
                    await self._tell(answer)
                if pending.answer.done():
                    return
            pending.fail(UpstreamFailed("upstream_protocol", "its answer ended before it was complete"))
        finally:
            response.close()

    def _headers(self, method: str, params: bytes, speech: Speech) -> tuple[tuple[str, str], ...]:
        headers = [("Content-Type", "application/json"), ("Accept", _ACCEPT), *self._address.headers]
        if speech.version:
            headers.append(("MCP-Protocol-Version", speech.version))
        if speech.era is Era.MODERN:
            headers.append(("Mcp-Method", method))
            members = mcp_wire.parse_object(params)
            name = name_header(method, members)
            if name is not None:
                headers.append(("Mcp-Name", name))
            if method == "tools/call":
                tool = mcp_wire.parse_text(bytes(members.get("name", b"")))
                headers += param_headers(self.mirrored.get(tool, ()), members)
        elif self._session:
            headers.append(("Mcp-Session-Id", self._session))
        return tuple(headers)

    async def _post(self, body: bytes, headers: tuple[tuple[str, str], ...]) -> Response:
        address = self._address
        return await self._endpoint.request(
            Exchange("POST", address.url, headers, body, address.timeouts, address.private)
        )

    async def _refused(self, response: Response, pending: Pending) -> None:
        """An HTTP error: a JSON-RPC error in its body counts; a lost session may be made anew."""
        body = b""
        async for data in _messages(response):
            body = data
            break
        if response.status == 404 and self._session and pending.method != "initialize":
            failure = UpstreamFailed("upstream_error", "its session is gone")
            self.lose(failure)
            raise Undelivered("upstream_error", failure.message)
        if b'"error"' in body:
            self.calls.take(body, own=pending)
            if pending.answer.done():
                return
        raise Rejected("upstream_error", f"it answers with HTTP status {response.status}")

    async def _tell(self, message: bytes) -> None:
        """Send a notification, or an answer to a question."""
        response = await self._post(message, self._headers("", b"{}", self.greeting.speech))
        response.close()

    def _abandon(self, pending: Pending, *, tell: bool) -> None:
        """The response was closed with the request, which is how the modern wire says so."""

    async def greeted(self, greeting: Greeting) -> None:
        """Say that the handshake is complete."""
        self.greeting = greeting
        if greeting.speech.era is Era.LEGACY:
            await self._tell(mcp_wire.notification("notifications/initialized"))

    async def close(self) -> None:
        """End the session, if there is one."""
        if self._session and self.failure is None:
            headers = (("Mcp-Session-Id", self._session), *self._address.headers)
            exchange = Exchange(
                "DELETE", self._address.url, headers, timeouts=Timeouts(2, 2, 2, 2), private=self._address.private
            )
            try:
                (await self._endpoint.request(exchange)).close()
            except UpstreamFailed:
                self._session = ""
        self.lose(UpstreamFailed("upstream_error", "the hub closed the connection"))


async def _messages(response: Response) -> AsyncIterator[bytes]:
    """The messages in a response: one JSON body, or the data of each event of a stream."""
    stream = response.headers.get("content-type", "").lower().startswith("text/event-stream")
    held = bytearray()
    while chunk := await response.read():
        held += chunk
        if len(held) > MOST_RESULT:
            raise UpstreamFailed("upstream_protocol", "its answer is larger than the hub takes")
        while stream and (cut := _event_end(held)):
            data = _data(bytes(held[:cut]))
            del held[:cut]
            if data:
                yield data
    if held and not stream:
        yield bytes(held)


def _event_end(held: bytearray) -> int:
    ends = [place + len(mark) for mark in (b"\n\n", b"\r\n\r\n") if (place := held.find(mark)) >= 0]
    return min(ends, default=0)


def _data(event: bytes) -> bytes:
    lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines)
