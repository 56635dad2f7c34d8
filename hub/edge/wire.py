"""Writing a reply out: chunk by chunk, at the reader's pace, with everything settled before the last byte."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any

from hub.core.calls import Reply
from hub.core.logs import get_logger
from hub.core.refusal import Refusal
from hub.edge.heads import lines_of
from hub.edge.in_flight import Exchange, going_down

Send = Callable[[dict[str, Any]], Awaitable[None]]
LastWords = Callable[[Refusal], bytes]

log = get_logger(__name__)


def internal() -> Refusal:
    """What a caller learns of a fault of the hub's own: that it happened, and the id to report."""
    return Refusal("internal", "The hub failed on this request. Tell its administrator the request id.", retryable=True)


# How the message is framed on this connection is decided here, not by what an upstream said about another.
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "trailer", "te"})


def encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI takes them, without those that frame. Characters that cannot stand in one are left out."""
    # Nearly always all of them may stand as they are, which one look at all of them tells.
    clean = str.encode if (text := "".join(headers.values())).isprintable() and text.isascii() else _clean
    return [(known, clean(value)) for name, value in headers.items() if (known := _known(name))]


def head_lines(headers: Mapping[str, str]) -> bytes:
    """The same headers as they stand on the wire, each with its line break."""
    form = _form(tuple(headers))
    if form and (text := "".join(headers.values())).isprintable() and text.isascii():
        return (form % tuple(headers.values())).encode()
    return lines_of(encoded(headers))


@lru_cache(maxsize=1024)
def _form(names: tuple[str, ...]) -> str:
    """The lines of headers of these names with room for their values, or "" where one of them may not stand there."""
    known = [_known(name).decode("latin-1") for name in names]
    return "".join([f"{name}: %s\r\n" for name in known]) if all(known) and "%" not in "".join(known) else ""


@lru_cache(maxsize=1024)
def _known(name: str) -> bytes:
    """A header's name as ASGI takes it, or b"" for one that frames or cannot be a name."""
    lower = name.lower()
    return lower.encode("ascii") if lower.isascii() and lower.isprintable() and lower not in _FRAMING else b""


def _clean(value: str) -> bytes:
    kept = value if value.isprintable() else "".join(char for char in value if char.isprintable())
    return kept.encode("latin-1", "replace")


async def carry(
    answer: Awaitable[Reply], send: Send, exchange: Exchange, *, last_words: LastWords, request_id: str
) -> None:
    """Await the reply to a call and write it out, with the request's id.

    Raises what the call refuses as long as nothing is written.
    """
    try:
        reply = await answer
    except asyncio.CancelledError:
        if not exchange.was_ended():
            raise
        raise going_down() from None
    await _write(reply, {**reply.headers, "x-request-id": request_id}, send, exchange, last_words)


async def _write(reply: Reply, told: Mapping[str, str], send: Send, exchange: Exchange, last_words: LastWords) -> None:
    """Write `reply` under the headers `told` and unwind it, before the message that completes it.

    A stream that fails, or that the hub must end, closes with `last_words` of the refusal: the event that says so
    in the caller's dialect. Its status has long been sent. A caller who leaves cancels this, and the reply
    unwinds all the same. `send` waits while the reader does not keep up, and so does the upstream.
    """
    if reply.chunks is None:
        exchange.finish()
        reply.unwind()
        if exchange.wire.answer(reply.status, head_lines(told), reply.body):
            return
        headers = encoded(told)
        headers.append((b"content-length", b"%d" % len(reply.body)))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})
        return
    tail = b""
    try:
        async with reply:
            if not exchange.wire.begin(reply.status, head_lines(told)):
                await send({"type": "http.response.start", "status": reply.status, "headers": encoded(told)})
            await _relay(reply.chunks, send, exchange)
    except Refusal as refusal:
        tail = last_words(refusal)
    except Exception:
        log.exception("stream failed")
        tail = last_words(internal())
    await send({"type": "http.response.body", "body": tail})


async def _relay(chunks: AsyncIterator[bytes], send: Send, exchange: Exchange) -> None:
    piece = exchange.wire.piece
    try:
        async for chunk in chunks:
            if not piece(chunk):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except asyncio.CancelledError:
        if not exchange.was_ended():
            raise
        raise going_down() from None
    finally:
        exchange.finish()
        aclose = getattr(chunks, "aclose", None)
        if aclose is not None:
            await aclose()
