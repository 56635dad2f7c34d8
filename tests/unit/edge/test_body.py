"""Reading bodies: caps before and while reading, and what is not read at all."""

import pytest

from hub.core.refusal import Refusal
from hub.edge import CallerLeft, read_body
from hub.edge.body import capped

pytestmark = pytest.mark.anyio


class Receive:
    def __init__(self, *parts, end="last"):
        self.messages = [
            {"type": "http.request", "body": part, "more_body": end == "more" or number < len(parts)}
            for number, part in enumerate(parts, 1)
        ]
        self.read = 0

    async def __call__(self):
        if not self.messages:
            return {"type": "http.disconnect"}
        self.read += 1
        return self.messages.pop(0)


async def read(*parts, cap=10, end="last", **headers):
    receive = Receive(*parts, end=end)
    fields = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    try:
        return await read_body(receive, fields, cap), receive.read
    except Refusal as refusal:
        return (refusal.status, refusal.code), receive.read


async def test_bodies_are_whole():
    assert await read(b"0123456789", content_length="10") == (b"0123456789", 1)
    assert await read(b"01234", b"56", b"789", transfer_encoding="chunked") == (b"0123456789", 3)
    assert await read(b"") == (b"", 1)


async def test_what_is_too_long_by_its_own_word_is_not_read():
    assert await read(b"x" * 11, content_length="11") == ((413, "body_too_large"), 0)


async def test_what_turns_out_too_long_is_not_read_on():
    assert await read(b"x" * 11, transfer_encoding="chunked") == ((413, "body_too_large"), 1)
    assert await read(*([b"xxxxx"] * 9), transfer_encoding="chunked") == ((413, "body_too_large"), 3)


async def test_nothing_is_decompressed():
    assert await read(b"x", content_encoding="gzip") == ((415, "unsupported_encoding"), 0)
    assert await read(b"x", content_encoding="identity, br") == ((415, "unsupported_encoding"), 0)
    assert await read(b"x", content_encoding="Identity") == (b"x", 1)


async def test_json_is_assumed():
    for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded", "", "nonsense"):
        assert await read(b"{}", content_type=kind) == (b"{}", 1)
    assert await read(b"{}", content_type="Multipart/form-data; boundary=x") == ((415, "unsupported_encoding"), 0)


async def test_a_caller_who_leaves_is_not_a_refusal():
    with pytest.raises(CallerLeft):
        await read(b"abc", end="more")


async def test_the_cap_is_named():
    with pytest.raises(Refusal, match="20 MiB"):
        await read_body(Receive(b""), {b"content-length": b"999999999999999999999"}, 20 << 20)


async def test_what_others_read_is_counted():
    receive = capped(Receive(b"xxxxx", b"xxxxx", b"x"), 10)
    await receive()
    await receive()
    with pytest.raises(Refusal, match="10 bytes"):
        await receive()
