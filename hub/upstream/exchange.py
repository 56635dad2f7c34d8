"""The seam between the hub and any upstream over HTTP: one exchange out, one response back."""

import math
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

from msgspec import Struct

from hub.core.plan import Timeouts
from hub.core.refusal import UpstreamFailed

MOST_BODY = 50 << 20  # bytes of a reply that is read whole


class Exchange(Struct, frozen=True):
    """One request. Header names go out as written here; `private` allows addresses that are not public.

    `resend` allows the transport to send it again where a connection was closed before any answer, although
    the upstream may have begun with it: never right for what must not happen twice.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    timeouts: Timeouts = Timeouts()
    private: bool = False
    resend: bool = True


class Response(Protocol):
    """An answer whose body is still to be read. Whoever got it closes it, at the latest when they are done.

    `headers` is looked up with names in lower case.
    """

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The response headers."""
        ...

    async def read(self, patience: float = math.inf) -> bytes | None:
        """The bytes that are there, waiting for some; b"" at the end; None after `patience` seconds of silence.

        Raises UpstreamFailed when a clock of the exchange runs out or the connection fails.
        """
        ...

    def close(self) -> None:
        """Let go of the connection, at once; an answer that was not read to its end is aborted."""
        ...


class Endpoint(Protocol):
    """Whatever answers exchanges: the HTTP transport, or a provider inside the process."""

    async def request(self, exchange: Exchange) -> Response:
        """Send and wait for the status and headers. Raises UpstreamFailed."""
        ...


async def chunks_of(response: Response) -> AsyncIterator[bytes]:
    """The body in the pieces in which it arrives."""
    while chunk := await response.read():
        yield chunk


def _too_large(most: int) -> str:
    return f"The answer has more than {most >> 20} MiB."


async def read_whole(
    response: Response,
    most: int = MOST_BODY,
    code: str = "upstream_protocol",
    fault: Callable[[int], str] = _too_large,
) -> bytes:
    """The whole body. Raises UpstreamFailed `code` when it has more than `most` bytes, with what `fault` says of that."""
    pieces: list[bytes] = []
    size = 0
    while chunk := await response.read():
        size += len(chunk)
        if size > most:
            raise UpstreamFailed(code, fault(most))
        pieces.append(chunk)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
