"""The transport: what goes out, what comes back, and what each fault becomes."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub.core.plan import Timeouts
from hub.core.refusal import UpstreamFailed
from hub.upstream.exchange import Exchange, chunks_of, read_whole
from hub.upstream.http import Transport
from tests.support import upstream as up

pytestmark = pytest.mark.anyio
QUICK = Timeouts(connect=0.3, first_byte=0.3, idle=0.3, total=5)


@pytest.fixture
async def transport():
    async with Transport() as opened:
        yield opened


@pytest.fixture
async def upstream():
    async with up.Upstream() as opened:
        yield opened


def post(url, body=b'{"model":"m"}', private=True, timeouts=QUICK, headers=()):
    return Exchange("POST", url + "/v1/chat/completions", tuple(headers), body, timeouts, private)


async def whole(transport, exchange):
    response = await transport.request(exchange)
    try:
        return response.status, await read_whole(response)
    finally:
        response.close()


async def failure(transport, exchange):
    with pytest.raises(UpstreamFailed) as caught:
        await whole(transport, exchange)
    return caught.value


async def test_the_request_goes_out_as_given(transport, upstream):
    headers = [("Content-Type", "application/json"), ("X-Api-KEY", "s3"), ("anthropic-beta", "a,b")]
    status, body = await whole(transport, post(upstream.url, b'{"model":"x", "y":1.0}', headers=headers))
    assert status == 200
    assert body.startswith(b"{")
    received = upstream.requests[0]
    assert received.body == b'{"model":"x", "y":1.0}'
    assert (b"X-Api-KEY", b"s3") in received.raw_headers, "header names keep their case"
    assert received.headers["accept-encoding"] == "identity"
    assert received.headers["user-agent"].startswith("agent-tool-hub/")
    assert "cookie" not in received.headers


async def test_a_large_body_arrives_whole(transport, upstream):
    body = b'{"model":"m","x":"' + b"y" * (3 << 20) + b'"}'
    await whole(transport, post(upstream.url, body, timeouts=Timeouts()))
    assert upstream.requests[0].body == body
    assert upstream.requests[0].headers["content-length"] == str(len(body))


async def test_connections_are_used_again(transport, upstream):
    for _ in range(5):
        await whole(transport, post(upstream.url))
    assert upstream.connections == 1


async def test_redirects_and_cookies_are_not_followed(transport, upstream):
    upstream.enqueue(up.json_reply({}, 302, {"location": upstream.url + "/elsewhere", "set-cookie": "a=b"}))
    assert (await whole(transport, post(upstream.url)))[0] == 302
    await whole(transport, post(upstream.url))
    assert [received.path for received in upstream.requests] == ["/v1/chat/completions"] * 2
    assert "cookie" not in upstream.requests[1].headers


async def test_no_proxy_from_the_environment(monkeypatch, upstream):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with Transport() as transport:
        assert (await whole(transport, post(upstream.url)))[0] == 200


async def test_compressed_bodies_are_not_expanded(transport, upstream):
    upstream.enqueue(up.gzip_bomb(50))
    _, body = await whole(transport, post(upstream.url, timeouts=Timeouts()))
    assert len(body) < 1 << 20


async def test_a_body_has_an_end(transport, upstream):
    upstream.enqueue(up.json_reply("x" * 3_000_000))
    response = await transport.request(post(upstream.url))
    with pytest.raises(UpstreamFailed) as caught:
        await read_whole(response, 1 << 20)
    response.close()
    assert caught.value.code == "upstream_protocol"


async def test_chunks_come_as_they_arrive(transport, upstream):
    go = asyncio.Event()
    upstream.enqueue(up.sse([b"data: 1\n\n", up.Wait(go), b"data: 2\n\n"]))
    response = await transport.request(post(upstream.url))
    pieces = chunks_of(response)
    assert await anext(pieces) == b"data: 1\n\n"
    go.set()
    assert [piece async for piece in pieces] == [b"data: 2\n\n"]
    response.close()


async def test_silence_is_told_before_it_is_too_long(transport, upstream):
    go = asyncio.Event()
    upstream.enqueue(up.sse([b"data: 1\n\n", up.Wait(go), b"data: 2\n\n"]))
    response = await transport.request(post(upstream.url, timeouts=Timeouts(idle=30)))
    assert await response.read(0.02) == b"data: 1\n\n"
    assert await response.read(0.02) is None
    assert await response.read(0.02) is None
    go.set()
    assert await response.read(5) == b"data: 2\n\n"
    assert await response.read(5) == b""
    response.close()


# -- the guard -------------------------------------------------------------------------------------------------------


async def test_private_addresses_need_permission(transport, upstream):
    port = upstream.url.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"):
        refused = await failure(transport, post(f"http://{host}:{port}", private=False))
        assert refused.code == "upstream_error"
        assert "allow_private" in refused.message
    assert upstream.connections == 0


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "017700000001", "127.0.0.1.", "①②⑦.⓪.⓪.①"])
async def test_odd_ways_to_write_an_address_do_not_help(transport, upstream, host):
    port = upstream.url.rpartition(":")[2]
    await failure(transport, post(f"http://{host}:{port}", private=False))
    assert upstream.connections == 0


async def test_metadata_is_refused_even_when_private_addresses_are_allowed(transport):
    refused = await failure(transport, post("http://169.254.169.254", private=True))
    assert "not on the public internet" in refused.message


class Rebinding:
    """Says another address each time it is asked."""

    def __init__(self, *answers):
        self.answers = list(answers)

    async def __call__(self, host, port):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def test_the_address_that_is_checked_is_the_one_connected_to(upstream):
    port = upstream.url.rpartition(":")[2]
    async with Transport(resolver=Rebinding(["127.0.0.1"])) as transport:
        refused = await failure(transport, post(f"http://rebind.example:{port}", private=False))
        assert "allow_private" in refused.message
        assert (await whole(transport, post(f"http://rebind.example:{port}", private=True)))[0] == 200
        # A connection that was opened with permission serves nobody without it.
        await failure(transport, post(f"http://rebind.example:{port}", private=False))
    assert upstream.connections == 1


async def test_several_private_addresses_are_refused_alike(upstream):
    port = upstream.url.rpartition(":")[2]
    async with Transport(resolver=Rebinding(["127.0.0.1", "10.0.0.1", "192.168.0.1"])) as transport:
        refused = await failure(transport, post(f"http://many.example:{port}", private=False))
    assert "allow_private" in refused.message
    assert upstream.connections == 0


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1", "gopher://127.0.0.1", "http://", "http://a b", "//x", ""]
)
async def test_other_schemes_and_broken_urls(transport, url):
    assert (await failure(transport, post(url))).code == "upstream_error"


# -- faults ----------------------------------------------------------------------------------------------------------


async def test_refused(transport):
    with up.refused() as url:
        began = asyncio.get_running_loop().time()
        refused = await failure(transport, post(url))
        assert asyncio.get_running_loop().time() - began < 1
    assert (refused.code, refused.status) == ("upstream_error", 502)
    assert "127.0.0.1" not in refused.message


async def test_black_hole(transport):
    with up.black_hole() as url:
        refused = await failure(transport, post(url, timeouts=Timeouts(connect=0.2)))
    assert (refused.code, refused.status) == ("upstream_timeout", 504)


async def test_unknown_host(upstream):
    async def nowhere(host, port):
        raise OSError(None, "no such name")

    async with Transport(resolver=nowhere) as transport:
        refused = await failure(transport, post("http://nowhere.example"))
    assert (refused.code, refused.status) == ("upstream_error", 502)
    assert "nowhere.example" not in refused.message


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (up.hang(), "upstream_timeout"),
        (up.chat("x").cut(3, up.HANG), "upstream_timeout"),
        (up.chat("x").cut_head(10, up.HANG), "upstream_timeout"),
        (up.chat("x").cut_head(0, up.CLOSE), "upstream_error"),
        (up.chat("x").cut_head(0, up.RESET), "upstream_error"),
        (up.chat("x").cut_head(20, up.CLOSE), "upstream_error"),
        (up.chat("x").cut(5, up.CLOSE), "upstream_protocol"),
        (up.chat("x").cut(5, up.RESET), "upstream_protocol"),
        (up.chat("x").declaring(7), "upstream_protocol"),
        (up.chat("x").declaring(-7), "upstream_protocol"),
        (up.garbage_status(), "upstream_protocol"),
        (up.huge_header(), "upstream_protocol"),
        (up.length_and_chunked(), "upstream_protocol"),
        (up.bad_chunk_size(), "upstream_protocol"),
        (up.http_09(), "upstream_protocol"),
        (up.duplicate_length(), "upstream_protocol"),
        (up.informational_flood(2000), "upstream_protocol"),
    ],
)
async def test_faults(transport, upstream, script, code):
    upstream.enqueue(script)
    refused = await failure(transport, post(upstream.url))
    assert refused.code == code
    assert refused.status == (504 if code == "upstream_timeout" else 502)
    connections = upstream.connections
    assert (await whole(transport, post(upstream.url)))[0] == 200
    assert upstream.connections == connections + 1, "the broken connection is not used again"


async def test_a_slow_drip_ends_at_the_total(transport, upstream):
    upstream.enqueue(up.chat("x" * 500).dripped(0.05))
    refused = await failure(transport, post(upstream.url, timeouts=Timeouts(first_byte=2, idle=2, total=0.4)))
    assert refused.code == "upstream_timeout"


def certificate(folder, name, days):
    """A self-signed certificate for `name` that runs for `days` days, as (server context, file to trust it by)."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    return context, chain


