"""Connections with one person's account: one for each, ended when they rest or when the account changes."""

import asyncio
from dataclasses import replace

import pytest

from hub.core.accounts import SignInNeeded
from hub.core.principal import Principal
from hub.core.refusal import UpstreamFailed
from hub.upstream import CallerContext
from tests.support.mcp_own import own_server
from tests.support.mcp_pool import QUICK, Kept, call, pool, ready, text
from tests.support.upstream import until

pytestmark = pytest.mark.anyio
URI = "note://shared"
SPEC = {"auth": {"type": "bearer", "account": "user"}}


class Accounts:
    """Everybody's key is their name; it counts how often it is asked. `*` has ann's."""

    def __init__(self):
        self.asked = []
        self.missing = set()

    async def token(self, server, owner, url, *, private):
        self.asked.append(owner)
        name = "ann" if owner == "*" else owner.removeprefix("user:")
        if name in self.missing:
            raise SignInNeeded(server, f"Server '{server}' wants you to connect your account there.")
        return f"{name}-secret"


def caller(name):
    return CallerContext(principal=Principal(f"key:{name}", "user", user=name)).principal


@pytest.fixture
async def opened(tmp_path):
    """The pool, the accounts, and the server's name."""
    accounts = Accounts()
    with own_server() as url:
        spec = {"own": {**SPEC, "url": url}}
        async with pool(tmp_path, spec, accounts=accounts) as servers:
            await ready(servers, "own")
            yield servers, accounts


def resources(servers, name):
    own = servers.own_definitions("own", name)
    return None if own is None else [one.uri for one in own.resources]


async def test_each_calls_as_themselves_and_a_token_is_asked_for_once(opened):
    servers, accounts = opened
    assert text(await call(servers, "own", "whoami", principal=caller("ann"))) == "ann"
    assert text(await call(servers, "own", "whoami", principal=caller("bob"))) == "bob"
    await until(lambda: resources(servers, "ann") == [URI])
    accounts.asked.clear()
    for _ in range(60):
        assert text(await call(servers, "own", "whoami", principal=caller("ann"))) == "ann"
    assert accounts.asked.count("user:ann") < 110  # the lists are looked at meanwhile, too


async def test_what_is_shown_to_all_holds_nobodys_resources(opened):
    servers, _ = opened
    await call(servers, "own", "make", {"name": "diary"}, principal=caller("ann"))
    await until(lambda: resources(servers, "ann") == [URI, "note://diary"])
    shown = servers.definitions("own")
    assert shown.tools
    assert shown.resources == ()
    assert servers.definitions("own") is shown  # made once
    assert (resources(servers, "bob"), servers.own_definitions("own", "")) == (None, None)
    assert servers.own_definitions("own", "ann") is servers.own_definitions("own", "ann")


def tools(definitions):
    return [] if definitions is None else [one.name for one in definitions.tools if one.name.startswith("only_")]


async def own_seen(servers, *names):
    """Return when these see what is theirs, each by their own connection."""
    for name in names:
        servers.wake(["own"], name)
        await until(lambda name=name: tools(servers.own_definitions("own", name)) == [f"only_{name}"])


async def test_each_sees_their_own_tools_and_prompts_and_others_what_all_have(opened):
    servers, _ = opened
    await own_seen(servers, "bob", "ann")
    for name in ("ann", "bob"):
        assert [one.name for one in servers.own_definitions("own", name).prompts] == [f"only_{name}"]
    shown = servers.definitions("own")
    assert (tools(shown), shown.prompts) == ([], ())
    assert "whoami" in [one.name for one in shown.tools]
    assert servers.definitions("own") is shown


