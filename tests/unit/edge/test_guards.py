"""Host, Origin and forwarded headers: nobody is talked into believing the wrong one."""

import pytest

from hub.core.refusal import Forbidden
from hub.edge import Guard, Proxies
from hub.edge.guards import SecureHeaders, host_name

pytestmark = pytest.mark.anyio

SCOPE = {"path": "/v1/models", "server": ("10.0.0.7", 8484)}
GUARD = Guard(["hub.internal", "*.example.com", "10.1.1.1"], "https://Hub.example.org")


def check(guard=GUARD, scope=SCOPE, **headers):
    guard.check(scope, {name.encode(): value.encode("latin-1") for name, value in headers.items()})


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "localhost:8484", "LOCALHOST:1", "localhost.", "127.0.0.1:8484", "[::1]:8484", "[::1]",
        "hub.internal", "a.example.com", "a.b.example.com:443", "hub.example.org", "10.1.1.1", "10.0.0.7:8484",
    ],
)  # fmt: skip
def test_these_hosts_are_answered(host):
    check(host=host)
    check(host=host)  # and when they are known


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "", "example.com", "localhost.evil.example", "localhost@evil.example", "127.0.0.1.nip.io",
        "10.0.0.8", "[::2]", "hub.internal.evil.example", "evil.example:localhost", "hub.example.org\0", " localhost",
        "0x7f.0.0.1", "2130706433", "127.0.0.1,evil.example",
    ],
)  # fmt: skip
def test_these_hosts_are_not(host):
    for _ in range(2):
        with pytest.raises(Forbidden) as caught:
            check(host=host)
        assert (caught.value.code, caught.value.status) == ("host_not_allowed", 403)
        assert "HUB_ALLOWED_HOSTS" in caught.value.message


def test_an_address_is_allowed_only_where_the_connection_came_to():
    check(host="10.0.0.7:9999")
    with pytest.raises(Forbidden):
        check(scope={**SCOPE, "server": ("10.0.0.9", 8484)}, host="10.0.0.7")
    with pytest.raises(Forbidden):  # remembered for nobody
        check(scope={**SCOPE, "server": None}, host="10.0.0.7:9999")


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8484", "localhost:8484"),
        ("http://localhost", "localhost:80"),
        ("https://hub.example.org", "hub.example.org"),
        ("https://hub.example.org", "hub.internal"),
        ("https://hub.example.org:443", "hub.internal"),
        ("HTTPS://HUB.example.org", "hub.internal"),
    ],
)
def test_pages_of_the_hub_may_call_it(origin, host):
    check(origin=origin, host=host)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example", "null", "", "http://localhost:3000", "file://", "http://localhost.evil.example:8484",
        "vscode-file://vscode-app", "https://hub.example.org.evil.example", "localhost:8484", "http://", "://",
    ],
)  # fmt: skip
def test_pages_of_other_sites_may_not(origin):
    with pytest.raises(Forbidden) as caught:
        check(origin=origin, host="localhost:8484")
    assert (caught.value.code, caught.value.status) == ("origin_not_allowed", 403)


def test_some_paths_may_be_open_to_pages_of_other_sites():
    guard = Guard(open_to_all=("/registry/",))
    check(guard, {"path": "/registry/v0.1/servers"}, host="localhost", origin="vscode-file://vscode-app")
    with pytest.raises(Forbidden):
        check(guard, {"path": "/v1/registry/"}, host="localhost", origin="vscode-file://vscode-app")


def test_host_headers_do_not_fill_the_memory():
    guard = Guard()
    for port in range(5000):
        check(guard, host=f"localhost:{port}")
    assert len(guard._known) <= 1024


def test_the_name_in_a_host():
    assert host_name("[FE80::1]:80") == "fe80::1"


def forwarded(*headers, peer="10.0.0.1", trusted=("10.0.0.0/8", "::1")):
    scope = {"client": (peer, 5), "scheme": "http", "headers": [(n.encode(), v.encode()) for n, v in headers]}
    Proxies(trusted).apply(scope)
    return scope["client"][0], scope["scheme"]


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        ([("x-forwarded-for", "1.2.3.4")], "1.2.3.4"),
        ([("x-forwarded-for", "6.6.6.6, 1.2.3.4")], "1.2.3.4"),
        ([("x-forwarded-for", "6.6.6.6, 1.2.3.4, 10.9.9.9")], "1.2.3.4"),
        ([("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.2.3.4")], "1.2.3.4"),
        ([("x-forwarded-for", "127.0.0.1, junk, 10.9.9.9")], "10.9.9.9"),
        ([("x-forwarded-for", "junk")], "10.0.0.1"),
        ([("x-forwarded-for", "")], "10.0.0.1"),
        ([("x-forwarded-for", "2001:db8::1")], "2001:db8::1"),
        ([("forwarded", "for=6.6.6.6"), ("x-real-ip", "6.6.6.6")], "10.0.0.1"),
    ],
)
def test_the_client_behind_trusted_proxies(headers, client):
    assert forwarded(*headers)[0] == client


def test_nobody_else_is_believed():
    claims = [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "https")]
    assert forwarded(*claims, peer="6.6.6.6") == ("6.6.6.6", "http")
    assert forwarded(*claims, trusted=()) == ("10.0.0.1", "http")
    assert forwarded(*claims) == ("127.0.0.1", "https")
    assert forwarded(("x-forwarded-proto", "javascript"))[1] == "http"


async def headers_after(headers, scheme="http"):
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "scheme": scheme, "state": {"request_id": "r1"}}
    await SecureHeaders(app)(scope, None, send)
    names = [name for name, _ in sent[0]["headers"]]
    assert len(names) == len(set(names))
    return dict(sent[0]["headers"])


async def test_pages_are_protected():
    headers = await headers_after([(b"content-type", b"text/html; charset=utf-8")])
    policy = headers[b"content-security-policy"].decode()
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"x-request-id"] == b"r1"
    assert b"strict-transport-security" not in headers
    assert b"strict-transport-security" in await headers_after([], "https")


async def test_what_an_answer_says_itself_stays():
    headers = await headers_after(
        [(b"content-type", b"text/css"), (b"cache-control", b"max-age=9"), (b"x-request-id", b"own")]
    )
    assert headers[b"cache-control"] == b"max-age=9"
    assert headers[b"x-request-id"] == b"own"
    assert b"content-security-policy" not in headers