async def through_tls(folder, name="localhost", days=30, trusted=True):
    server, chain = certificate(folder, name, days)
    async with up.Upstream(ssl=server) as upstream:
        trust = ssl.create_default_context(cafile=str(chain)) if trusted else None
        url = f"https://localhost:{upstream.url.rpartition(':')[2]}"
        async with Transport(tls=trust, resolver=Rebinding(["127.0.0.1"])) as transport:
            return await whole(transport, post(url, timeouts=Timeouts(connect=5)))


async def test_a_trusted_certificate(tmp_path):
    assert (await through_tls(tmp_path))[0] == 200


@pytest.mark.parametrize("fault", [{"trusted": False}, {"name": "other.example"}, {"days": -1}])
async def test_a_certificate_that_does_not_hold(tmp_path, fault):
    with pytest.raises(UpstreamFailed) as caught:
        await through_tls(tmp_path, **fault)
    assert (caught.value.code, caught.value.status) == ("upstream_error", 502)
    assert "TLS" in caught.value.message


async def test_there_is_no_falling_back_to_plain_text(transport, upstream):
    refused = await failure(transport, post(upstream.url.replace("http:", "https:")))
    assert refused.code == "upstream_timeout"
    assert upstream.requests == []


# -- keep-alive races ------------------------------------------------------------------------------------------------


