"""What profiles remember outlives the process, on each kind of database."""

import asyncio

import pytest

from hub.app.remembering import Remembering
from hub.core.background import Background
from hub.profile import Memory
from hub.store import MemoryRows, ProfileMemory
from tests.support.mcp_desk import offers, tool
from tests.support.upstream import until
from tests.unit.profile.test_compose import profile

pytestmark = pytest.mark.anyio
NAME = {"kind": "tools", "name": "x", "server": "a", "own": "x", "basis": "never"}
PIN = {"server": "a", "own": "x", "definition": b"{}", "by": ""}
VARIANT = {**PIN, "digest": "1"}


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


async def test_what_waits_goes_with_its_tool_and_what_was_approved_beside_it_stays(store):
    memory = ProfileMemory(store.engine)
    good = {**VARIANT, "digest": "2", "by": "user:ann"}
    await memory.save("p", MemoryRows(variants=(VARIANT, {**VARIANT, "own": "y"})))
    await memory.save("p", MemoryRows(variants=(good,), settled=(("a", "x"),)))
    assert (await memory.load())["p"].variants == ({**VARIANT, "own": "y"}, good)
    await memory.save("p", MemoryRows(forget_pins=True))
    assert await memory.load() == {}


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


async def test_what_one_replica_learns_another_knows_soon_and_what_it_learnt_itself_stays(store):
    spec = profile(lock="enforce", prefix="never", servers={"a": {}, "b": {}})
    changed = {"a": offers(tool("x", description="Other.")), "b": offers()}
    one, two, news = Memory(), Memory(), []
    async with Remembering(one, ProfileMemory(store.engine)):
        one.compose("p", spec, {"a": offers("x"), "b": offers()})
        while not await ProfileMemory(store.engine).generation():
            await asyncio.sleep(0.01)
        async with Remembering(two, ProfileMemory(store.engine)) as following, Background() as background:
            background.start(following.follow(lambda: news.append("p")))
            two.compose("q", spec, {"a": offers("x"), "b": offers()})  # before it is saved, it is not forgotten
            held = one.compose("p", spec, changed)
            assert two.compose("p", spec, changed).tools == {}
            one.approve("p", held.drifts, "user:ann")
            await until(lambda: news)
            assert sorted(two.compose("p", spec, changed).tools) == ["x"]
            assert [drift.state for drift in two.compose("q", spec, changed).drifts] == ["changed"]
