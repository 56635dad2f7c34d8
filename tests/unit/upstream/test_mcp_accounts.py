"""Accounts: renewed before they end and once at a time, kept through a blip, and asked for again when they are over."""

import asyncio

import pytest
from msgspec.structs import replace

from hub.core.accounts import ANY, SHARED, Account, Registration, SignInNeeded, Tokens
from hub.core.refusal import UpstreamFailed
from hub.upstream.exchange import Exchange
from hub.upstream.mcp.accounts import Accounts, AuthorizedEndpoint
from hub.upstream.oauth_client import OAuthClient
from tests.support.oauth_script import ISSUER, SERVER, Script

pytestmark = pytest.mark.anyio


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Store:
    """As the database does it, in memory."""

    def __init__(self):
        self.rows = {}
        self.claims = set()
        self.unregistered = []

    async def find(self, server, owner):
        if owner == ANY:
            return next((one for one in self.rows.values() if one.server == server and not one.error), None)
        return self.rows.get((server, owner))

    async def put(self, account):
        old = self.rows.get((account.server, account.owner))
        written = replace(account, version=(old.version if old else 0) + 1)
        self.rows[account.server, account.owner] = written
        return written

    async def claim(self, server, owner, version, seconds):
        place = (server, owner, version)
        if place in self.claims:
            return False
        self.claims.add(place)
        return True

    async def unregister(self, issuer):
        self.unregistered.append(issuer)


@pytest.fixture
async def kept():
    """Script, clock, store, accounts and an endpoint of ann's, whose token ends in 100 seconds."""
    script, clock, store = Script(), Clock(), Store()
    tokens = Tokens("a1", "r1", 1100.0, 1000.0, "read")
    await store.put(Account("tools", "user:ann", ISSUER, SERVER, f"{ISSUER}/token", Registration("me"), tokens))
    script.tokens = [(200, {"access_token": "a2", "expires_in": 100, "refresh_token": "r2"})]
    accounts = Accounts(store, OAuthClient(script, clock), clock)
    return script, clock, store, accounts, AuthorizedEndpoint(script, accounts, "tools", "user:ann")


def call():
    return Exchange("POST", SERVER, (("Accept", "*/*"),), b"{}")


async def token(accounts, owner="user:ann"):
    return await accounts.token("tools", owner, SERVER, private=False)


async def test_a_young_token_is_used_and_an_old_one_renewed(kept):
    script, clock, store, accounts, _ = kept
    clock.now = 1079
    assert await token(accounts) == "a1"
    clock.now = 1081
    assert await token(accounts) == "a2"
    (sent,) = script.posted("token")
    assert (sent["grant_type"], sent["refresh_token"], sent["resource"], sent["scope"]) == (
        "refresh_token",
        "r1",
        SERVER,
        "read",
    )
    assert store.rows["tools", "user:ann"].tokens.refresh == "r2"
    assert await token(accounts) == "a2"
    assert len(script.posted("token")) == 1


async def test_many_calls_renew_once(kept):
    script, clock, _, accounts, _ = kept
    clock.now = 1090
    assert set(await asyncio.gather(*(token(accounts) for _ in range(50)))) == {"a2"}
    assert len(script.posted("token")) == 1


async def test_what_another_replica_renews_is_waited_for(kept):
    script, clock, store, accounts, _ = kept
    clock.now = 1090
    before = store.rows["tools", "user:ann"]
    assert await store.claim("tools", "user:ann", before.version, 30)

    async def elsewhere():
        await asyncio.sleep(0.05)
        await store.put(replace(before, tokens=Tokens("b1", "r9", 1200.0, 1090.0)))

    other = asyncio.ensure_future(elsewhere())
    assert await token(accounts) == "b1"
    assert not script.posted("token")
    await other


@pytest.mark.parametrize("answer", [(503, {}), (0, UpstreamFailed("upstream_error", "no connection"))])
async def test_a_blip_is_no_end(kept, answer):
    script, clock, store, accounts, _ = kept
    script.tokens = [answer]
    clock.now = 1090
    assert await token(accounts) == "a1"  # it still holds
    clock.now = 1101
    store.claims.clear()
    with pytest.raises(UpstreamFailed) as caught:
        await token(accounts)
    assert not isinstance(caught.value, SignInNeeded)
    store.claims.clear()
    script.tokens = [(200, {"access_token": "a2"})]
    assert await token(accounts) == "a2"
    assert store.rows["tools", "user:ann"].tokens.refresh == "r1"  # none came: the old one stays


