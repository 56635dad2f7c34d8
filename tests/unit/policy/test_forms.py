"""Guardrails on bodies that are no JSON: the fields of a form with a recording, transcripts as text, and sound."""

import json

import pytest

from hub.core.calls import Dialect, ModelCall, Origin
from hub.core.principal import Principal
from hub.core.refusal import Malformed
from hub.dialect import peek
from hub.policy import Policy
from hub.resources import Snapshot, parse
from hub.resources.model_catalog import ModelCatalog

pytestmark = pytest.mark.anyio
ANN = Principal(id="key:ann", kind="key", key="ann")
SOUND = b"RIFF\x00\xff hunter2 \r\n\r\n: \x80\n\n"


def form(*fields):
    parts = [f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n'.encode() + value for name, value in fields]
    return b"\r\n".join([*parts, b"--b--\r\n"])


def admitted(body, dialect=Dialect.OPENAI_TRANSCRIPTIONS, **rule):
    subject = Policy()
    raw = {"scope": {"org": True}, "on": ["input", "output"], "words": ["hunter2"], **rule}
    subject.reconfigure(Snapshot(1, "", ModelCatalog([]), guardrails={"g": parse("guardrails", "g", raw)}))
    places = peek(dialect, body).places if dialect is Dialect.OPENAI_TRANSCRIPTIONS else {}
    return subject.admit(ANN, ModelCall("1", dialect, "m", False, body, Origin("r"), places=places))


SAID = form(("file", SOUND), ("model", b"m"), ("prompt", "gr\u00fc\u00dfe, hunter2!".encode()), ("language", b"de"))


async def test_what_a_form_says_is_blocked_and_the_recording_is_not_read():
    with pytest.raises(Malformed) as caught:
        async with admitted(SAID):
            pass
    assert caught.value.code == "guardrail_blocked"
    harmless = SAID.replace(b"hunter2!", b"winter2!")
    async with admitted(harmless) as decision:
        assert decision.body == harmless
        assert decision.findings == ()


async def test_what_a_form_says_is_taken_out_and_all_else_stays():
    async with admitted(SAID, action="redact") as decision:
        assert decision.body == SAID.replace(b"hunter2!", b"[WORD]!")


async def test_a_field_that_comes_twice_hides_nothing():
    with pytest.raises(Malformed, match="twice"):
        peek(Dialect.OPENAI_TRANSCRIPTIONS, form(("model", b"m"), ("prompt", b"a"), ("prompt", b"hunter2")))
    listed = form(("model", b"m"), ("include[]", b"a"), ("include[]", b"hunter2"))
    with pytest.raises(Malformed, match="blocked"):
        async with admitted(listed):
            pass


@pytest.mark.parametrize("answer", [b'{"text":"the word is hunter2"}', b"1\n00:00 --> 00:02\nthe word is hunter2\n"])
async def test_transcripts_are_read_as_json_and_as_text(answer):
    body = form(("model", b"m"))
    async with admitted(body) as decision:
        with pytest.raises(Malformed, match="blocked"):
            await decision.screened(answer)
        harmless = answer.replace(b"hunter2", b"winter2")
        assert await decision.screened(harmless) == harmless
    async with admitted(body, action="redact") as decision:
        assert await decision.screened(answer) == answer.replace(b"hunter2", b"[WORD]")


async def test_sound_passes_as_it_is_whole_and_streamed():
    request = json.dumps({"model": "m", "input": "hi", "voice": "x"}).encode()
    pieces = [SOUND, b": not a comment\n\n", SOUND]

    async def chunks():
        for piece in pieces:
            yield piece

    async with admitted(request, Dialect.OPENAI_SPEECH) as decision:
        assert await decision.screened(SOUND) == SOUND
        assert [chunk async for chunk in decision.screened_stream(chunks())] == pieces
    with pytest.raises(Malformed, match="blocked"):
        async with admitted(request.replace(b"hi", b"hunter2"), Dialect.OPENAI_SPEECH):
            pass
