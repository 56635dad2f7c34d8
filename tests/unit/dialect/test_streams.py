"""Streams: whole events only, however the bytes are split, and never an end that the provider did not send."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.calls import Dialect, ModelCall, Origin
from hub.core.refusal import UpstreamFailed
from hub.core.usage import Usage
from hub.dialect import WIRES, error_event, keep_alive
from hub.dialect.sse import MOST_PENDING, Cutter, events, events_with
from tests.unit.dialect import recorded

CHAT, MESSAGES = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES
STREAMS = {CHAT: recorded.OPENAI_STREAM, MESSAGES: recorded.ANTHROPIC_STREAM}
ENDS = {CHAT: recorded.DONE, MESSAGES: recorded.ANTHROPIC_STOP}
dialects = st.sampled_from([CHAT, MESSAGES])


def reader(dialect, wants_usage=True, body=b"x" * 400):
    return WIRES[dialect].reader(ModelCall("id", dialect, "m", True, body, Origin("r"), wants_usage=wants_usage))


def crlf(stream):
    return stream.replace(b"\n", b"\r\n")


def feed(following, chunks):
    return [out for chunk in chunks if (out := following.feed(chunk))]


def split(stream, cuts):
    marks = [0, *sorted({cut % (len(stream) + 1) for cut in cuts}), len(stream)]
    return [stream[a:b] for a, b in pairwise(marks)]


@given(dialects, st.booleans(), st.lists(st.integers(0, 10_000), max_size=60))
def test_any_split_gives_the_same_bytes_at_event_borders(dialect, windows, cuts):
    stream = crlf(STREAMS[dialect]) if windows else STREAMS[dialect]
    following = reader(dialect)
    out = feed(following, split(stream, cuts))
    assert b"".join(out) + following.finish() == stream
    assert all(piece.endswith((b"\n\n", b"\n\r\n")) for piece in out)
    assert following.done


def test_split_into_single_bytes():
    for dialect, stream in STREAMS.items():
        following = reader(dialect)
        assert b"".join(feed(following, [bytes([byte]) for byte in stream])) == stream
        assert following.done


@given(dialects, st.booleans(), st.integers(0, 10_000), st.lists(st.integers(0, 10_000), max_size=20))
def test_cut_at_any_byte_gives_neither_a_partial_event_nor_an_end(dialect, windows, cut, cuts):
    stream = crlf(STREAMS[dialect]) if windows else STREAMS[dialect]
    kept = stream[: cut % len(stream)]
    following = reader(dialect)
    out = b"".join(feed(following, split(kept, cuts)))
    assert stream.startswith(out)
    assert out == b"" or out.endswith((b"\n\n", b"\n\r\n"))
    assert not following.done or kept.endswith((b"[DONE]\n\n", b"[DONE]\r\n\r\n"))
    if not following.done:
        assert not out.endswith(ENDS[dialect])


def test_a_clean_end_without_terminator():
    following = reader(CHAT)
    feed(following, [b"".join(recorded.OPENAI_TOKENS)])
    assert following.finish() == recorded.DONE, "the model had finished: only [DONE] was missing"

    following = reader(CHAT)
    feed(following, recorded.OPENAI_TOKENS[:-1])
    with pytest.raises(UpstreamFailed) as caught:
        following.finish()
    assert caught.value.code == "upstream_protocol"

    following = reader(MESSAGES)
    feed(following, [recorded.ANTHROPIC_START, *recorded.ANTHROPIC_BODY])
    with pytest.raises(UpstreamFailed):
        following.finish()


def test_an_empty_stream_is_cut():
    for dialect in STREAMS:
        with pytest.raises(UpstreamFailed):
            reader(dialect).finish()


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_a_terminator_without_its_blank_line_still_counts(ending):
    for dialect, stream in STREAMS.items():
        following = reader(dialect)
        out = b"".join(feed(following, [stream.rstrip(b"\n") + ending]))
        assert out + following.finish() == stream


def test_comments_after_the_last_event_do_not_cut_it():
    following = reader(CHAT)
    feed(following, [b"".join(recorded.OPENAI_TOKENS), b": bye\n"])
    assert following.finish() == recorded.DONE


def test_half_an_event_is_never_finished():
    following = reader(CHAT)
    feed(following, [b"".join(recorded.OPENAI_TOKENS), b'data: {"id":"chatc'])
    with pytest.raises(UpstreamFailed):
        following.finish()


def test_words_inside_strings_are_not_signals():
    following = reader(CHAT)
    feed(following, recorded.OPENAI_TOKENS)
    assert not following.done
    assert following.failure is None
    following = reader(MESSAGES)
    feed(following, [recorded.ANTHROPIC_START, *recorded.ANTHROPIC_BODY])
    assert not following.done
    assert following.failure is None


@pytest.mark.parametrize("spaced", [False, True])
def test_usage_that_only_the_hub_asked_for_is_taken_out(spaced):
    last = recorded.OPENAI_LAST.replace(b'":', b'": ') if spaced else recorded.OPENAI_LAST
    stream = b"".join([*recorded.OPENAI_TOKENS, last, recorded.DONE])
    for chunks in ([stream], [*recorded.OPENAI_TOKENS, last, recorded.DONE]):
        following = reader(CHAT, wants_usage=False)
        assert b"".join(feed(following, chunks)) == recorded.OPENAI_STRIPPED
        assert following.usage.prompt == 100


def test_usage_beside_a_choice_stays():
    event = recorded.openai_event({"content": "x"}, usage=recorded.OPENAI_USAGE)
    assert reader(CHAT, wants_usage=False).feed(event) == event


def test_openai_usage_is_disjoint_and_sums_to_the_total():
    following = reader(CHAT)
    feed(following, [recorded.OPENAI_STREAM])
    used = following.usage
    assert used == Usage(input=55, cache_read=30, cache_write_5m=10, audio_in=5, output=36, reasoning=20, audio_out=4)
    assert used.prompt + used.completion == 160
    assert following.model == "gpt-x-2026"


def test_reasoning_reported_beside_the_completion():
    usage = {**recorded.OPENAI_USAGE, "total_tokens": 180}
    following = reader(CHAT)
    feed(following, [recorded.openai_event(usage=usage)])
    assert following.usage.prompt + following.usage.completion == 180


def test_anthropic_usage_is_disjoint():
    following = reader(MESSAGES)
    feed(following, [recorded.ANTHROPIC_STREAM])
    assert following.usage == Usage(input=11, cache_read=7, cache_write_5m=4, cache_write_1h=5, output=30, reasoning=20)
    assert following.model == "claude-x-1"


def test_anthropic_counts_may_come_late():
    start = recorded.anthropic_event(
        "message_start", message={"model": "m", "usage": {"input_tokens": 0, "output_tokens": 0}}
    )
    delta = recorded.anthropic_event("message_delta", delta={}, usage={"input_tokens": 40, "output_tokens": 3})
    following = reader(MESSAGES)
    feed(following, [start, delta])
    assert following.usage == Usage(input=40, output=3)


def test_what_nobody_counted_is_estimated_and_says_so():
    following = reader(CHAT, body=b"x" * 400)
    feed(following, recorded.OPENAI_TOKENS)
    assert following.usage.estimated
    assert following.usage.input == 101
    assert following.usage.output >= 6

    following = reader(MESSAGES)
    feed(following, [recorded.ANTHROPIC_START, *recorded.ANTHROPIC_BODY[:-1]])
    used = following.usage
    assert used.estimated
    assert (used.input, used.cache_read) == (11, 7), "the prompt's counts came with the start"
    assert used.output > 1


def test_the_providers_own_error_event_passes_and_ends_the_stream():
    events = {
        CHAT: b'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n',
        MESSAGES: recorded.anthropic_event("error", error={"type": "overloaded_error", "message": "overloaded"}),
    }
    for dialect, event in events.items():
        following = reader(dialect)
        assert following.feed(event) == event
        assert following.finish() == b"", "the provider has said it: no second error, no terminator"
        assert following.failure is not None
        assert "overloaded" in following.failure.message


def test_an_error_without_message_is_still_one():
    for error in (b'{"code": 500}', b'"boom"', b"[1]", b"{}"):
        following = reader(CHAT)
        following.feed(b'data: {"error": %b}\n\n' % error)
        assert following.failure is not None


def test_hostile_events_pass_without_harm():
    hostile = [
        b'data: {"usage":{}}\n\n',
        b'data: {"usage":{"prompt_tokens":"x"}}\n\n',
        b'data: {"error"\n\n',
        b"\n\n\n\n",
    ]
    hostile.append(b'data: {"usage":{"a":' + b"[" * 5000 + b"}}\n\n")
    hostile.append(b'event: error\ndata: {"type":"error"\n\n')
    for dialect in STREAMS:
        following = reader(dialect)
        assert b"".join(feed(following, hostile)) == b"".join(hostile)
        assert following.usage.estimated or following.usage == Usage()


def test_an_event_without_end_is_refused():
    cutter = Cutter()
    for _ in range(MOST_PENDING // (1 << 20)):
        assert cutter.feed(b"x" * (1 << 20)) == b""
    with pytest.raises(UpstreamFailed) as caught:
        cutter.feed(b"x")
    assert caught.value.code == "upstream_protocol"


def test_the_hubs_own_events():
    failure = UpstreamFailed("upstream_protocol", "It broke.")
    assert error_event(CHAT, failure, "req-1") == (
        b'data: {"error":{"message":"It broke.","type":"api_error","param":null,"code":"upstream_protocol"},'
        b'"request_id":"req-1"}\n\n'
    )
    assert error_event(MESSAGES, failure, "req-1") == (
        b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"It broke.",'
        b'"code":"upstream_protocol"},"request_id":"req-1"}\n\n'
    )
    assert keep_alive(CHAT) == b": keep-alive\n\n"
    assert keep_alive(MESSAGES) == b'event: ping\ndata: {"type": "ping"}\n\n'


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"data: x", b'data: {"usage":1}', b'data: a"usage"b"usage"', b": ping"]),
            st.sampled_from([b"\n\n", b"\r\n\r\n", b"\n\n\n"]),
        ),
        max_size=6,
    )
)
def test_the_events_with_a_word_are_found_from_the_end(parts):
    block = b"".join(text + end for text, end in parts)
    wanted = [event.strip() for event in events(block) if b'"usage"' in event]
    assert [event.strip() for event in events_with(block, b'"usage"')] == wanted[::-1]