async def test_an_end_is_remembered(kept):
    script, clock, store, accounts, _ = kept
    script.tokens = [(400, {"error": "invalid_grant"})]
    clock.now = 1090
    for _ in range(3):
        with pytest.raises(SignInNeeded, match="ended at the provider"):
            await token(accounts)
    assert len(script.posted("token")) == 1
    assert store.rows["tools", "user:ann"].error
    assert not store.unregistered


async def test_a_name_that_is_not_known_any_more_is_forgotten(kept):
    script, clock, store, accounts, _ = kept
    script.tokens = [(401, {"error": "invalid_client"})]
    clock.now = 1090
    with pytest.raises(SignInNeeded):
        await token(accounts)
    assert store.unregistered == [ISSUER]


async def test_without_a_refresh_token_the_end_is_the_end(kept):
    _, clock, store, accounts, _ = kept
    account = store.rows["tools", "user:ann"]
    await store.put(replace(account, tokens=replace(account.tokens, refresh="")))
    clock.now = 1099
    assert await token(accounts) == "a1"
    clock.now = 1110
    with pytest.raises(SignInNeeded, match="has ended"):
        await token(accounts)


async def test_a_token_that_the_server_refuses_is_renewed_and_the_request_sent_again(kept):
    script, _, _, _, endpoint = kept
    script.good = {"a2"}
    response = await endpoint.request(call())
    assert response.status == 200
    sent = [dict(one.headers)["Authorization"] for one in script.asked if one.url == SERVER]
    assert sent == ["Bearer a1", "Bearer a2"]


async def test_a_server_that_takes_no_token_at_all_wants_a_new_sign_in(kept):
    script, _, store, _, endpoint = kept
    script.good = set()
    with pytest.raises(SignInNeeded, match="refuses the account"):
        await endpoint.request(call())
    assert len([one for one in script.asked if one.url == SERVER]) == 2
    assert store.rows["tools", "user:ann"].error
    with pytest.raises(SignInNeeded):
        await endpoint.request(call())
    assert len([one for one in script.asked if one.url == SERVER]) == 2


async def test_a_server_that_wants_more_rights_says_which(kept):
    script, _, store, _, endpoint = kept
    plain = script.request

    async def narrow(exchange):
        response = await plain(exchange)
        if exchange.url == SERVER:
            response.status = 403
            response.headers = {"www-authenticate": 'Bearer error="insufficient_scope", scope="read admin"'}
        return response

    script.request = narrow
    with pytest.raises(SignInNeeded, match="more rights"):
        await endpoint.request(call())
    assert store.rows["tools", "user:ann"].wanted == "read admin"


async def test_any_other_refusal_is_the_servers_own(kept):
    script, _, _, _, endpoint = kept
    plain = script.request

    async def narrow(exchange):
        response = await plain(exchange)
        response.status = 403 if exchange.url == SERVER else response.status
        return response

    script.request = narrow
    assert (await endpoint.request(call())).status == 403


@pytest.mark.parametrize(
    ("owner", "word"), [("user:bob", "your account"), (SHARED, "an administrator"), (ANY, "somebody has connected")]
)
async def test_who_has_to_sign_in_is_told(kept, owner, word):
    _, _, store, accounts, _ = kept
    if owner == ANY:
        store.rows.clear()
    with pytest.raises(SignInNeeded, match=word) as caught:
        await token(accounts, owner)
    assert caught.value.server == "tools"


async def test_nothing_that_is_written_down_shows_a_secret(kept):
    _, _, store, _, _ = kept
    shown = repr(store.rows["tools", "user:ann"])
    assert "a1" not in shown
    assert "r1" not in shown
    assert "s3cret" not in repr(Registration("me", "s3cret"))


async def test_a_token_does_not_follow_a_server_that_moved(kept):
    _, _, _, accounts, endpoint = kept
    for url in ("https://evil.example/mcp", "http://tools.example/mcp", "https://tools.example:8443/mcp"):
        with pytest.raises(SignInNeeded, match="has moved"):
            await accounts.token("tools", "user:ann", url, private=False)
    assert await accounts.token("tools", "user:ann", "https://tools.example/messages", private=False) == "a1"
    with pytest.raises(SignInNeeded, match="has moved"):
        await endpoint.request(Exchange("POST", "https://evil.example/mcp"))
