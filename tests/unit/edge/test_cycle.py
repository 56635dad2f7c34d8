"""An answer on the wire: one write where one will do, never a header that breaks the line, and leaving told at once."""

import asyncio

import pytest
from uvicorn.protocols.http.flow_control import FlowControl

from hub.edge.cycle import Cycle

pytestmark = pytest.mark.anyio


class Wire:
    """A transport that keeps each write apart."""

    def __init__(self):
        self.writes = []
        self.closed = False

    def write(self, data):
        self.writes.append(bytes(data))

    def close(self):
        self.closed = True

    def is_closing(self):
        return self.closed

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


@pytest.fixture
def wire():
    return Wire()


@pytest.fixture
async def cycle(wire):
    done = []
    made = Cycle(
        {"type": "http", "method": "GET"}, wire, FlowControl(wire), None, None, False, [(b"server", b"x")],
        asyncio.Event(), False, True, lambda: done.append(True),
    )  # fmt: skip
    made.done = done
    return made


def start(*headers, status=200):
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data, more=False):
    return {"type": "http.response.body", "body": data, "more_body": more}


async def test_a_whole_answer_is_given_at_once(cycle, wire):
    assert cycle.answer(201, b"x-a: b\r\n", b"body")
    assert wire.writes == [b"HTTP/1.1 201 Created\r\nserver: x\r\nx-a: b\r\ncontent-length: 4\r\n\r\nbody"]
    assert cycle.done == [True]
    assert not wire.closed
    assert not cycle.answer(200, b"", b"again")


async def test_a_whole_answer_closes_where_the_connection_does(cycle, wire):
    cycle.keep_alive = False
    assert cycle.answer(200, b"", b"")
    assert wire.writes[0].endswith(b"connection: close\r\ncontent-length: 0\r\n\r\n")
    assert wire.closed


@pytest.mark.parametrize("why", ["slow", "gone", "head"])
async def test_a_whole_answer_that_cannot_be_given_at_once_is_not(cycle, wire, why):
    if why == "slow":
        cycle.flow.pause_writing()
    elif why == "gone":
        cycle.disconnected = True
    else:
        cycle.scope["method"] = "HEAD"
    assert not cycle.answer(200, b"", b"body")
    assert wire.writes == cycle.done == []


async def test_an_answer_of_unknown_length_begins_with_its_first_piece(cycle, wire):
    assert cycle.begin(200, b"x-a: b\r\n")
    assert not cycle.piece(b"one")  # its head waits
    await cycle.send(body(b"one", more=True))
    assert wire.writes == [b"HTTP/1.1 200 OK\r\nserver: x\r\nx-a: b\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n"]
    assert cycle.piece(b"two and more")
    assert wire.writes[1:] == [b"c\r\ntwo and more\r\n"]
    await cycle.send(body(b""))
    assert wire.writes[2:] == [b"0\r\n\r\n"]
    assert cycle.done == [True]


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_that_has_no_body_is_not_framed_as_one(cycle, wire, status):
    assert not cycle.begin(status, b"")
    await cycle.send(start(status=status))
    assert not cycle.piece(b"one")
    await cycle.send(body(b""))
    assert b"transfer-encoding" not in b"".join(wire.writes)
    assert cycle.done == [True]


@pytest.mark.parametrize("how", ["answer", "begin", "send"])
async def test_nobody_is_told_to_go_on_behind_an_answer(cycle, wire, how):
    cycle.waiting_for_100_continue = True
    if how == "answer":
        cycle.answer(200, b"", b"")
    elif how == "begin":
        cycle.begin(200, b"")
    else:
        await cycle.send(start())
    cycle.disconnected = True
    await cycle.receive()
    assert b"100 Continue" not in b"".join(wire.writes)


async def test_the_head_of_an_answer_does_not_wait_for_its_first_piece(cycle, wire):
    assert cycle.begin(200, b"")
    await asyncio.sleep(0)
    assert len(wire.writes) == 1
    assert not cycle.begin(200, b"")


@pytest.mark.parametrize("why", ["slow", "gone", "empty", "sized"])
async def test_a_piece_that_cannot_be_written_at_once_is_not(cycle, wire, why):
    if why == "sized":
        await cycle.send(start((b"content-length", b"3")))
    else:
        cycle.begin(200, b"")
    await asyncio.sleep(0)
    if why == "slow":
        cycle.flow.pause_writing()
    cycle.disconnected = why == "gone"
    assert not cycle.piece(b"" if why == "empty" else b"one")
    assert len(wire.writes) == 1


async def test_a_whole_answer_is_one_write(cycle, wire):
    await cycle.send(start((b"content-length", b"2")))
    assert wire.writes == []
    await cycle.send(body(b"ok"))
    assert wire.writes == [b"HTTP/1.1 200 OK\r\nserver: x\r\ncontent-length: 2\r\n\r\nok"]
    assert cycle.done == [True]
    await asyncio.sleep(0)
    assert len(wire.writes) == 1


async def test_the_head_does_not_wait_longer_than_a_turn_of_the_loop(cycle, wire):
    await cycle.send(start())
    await asyncio.sleep(0)
    assert wire.writes == [b"HTTP/1.1 200 OK\r\nserver: x\r\ntransfer-encoding: chunked\r\n\r\n"]
    await cycle.send(body(b"abc", more=True))
    await cycle.send(body(b""))
    assert wire.writes[1:] == [b"3\r\nabc\r\n", b"0\r\n\r\n"]


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: x", b"a\nb", b"a\rb", b"a\0b"])
async def test_a_header_cannot_break_its_line(cycle, wire, value):
    with pytest.raises(RuntimeError):
        await cycle.send(start((b"x-a", value)))
    await asyncio.sleep(0)
    assert wire.writes == []


@pytest.mark.parametrize(("length", "data"), [(b"3", b"ab"), (b"1", b"ab")])
async def test_the_length_is_kept(cycle, length, data):
    await cycle.send(start((b"content-length", length)))
    with pytest.raises(RuntimeError):
        await cycle.send(body(data))


async def test_leaving_is_told_once_and_not_after_the_end(cycle):
    told = []
    cycle.departure(lambda: told.append(1))
    cycle.leave()
    cycle.leave()
    assert told == [1]
    stop = cycle.departure(lambda: told.append(2))
    stop()
    cycle.leave()
    assert told == [1]
    cycle.disconnected = True
    cycle.departure(lambda: told.append(3))
    assert told == [1, 3]


async def test_messages_come_in_order(cycle):
    with pytest.raises(RuntimeError):
        await cycle.send(body(b"x"))
