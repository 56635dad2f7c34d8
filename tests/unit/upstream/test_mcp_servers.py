"""Servers that fail in every way: what is sent again and what is not, how long is waited, and how they come back."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hub.core.refusal import Unavailable, UpstreamFailed
from hub.upstream import CallerContext, ServerState
from hub.upstream.mcp.pending import Limits, Pending
from tests.support.mcp_full_http import FullServer
from tests.support.mcp_pool import QUICK, Kept, alive, call, in_state, pool, ready, snapshot_of, text
from tests.support.mcp_upstreams import McpUpstream, stdio_command
from tests.support.upstream import until

pytestmark = pytest.mark.anyio
ERAS = ["2025", "2026"]


def asked(server, method):
    """How often a method was asked for."""
    return sum(message.get("method") == method for message in server.messages)


async def failure(servers, tool, arguments, **caller):
    with pytest.raises((UpstreamFailed, Unavailable)) as failed:
        await call(servers, "s", tool, arguments, **caller)
    assert failed.value.message.startswith("Server 's'")
    return failed.value


@pytest.mark.parametrize("era", ERAS)
async def test_only_what_may_be_done_twice_is_sent_again(tmp_path, era):
    async with McpUpstream(era) as server, pool(tmp_path, {"s": {"url": server.url}}) as servers:
        await ready(servers, "s")
        server.set(die={"tools/call"})
        assert "broke off" in (await failure(servers, "add", {"a": 1, "b": 2})).message
        assert asked(server, "tools/call") == 1
        await failure(servers, "echo", {"text": "declared idempotent"})
        assert asked(server, "tools/call") == 3
        server.set(die=set())
        assert text(await call(servers, "s", "add", {"a": 1, "b": 2})) == "3"


@pytest.mark.parametrize(("repeat", "asks"), [([], 1), (["*", "!echo"], 1), (["add", "ec*"], 2)], ids=str)
async def test_what_its_server_calls_idempotent_is_sent_again_where_the_operator_agrees(tmp_path, repeat, asks):
    async with McpUpstream("2026") as server, pool(tmp_path, {"s": {"url": server.url, "repeat": repeat}}) as servers:
        await ready(servers, "s")
        server.set(die={"tools/call"})
        await failure(servers, "echo", {"text": "declared idempotent"})
        assert asked(server, "tools/call") == asks


@pytest.mark.parametrize("clock", ["call", "first_byte"])
async def test_a_call_is_given_so_much_time(tmp_path, clock):
    async with McpUpstream("2026") as server:
        spec = {"url": server.url, "timeouts": {clock: 0.3}}
        async with pool(tmp_path, {"s": spec}) as servers:
            await ready(servers, "s")
            server.set(hang={"tools/call"})
            late = await failure(servers, "add", {"a": 1, "b": 2})
            assert (late.code, "within 0.3 s" in late.message) == ("upstream_timeout", True)


@pytest.mark.parametrize(
    ("limits", "stirs", "told"),
    [
        (Limits(total=9, first=0.02, idle=8), 0, "it did not answer tools/call within 0.02 s"),
        (Limits(total=9, first=8, idle=0.02), 1, "it gave no sign of life for 0.02 s while it worked on tools/call"),
        (Limits(total=0.05, first=0.03, idle=0.03), 9, "it did not answer tools/call within 0.05 s"),
        (Limits(total=0.02, first=8, idle=8), 0, "it did not answer tools/call within 0.02 s"),
    ],
)
async def test_which_clock_ran_out_is_told(limits, stirs, told):
    pending = Pending(1, "tools/call", CallerContext())
    with pytest.raises(TimeoutError), pending.timed(limits):
        for _ in range(stirs):
            pending.stir()
            await asyncio.sleep(0.01)
        await pending.answer
    assert pending.late(limits) == told


@pytest.mark.parametrize("fault", [{"die": {"tools/call"}}, {"status": {"tools/call": 503}}], ids=["die", "503"])
async def test_a_server_that_fails_in_a_row_is_left_alone_and_then_asked_again(tmp_path, fault):
    async with McpUpstream("2026") as server, pool(tmp_path, {"s": {"url": server.url}}) as servers:
        await ready(servers, "s")
        server.set(**fault)
        for _ in range(QUICK.trips):
            await failure(servers, "add", {"a": 1, "b": 2})
        resting = await failure(servers, "add", {"a": 1, "b": 2})
        assert (resting.retry_after, "left alone for a moment" in resting.message) == (1, True)
        assert asked(server, "tools/call") == QUICK.trips
        server.set(die=set(), status={})
        async with asyncio.timeout(20):
            while True:
                try:
                    assert text(await call(servers, "s", "add", {"a": 1, "b": 2})) == "3"
                    break
                except Unavailable:
                    await asyncio.sleep(0.05)


@pytest.mark.parametrize(("before", "after"), [("2026", "2025"), ("2025", "2026")])
async def test_a_server_that_changes_its_era_is_greeted_anew(tmp_path, before, after):
    async with McpUpstream(before) as server, pool(tmp_path, {"s": {"url": server.url}}) as servers:
        await ready(servers, "s")
        server.set(era=after)
        server.forget_sessions()
        await asyncio.sleep(0.05)  # a call on a connection that is just being closed is not sent twice
        assert text(await call(servers, "s", "echo", {"text": "hi"})) == "hi"
        await until(lambda: servers.status("s").version.startswith(after))


async def test_a_session_that_is_gone_is_opened_anew_and_nobody_notices(tmp_path):
    async with McpUpstream("2025") as server, pool(tmp_path, {"s": {"url": server.url}}) as servers:
        await ready(servers, "s")
        before = asked(server, "initialize")
        server.forget_sessions()
        assert text(await call(servers, "s", "add", {"a": 1, "b": 2})) == "3"
        assert asked(server, "initialize") > before


@pytest.mark.parametrize("era", ERAS)
async def test_what_is_watched_is_watched_on_a_new_connection_too(tmp_path, era):
    seen = []
    async with FullServer(era) as server, pool(tmp_path, {"s": {"url": server.url}}) as servers:
        await ready(servers, "s")
        await servers.watch("s", "test://watched-resource", seen.append)

        async def until_told(count):
            async with asyncio.timeout(20):
                while len(seen) < count:
                    await call(servers, "s", "touch")
                    await asyncio.sleep(0.02)

        await until_told(1)
        server.sessions.clear()
        servers.reconfigure(snapshot_of({"s": {"url": server.url, "timeouts": {"call": 20}}}))
        await ready(servers, "s")
        await until_told(len(seen) + 1)


async def test_a_list_that_a_server_does_not_have_is_empty(tmp_path):
    missing = {"tools/list": (-32601, "Method not found")}
    async with McpUpstream("2026", errors=missing) as server, pool(tmp_path, {"s": {"url": server.url}}) as servers:
        await ready(servers, "s")
        assert servers.definitions("s").tools == ()


async def test_lists_of_the_last_run_are_there_at_once_and_a_server_that_is_down_keeps_them(tmp_path):
    kept = Kept()
    async with McpUpstream("2026") as server:
        spec = {"s": {"url": server.url}}
        async with pool(tmp_path / "a", spec, snapshots=kept) as servers:
            await ready(servers, "s")
            await until(lambda: bool(kept.rows))
            names = [tool.name for tool in servers.definitions("s").tools]
    async with pool(tmp_path / "b", spec, snapshots=kept) as servers:
        known = servers.definitions("s")  # nothing was waited for
        assert (known.state, [tool.name for tool in known.tools]) == (ServerState.STALE, names)
        assert "not available" in (await failure(servers, "echo", {"text": "hi"})).message
        await in_state(servers, "s", ServerState.STALE)
        assert servers.definitions("s").tools


async def test_a_mismatch_of_headers_has_the_lists_looked_at_and_the_call_sent_again(tmp_path):
    async with McpUpstream("2026") as server, pool(tmp_path, {"s": {"url": server.url}}) as servers:
        await ready(servers, "s")
        server.set(errors={"tools/call": (-32020, "Mcp-Param-Region does not match")})
        before = asked(server, "tools/list")
        reply = await call(servers, "s", "add", {"a": 1, "b": 2})
        assert b"-32020" in reply.error
        assert (asked(server, "tools/call"), asked(server, "tools/list")) == (2, before + 1)


async def test_so_many_calls_run_at_once_and_no_more(tmp_path):
    async with McpUpstream("2026") as server, pool(tmp_path, {"s": {"url": server.url, "parallel": 1}}) as servers:
        await ready(servers, "s")
        server.set(hang={"tools/call"})
        first = asyncio.ensure_future(call(servers, "s", "add", {"a": 1, "b": 2}))
        await server.received("tools/call")
        full = await failure(servers, "add", {"a": 1, "b": 2}, within=0.2)
        assert (full.code, "1 calls running" in full.message) == ("overloaded", True)
        assert servers.status("s").in_flight == 1
        first.cancel()
        await asyncio.wait((first,))
        server.set(hang=set())
        assert text(await call(servers, "s", "add", {"a": 1, "b": 2})) == "3"


async def test_a_process_has_little_of_the_hubs_environment_and_what_is_declared(tmp_path):
    own = {"PATH": "/usr/bin:/bin", "HUB_ADMIN_KEY": "not for servers", "HOME": "/tmp"}
    spec = {"command": stdio_command("2026"), "env": {"PLAIN": "a", "SECRET": "env:K"}}
    async with pool(tmp_path, {"s": spec}, environment=own, secrets={"env:K": "s3cret"}) as servers:
        await ready(servers, "s")
        got = {name: text(await call(servers, "s", "env", {"name": name})) for name in (*own, "PLAIN", "SECRET")}
        assert got == {**own, "HUB_ADMIN_KEY": "", "PLAIN": "a", "SECRET": "s3cret"}


async def test_a_process_that_dies_says_why_and_is_started_again(tmp_path):
    spec = {"command": stdio_command("2026", "--crash-after", "2", "--noise", "3")}
    async with pool(tmp_path, {"s": spec}) as servers:
        await ready(servers, "s")
        pid = servers.status("s").pid
        assert text(await call(servers, "s", "echo", {"text": "hi"})) == "hi"
        died = await failure(servers, "add", {"a": 1, "b": 2})
        assert "exited with code 1; its last words:" in died.message
        async with asyncio.timeout(20):
            while True:
                try:
                    assert text(await call(servers, "s", "echo", {"text": "again"})) == "again"
                    break
                except (UpstreamFailed, Unavailable):
                    await asyncio.sleep(0.05)
        status = servers.status("s")
        assert status.pid not in (None, pid)
        assert status.restarts >= 1
        assert status.stderr


@pytest.mark.parametrize("caller", [{}, {"capabilities": b'{"elicitation":{}}'}], ids=["plain", "able"])
async def test_a_process_that_hangs_is_ended_though_calls_keep_coming(tmp_path, caller):
    spec = {"command": stdio_command("2025"), "timeouts": {"call": 0.4, "list": 60, "connect": 20}}
    pace = replace(QUICK, trips=1000)
    async with pool(tmp_path, {"s": spec}, pace) as servers:
        await ready(servers, "s")
        await until(lambda: not servers.status("s").in_flight)
        assert text(await call(servers, "s", "echo", {"text": "hi"}, **caller)) == "hi"
        hung = [int(file.stem) for file in tmp_path.glob("*.json")]
        for pid in hung:
            os.kill(pid, signal.SIGSTOP)
        told = []

        async def keep_calling():
            while True:
                try:
                    return text(await call(servers, "s", "echo", {"text": "again"}, **caller))
                except (UpstreamFailed, Unavailable) as failure:
                    told.append(failure.message)
                    await asyncio.sleep(0.01)

        async with asyncio.timeout(40):
            assert await asyncio.gather(keep_calling(), keep_calling()) == ["again", "again"]
        assert "within 0.4 s" in told[0]
        await until(lambda: not all(alive(pid) for pid in hung))


@pytest.mark.parametrize("era", ERAS)
async def test_a_process_that_is_slow_to_start_is_not_taken_for_one_of_the_other_era(tmp_path, era):
    spec = {"command": stdio_command(era, "--slow-start", str(3 * QUICK.hush))}
    async with pool(tmp_path, {"s": spec}) as servers:
        await ready(servers, "s")
        assert servers.status("s").version.startswith(era)
        assert text(await call(servers, "s", "echo", {"text": "hi"})) == "hi"


async def test_a_process_that_takes_too_much_memory_is_ended(tmp_path):
    script = str(Path(stdio_command()[3]))
    fat = f"import runpy,sys; x=bytearray(b'1')*(96<<20); sys.argv=['s','--era','2026']; runpy.run_path({script!r}, run_name='__main__')"
    spec = {"command": [sys.executable, "-c", fat], "memory_mib": 64}
    async with pool(tmp_path, {"s": spec}, replace(QUICK, inspect=0.05)) as servers:
        await until(lambda: "the hub ended it" in servers.status("s").last_error, 20)
        assert "MiB" in servers.status("s").last_error


async def test_the_status_says_when_a_server_listed_last_and_how_its_last_calls_went(tmp_path):
    async with McpUpstream("2026") as server, pool(tmp_path, {"s": {"url": server.url}}) as servers:
        await ready(servers, "s")
        assert servers.status("s").listed > 1e9
        assert servers.status("s").lately.calls == 0
        await call(servers, "s", "sleep", {"ms": 30})
        server.set(die={"tools/call"})
        await failure(servers, "add", {"a": 1, "b": 2})
        lately = servers.status("s").lately
        assert (lately.calls, lately.failed) == (2, 1)
        assert lately.p50_ms > 0
        assert lately.at > 1e9
        servers.reconfigure(snapshot_of({}))
        servers.reconfigure(snapshot_of({"s": {"url": server.url}}))
        assert servers.status("s").lately.calls == 0
