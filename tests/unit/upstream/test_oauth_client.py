"""The OAuth client: what it believes of what servers say about themselves, and where it sends secrets."""

from urllib.parse import parse_qs, urlsplit

import pytest

from hub.core.accounts import Registration
from hub.core.refusal import UpstreamFailed
from hub.upstream.oauth_client import Dead, OAuthClient
from hub.upstream.oauth_wire import challenge, check_endpoint, covers, issuer_urls, resource_urls
from tests.support.oauth_script import ISSUER, REDIRECT, SERVER, Script

pytestmark = pytest.mark.anyio


@pytest.fixture
def script():
    return Script()


@pytest.fixture
def client(script):
    return OAuthClient(script, lambda: 1000.0)


async def test_who_grants_access_is_found_by_the_challenge(script, client):
    site = await client.site(SERVER, private=False)
    assert (site.resource, site.issuer.issuer, site.scopes) == (SERVER, ISSUER, ("read", "write"))
    assert not any(one.private for one in script.asked)


async def test_without_a_challenge_the_well_known_places_are_looked_at(script, client):
    script.challenge = "Basic realm=x"
    script.places = {
        "https://tools.example/.well-known/oauth-protected-resource": lambda: {
            **script.resource,
            "resource": "https://tools.example",
        },
        "https://login.example/realm/.well-known/openid-configuration": lambda: script.issuer,
    }
    site = await client.site(SERVER, private=False)
    assert (site.resource, site.scopes) == ("https://tools.example", ("read",))
    looked = [urlsplit(one.url).path for one in script.asked if one.method == "GET"]
    assert looked == [
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-authorization-server/realm",
        "/.well-known/openid-configuration/realm",
        "/realm/.well-known/openid-configuration",
    ]


async def test_a_server_of_the_first_revision_is_its_own_issuer(script, client):
    script.challenge = "Bearer"
    own = {**script.issuer, "issuer": "https://tools.example"}
    script.places = {"https://tools.example/.well-known/oauth-authorization-server": lambda: own}
    assert (await client.site(SERVER, private=False)).issuer.issuer == "https://tools.example"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda s: s.resource.update(resource="https://other.example/mcp"), "another resource"),
        (lambda s: s.resource.update(resource=f"{SERVER}/deeper"), "another resource"),
        (lambda s: s.issuer.update(issuer="https://evil.example"), "another name"),
        (lambda s: s.issuer.update(code_challenge_methods_supported=["plain"]), "PKCE"),
        (lambda s: s.issuer.update(token_endpoint="http://login.example/token"), "no https address"),
        (lambda s: s.issuer.update(authorization_endpoint="javascript:alert(1)"), "no https address"),
        (lambda s: s.resource.update(authorization_servers=["http://login.example"]), "no https address"),
        (lambda s: s.issuer.pop("issuer"), "no correct issuer document"),
        (lambda s: s.places.clear(), "nowhere who grants access"),
    ],
)
async def test_what_does_not_fit_together_is_refused(script, client, change, word):
    change(script)
    with pytest.raises(UpstreamFailed, match=word):
        await client.site(SERVER, private=False)


async def test_the_hub_makes_itself_known(script, client):
    site = await client.site(SERVER, private=False)
    assert await client.register(site.issuer, REDIRECT, private=False) == Registration("made", "", "none")
    (said,) = script.posted("register")
    assert (said["redirect_uris"], said["token_endpoint_auth_method"]) == ([REDIRECT], "none")
    script.registered = (201, {"client_id": "made", "client_secret": "s"})
    assert await client.register(site.issuer, REDIRECT, private=False) == Registration(
        "made", "s", "client_secret_basic"
    )
    script.registered = (403, {})
    with pytest.raises(UpstreamFailed, match="refused to register"):
        await client.register(site.issuer, REDIRECT, private=False)
    script.issuer.pop("registration_endpoint")
    site = await client.site(SERVER, private=False)
    with pytest.raises(UpstreamFailed, match=r"auth\.client_id"):
        await client.register(site.issuer, REDIRECT, private=False)


async def test_the_doorway_carries_a_digest_and_never_the_verifier(client):
    site = await client.site(SERVER, private=False)
    url = client.doorway(site, Registration("me"), REDIRECT, "state", "read", "verifier-" * 6)
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert url.startswith(f"{ISSUER}/authorize?")
    assert "verifier" not in url
    assert query["code_challenge_method"] == "S256"
    assert (query["resource"], query["state"], query["scope"]) == (SERVER, "state", "read")


