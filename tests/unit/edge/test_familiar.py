"""A head that comes again on a connection: read without the parser, and exactly as the parser would read it."""

import asyncio

import pytest
from msgspec.structs import replace

from hub.edge.credentials import presented
from hub.edge.familiar import FAMILIAR, MOST, Familiar
from hub.edge.origins import origin_of
from tests.unit.edge.conftest import STATUS_LINE
from tests.unit.edge.test_protocol import Early, Echo

pytestmark = pytest.mark.anyio

HEAD = (
    b"POST /x%%20y?q=1 HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\nx_under: c\r\nContent-Length: %b\r\nAccept: */*\r\n\r\n"
)


def sized(length: bytes, body: bytes) -> bytes:
    return HEAD % length + body


FIRST = sized(b"3", b"one")
AGAIN = {
    "as long": sized(b"3", b"two"),
    "longer": sized(b"11", b"hello again"),
    "empty": sized(b"0", b""),
    "with zeros before": sized(b"005", b"hello"),
    "with a sign": sized(b"+3", b"two"),
    "negative": sized(b"-3", b"two"),
    "as a list": sized(b"3, 3", b"two"),
    "with spaces": sized(b"3  ", b"two"),
    "without a number": sized(b"", b"two"),
    "hexadecimal": sized(b"0x3", b"two"),
    "too long to be one": sized(b"9" * 40, b"two"),
    "by another path": sized(b"3", b"two").replace(b"/x%20y", b"/z"),
    "by another method": sized(b"3", b"two").replace(b"POST", b"PUT"),
    "with another header": sized(b"3", b"two").replace(b"X-A: b", b"X-A: d"),
    "with a header more": sized(b"3", b"two").replace(b"X-A: b", b"X-A: b\r\nX-E: f"),
    "with the length twice": sized(b"3", b"two").replace(b"Accept: */*", b"Content-Length: 4"),
    "with a coding": sized(b"3", b"two").replace(b"Accept: */*", b"Transfer-Encoding: chunked"),
    "with a bare line feed": sized(b"3", b"two").replace(b"X-A: b\r\n", b"X-A: b\n"),
    "and closing": sized(b"3", b"two").replace(b"Accept: */*", b"Connection: close"),
}


def seen(scope) -> dict:
    """What of a scope does not tell which connection it came by."""
    return {name: value for name, value in scope.items() if name not in ("client", "state", "extensions")}


async def told(client, data: bytes, pieces: int = 1) -> tuple:
    """Status, body and whether the connection goes on, after `data` was sent in so many pieces."""
    size = -(-len(data) // pieces)
    for start in range(0, len(data), size):
        await client.send(data[start : start + size])
        await asyncio.sleep(0)
    answer = await client.answer()
    return answer.status, answer.body, answer.headers.get("connection")


@pytest.mark.parametrize("case", AGAIN)
@pytest.mark.parametrize("pieces", [1, 2, 7])
async def test_the_second_request_of_a_connection_is_read_as_it_would_be_on_its_own(run, case, pieces):
    app = Echo()
    running = await run(app)
    alone = await told(await running.connect(), AGAIN[case], pieces)
    expected, app.scopes[:] = [seen(scope) for scope in app.scopes], []
    client = await running.connect()
    await told(client, FIRST)
    assert await told(client, AGAIN[case], pieces) == alone
    assert [seen(scope) for scope in app.scopes[1:]] == expected


async def test_a_head_that_comes_again_does_not_go_through_the_parser(run):
    app = Echo()
    client = await (await run(app)).connect()
    for data in (FIRST, AGAIN["longer"], AGAIN["with another header"], AGAIN["as long"], AGAIN["longer"]):
        await told(client, data)
    assert [FAMILIAR in scope["extensions"] for scope in app.scopes] == [False, True, False, False, True]


async def test_each_request_has_headers_and_state_of_its_own(run):
    app = Echo()
    client = await (await run(app)).connect()
    for data in (FIRST, AGAIN["longer"], AGAIN["as long"]):
        await told(client, data)
    lengths = [dict(scope["headers"])[b"content-length"] for scope in app.scopes]
    assert lengths == [b"3", b"11", b"3"]
    first, second, third = app.scopes
    second["headers"].append((b"x-added", b"1"))
    second["state"]["mine"] = 1
    assert third["headers"] == first["headers"]
    assert "mine" not in third["state"]


async def test_what_comes_before_the_answer_is_not_read_as_a_request(run):
    app = Echo()
    client = await (await run(app)).connect()
    await told(client, FIRST)
    await client.send(AGAIN["as long"] + AGAIN["longer"])
    rest = await client.closed()
    assert STATUS_LINE.findall(rest) == [b"200"]
    assert rest.endswith(b"two")
    assert len(app.scopes) == 2


async def test_an_early_answer_leaves_the_connection_to_the_next_request(run):
    client = await (await run(Early())).connect()
    await told(client, FIRST)
    await client.send(sized(b"5000000", b"x" * 1_000_000))
    assert (await client.answer()).status == 413
    await client.send(b"x" * 4_000_000 + FIRST)
    assert (await client.answer()).status == 413


async def test_a_body_that_trickles_is_cut_also_behind_a_familiar_head(run):
    client = await (await run(Echo(), body_grace=0.1, body_rate=1024)).connect()
    await told(client, FIRST)
    await client.send(sized(b"1000000", b"ab"))
    assert b"HTTP/1.1 408" in await client.closed()


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"h"), (b"content-length", b"1"), (b"expect", b"100-continue")],
        [(b"host", b"h")],
        [(b"host", b"h"), (b"content-length", b"1"), (b"x", b"y" * MOST)],
    ],
)
def test_heads_that_are_not_kept(headers):
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    assert Familiar.of(b"POST / HTTP/1.1\r\n" + lines + b"\r\na", {"headers": headers}) is None


async def test_who_calls_is_read_of_a_familiar_head_as_of_any_other(run):
    app = Echo()
    client = await (await run(app)).connect()
    head = b"X-Hub-Key: hub_one\r\nX-Api-Key: sk-two\r\nX-Hub-Tags: run=7\r\nUser-Agent: agent/1"
    for body in (b"one", b"another", b"a third"):
        await told(client, sized(b"%d" % len(body), body).replace(b"X-A: b", head))
    plain, *again = app.scopes
    assert all(FAMILIAR in scope["extensions"] for scope in again)
    first = origin_of(plain, dict(plain["headers"]), "r")
    for number, scope in enumerate(again):
        assert presented(scope) == replace(presented(plain), arrival=presented(scope).arrival)
        assert presented(scope).arrival.header("content-length") == dict(scope["headers"])[b"content-length"].decode()
        assert origin_of(scope, dict(scope["headers"]), f"r{number}") == replace(first, request_id=f"r{number}")
