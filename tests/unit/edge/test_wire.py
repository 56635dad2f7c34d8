"""Writing replies: settled before the last byte, ended properly when they break, cancelled when nobody reads."""

import asyncio
import logging

import pytest

from hub.core.calls import Reply
from hub.core.refusal import Throttled, UpstreamFailed
from hub.core.unwinding import Unwinding
from hub.edge import InFlight, carry
from hub.edge.wire import encoded, head_lines
from tests.unit.edge.conftest import request, until

pytestmark = pytest.mark.anyio


class Caller:
    """An ASGI caller: what it was sent, and when it leaves."""

    def __init__(self, log):
        self.log = log
        self.leave = asyncio.Event()

    async def receive(self):
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        kind = message["type"].rpartition(".")[2]
        self.log.append((kind, message.get("body", message.get("status")), message.get("more_body", False)))


class Call:
    """A fake path: what it opens notes how it was closed."""

    def __init__(self, log):
        self.log = log

    async def reply(self, body=b"", chunks=None, before=None):
        held = Unwinding(self.settle)
        try:
            if before is not None:
                await before
        except BaseException as error:
            held.unwind(error)
            raise
        return Reply(200, {"a": "b"}, body, chunks).owning(held)

    def settle(self, error):
        self.log.append(("settled", type(error).__name__ if error else None))


async def carried(caller, call, in_flight=None, **reply):
    in_flight = InFlight() if in_flight is None else in_flight
    with in_flight.watch({}, caller.receive) as exchange:
        await carry(
            call.reply(**reply), caller.send, exchange, last_words=lambda r: f"!{r.code}".encode(), request_id="r1"
        )
    assert len(in_flight) == 0


async def events(*items):
    for item in items:
        if isinstance(item, Exception):
            raise item
        yield item


@pytest.fixture
def log():
    return []


async def test_a_whole_reply_is_settled_before_anything_is_sent(log):
    await carried(Caller(log), Call(log), body=b"hi")
    assert log == [("settled", None), ("start", 200, False), ("body", b"hi", False)]


async def test_a_stream_is_settled_before_its_last_message(log):
    await carried(Caller(log), Call(log), chunks=events(b"a", b"b"))
    assert log == [
        ("start", 200, False),
        ("body", b"a", True),
        ("body", b"b", True),
        ("settled", None),
        ("body", b"", False),
    ]


async def test_a_stream_that_fails_ends_with_the_last_words(log):
    await carried(Caller(log), Call(log), chunks=events(b"a", UpstreamFailed("upstream_protocol", "cut")))
    assert log[1:] == [("body", b"a", True), ("settled", "UpstreamFailed"), ("body", b"!upstream_protocol", False)]


async def test_a_fault_of_our_own_ends_a_stream_and_tells_nothing(log, caplog):
    with caplog.at_level(logging.ERROR):
        await carried(Caller(log), Call(log), chunks=events(b"a", ValueError("secret")))
    assert log[-2:] == [("settled", "ValueError"), ("body", b"!internal", False)]


async def test_a_refusal_before_anything_is_sent_is_the_callers_to_render(log):
    async def refused():
        raise Throttled("rate_limited", "slow down")

    with pytest.raises(Throttled):
        await carried(Caller(log), Call(log), before=refused())
    assert log == [("settled", "Throttled")]


async def test_a_caller_who_leaves_before_the_reply_cancels_the_call(log):
    caller = Caller(log)
    asyncio.get_running_loop().call_later(0.02, caller.leave.set)
    await carried(caller, Call(log), before=asyncio.Event().wait())
    assert log == [("settled", "CancelledError")]
    assert asyncio.current_task().cancelling() == 0


async def test_a_caller_who_leaves_in_the_middle_cancels_the_stream(log):
    closed = []

    async def endless():
        try:
            yield b"a"
            caller.leave.set()
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    caller = Caller(log)
    await carried(caller, Call(log), chunks=endless())
    assert log == [("start", 200, False), ("body", b"a", True), ("settled", "CancelledError")]
    assert closed == [True]


