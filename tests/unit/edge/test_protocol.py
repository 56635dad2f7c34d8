"""The guarded connection against hostile HTTP: refused, closed, and never read twice."""

import asyncio
import socket
import time

import pytest

from tests.unit.edge.conftest import STATUS_LINE, request, until

pytestmark = pytest.mark.anyio


class Echo:
    """Answers with what it got; remembers every scope."""

    def __init__(self):
        self.scopes = []

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


def post(*headers: str, body: bytes = b"") -> bytes:
    return ("POST /x HTTP/1.1\r\n" + "".join(f"{line}\r\n" for line in headers) + "\r\n").encode("latin-1") + body


SECOND = b"GET /second HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = ("Host: localhost", "Transfer-Encoding: chunked")
HOSTILE = {
    "length and coding": post(*CHUNKED, "Content-Length: 4", body=b"0\r\n\r\n"),
    "coding and length": post("Host: localhost", "Content-Length: 4", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "length twice": post("Host: localhost", "Content-Length: 2", "Content-Length: 2", body=b"ab"),
    "length twice, different": post("Host: localhost", "Content-Length: 2", "Content-Length: 3", body=b"ab"),
    "length as a list": post("Host: localhost", "Content-Length: 2, 2", body=b"ab"),
    "length with a sign": post("Host: localhost", "Content-Length: +2", body=b"ab"),
    "negative length": post("Host: localhost", "Content-Length: -2", body=b"ab"),
    "empty length": post("Host: localhost", "Content-Length:", body=b"ab"),
    "no host": post("X: y"),
    "host twice": post("Host: localhost", "Host: localhost"),
    "coding unknown": post("Host: localhost", "Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    "coding before chunked": post("Host: localhost", "Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "coding after chunked": post("Host: localhost", "Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    "coding identity": post("Host: localhost", "Transfer-Encoding: identity", body=b"ab"),
    "coding twice": post(*CHUNKED, "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "coding with a vertical tab": post("Host: localhost", "Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n"),
    "space before the colon": post("Host: localhost", "Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
    "bare line feeds": b"GET /x HTTP/1.1\nHost: localhost\n\n",
    "one bare line feed": b"GET /x HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n",
    "bare carriage return": b"GET /x HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n",
    "folded header": post("Host: localhost", "X: y", " z"),
    "NUL in a header": post("Host: localhost", "X: a\0b"),
    "header without a name": post("Host: localhost", ": b"),
    "negative chunk": post(*CHUNKED, body=b"-1\r\nx\r\n0\r\n\r\n"),
    "chunk too large to count": post(*CHUNKED, body=b"fffffffffffffffff\r\n"),
    "chunk with a bare line feed": post(*CHUNKED, body=b"1\na\r\n0\r\n\r\n"),
    "chunk with a huge extension": post(*CHUNKED, body=b"1;a=" + b"x" * 1_000_000 + b"\r\na\r\n0\r\n\r\n"),
    "trailer": post(*CHUNKED, body=b"1\r\na\r\n0\r\nX-Hub-Key: stolen\r\n\r\n"),
    "absolute target": b"GET http://evil.example/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "connect": b"CONNECT evil.example:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "NUL in the target": b"GET /x\0y HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "bytes in the target": b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "not HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64,
    "unknown version": b"GET /x HTTP/3.7\r\nHost: localhost\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("case", HOSTILE)
async def test_hostile_requests_are_refused_and_what_follows_is_never_read(run, case):
    app = Echo()
    running = await run(app)
    client = await running.connect()
    await client.send(HOSTILE[case] + SECOND)
    rest = await client.closed()
    assert [int(status) for status in STATUS_LINE.findall(rest)] == [400]
    assert not any(scope["path"] == "/second" for scope in app.scopes)
    assert running.refused == [400]


@pytest.mark.parametrize("line", [b"GET /", b"GET / HTTP/0.9", b"GET / HTTP/2.0"])
async def test_other_versions_of_http_are_told_so(run, line):
    app = Echo()
    client = await (await run(app)).connect()
    await client.send(line + b"\r\nHost: localhost\r\n\r\n" + SECOND)
    assert STATUS_LINE.findall(await client.closed()) == [b"505"]
    assert app.scopes == []


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 60_000 + b"\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 66_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 200_000, 431),
        (b"GET /" + b"y" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 127 + b"\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 128 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 5000 + b"\r\n", 431),
    ],
)
async def test_the_size_of_a_head_is_limited(run, head, status):
    running = await run(Echo())
    assert (await running.exchange(head)).status == status


async def test_a_large_body_does_not_count_as_head(run):
    running = await run(Echo())
    body = bytes(range(256)) * 4096
    assert (await running.exchange(request("POST", body=body))).body == body


async def test_many_small_chunks_are_a_body(run):
    running = await run(Echo())
    data = post(*CHUNKED, body=b"1\r\na\r\n" * 50_000 + b"0\r\n\r\n")
    assert (await running.exchange(data)).body == b"a" * 50_000


async def test_underscores_in_names_do_not_pass(run):
    app = Echo()
    running = await run(app)
    await running.exchange(b"GET / HTTP/1.1\r\nHost: localhost\r\nx_hub_key: a\r\nX-Api-Key: b\r\n\r\n")
    assert app.scopes[0]["headers"] == [(b"host", b"localhost"), (b"x-api-key", b"b")]


async def test_requests_follow_each_other_on_a_connection(run):
    app = Echo()
    client = await (await run(app)).connect()
    for body in (b"one", b"two"):
        await client.send(request("POST", body=body))
        assert (await client.answer()).body == body
    assert len(app.scopes) == 2


async def test_a_request_sent_before_the_answer_is_not_read(run):
    app = Echo()
    client = await (await run(app)).connect()
    await client.send(request("POST", body=b"one") + SECOND)
    rest = await client.closed()
    assert STATUS_LINE.findall(rest) == [b"200"]
    assert b"connection: close" in rest
    assert rest.endswith(b"one")
    assert [scope["path"] for scope in app.scopes] == ["/"]


async def test_an_offer_of_another_protocol_is_answered_in_this_one(run):
    app = Echo()
    client = await (await run(app)).connect()
    await client.send(b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + SECOND)
    assert STATUS_LINE.findall(await client.closed()) == [b"200"]
    assert [scope["path"] for scope in app.scopes] == ["/x"]


async def test_a_head_that_does_not_come_is_cut(run):
    running = await run(Echo(), head_seconds=0.2)
    silent, partial, after = [await running.connect() for _ in range(3)]
    await partial.send(b"GET / HTTP/1.1\r\nHost: loc")
    await after.send(request())
    await after.answer()
    await after.send(b"GET / HT")
    began = time.monotonic()
    assert await silent.closed() == b""
    assert b"HTTP/1.1 408" in await partial.closed()
    assert b"HTTP/1.1 408" in await after.closed()
    assert time.monotonic() - began < 5


async def test_a_connection_may_rest_between_requests_longer_than_a_head_may_take(run):
    running = await run(Echo(), head_seconds=0.1, idle_seconds=1.0)
    client = await running.connect()
    await client.send(request())
    await client.answer()
    with pytest.raises(TimeoutError):
        await client.closed(0.7)
    assert await client.closed(3) == b""


async def test_a_body_that_trickles_is_cut(run):
    app = Echo()
    running = await run(app, body_grace=0.1, body_rate=1024)
    client = await running.connect()
    await client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nab")
    assert b"HTTP/1.1 408" in await client.closed()
    await until(lambda: not running.server.server_state.tasks)


async def test_a_steady_body_is_not_cut(run):
    running = await run(Echo(), body_grace=0.1, body_rate=1024)
    client = await running.connect()
    await client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40000\r\n\r\n")
    for _ in range(10):
        await client.send(b"x" * 4000)
        await asyncio.sleep(0.12)  # the pace is what is tested
    assert (await client.answer()).body == b"x" * 40_000


class Early:
    """Answers without reading the body."""

    async def __call__(self, scope, receive, send):
        await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"no"})


async def test_an_early_answer_reaches_a_client_that_is_still_sending(run):
    client = await (await run(Early())).connect()
    await client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 1_000_000)
    assert (await client.answer()).status == 413
    await client.send(b"x" * 4_000_000 + request())
    assert (await client.answer()).status == 413  # the connection goes on with the next request


async def test_a_body_that_nobody_wants_is_not_read_for_ever(run):
    client = await (await run(Early(), linger_seconds=0.2)).connect()
    await client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\nabc")
    assert (await client.answer()).status == 413
    assert await client.closed(3) == b""


async def test_a_client_that_asks_first_is_told_to_go_on_or_not(run):
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    client = await (await run(Echo())).connect()
    await client.send(head)
    assert (await client.answer(head_request=True)).status == 100
    await client.send(b"abc")
    assert (await client.answer()).body == b"abc"
    client = await (await run(Early())).connect()
    await client.send(head)
    assert b"HTTP/1.1 413" in await client.closed(1)


class Flood:
    """Streams without end, and remembers how it ended."""

    def __init__(self):
        self.sent = 0
        self.left = False

    async def __call__(self, scope, receive, send):
        while (await receive())["type"] != "http.request":
            pass
        gone = asyncio.get_running_loop().create_task(receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not gone.done():
            await send({"type": "http.response.body", "body": b"x" * 16_384, "more_body": True})
            self.sent += 16_384
            await asyncio.sleep(0)
        self.left = (await gone)["type"] == "http.disconnect"


async def test_a_reader_that_stops_is_cut(run):
    app = Flood()
    running = await run(app, stall_seconds=0.3)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, ("127.0.0.1", running.port))
    await loop.sock_sendall(sock, request())
    await until(lambda: app.left)
    sock.close()
    await until(lambda: not running.server.server_state.tasks)


async def test_too_many_connections_drop_the_one_that_waited_longest(run):
    running = await run(Echo(), connections=3)
    busy = await running.connect()
    await busy.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n")
    await until(lambda: running.server.server_state.tasks)
    first, second, third = [await running.connect() for _ in range(3)]
    assert await first.closed(2) == b""
    for client in (second, third):
        await client.send(request())
        assert (await client.answer()).status == 200
    await busy.send(b"abc")
    assert (await busy.answer()).body == b"abc"


async def test_nothing_says_which_server_this_is(run):
    answer = await (await run(Echo())).exchange(request())
    assert "server" not in answer.headers
    assert "date" in answer.headers