@pytest.mark.parametrize(
    ("method", "header", "fields"),
    [
        ("none", False, {"client_id": "me:x"}),
        ("client_secret_post", False, {"client_id": "me:x", "client_secret": "s"}),
        ("client_secret_basic", True, {}),
    ],
)
async def test_it_proves_who_it_is_as_it_was_registered(script, client, method, header, fields):
    registration = Registration("me:x", "" if method == "none" else "s", method)
    tokens = await client.redeem(f"{ISSUER}/token", registration, {"grant_type": "x", "scope": "read"}, private=False)
    assert (tokens.access, tokens.refresh, tokens.expires_at, tokens.scope) == ("a1", "r1", 1100.0, "read")
    (sent,) = script.posted("token")
    assert {name: sent[name] for name in ("client_id", "client_secret") if name in sent} == fields
    assert (dict(script.asked[-1].headers).get("Authorization") == "Basic bWUlM0F4OnM=") is header


@pytest.mark.parametrize("code", ["invalid_grant", "invalid_client", "unauthorized_client"])
async def test_what_is_over_is_told_from_what_may_work_later(script, client, code):
    script.tokens = [(400, {"error": code})]
    with pytest.raises(Dead, match=code):
        await client.redeem(f"{ISSUER}/token", Registration("me"), {}, private=False)
    for status, body in (
        (503, {}),
        (400, {"error": "temporarily_unavailable"}),
        (429, {"error": "slow_down"}),
        (200, {}),
    ):
        script.tokens = [(status, body)]
        with pytest.raises(UpstreamFailed):
            await client.redeem(f"{ISSUER}/token", Registration("me"), {}, private=False)


@pytest.mark.parametrize(
    "token", [{"access_token": "a\nb"}, {"access_token": "é"}, {"access_token": "a", "token_type": "mac"}]
)
async def test_a_token_that_is_no_bearer_token_is_not_taken(script, client, token):
    script.tokens = [(200, token)]
    with pytest.raises(UpstreamFailed, match="no bearer token"):
        await client.redeem(f"{ISSUER}/token", Registration("me"), {}, private=False)


def test_a_challenge_is_taken_apart():
    told = challenge('Bearer realm="a, b", error=insufficient_scope ,scope="x y", resource_metadata="https://h/p?q=1"')
    assert told == {
        "realm": "a, b",
        "error": "insufficient_scope",
        "scope": "x y",
        "resource_metadata": "https://h/p?q=1",
    }
    assert challenge("Basic x") == challenge("") == {}
    assert challenge("Bearer " + "a" * 100_000) == {}


def test_places_where_documents_are():
    assert list(resource_urls("https://h/a/b/")) == [
        "https://h/.well-known/oauth-protected-resource/a/b",
        "https://h/.well-known/oauth-protected-resource",
    ]
    assert list(issuer_urls("https://h")) == [
        "https://h/.well-known/oauth-authorization-server",
        "https://h/.well-known/openid-configuration",
    ]


@pytest.mark.parametrize(
    ("resource", "url", "fits"),
    [
        ("https://h/mcp", "https://h/mcp", True), ("https://h/mcp/", "https://h/mcp", True), ("https://h", "https://h/mcp", True),
        ("https://H/mcp", "https://h/mcp", True), ("https://h/mc", "https://h/mcp", False), ("http://h/mcp", "https://h/mcp", False),
        ("https://h:8443/mcp", "https://h/mcp", False), ("", "https://h/mcp", False), ("https://h/mcp/x", "https://h/mcp", False),
    ],
)  # fmt: skip
def test_a_resource_covers_what_lies_in_it(resource, url, fits):
    assert covers(resource, url) is fits


def test_secrets_go_over_tls_or_to_this_machine():
    for url in ("https://h/x", "http://127.0.0.1:9/x", "http://localhost/x"):
        assert check_endpoint(url, "x", private=False) == url
    assert check_endpoint("http://10.0.0.1/x", "x", private=True)
    for url in ("http://h/x", "ftp://h/x", "", "https://", "//h/x"):
        with pytest.raises(UpstreamFailed):
            check_endpoint(url, "x", private=False)
