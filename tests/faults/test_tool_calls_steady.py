"""Many tool calls leave nothing behind, calls at once are each answered, and a server that hangs or dies harms no other."""

import asyncio
import contextlib
import gc
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.hubs import ROOT, running_hub, servers_ready
from tests.support.mcp_pool import call, pool, ready, text
from tests.support.mcp_talkers import NewTalker, OldTalker
from tests.support.mcp_upstreams import stdio_command

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
CALLS = 2_500  # to each of four servers
CLIENTS = {"old": OldTalker, "new": NewTalker}


def held():
    """What the process holds: tasks, file descriptors, objects."""
    gc.collect()
    return len(asyncio.all_tasks()), len(list(Path("/proc/self/fd").iterdir())), len(gc.get_objects())


@contextlib.contextmanager
def server(era, port=0):
    """A server over HTTP in a process of its own; the process and its URL."""
    command = [sys.executable, "-m", "tests.support.mcp_full_http", era, str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture
async def four(tmp_path):
    """A pool of four servers: both eras, over HTTP and as processes."""
    with server("2025") as (_, old), server("2026") as (_, new):
        servers = {"a": {"url": old}, "b": {"url": new}}
        servers |= {era: {"command": stdio_command(era)} for era in ("2025", "2026")}
        async with pool(tmp_path, servers) as opened:
            await ready(opened, *servers)
            yield opened, servers


@contextlib.contextmanager
def quick_server():
    """A server over HTTP that answers every call at once; its address."""
    command = [sys.executable, "-m", "bench.mock"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


async def test_ten_thousand_calls_leave_no_task_no_descriptor_and_no_memory_behind(tmp_path):
    with quick_server() as place:
        servers = {"a": {"url": f"{place}/mcp25"}, "b": {"url": f"{place}/mcp26"}}
        servers |= {era: {"command": stdio_command(era)} for era in ("2025", "2026")}
        async with pool(tmp_path, servers) as opened:
            await ready(opened, *servers)

            async def some(server, count):
                for number in range(count):
                    assert text(await call(opened, server, "echo", {"text": f"hello {number}"})).startswith("hello ")

            await asyncio.gather(*(some(server, 200) for server in servers))
            tasks, files, objects = held()
            await asyncio.gather(*(some(server, CALLS) for server in servers))
            after = held()
    assert after[0] <= tasks + 4
    assert after[1] <= files + 8
    assert after[2] <= objects + CALLS  # four calls left not one object behind


async def test_thirty_calls_at_once_are_each_answered_with_their_own(four):
    opened, servers = four
    for server in servers:
        replies = await asyncio.gather(*(call(opened, server, "echo", {"text": f"no {i}"}) for i in range(30)))
        assert [text(reply) for reply in replies] == [f"no {i}" for i in range(30)]


@contextlib.contextmanager
def black_hole():
    """A place that accepts connections and never answers; its URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as place:
        yield f"http://127.0.0.1:{place.getsockname()[1]}/mcp"


def reserved():
    with socket.create_server(("127.0.0.1", 0)) as place:
        return place.getsockname()[1]


@pytest.mark.parametrize("era", ["old", "new"])
def test_servers_that_hang_or_die_leave_lists_and_other_tools_alone_and_work_once_they_are_back(tmp_path, era):
    port = reserved()
    with contextlib.ExitStack() as stack:
        hung = stack.enter_context(black_hole())
        _, well = stack.enter_context(server("2026"))
        process, other = stack.enter_context(server("2025", port))
        clocks = {"timeouts": {"call": 2}}
        servers = {
            "hung": {"url": hung, "allow_private": True}, "well": {"url": well, "allow_private": True},
            "other": {"url": other, "allow_private": True, **clocks},
        }  # fmt: skip
        profiles = {"p": {"security": "none", "prefix": "always", "servers": {name: {} for name in servers}}}
        hub = stack.enter_context(running_hub(tmp_path, {"servers": servers, "profiles": profiles}))
        servers_ready(hub, "well", "other")

        async def all_is_as_before(client):
            listed = (await client.request("tools/list")).result
            assert {"well__echo", "other__echo"} <= {tool["name"] for tool in listed["tools"]}
            assert "hung" in {gap["server"] for gap in listed["_meta"]["hub/gaps"]}
            assert (await client.call("well__echo", {"text": "still"})).text == "still"

        async def run():
            async with CLIENTS[era](f"{hub.url}/mcp/p") as client:
                await all_is_as_before(client)
                process.send_signal(signal.SIGSTOP)  # from now on it accepts and never answers
                hanging = asyncio.ensure_future(client.call("other__echo", {"text": "lost"}))
                for _ in range(20):
                    await all_is_as_before(client)
                assert told(await hanging)
                process.kill()
                process.wait()
                assert told(await client.call("other__echo", {"text": "gone"}))
                await all_is_as_before(client)
                stack.enter_context(server("2025", port))
                async with asyncio.timeout(15):
                    while told(said := await client.call("other__echo", {"text": "back"})):
                        await asyncio.sleep(0.05)
                assert said.text == "back"

        asyncio.run(run())


def told(said):
    """What a caller is told of a server that does not answer; "" when it did."""
    if said.error:
        return said.error["message"]
    return said.result["content"][0]["text"] if said.result.get("isError") else ""
