"""Reading a request's body: never more than its cap, and only what is not compressed."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from hub.core.refusal import Malformed, TooLarge

Receive = Callable[[], Awaitable[dict[str, Any]]]


class CallerLeft(Exception):
    """The caller disconnected before the request was whole: there is nobody to answer."""


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count} bytes"


def too_large(cap: int) -> TooLarge:
    """The refusal of a body of more than `cap` bytes."""
    return TooLarge("body_too_large", f"The body is larger than the {_size(cap)} that are read here. Send less.")


def declared_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """The body's length by its header; None when it comes in chunks of unknown number."""
    length: int | None = 0
    for name, value in headers:
        if name == b"content-length":
            length = int(value) if value.strip().isdigit() else None
        elif name == b"transfer-encoding":
            length = None
    return length


def check_length(headers: Iterable[tuple[bytes, bytes]], cap: int) -> None:
    """Refuse by the head alone a body of more than `cap` bytes. Raises TooLarge."""
    length = declared_length(headers)
    if length is not None and length > cap:
        raise too_large(cap)


def check_kind(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Refuse by the head alone a body that is compressed, or a form with files; otherwise JSON is assumed.

    Raises Malformed `unsupported_encoding` (415).
    """
    for name, value in headers:
        if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise Malformed(
                "unsupported_encoding", "Compressed bodies are not read. Send it without content-encoding.", status=415
            )
        if name == b"content-type" and value.lstrip().lower().startswith(b"multipart/"):
            raise Malformed(
                "unsupported_encoding", "A JSON body is expected here: content-type: application/json.", status=415
            )


async def read_body(receive: Receive, headers: Iterable[tuple[bytes, bytes]], cap: int) -> bytes:
    """The whole body, of at most `cap` bytes.

    A body that only trickles in is cut by the connection's own deadline (see `HttpLimits`), which shows here as
    a caller who left. Raises TooLarge, Malformed, CallerLeft.
    """
    headers = list(headers)
    check_length(headers, cap)
    check_kind(headers)
    return await read_any(receive, cap)


async def read_form(receive: Receive, headers: Iterable[tuple[bytes, bytes]], cap: int) -> bytes:
    """The whole body, which is a form of `multipart/form-data`. Raises TooLarge, Malformed, CallerLeft."""
    headers = list(headers)
    check_length(headers, cap)
    others = [(name, value) for name, value in headers if name != b"content-type"]
    kinds = [value.strip().lower() for name, value in headers if name == b"content-type"]
    if len(kinds) != 1 or not kinds[0].startswith(b"multipart/form-data"):
        raise Malformed(
            "unsupported_encoding", "A form is expected here: content-type: multipart/form-data.", status=415
        )
    check_kind(others)
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