async def test_a_caller_who_leaves_after_the_last_chunk_does_not_interrupt_the_settling(log):
    caller = Caller(log)

    class Late(Call):
        def settle(self, error):
            caller.leave.set()
            super().settle(error)

    await carried(caller, Late(log), chunks=events(b"a"))
    assert ("settled", None) in log


async def test_when_the_hub_ends_a_call_that_has_not_answered_its_caller_is_told(log):
    in_flight = InFlight()
    asyncio.get_running_loop().call_later(0.02, in_flight.end)
    with pytest.raises(Exception, match="restarting") as caught:
        await carried(Caller(log), Call(log), in_flight, before=asyncio.Event().wait())
    assert caught.value.code == "overloaded"
    assert asyncio.current_task().cancelling() == 0


async def test_leaving_and_ending_together_cancel_once(log):
    in_flight = InFlight()
    caller = Caller(log)
    began = asyncio.Event()

    async def wait():
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.02)  # a second cancellation would strike here
            log.append("unwound")
            raise

    task = asyncio.get_running_loop().create_task(carried(caller, Call(log), in_flight, before=wait()))
    await began.wait()
    caller.leave.set()
    await until(lambda: task.cancelling() or task.done())
    in_flight.end()
    await task
    assert log == ["unwound", ("settled", "CancelledError")]


async def test_other_cancellations_pass_through(log):
    task = asyncio.get_running_loop().create_task(carried(Caller(log), Call(log), before=asyncio.Event().wait()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_headers_cannot_break_out_or_frame():
    assert encoded({"X-A": "b\r\nset-cookie: c", "Content-Length": "9", "Connection": "close", "x-b": "é\0"}) == [
        (b"x-a", b"bset-cookie: c"),
        (b"x-b", b"\xe9"),
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/json", "x-request-id": "r1"},
        {"X-A": "b\r\nset-cookie: c", "Content-Length": "9", "Connection": "close", "x-b": "é\0"},
        {"x-100%": "5%s", "x-a": "%d"},
        {"x-a\r\nset-cookie": "c", "x-b": "d"},
        {},
    ],
)
def test_headers_stand_in_lines_as_they_stand_in_pairs(headers):
    lines = head_lines(headers)
    assert lines == b"".join(b"%b: %b\r\n" % header for header in encoded(headers))
    assert lines.count(b"\n") == lines.count(b"\r") == len(encoded(headers))


async def test_over_a_connection_the_call_ends_soon_after_the_client(run, log):
    """Before the upstream has answered, and in the middle of a stream."""
    in_flight = InFlight()
    opened = []

    async def app(scope, receive, send):
        await receive()
        with in_flight.watch({}, receive) as exchange:
            call = Call(log)
            if scope["path"] == "/wait":
                opened.append(True)
                answer = call.reply(before=asyncio.Event().wait())
            else:
                answer = call.reply(chunks=endless())
            await carry(answer, send, exchange, last_words=lambda r: b"", request_id="r1")

    async def endless():
        while True:
            yield b"event"
            opened.append(True)
            await asyncio.sleep(0.01)

    running = await run(app, in_flight=in_flight)
    for path in ("/wait", "/stream"):
        opened.clear()
        log.clear()
        client = await running.connect()
        await client.send(request(path=path))
        await until(lambda: opened)
        await client.close()
        await until(lambda: log)
        assert log == [("settled", "CancelledError")]
        await until(lambda: len(in_flight) == 0)


async def test_a_slow_reader_slows_the_stream(run):
    in_flight = InFlight()
    sent = []

    async def app(scope, receive, send):
        await receive()
        with in_flight.watch({}, receive) as exchange:
            await carry(Call([]).reply(chunks=flood()), send, exchange, last_words=lambda r: b"", request_id="r")

    async def flood():
        while True:
            yield b"x" * 65_536
            sent.append(65_536)

    running = await run(app, in_flight=in_flight)
    client = await running.connect(limit=1024)
    await client.send(request())
    before = -1
    while before != len(sent):  # until nothing more is taken
        before = len(sent)
        await asyncio.sleep(0.1)
    assert sum(sent) < 64 << 20
    await client.reset()
    await until(lambda: len(in_flight) == 0)