async def test_a_connection_closed_as_idle_is_replaced_unseen(transport, upstream):
    upstream.default = up.chat("x").then_closed()
    for _ in range(30):
        assert (await whole(transport, post(upstream.url)))[0] == 200


@pytest.mark.parametrize("end", [up.CLOSE, up.RESET])
async def test_a_reused_connection_that_answers_nothing_is_tried_once_more(transport, upstream, end):
    await whole(transport, post(upstream.url))
    upstream.enqueue(up.chat("x").cut_head(0, end))
    assert (await whole(transport, post(upstream.url)))[0] == 200
    assert len(upstream.requests) == 3


async def test_many_connections_closed_as_idle_at_the_same_moment(transport, upstream):
    for _ in range(20):
        exchanges = [whole(transport, post(upstream.url, timeouts=Timeouts())) for _ in range(20)]
        assert {status for status, _ in await asyncio.gather(*exchanges)} == {200}
        upstream.drop_idle()


async def test_it_is_tried_once_only(transport, upstream):
    await whole(transport, post(upstream.url))
    upstream.default = up.chat("x").cut_head(0, up.CLOSE)
    assert (await failure(transport, post(upstream.url))).code == "upstream_error"
    assert len(upstream.requests) == 3


async def test_a_new_connection_is_never_tried_again(transport, upstream):
    upstream.default = up.chat("x").cut_head(0, up.CLOSE)
    await failure(transport, post(upstream.url))
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("end", [up.CLOSE, up.RESET])
async def test_nothing_is_sent_again_after_a_byte_was_answered(transport, upstream, end):
    await whole(transport, post(upstream.url))
    upstream.enqueue(up.chat("x").cut_head(5, end))
    await failure(transport, post(upstream.url))
    assert len(upstream.requests) == 2


# -- leaving ---------------------------------------------------------------------------------------------------------


async def test_leaving_before_the_headers_closes_the_upstream_at_once(transport, upstream):
    upstream.enqueue(up.hang())
    task = asyncio.ensure_future(transport.request(post(upstream.url, timeouts=Timeouts())))
    received = await upstream.request(0)
    task.cancel()
    await received.closed(0.1)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_leaving_in_the_middle_closes_the_upstream_at_once(transport, upstream):
    upstream.enqueue(up.chat("x" * 100).cut(10, up.HANG))
    response = await transport.request(post(upstream.url, timeouts=Timeouts()))
    task = asyncio.ensure_future(read_whole(response))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    response.close()
    await upstream.requests[0].closed(0.1)


async def test_a_storm_of_cancellations_leaves_a_working_pool(transport, upstream):
    upstream.default = up.hang()
    tasks = [asyncio.ensure_future(transport.request(post(upstream.url, timeouts=Timeouts()))) for _ in range(50)]
    await upstream.request(49)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    upstream.default = up.chat("back")
    assert (await whole(transport, post(upstream.url)))[0] == 200
