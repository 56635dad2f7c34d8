"""Endpoints beside conversations: what is read of them, what is changed, and what they are taken to use."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from hub.core.calls import Dialect, ModelCall, Origin
from hub.core.refusal import Malformed
from hub.core.usage import Usage
from hub.dialect.multipart import FormWire, parts_of
from hub.dialect.plain import PlainWire

MARK = b"--xyz"


def form(*parts):
    """A multipart body of (name, value) or (name, value, file name)."""
    out = b""
    for name, value, *file in parts:
        named = b'; filename="%b"\r\nContent-Type: audio/mpeg' % file[0] if file else b""
        out += (
            MARK + b'\r\nContent-Disposition: form-data; name="' + name + b'"' + named + b"\r\n\r\n" + value + b"\r\n"
        )
    return out + MARK + b"--\r\n"


def call(wire, body):
    seen = wire.peek(body)
    return ModelCall("1", Dialect.OPENAI_CHAT, seen.model, False, body, Origin("r"), places=seen.places)


def test_only_the_model_is_changed():
    wire = PlainWire()
    body = b'{"input": ["a", "b"],  "model": "small", "dimensions": 8, "later": {"x": 1.0}}'
    assert wire.request(call(wire, body), "text-embedding-3-small") == body.replace(b"small", b"text-embedding-3-small")
    assert wire.request(call(wire, body), "small") == body


@pytest.mark.parametrize(
    ("made", "told", "used"),
    [
        ("text", {"prompt_tokens": 7, "total_tokens": 7}, Usage(input=7)),
        ("text", {"total_tokens": 9}, Usage(input=9)),
        ("image", {"input_tokens": 5, "output_tokens": 100, "total_tokens": 105}, Usage(input=5, image=100)),
        (
            "audio",
            {"input_tokens": 30, "output_tokens": 4, "input_token_details": {"audio_tokens": 20}},
            Usage(input=10, audio_in=20, audio_out=4),
        ),
        ("text", {"type": "duration", "seconds": 4}, None),
        ("text", "nonsense", None),
    ],
)
def test_usage(made, told, used):
    assert PlainWire(made).usage(json.dumps({"data": [], "usage": told}).encode()) == used


def test_an_alias_in_the_body_is_changed_too():
    for wire, body in (PlainWire(), b'{"model":"alias","input":"a"}'), (FormWire(), form((b"model", b"alias"))):
        aliased = replace(call(wire, body), model="real", asked="alias")
        assert wire.request(aliased, "real") == body.replace(b"alias", b"real")


def test_an_answer_that_is_not_json_says_nothing():
    assert PlainWire("audio").usage(b'ID3\x04"usage"') is None
    assert PlainWire().usage(b'{"usage":') is None


def test_what_cannot_be_streamed_is_refused():
    with pytest.raises(Malformed) as caught:
        PlainWire().peek(b'{"model":"m","stream":true}')
    assert caught.value.code == "unsupported_field"
    with pytest.raises(Malformed):
        PlainWire("audio").peek(b'{"model":"m","stream":true}')
    with pytest.raises(Malformed):
        PlainWire("image").peek(b'{"model":"m","stream":true,"n":"two"}')


def test_pictures_speech_and_what_was_heard_are_streamed_when_that_is_asked_for():
    for wire, asked, plain in (
        (PlainWire("image"), b'{"model":"m","stream":true,"partial_images":2}', b'{"model":"m","stream":false}'),
        (PlainWire("audio"), b'{"model":"m","stream_format":"sse"}', b'{"model":"m","stream_format":"audio"}'),
        (FormWire(), form((b"model", b"m"), (b"stream", b"true")), form((b"model", b"m"), (b"stream", b"false"))),
    ):
        assert (wire.peek(asked).stream, wire.peek(plain).stream) == (True, False)


def test_a_form_keeps_every_byte_but_the_model():
    wire = FormWire()
    sound = bytes(range(256)) * 40 + b"\r\n--xy \r\n\r\n"
    body = form((b"file", sound, b"a.mp3"), (b"model", b"whisper"), (b"language", b"de"))
    changed = wire.request(call(wire, body), "whisper-1")
    assert changed == body.replace(b"\r\nwhisper\r\n", b"\r\nwhisper-1\r\n")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"--xyz\r\n",
        form((b"file", b"x", b"a.mp3")),
        form((b"model", b"a"), (b"model", b"b")),
        form((b"model", b"")),
        form((b"model", b"a")).replace(b"Content-Disposition", b"X-Disposition"),
        form((b"model", b"a")).replace(b'name="model"', b'name="x"; name="model"'),
        form((b"model", b"a")).replace(b'name="model"', b"name=model"),
        form((b"model", b"a")).replace(b"\r\n\r\na", b'\r\nContent-Disposition: form-data; name="x"\r\n\r\na'),
        form((b"model", b"a")).replace(b"--xyz--", b"--xyz"),
        form(*[(b"f%d" % number, b"x") for number in range(70)], (b"model", b"a")),
    ],
)
def test_a_form_that_could_be_read_in_two_ways_is_refused(body):
    with pytest.raises(Malformed):
        FormWire().peek(body)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_form_or_malformed(data):
    for body in (data, form((b"model", b"m"), (b"file", data, b"f")), MARK + b"\r\n" + data):
        try:
            places = parts_of(body)
        except Malformed:
            continue
        assert all(0 <= start <= end <= len(body) for start, end in places.values())
