"""Old clients that were cut off in a stream: they go on where they were, and nobody else does."""

import asyncio
import json

import pytest

from hub.core.refusal import NotFound
from hub.edge.mcp.journal import KEPT_SECONDS, MOST_BYTES, MOST_EVENTS, MOST_STREAMS, Journals
from hub.upstream import RpcReply
from tests.support.mcp_desk import KEY, OTHER, Desk, events_in, plain, until

pytestmark = pytest.mark.anyio
CALL = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"alpha__echo","_meta":{"progressToken":"t"}}}'


class Work:
    """A tool that tells of two steps and waits for `go` between them, where it is told to."""

    def __init__(self, desk):
        self.go = asyncio.Event()
        self.begun = asyncio.Event()
        desk.servers.reply = self.reply

    async def reply(self, server, params, caller):
        self.begun.set()
        caller.notify("notifications/progress", b'{"progressToken":"t","progress":1}')
        await self.go.wait()
        caller.notify("notifications/progress", b'{"progressToken":"t","progress":2}')
        return RpcReply(result=b'{"content":[]}')


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def work(desk):
    return Work(desk)


async def cut_off(desk, work, session):
    """A call whose connection breaks after its first event; the block that the client has read."""
    talk = desk.talk(CALL, headers=plain(KEY, session))
    async with talk:
        await talk.head()
        block = await talk.chunk()
        talk._incoming.put_nowait({"type": "http.disconnect"})
        for _ in range(10):
            await asyncio.sleep(0)
        assert not talk._task.done()
        work.go.set()
    return block


async def come_back(desk, session, event_id, key=KEY):
    return await desk.ask(method="GET", headers=plain(key, session, {"last_event_id": event_id}))


async def test_a_client_that_was_cut_off_gets_what_it_missed(desk, work):
    session = await desk.open()
    block = await cut_off(desk, work, session)
    assert b"\nid: 1-1\n" in block
    answer = await come_back(desk, session, "1-1")
    assert [one.get("id", one.get("params", {}).get("progress")) for one in answer.events] == [2, 7]
    assert b"id: 1-2\n" in answer.body
    assert b"id: 1-3\n" in answer.body
    assert not desk.servers.cancelled
    assert [entry.outcome for entry in desk.entries.closed] == ["ok"]
    assert events_in((await come_back(desk, session, "1-3")).body) == []


async def test_it_hears_the_rest_as_it_comes(desk, work):
    session = await desk.open()
    async with desk.talk(CALL, headers=plain(KEY, session)) as first:
        await first.head()
        await first.chunk()
        first._incoming.put_nowait({"type": "http.disconnect"})
        await asyncio.sleep(0.01)
        back = plain(KEY, session, {"last_event_id": "1-1"})
        async with desk.talk(method="GET", headers=back) as second:
            assert (await second.head())[0] == 200
            work.go.set()
            assert (await second.read_event())["params"]["progress"] == 2
            assert (await second.read_event())["id"] == 7
            assert await second.rest() == b""


async def test_a_quiet_stream_is_kept_open(desk, work, monkeypatch):
    monkeypatch.setattr("hub.edge.mcp.api.PING_SECONDS", 0.02)
    session = await desk.open()
    async with desk.talk(CALL, headers=plain(KEY, session)) as first:
        await first.head()
        await first.chunk()
        back = plain(KEY, session, {"last_event_id": "1-1"})
        async with desk.talk(method="GET", headers=back) as second:
            await second.head()
            assert (await second.chunk()).startswith(b":")
        work.go.set()


async def test_nobody_else_can_go_on_with_it(desk, work):
    session, other = await desk.open(), await desk.open()
    await cut_off(desk, work, session)
    assert (await come_back(desk, session, "1-1", OTHER)).status == 404
    back = plain(KEY, other, {"last_event_id": "1-1"})
    async with desk.talk(method="GET", headers=back) as stream:  # a stream of its own: this one holds nothing
        await stream.head()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await stream.read_event()


@pytest.mark.parametrize("event_id", ["", "9-1", "1-x", "1", "-", "1-²", "1" * 9999])
async def test_an_id_that_the_hub_did_not_give_begins_an_ordinary_stream(desk, work, event_id):
    session = await desk.open()
    await cut_off(desk, work, session)
    async with desk.talk(method="GET", headers=plain(KEY, session, {"last_event_id": event_id})) as stream:
        assert (await stream.head())[0] == 200
        assert not stream._task.done()


async def test_a_call_of_which_nothing_was_read_ends_with_its_client(desk):
    async def reply(server, params, caller):
        await asyncio.Event().wait()

    desk.servers.reply = reply
    session = await desk.open()
    async with desk.talk(CALL, headers=plain(KEY, session)):
        await until(lambda: desk.servers.requests)
    assert desk.servers.cancelled == ["alpha"]


async def test_a_cut_off_call_can_still_be_cancelled(desk, work):
    session = await desk.open()
    async with desk.talk(CALL, headers=plain(KEY, session)) as talk:
        await talk.head()
        await talk.chunk()
        talk._incoming.put_nowait({"type": "http.disconnect"})
        await asyncio.sleep(0.01)
        await desk.ask(
            json.dumps({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}).encode(),
            headers=plain(KEY, session),
        )
    assert desk.servers.cancelled == ["alpha"]


async def test_what_is_kept_no_more_is_said_to_be(desk):
    async def reply(server, params, caller):
        for step in range(MOST_EVENTS + 5):
            caller.notify("notifications/progress", b'{"progressToken":"t","progress":%d}' % step)
            await asyncio.sleep(0)
        return RpcReply(result=b'{"content":[]}')

    desk.servers.reply = reply
    session = await desk.open()
    answer = await desk.ask(CALL, headers=plain(KEY, session))
    assert answer.events[-1]["id"] == 7
    gone = await come_back(desk, session, "1-1")
    assert (gone.status, gone.error["data"]["code"]) == (404, "not_found")


# -- bounds ------------------------------------------------------------------------------------------------------------


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_large_events_make_room():
    journal = Journals().open()
    for _ in range(3):
        journal.add(b"x" * (MOST_BYTES - 1))
    with pytest.raises(NotFound):
        journal.after(1)
    assert len(journal.after(2)) == 1


def test_so_many_streams_are_kept_and_open_ones_first():
    journals = Journals()
    running, ended = journals.open(), journals.open()
    ended.add(b"x")
    journals.end(ended)
    for _ in range(MOST_STREAMS - 1):
        journals.open()
    assert journals.find("2-1") is None
    assert journals.find("1-1") == (running, 1)


def test_an_ended_stream_is_kept_for_a_while():
    clock = Clock()
    journals = Journals(clock)
    journal = journals.open()
    clock.now = KEPT_SECONDS * 2
    assert journals.find("1-0") == (journal, 0)
    journals.end(journal)
    clock.now += KEPT_SECONDS
    assert journals.find("1-0") == (journal, 0)
    clock.now += 1
    assert journals.find("1-0") is None
