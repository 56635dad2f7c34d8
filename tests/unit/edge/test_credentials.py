"""Five headers, one credential, and no value that does more than be wrong."""

import pytest

from hub.core.principal import ANONYMOUS
from hub.core.refusal import Unauthenticated
from hub.edge import credentials
from hub.identity import Identity, digest, make_key
from hub.resources import KeyGrant, Snapshot

KEY = "hub_abcdefgh1234_secret"
OTHER = "hub_zzzzzzzz1234_secret"


def found(*headers):
    result = credentials([(name.encode(), value.encode("latin-1")) for name, value in headers])
    return result.secret, result.upstream


@pytest.mark.parametrize(
    "header",
    [
        ("authorization", f"Bearer {KEY}"), ("authorization", f"bearer   {KEY} "), ("x-api-key", KEY), ("api-key", KEY),
        ("x-goog-api-key", KEY), ("x-hub-key", KEY),
    ],
)  # fmt: skip
def test_each_header_is_taken(header):
    assert found(("host", "x"), header) == (KEY, None)


def test_no_header_is_no_credential():
    assert found() == ("", None)
    assert found(("authorization", ""), ("x-api-key", " ")) == ("", None)
    assert found(("authorization", "Bearer"), ("x-api-key", KEY)) == (KEY, None)
    assert found(("cookie", KEY), ("x_hub_key", KEY)) == ("", None)


@pytest.mark.parametrize(
    ("name", "value"),
    [("authorization", "Bearer sk-own"), ("x-api-key", "sk-own"), ("api-key", "own"), ("x-goog-api-key", "AIza-own")],
)
def test_beside_our_own_header_a_credential_is_the_providers(name, value):
    assert found((name, value), ("x-hub-key", KEY)) == (KEY, (name, value))


def test_a_key_of_the_hub_never_goes_on():
    assert found(("x-hub-key", KEY), ("authorization", f"Bearer {KEY}")) == (KEY, None)
    assert found(("x-hub-key", KEY), ("x-api-key", OTHER)) == (KEY, None)
    own = "an-admin-key-that-does-not-look-like-one"
    assert found(("x-hub-key", own), ("authorization", f"Bearer {own}")) == (own, None)
    assert found(("x-hub-key", KEY), ("authorization", f"Bearer {OTHER}"), ("api-key", "own")) == (
        KEY,
        ("api-key", "own"),
    )


def test_a_signature_of_amazons_is_no_credential_that_goes_on():
    assert found(("x-hub-key", KEY), ("authorization", "AWS4-HMAC-SHA256 Credential=a/b, Signature=c")) == (KEY, None)


def test_without_our_header_nothing_goes_on_and_what_looks_like_ours_wins():
    assert found(("x-api-key", "sk-ant-own"), ("authorization", f"Bearer {KEY}")) == (KEY, None)
    assert found(("authorization", "Bearer sk-own"), ("x-api-key", KEY)) == (KEY, None)
    assert found(("authorization", "Bearer one"), ("x-api-key", "two")) == ("one", None)
    assert found(("x-api-key", OTHER), ("authorization", f"Bearer {KEY}")) == (KEY, None)


def test_a_header_that_comes_twice_differently_is_nobodys_key():
    secret, _ = found(("x-hub-key", KEY), ("x-hub-key", OTHER))
    assert secret not in ("", KEY, OTHER)
    assert found(("x-hub-key", KEY), ("x-hub-key", KEY)) == (KEY, None)


HOSTILE = [
    "' OR 1=1--", "\0", "a\0b", "x" * 1_000_000, "%00", "\xff\xfe", "[1]", '{"a":1}', "Basic dXNlcjpwdw==", "Bearer Bearer x",
    "hub_", "hub_" + "a" * 12 + "_" + "b" * 49, "../../etc/passwd", "\r\nx: y", "None", "null", "true", "*", "${ADMIN}", "ünïcode",
]  # fmt: skip


@pytest.mark.parametrize("name", ["authorization", "x-api-key", "api-key", "x-goog-api-key", "x-hub-key"])
@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value[:12]))
def test_hostile_values_are_invalid_keys(name, value):
    snapshot = Snapshot(1, "", None)
    presented = credentials([(name.encode(), value.encode("latin-1"))])
    with pytest.raises(Unauthenticated) as caught:
        Identity().resolve(snapshot, presented)
    assert caught.value.code in ("invalid_key", "missing_key")
    assert len(value) < 3 or value not in caught.value.message


def test_a_good_key_is_found_by_its_digest():
    key = make_key()
    grant = KeyGrant("ci", ANONYMOUS)
    snapshot = Snapshot(1, "", None, keys={digest(key): grant})
    assert Identity().resolve(snapshot, credentials([(b"x-api-key", key.encode())])) is grant


def test_credentials_do_not_show():
    assert KEY not in repr(credentials([(b"x-hub-key", KEY.encode()), (b"x-api-key", b"sk-own")]))
