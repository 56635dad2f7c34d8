"""The stream on which a server announces changes: one that is too large is not asked for again and again."""

import math
from dataclasses import replace
from itertools import count

import pytest

from hub.upstream.mcp.http import Address, HttpLink
from hub.upstream.mcp.link import Ears
from hub.upstream.mcp.values import MOST_MESSAGE
from tests.support.mcp_full_http import FullServer
from tests.support.mcp_pool import QUICK, pool, ready
from tests.support.mcp_upstreams import McpUpstream
from tests.support.upstream import until

pytestmark = pytest.mark.anyio


class Stream:
    """A response that holds these chunks."""

    def __init__(self, *chunks):
        self._chunks = [*chunks, b""]

    async def read(self, seconds=None):
        return self._chunks.pop(0)


async def pauses(*chunks):
    """The seconds before the stream is opened again, each time that it brings the same."""
    link = HttpLink(count(1), Ears(lambda: None, lambda: None), None, Address("http://127.0.0.1:9"))
    pause, found = 1.0, []
    for _ in range(8):
        pause = await link._changes(Stream(*chunks), pause)
        found.append(pause)
    return found, link.trouble


async def test_a_change_that_is_too_large_is_waited_for_longer_each_time_and_told():
    found, trouble = await pauses(b": hi\n\n", b"data: " + b"x" * MOST_MESSAGE)
    assert found == [2, 4, 8, 16, 32, 60, 60, 60]
    assert "too large" in trouble
    assert await pauses(b": hi\n\n") == ([2.0] * 8, "")


async def test_the_status_says_that_changes_are_too_large(tmp_path):
    async with FullServer("2026") as server, pool(tmp_path, {"s": {"url": server.url}}) as servers:
        await ready(servers, "s")
        await until(lambda: server.listening)
        assert servers.status("s").rejected == ()
        server._tell("notifications/tools/list_changed", {"x": "y" * MOST_MESSAGE}, lambda wanted: True)
        await until(lambda: servers.status("s").rejected)
        ((what, why),) = servers.status("s").rejected
        assert (what, "too large" in why) == ("changes", True)


async def test_a_list_is_looked_at_again_when_it_does_not_hold_any_more_unless_changes_are_told(tmp_path):
    pace = replace(QUICK, fresh=0.02)
    async with McpUpstream("2026", ttl=20, announces=False) as silent, McpUpstream("2026", ttl=20) as telling:
        specs = {"silent": {"url": silent.url}, "telling": {"url": telling.url}}
        async with pool(tmp_path, specs, pace) as servers:
            await ready(servers, "silent", "telling")
            silent.set(tools=3)
            await until(lambda: "tool_002" in [tool.name for tool in servers.definitions("silent").tools])
            await silent.received("tools/list", 10)
            assert servers.definitions("silent").ttl == 0.02
            assert servers.definitions("telling").ttl == math.inf
            assert sum(message["method"] == "tools/list" for message in telling.messages) <= 2
