"""What profiles remember outlives the process, on each kind of database."""

import asyncio

import pytest

from hub.app.remembering import Remembering
from hub.profile import Memory
from hub.store import MemoryRows, ProfileMemory
from tests.support.mcp_desk import offers, tool
from tests.unit.profile.test_compose import profile

pytestmark = pytest.mark.anyio
NAME = {"kind": "tools", "name": "x", "server": "a", "own": "x", "basis": "never"}
PIN = {"server": "a", "own": "x", "definition": b"{}", "by": ""}


async def test_rows_come_back_and_give_way_to_later_ones(store):
    memory = ProfileMemory(store.engine)
    await memory.save("p", MemoryRows((NAME,), (PIN,)))
    await memory.save("p", MemoryRows(({**NAME, "server": "b"},), ({**PIN, "definition": b"[]", "by": "user:ann"},)))
    await memory.save("q", MemoryRows(pins=(PIN,)))
    kept = await memory.load()
    assert kept["p"].names == ({**NAME, "server": "b"},)
    assert kept["p"].pins == ({**PIN, "definition": b"[]", "by": "user:ann"},)
    await memory.save("p", MemoryRows(forget_pins=True))
    kept = await memory.load()
    assert kept["p"].pins == ()
    assert kept["q"].pins == (PIN,)


async def test_a_restarted_hub_gives_the_same_names_and_holds_back_what_changed(store):
    spec = profile(prefix="on-conflict", lock="enforce", servers={"a": {}, "b": {}})
    first = Memory()
    async with Remembering(first, ProfileMemory(store.engine)):
        first.compose("p", spec, {"a": offers("x"), "b": offers()})
        await asyncio.sleep(0)
        first.compose("p", spec, {"a": offers("x"), "b": offers("x")})
    second = Memory()
    async with Remembering(second, ProfileMemory(store.engine)):
        made = second.compose("p", spec, {"b": offers("x"), "a": offers(tool("x", description="Other."))})
    assert sorted(made.tools) == ["b__x"]
    assert [drift.state for drift in made.drifts] == ["changed"]
