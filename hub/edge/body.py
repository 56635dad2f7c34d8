"""Reading a request's body: never more than its cap, and only what is not compressed."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hub.core.refusal import Malformed, TooLarge
from hub.edge.cycle import CYCLE, Cycle

Receive = Callable[[], Awaitable[dict[str, Any]]]


class CallerLeft(Exception):
    """The caller disconnected before the request was whole: there is nobody to answer."""


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count} bytes"


def too_large(cap: int) -> TooLarge:
    """The refusal of a body of more than `cap` bytes."""
    return TooLarge("body_too_large", f"The body is larger than the {_size(cap)} that are read here. Send less.")


def declared_length(fields: Mapping[bytes, bytes]) -> int | None:
    """The body's length by its header; None when it comes in chunks of unknown number."""
    if b"transfer-encoding" in fields:
        return None
    length = fields.get(b"content-length", b"0")
    return int(length) if length.strip().isdigit() else None


def check_length(fields: Mapping[bytes, bytes], cap: int) -> None:
    """Refuse by the head alone a body of more than `cap` bytes. Raises TooLarge."""
    length = declared_length(fields)
    if length is not None and length > cap:
        raise too_large(cap)


def check_kind(fields: Mapping[bytes, bytes]) -> None:
    """Refuse by the head alone a body that is compressed, or a form with files; otherwise JSON is assumed.

    Raises Malformed `unsupported_encoding` (415).
    """
    coding = fields.get(b"content-encoding")
    if coding is not None and coding.strip().lower() not in (b"", b"identity"):
        raise Malformed(
            "unsupported_encoding", "Compressed bodies are not read. Send it without content-encoding.", status=415
        )
    if fields.get(b"content-type", b"").lstrip().lower().startswith(b"multipart/"):
        raise Malformed(
            "unsupported_encoding", "A JSON body is expected here: content-type: application/json.", status=415
        )


def arrived(scope: Mapping[str, Any]) -> bytes | None:
    """The body of a request, where all of it is there and the server can hand it over at once; else it is to be read."""
    cycle: Cycle | None = scope.get("extensions", {}).get(CYCLE)
    return None if cycle is None else cycle.whole()


async def read_body(receive: Receive, fields: Mapping[bytes, bytes], cap: int) -> bytes:
    """The whole body, of at most `cap` bytes.

    A body that only trickles in is cut by the connection's own deadline (see `HttpLimits`), which shows here as
    a caller who left. Raises TooLarge, Malformed, CallerLeft.
    """
    check_length(fields, cap)
    check_kind(fields)
    return await read_any(receive, cap)


async def read_form(receive: Receive, fields: Mapping[bytes, bytes], cap: int) -> bytes:
    """The whole body, which is a form of `multipart/form-data`. Raises TooLarge, Malformed, CallerLeft."""
    check_length(fields, cap)
    if not fields.get(b"content-type", b"").strip().lower().startswith(b"multipart/form-data"):
        raise Malformed(
            "unsupported_encoding", "A form is expected here: content-type: multipart/form-data.", status=415
        )
    check_kind({name: value for name, value in fields.items() if name != b"content-type"})
    return await read_any(receive, cap)


async def read_any(receive: Receive, cap: int) -> bytes:
    """The whole body, whatever it is. Raises TooLarge, CallerLeft."""
    message = await _part(receive)
    first: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(first) > cap:
            raise too_large(cap)
        return first
    parts, size = [first], len(first)
    while message.get("more_body", False):
        if size > cap:
            raise too_large(cap)
        message = await _part(receive)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > cap:
        raise too_large(cap)
    return b"".join(parts)


async def _part(receive: Receive) -> dict[str, Any]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise CallerLeft
    return message


def capped(receive: Receive, cap: int) -> Receive:
    """`receive` for an application that reads the body by itself: raises TooLarge once it exceeds `cap` bytes."""
    size = 0

    async def counting() -> dict[str, Any]:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > cap:
            raise too_large(cap)
        return message

    return counting
