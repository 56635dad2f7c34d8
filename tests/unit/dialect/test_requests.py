"""Requests: a few fields are read, one is rewritten, and every other byte stays as it came."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.calls import Dialect, ModelCall, Origin
from hub.core.refusal import Malformed
from hub.dialect import WIRES, estimate_tokens, peek
from hub.dialect.members import places_of

CHAT, MESSAGES = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(st.text(max_size=12), values, max_size=8)
styles = st.sampled_from([{}, {"separators": (",", ":")}, {"indent": 2}, {"ensure_ascii": False}])


def call(dialect, body):
    seen = peek(dialect, body)
    return ModelCall(
        "id", dialect, seen.model, seen.stream, body, Origin("r"),
        max_output=seen.max_output, wants_usage=seen.wants_usage, places=seen.places,
    )  # fmt: skip


def sent(dialect, body, model):
    return WIRES[dialect].request(call(dialect, body), model)


def refused(dialect, body):
    with pytest.raises(Malformed) as caught:
        peek(dialect, body)
    assert caught.value.code == "malformed"
    return caught.value.message


def test_peek_reads_the_fields_that_the_hub_acts_on():
    seen = peek(
        CHAT,
        b'{"model":"fast","stream":true,"max_tokens":7,"stream_options":{"include_usage":true},"tools":[{"a":1}],"new":[1]}',
    )
    assert (seen.model, seen.stream, seen.max_output, seen.wants_usage, seen.has_tools) == ("fast", True, 7, True, True)
    seen = peek(CHAT, b'{"model":"fast","max_tokens":7,"max_completion_tokens":9,"stream":null,"tools":[]}')
    assert (seen.stream, seen.max_output, seen.wants_usage, seen.has_tools) == (False, 9, False, False)
    seen = peek(MESSAGES, b' { "max_tokens" : 5 , "model" : "claude" } ')
    assert (seen.model, seen.max_output, seen.stream) == ("claude", 5, False)


@given(objects, styles)
def test_places_are_those_of_a_real_parser(fields, style):
    body = json.dumps(fields, **style).encode("utf-8", "surrogatepass")
    try:
        body.decode()
    except UnicodeDecodeError:
        return
    places = places_of(body)
    assert {name: json.loads(body[start:end]) for name, (start, end) in places.items()} == json.loads(body)


@given(objects, styles, st.sampled_from([CHAT, MESSAGES]))
def test_only_the_model_changes(fields, style, dialect):
    plain = {name: value for name, value in fields.items() if name not in ("stream", "stream_options")}
    for name in ("max_tokens", "max_completion_tokens"):
        plain.pop(name, None)
    body = json.dumps({**plain, "model": "fast"}, **style).encode("utf-8", "surrogatepass")
    out = sent(dialect, body, 'openai/gpt-5 "mini"')
    assert json.loads(out) == {**plain, "model": 'openai/gpt-5 "mini"'}
    assert len(out) - len(body) == len(json.dumps('openai/gpt-5 "mini"')) - len('"fast"')


def test_the_same_model_means_the_same_bytes():
    body = b'{ "model":\t"m", "x": 1.0e0, "y": "\\u00e9", "big": 123456789012345678901234567890 }\n'
    for dialect in (CHAT, MESSAGES):
        assert sent(dialect, body, "m") is body


def test_bytes_around_the_model_stay():
    body = b'{"seed": 1.50, "model" : "fast" , "x": [{"model": "inner", "c": "\\"model\\": \\"fast\\""}], "n": 1e2}\r\n'
    assert sent(CHAT, body, "up") == body.replace(b'"fast" ,', b'"up" ,')


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "a", "n": 1, "model": "b"}',
        b'{"model": "a", "model": "b", "n": 1}',
        b'{"n": 1, "model": "a", "n": 2}',
        b'{"n": 1, "n": 1}',
        b'{"model":"a","model":"b"}',
        b'{"model": "a", "mod\\u0065l": "b"}',
    ],
)
def test_a_field_that_is_named_twice_is_refused_however_it_is_spaced(body):
    with pytest.raises(Malformed, match="twice"):
        places_of(body)


def test_an_escaped_field_name_is_seen():
    body = b'{"mod\\u0065l":"fast","x":{"model":"evil"}}'
    assert peek(CHAT, body).model == "fast"
    assert sent(CHAT, body, "up") == b'{"mod\\u0065l":"up","x":{"model":"evil"}}'


@pytest.mark.parametrize(
    ("body", "out"),
    [
        (b'{"model":"m","stream":true}', b'{"stream_options":{"include_usage":true},"model":"m","stream":true}'),
        (b' {"stream":true,"model":"m"}', b' {"stream_options":{"include_usage":true},"stream":true,"model":"m"}'),
        (
            b'{"model":"m","stream":true,"stream_options":null}',
            b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}',
        ),
        (
            b'{"model":"m","stream":true,"stream_options":{"x":[1, 2],"include_usage":false}}',
            b'{"model":"m","stream":true,"stream_options":{"x":[1, 2],"include_usage":true}}',
        ),
        (b'{"model":"m","stream":true,"stream_options":{"include_usage":true}}', None),
        (b'{"model":"m","stream":false}', None),
    ],
)
def test_a_stream_is_asked_for_its_usage(body, out):
    assert sent(CHAT, body, "m") == (out or body)
    assert sent(MESSAGES, body, "m") == body


def test_model_and_usage_together():
    body = b'{"stream_options":{},"stream":true,"model":"fast"}'
    assert sent(CHAT, body, "up") == b'{"stream_options":{"include_usage":true},"stream":true,"model":"up"}'


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"model":1}', "'model'"),
        (b'{"model":""}', "'model'"),
        (b'{"model":null}', "'model'"),
        (b"{}", "'model' is missing"),
        (b'{"model":"m","stream":"yes"}', "'stream'"),
        (b'{"model":"m","max_tokens":"7"}', "'max_tokens'"),
        (b'{"model":"m","max_tokens":true}', "'max_tokens'"),
        (b'{"model":"m","stream_options":{"include_usage":1}}', "stream_options.include_usage"),
        (b'{"model":"m","stream_options":[]}', "'stream_options'"),
        (b'{"model":"m","model":"n"}', "'model' twice"),
        (b'{"model":"m","x":1,"model":"m"}', "'model' twice"),
        (b'{"model":"m","mod\\u0065l":"n"}', "'model' twice"),
        (b'{"stream":12,"stream":1,"model":"m"}', "'stream' twice"),
        (b'{"messages":[], "model":"m", "messages":[1]}', "'messages' twice"),
        (b"[]", "JSON object"),
        (b"null", "JSON object"),
        (b'"x"', "JSON object"),
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"model":"m"} {}', "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"model":"\xff"}', "'model'"),
        (b'{"model":"\\ud800"}', ""),
        (b"<html></html>", "not JSON"),
        (b'{"model":"m","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deep"),
        (b'{"model":"m","x":' + b'{"a":' * 100_000, ""),
    ],
)
def test_bad_requests_are_refused_with_the_field(body, says):
    assert says in refused(CHAT, body)


def test_duplicates_are_not_hidden_by_length():
    # Without spaces the two spare bytes of a second field must not pass for separators.
    refused(CHAT, b'{"model":"m","a":1,"a":1}')
    refused(CHAT, b'{"a":1,"model":"m", "a":1}')
    refused(CHAT, b'{"model":"aaaa","model":"a"}')


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body):
    try:
        seen = peek(CHAT, body)
    except Malformed:
        return
    assert seen.model


def test_numbers_of_tokens_stay_sane():
    assert peek(CHAT, b'{"model":"m","max_tokens":-5}').max_output == 0
    assert peek(CHAT, b'{"model":"m","max_tokens":1e300}').max_output == 1_000_000_000
    assert peek(CHAT, b'{"model":"m","max_tokens":12.0}').max_output == 12
    assert peek(CHAT, b'{"model":"m","max_tokens":null}').max_output is None


def test_prompts_are_estimated_by_size():
    assert estimate_tokens(b"") == 1
    assert estimate_tokens(b"x" * 4000) == 1001
