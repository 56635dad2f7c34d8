"""Accounts in the database: encrypted, one version at a time, and renewed by one replica only."""

import asyncio

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from hub.core.accounts import ANY, Account, Registration, Tokens
from hub.core.refusal import Refusal
from hub.store import AccountRows

pytestmark = pytest.mark.anyio


def account(owner="user:ann", access="s3cret-access", **more):
    return Account(
        "tools",
        owner,
        "https://i",
        "https://r",
        "https://i/t",
        Registration("me", "s3cret"),
        Tokens(access, "s3cret-r"),
        **more,
    )


@pytest.fixture
def rows(store):
    return AccountRows(store.engine, store.vault)


async def test_an_account_is_kept_and_taken_back(rows):
    assert await rows.find("tools", "user:ann") is None
    written = await rows.put(account())
    assert (written.version, bool(written.connected_at)) == (1, True)
    again = await rows.put(replace(written, tokens=Tokens("other")))
    assert (again.version, again.connected_at) == (2, written.connected_at)
    assert await rows.find("tools", "user:ann") == again
    assert await rows.of("user:ann") == [again]
    assert await rows.remove("tools", "user:ann") is True
    assert await rows.remove("tools", "user:ann") is False


async def test_nothing_of_it_stands_there_in_the_clear(rows, store):
    await rows.put(account())
    await rows.register("https://i", "https://hub", Registration("me", "s3cret"))
    async with store.engine.connect() as connection:
        for table in ("account", "oauth_registration"):
            found = (await connection.execute(text(f"SELECT * FROM {table}"))).all()
            assert "s3cret" not in str(found)


async def test_the_one_that_was_connected_last_and_holds_stands_for_all(rows):
    await rows.put(account("user:ann", connected_at="2026-01-01"))
    await rows.put(account("user:bob", connected_at="2026-01-03", error="over"))
    await rows.put(account("user:eve", connected_at="2026-01-02"))
    assert (await rows.find("tools", ANY)).owner == "user:eve"
    assert await rows.find("other", ANY) is None


async def test_one_replica_renews_a_version(rows):
    written = await rows.put(account())
    claims = await asyncio.gather(*(rows.claim("tools", "user:ann", written.version, 30) for _ in range(8)))
    assert claims.count(True) == 1
    assert not await rows.claim("tools", "user:ann", written.version, 30)
    again = await rows.put(written)
    assert await rows.claim("tools", "user:ann", again.version, 0)
    assert not await rows.claim("tools", "user:ann", written.version, 30)


async def test_a_row_that_was_moved_does_not_open(rows, store):
    await rows.put(account("user:ann"))
    async with store.engine.begin() as connection:
        await connection.execute(text("UPDATE account SET owner = 'user:eve'"))
    with pytest.raises(Refusal, match="no longer has, or it was changed"):
        await rows.find("tools", "user:eve")


async def test_names_are_kept_until_they_are_not_known_any_more(rows):
    assert await rows.registration("https://i", "https://hub") is None
    await rows.register("https://i", "https://hub", Registration("one"))
    await rows.register("https://i", "https://hub", Registration("two", "s3cret"))
    assert await rows.registration("https://i", "https://hub") == Registration("two", "s3cret")
    assert await rows.registration("https://i", "https://other") is None
    await rows.unregister("https://i")
    assert await rows.registration("https://i", "https://hub") is None


async def test_a_key_that_an_account_needs_is_kept(rows, store):
    await rows.put(account())
    await store.vault.rotate()
    assert (await rows.find("tools", "user:ann")).tokens.access == "s3cret-access"


async def test_nobody_inherits_accounts_with_a_name(rows):
    for owner in ("user:ann", "user:bob", "hub"):
        await rows.put(account(owner))
    assert await rows.prune({"bob"}) == [("tools", "user:ann")]
    found = [await rows.find("tools", owner) for owner in ("user:ann", "user:bob", "hub")]
    assert [one is not None for one in found] == [False, True, True]