async def test_what_all_have_is_known_after_a_restart_and_when_nobody_is_connected(tmp_path):
    kept = Kept()
    with own_server() as url:
        spec = {"own": {**SPEC, "url": url}}
        async with pool(tmp_path, spec, replace(QUICK, resting=0.0), accounts=Accounts(), snapshots=kept) as servers:
            await ready(servers, "own")
            await own_seen(servers, "bob", "ann")  # one after the other: who rests makes room
            assert servers.own_definitions("own", "bob") is None
            assert tools(servers.definitions("own")) == []
            await until(lambda: b"whoami" in kept.rows.get("own", b"") and b"only_" not in kept.rows["own"])
        async with pool(tmp_path, spec, accounts=Accounts(), snapshots=kept) as servers:
            assert "whoami" in [one.name for one in servers.definitions("own").tools]
            await ready(servers, "own")
            assert tools(servers.definitions("own")) == []  # though it was ann's account that looked
            await own_seen(servers, "ann")
            assert tools(servers.definitions("own")) == []


async def test_what_is_somebodys_own_is_waited_for_once(opened):
    servers, accounts = opened
    accounts.missing.add("bob")
    assert await servers.own_known(["own", "nothing"], "ann") is True
    assert tools(servers.own_definitions("own", "ann")) == ["only_ann"]
    assert await servers.own_known(["own"], "ann") is False
    assert await servers.own_known(["own"], "bob") is False
    assert await servers.own_known(["own"], "") is False


async def test_an_account_that_was_connected_is_looked_with_at_once(opened):
    servers, _ = opened
    servers.signed_in("own", "user:bob")
    await until(lambda: tools(servers.own_definitions("own", "bob")) == ["only_bob"])
    assert tools(servers.definitions("own")) == []


async def test_who_wants_to_see_what_is_theirs_is_connected_if_they_have_an_account(opened):
    servers, accounts = opened
    accounts.missing.add("bob")
    for name in ("ann", "bob", ""):
        servers.wake(["own", "nothing"], name)
    await until(lambda: resources(servers, "ann") == [URI])
    assert resources(servers, "bob") is None


async def test_a_connection_that_rests_makes_room_and_one_that_watches_stays(tmp_path):
    with own_server() as url:
        spec = {"own": {**SPEC, "url": url}}
        async with pool(tmp_path, spec, replace(QUICK, resting=0.0), accounts=Accounts()) as servers:
            await ready(servers, "own")
            await call(servers, "own", "whoami", principal=caller("ann"))
            assert resources(servers, "ann") is not None
            stop = await servers.watch("own", URI, lambda params: None, caller("bob"))
            assert resources(servers, "ann") is None
            await call(servers, "own", "whoami", principal=caller("ann"))
            assert None not in (resources(servers, "ann"), resources(servers, "bob"))
            stop()
            servers.wake(["own"], "eve")
            await until(lambda: resources(servers, "eve") is not None)
            assert (resources(servers, "ann"), resources(servers, "bob")) == (None, None)


async def test_a_changed_account_is_a_new_connection_that_goes_on_watching(opened):
    servers, accounts = opened
    seen = []
    await servers.watch("own", URI, seen.append, caller("ann"))
    servers.signed_out("own", "user:ann")
    await until(lambda: resources(servers, "ann") == [URI])  # there is an account still: it is used at once
    accounts.missing.add("ann")
    servers.signed_out("own", "user:ann")
    assert resources(servers, "ann") is None
    accounts.missing.clear()
    servers.signed_in("own", "user:ann")
    async with asyncio.timeout(20):
        while not seen:
            await call(servers, "own", "touch", principal=caller("ann"))
            await asyncio.sleep(0.02)


async def test_nobody_watches_without_an_account(opened):
    servers, accounts = opened
    accounts.missing.add("bob")
    with pytest.raises(SignInNeeded):
        await servers.watch("own", URI, lambda params: None, caller("bob"))
    with pytest.raises(SignInNeeded):
        await servers.watch_task("own", "t", lambda params: None, Principal("key:x", "team"))
    with pytest.raises(UpstreamFailed):
        await servers.watch("own", URI, lambda params: None)
