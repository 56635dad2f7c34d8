"""A stream on its way: signs of life for both sides, the first event and its clock, without a network or time passing."""

import pytest

from hub.core.plan import Timeouts
from hub.core.refusal import UpstreamFailed
from hub.upstream.attempts import Attempt
from hub.upstream.streaming import SILENCE, ModelStream
from tests.support.sending import Kept, deployment
from tests.support.translating import CHAT, MESSAGES, lane_of

pytestmark = pytest.mark.anyio
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
COMMENT = b": OPENROUTER PROCESSING\n\n"
EVENT = b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
START = b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","model":"m","usage":{}}}\n\n'
KEEP_ALIVE = b": keep-alive\n\n"


class Answering:
    """A response that gives `pieces`, each after so many seconds of a clock that only it moves; None is silence."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)
        self.now = 100.0
        self.closed = False

    async def read(self, patience):
        seconds, piece = self.pieces[0]
        if seconds > patience:
            self.pieces[0] = (seconds - patience, piece)
            self.now += patience
            return None
        self.pieces.pop(0)
        self.now += seconds
        return piece

    def close(self):
        self.closed = True


class NoHealth:
    def began(self, target):
        pass

    def ended(self, seen):
        self.seen = seen


def stream_of(response, upstream=CHAT, first_byte=60.0):
    target = deployment("http://x", timeouts=Timeouts(first_byte=first_byte))
    record = Kept()
    attempt = Attempt(target, 1, record, NoHealth())
    made = ModelStream(response, lane_of(CHAT, upstream, stream=True), attempt, record, lambda: response.now)
    return made, record


async def test_a_caller_who_hears_nothing_for_long_gets_a_sign_of_life():
    stream, _ = stream_of(Answering((1, EVENT), (2.5 * SILENCE, EVENT)))
    await stream.begin()
    assert [await anext(stream) for _ in range(4)] == [EVENT, KEEP_ALIVE, KEEP_ALIVE, EVENT]


async def test_pings_that_do_not_cross_are_silence_for_the_caller():
    pings = [(SILENCE / 2, PING)] * 5
    stream, _ = stream_of(Answering((0, START), *pings, (0, EVENT)), upstream=MESSAGES)
    await stream.begin()
    assert b'"role":"assistant"' in await anext(stream)
    assert await anext(stream) == KEEP_ALIVE


async def test_comments_before_the_first_event_are_no_answer_yet():
    response = Answering((1, COMMENT), (1, COMMENT), (1, EVENT))
    stream, record = stream_of(response)
    answered = []
    record.first_byte = lambda: answered.append(response.now)
    await stream.begin()
    assert answered == [103.0]
    assert await anext(stream) == COMMENT + COMMENT + EVENT


async def test_comments_alone_are_followed_by_a_sign_of_life_and_end_as_a_cut():
    stream, _ = stream_of(Answering(*[(SILENCE / 2, COMMENT)] * 3, (0, b"")))
    await stream.begin()
    assert await anext(stream) == KEEP_ALIVE
    assert b"upstream_protocol" in await anext(stream)


async def test_the_clock_of_the_first_byte_ends_when_the_first_byte_of_the_body_is_there():
    late, _ = stream_of(Answering((9, EVENT)), first_byte=5.0)
    with pytest.raises(UpstreamFailed, match="did not begin to answer"):
        await late.begin()
    early, _ = stream_of(Answering((4, COMMENT), (4, EVENT)), first_byte=5.0)
    await early.begin()
    assert await anext(early) == COMMENT + EVENT


async def test_a_stream_of_something_else_is_refused_at_its_first_bytes():
    stream, _ = stream_of(Answering((0, b"<html>\n\n")))
    with pytest.raises(UpstreamFailed, match="something else came"):
        await stream.begin()
