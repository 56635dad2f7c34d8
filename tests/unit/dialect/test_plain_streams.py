"""Streams of speech, pictures and transcripts: whole events only, an end only where one was sent, usage told or counted."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.calls import Dialect, ModelCall, Origin
from hub.core.refusal import UpstreamFailed
from hub.core.usage import Usage
from hub.dialect import WIRES
from tests.support.translating import cut

PICTURES, SPEECH, HEARD = Dialect.OPENAI_IMAGES, Dialect.OPENAI_SPEECH, Dialect.OPENAI_TRANSCRIPTIONS


def event(kind, **fields):
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps({"type": kind, **fields}).encode())


def spent(made):
    return {"input_tokens": 14, "output_tokens": made, "total_tokens": 14 + made}


PARTIAL = event("image_generation.partial_image", b64_json="aGk=", partial_image_index=0)
DRAWN = event("image_generation.completed", b64_json="aGk=", usage=spent(272))
STREAMS = {
    PICTURES: PARTIAL + DRAWN,
    SPEECH: event("speech.audio.delta", audio="aGk=") + event("speech.audio.done", usage=spent(101)),
    HEARD: event("transcript.text.delta", delta='"transcript.text.done" error [DONE]')
    + event("transcript.text.done", text='say "speech.audio.done"', usage=spent(3)),
}
USED = {PICTURES: Usage(input=14, image=272), SPEECH: Usage(input=14, audio_out=101), HEARD: Usage(input=14, output=3)}
dialects = st.sampled_from(list(STREAMS))


def reader(dialect, body=b'{"model":"m","stream":true}'):
    seen = WIRES[dialect].peek(body) if dialect is PICTURES else None
    return WIRES[dialect].reader(
        ModelCall("1", dialect, "m", True, body, Origin("r"), answers=seen.answers if seen else 1)
    )


@given(dialects, st.lists(st.integers(0, 2000), max_size=20))
def test_any_split_gives_the_same_bytes_and_the_same_usage(dialect, places):
    following, stream = reader(dialect), STREAMS[dialect]
    out = b"".join(map(following.feed, cut(stream, places)))
    assert out + following.finish() == stream
    assert (following.done, following.usage) == (True, USED[dialect])


@given(dialects, st.integers(0, 2000))
def test_a_cut_is_no_end_and_leaves_an_estimate(dialect, place):
    following, stream = reader(dialect), STREAMS[dialect]
    kept = stream[: place % (len(stream) - 2)]
    following.feed(kept)
    with pytest.raises(UpstreamFailed):
        following.finish()
    used = following.usage
    assert used.estimated
    assert used.completion < 200, "what was delivered, and no more"


def test_previews_that_were_delivered_are_charged_when_the_picture_does_not_come():
    following = reader(PICTURES)
    following.feed(PARTIAL + PARTIAL)
    assert (following.usage.image, following.usage.estimated) == (200, True)


def test_there_are_as_many_ends_as_pictures():
    following = reader(PICTURES, b'{"model":"m","stream":true,"n":2}')
    following.feed(DRAWN)
    assert not following.done
    following.feed(DRAWN)
    assert (following.done, following.usage) == (True, Usage(input=28, image=544))
    fewer = reader(PICTURES, b'{"model":"m","stream":true,"n":2}')
    fewer.feed(DRAWN)
    assert fewer.finish() == b""
    assert (fewer.done, fewer.usage) == (True, Usage(input=14, image=272))


def test_an_error_of_the_provider_ends_it():
    following = reader(PICTURES)
    following.feed(PARTIAL + event("error", error={"message": "moderation_blocked", "code": "x"}))
    assert "moderation_blocked" in following.failure.message
    assert not following.done


def test_a_large_picture_is_one_event():
    large = event("image_generation.completed", b64_json="A" * (9 << 20), usage=spent(272))
    following = reader(PICTURES)
    out = b"".join(following.feed(large[at : at + (1 << 18)]) for at in range(0, len(large), 1 << 18))
    assert out == large
    assert following.usage == USED[PICTURES]


def test_an_end_without_usage_leaves_an_estimate():
    following = reader(SPEECH)
    following.feed(event("speech.audio.delta", audio="A" * 4096) + event("speech.audio.done"))
    assert following.done
    assert (following.usage.estimated, following.usage.audio_out) == (True, 5)
