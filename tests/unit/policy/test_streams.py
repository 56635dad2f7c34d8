"""Streamed answers: what a rule blocks never leaves, however the upstream cuts its events."""

import asyncio
import contextlib
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.calls import Dialect, ModelCall, Origin
from hub.core.inspection import Opinion
from hub.core.principal import Principal
from hub.core.refusal import Malformed
from hub.policy import Policy
from hub.resources import Snapshot, parse
from hub.resources.model_catalog import ModelCatalog

pytestmark = pytest.mark.anyio
ANN = Principal(id="key:ann", kind="key", key="ann")
SECRET = "the launch code is 4-8-15-16"
DONE = b"data: [DONE]\n\n"


def openai(text, index=0):
    delta = {"id": "c", "choices": [{"index": index, "delta": {"content": text}}]}
    return f"data: {json.dumps(delta)}\n\n".encode()


def anthropic(text, index=0, kind="text"):
    delta = {"type": f"{kind}_delta", ("partial_json" if kind == "input_json" else "text"): text}
    event = {"type": "content_block_delta", "index": index, "delta": delta}
    return f"event: content_block_delta\ndata: {json.dumps(event)}\n\n".encode()


def heard(text):
    return f"data: {json.dumps({'type': 'transcript.text.delta', 'delta': text})}\n\n".encode()


def screened(pieces, judges=None, body=b"{}", leaves=0, **rule):
    """The events that leave, how it ended, and what was found; the caller leaves after the first `leaves`, if any."""

    async def run():
        subject = Policy(judges=judges)
        raw = {"scope": {"org": True}, "on": ["output"], **rule}
        subject.reconfigure(Snapshot(1, "", ModelCatalog([]), guardrails={"g": parse("guardrails", "g", raw)}))
        out, end = [], None
        call = ModelCall("1", Dialect.OPENAI_CHAT, "m", True, body, Origin("r"))
        async with subject.admit(ANN, call) as decision:

            async def chunks():
                for piece in pieces:
                    await asyncio.sleep(0)
                    yield piece

            try:
                async for chunk in decision.screened_stream(chunks()):
                    out.append(chunk)
                    if len(out) == leaves:
                        break
            except Malformed as refusal:
                end = refusal
        return out, end, decision.findings

    return run()


def said(out):
    """All texts of the events, in order."""
    found = []
    for line in b"".join(out).splitlines():
        if line.startswith(b"data: {"):
            event = json.loads(line[6:])
            found += [choice["delta"]["content"] for choice in event.get("choices", ())]
            delta = event.get("delta", "")
            found.append(delta if isinstance(delta, str) else delta.get("text", delta.get("partial_json", "")))
    return "".join(found)


def cut(text, seed):
    dice = random.Random(seed)
    pieces = []
    while text:
        size = dice.randint(1, 7)
        pieces.append(text[:size])
        text = text[size:]
    return pieces


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 300), st.integers(0, 300), st.sampled_from([openai, anthropic, heard]))
async def test_a_blocked_string_never_leaves_however_it_is_cut(seed, before, after, event):
    text = "a " * (before // 2) + SECRET + " b" * (after // 2)
    pieces = [event(piece) for piece in cut(text, seed)]
    out, end, findings = await screened([*pieces, DONE], words=[SECRET], window=64)
    assert end is not None
    assert end.code == "guardrail_blocked"
    assert "launch" not in said(out) or "the launch code is" not in said(out)
    assert len(said(out)) <= before
    assert findings[0].action == "block"
    assert DONE not in out


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([openai, anthropic, heard]))
async def test_a_redaction_in_a_stream_leaves_the_rest_as_it_was(seed, event):
    text = f"write to ann.lee@example.com or +49 30 901820 today; {'x' * 200} ann.lee@example.com."
    out, end, findings = await screened(
        [*(event(piece) for piece in cut(text, seed)), DONE], pii=["email", "phone"], action="redact", window=100
    )
    assert end is None
    assert said(out) == text.replace("ann.lee@example.com", "[EMAIL]").replace("+49 30 901820", "[PHONE]")
    assert b"".join(out).endswith(DONE)
    assert {finding.kind for finding in findings} == {"email", "phone"}


async def test_what_is_harmless_passes_byte_for_byte_and_before_the_end():
    pieces = [openai(piece) for piece in cut("nothing to see here " * 40, 1)]
    out, end, findings = await screened([*pieces, DONE], words=[SECRET], window=64)
    assert end is None
    assert findings == ()
    assert b"".join(out) == b"".join([*pieces, DONE])
    assert len(out) > 10, "it was not held until the end"


async def test_a_block_of_text_that_ended_does_not_hold_the_next_one_back():
    stop = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
    first = [anthropic("short"), stop]
    second = [anthropic("y" * 30, 1) for _ in range(10)]
    out, end, _ = await screened([*first, *second, DONE], words=[SECRET], window=64)
    assert end is None
    assert b"short" in out[0]
    assert b"".join(out) == b"".join([*first, *second, DONE])


async def test_channels_are_judged_apart():
    pieces = [openai("the launch ", 0), openai("the launch ", 1), openai("code is 4-8-15-16", 1), openai("x", 0)]
    out, end, _ = await screened([*pieces, DONE], words=[SECRET], window=64)
    assert end is not None
    assert said(out) == ""


def stopped(index):
    event = {"type": "content_block_stop", "index": index}
    return f"event: content_block_stop\ndata: {json.dumps(event)}\n\n".encode()


def in_blocks(dialect, *texts):
    """The events of an answer whose blocks say these texts, a character at a time."""
    made = []
    for index, text in enumerate(texts):
        for char in text:
            if dialect == "messages":
                made.append(anthropic(char, index))
            elif dialect == "bedrock":
                delta = {"delta": {"text": char}, "contentBlockIndex": index}
                made.append(f"event: contentBlockDelta\ndata: {json.dumps(delta)}\n\n".encode())
            else:
                delta = {"type": "response.output_text.delta", "output_index": index, "content_index": 0, "delta": char}
                made.append(f"data: {json.dumps(delta)}\n\n".encode())
        if dialect == "messages":
            made.append(stopped(index))
        elif dialect == "bedrock":
            made.append(f'event: contentBlockStop\ndata: {{"contentBlockIndex":{index}}}\n\n'.encode())
        else:
            done = {"type": "response.output_text.done", "output_index": index, "content_index": 0, "text": text}
            made.append(f"data: {json.dumps(done)}\n\n".encode())
    return [*made, DONE]


@pytest.mark.parametrize("action", ["block", "redact"])
@pytest.mark.parametrize("stream", ["window", "hold"])
@pytest.mark.parametrize("dialect", ["messages", "bedrock", "responses"])
async def test_what_one_block_begins_is_not_ended_by_the_next(dialect, stream, action):
    for word, texts in (
        ("hunter2", ("the word is hun", "ter2 and")),
        ("hunter2", ("h", "un", "ter2")),
        ("launch code", ("the launch", "code is")),
    ):
        out, end, findings = await screened(in_blocks(dialect, *texts), words=[word], stream=stream, action=action)
        told = b"".join(out)
        assert b"ter2" not in told
        assert b"code" not in told
        assert findings
        assert {finding.kind for finding in findings} == {"word"}
        if stream == "window":  # what has left cannot be taken out any more
            assert end is not None
        else:
            assert (end is None) is (action == "redact")


async def test_blocks_that_say_nothing_together_pass_untouched_and_at_once():
    pieces = in_blocks("messages", "to ann@example.com", "Thanks", "and so on")
    out, end, findings = await screened(pieces, words=["hunter2"], pii=["email"], action="redact")
    assert end is None
    assert said(out) == "to [EMAIL]Thanksand so on"
    assert len(findings) == 1
    assert len(out) > 3


def likely(text):
    tokens = [{"token": text, "logprob": -0.1, "bytes": list(text.encode()), "top_logprobs": []}]
    choice = {"index": 0, "delta": {"content": text}, "logprobs": {"content": tokens}}
    return f"data: {json.dumps({'id': 'c', 'choices': [choice]})}\n\n".encode()


@pytest.mark.parametrize("stream", ["window", "hold"])
async def test_likelihoods_do_not_say_what_was_taken_out(stream):
    pieces = [likely(piece) for piece in ("the word is ", "hun", "ter2", " and ", "so on")]
    out, end, _ = await screened([*pieces, DONE], words=["hunter2"], action="redact", stream=stream)
    assert end is None
    assert said(out).startswith("the word is [WORD] and")
    told = b"".join(out)
    assert b"hun" not in told
    assert b"ter2" not in told
    if stream == "window":
        assert pieces[0] in told, "what nothing was taken out of stays as it was"


@pytest.mark.parametrize("stream", ["window", "hold"])
async def test_likelihoods_in_an_event_of_their_own_do_not_either(stream):
    """So a translated stream tells them; of a Gemini model, in its caller's dialect."""
    apart = [
        {"choices": [{"index": 0, "delta": {}, "logprobs": {"content": [{"token": "hunter2", "logprob": -1}]}}]},
        {"candidates": [{"content": {"parts": []}, "logprobsResult": {"chosenCandidates": [{"token": "hunter2"}]}}]},
    ]
    pieces = [
        openai("the word is hunter2"),
        *(f"data: {json.dumps(event)}\n\n".encode() for event in apart),
        openai(" and so on"),
    ]
    out, end, _ = await screened([*pieces, DONE], words=["hunter2"], action="redact", stream=stream)
    assert end is None
    told = b"".join(out)
    assert b"the word is [WORD]" in told
    assert b"hunter2" not in told


def written(text, choice, style):
    """A delta of one of several answers; whatever stands first in it."""
    if style == "index behind":
        event = {"choices": [{"text": text, "index": choice}]}
    elif style == "both":
        other = {"text": "", "index": 1 - choice}
        event = {"choices": [{"text": text, "index": choice}, other]}
    elif style == "no zero":
        content = {"parts": [{"text": text}], "role": "model"}
        event = {"candidates": [{"content": content, **({"index": choice} if choice else {})}]}
    else:
        event = {"choices": [{"index": choice, "delta": {"content": text}}]}
    return f"data: {json.dumps(event)}\n\n".encode()


@pytest.mark.parametrize("style", ["index first", "index behind", "both", "no zero"])
async def test_several_answers_at_once_hide_nothing_in_each_other(style):
    pieces = [
        written(char, turn % 2, style)
        for turn, char in enumerate("".join(a + b for a, b in zip(SECRET, "z" * len(SECRET), strict=True)))
    ]
    out, end, findings = await screened([*pieces, DONE], words=[SECRET], window=64)
    assert end is not None
    assert findings[0].kind == "word"
    assert SECRET[-1].encode() not in b"".join(out).replace(b"index", b"")


async def test_hold_judges_the_whole_and_keeps_the_line_alive():
    held = {"json_schema": {"type": "object"}, "stream": "hold"}
    good, bad = [openai(piece) for piece in ('{"a":', "1}")], [openai("plain text")]
    comment = b": keep-alive\n\n"
    out, end, _ = await screened([good[0], comment, good[1], DONE], **held)
    assert end is None
    assert out[0] == comment
    assert out[1:] == [b"".join([*good, DONE])]
    out, end, _ = await screened([*bad, DONE], **held)
    assert end is not None
    assert out == []


async def test_hold_redacts_too():
    out, end, _ = await screened(
        [openai("mail ann@exam"), openai("ple.com now"), DONE], pii=["email"], action="redact", stream="hold"
    )
    assert end is None
    assert said(out) == "mail [EMAIL] now"


@pytest.mark.parametrize("ends", [False, True])
async def test_what_a_caller_took_before_leaving_is_observed_once(ends):
    subject = Policy(judges=None)
    rules = (
        {"words": [SECRET], "stream": "observe"},
        {"webhook": {"url": "https://a.test/", "secret": "env:A"}, "stream": "observe"},
    )
    raw = {f"g{n}": {"scope": {"org": True}, "on": ["output"], **rule} for n, rule in enumerate(rules)}
    specs = {name: parse("guardrails", name, spec) for name, spec in raw.items()}
    subject.reconfigure(Snapshot(1, "", ModelCatalog([]), guardrails=specs))
    decision = subject.admit(ANN, ModelCall("1", Dialect.OPENAI_CHAT, "m", True, b"{}", Origin("r")))

    async def chunks():
        yield openai(SECRET[:9])
        yield openai(SECRET[9:])
        if not ends:
            await asyncio.sleep(60)
        yield DONE

    async def leave():
        async with decision:
            took = 0
            async for _ in decision.screened_stream(chunks()):
                took += 1
                if took == 2 and not ends:
                    raise asyncio.CancelledError

    with contextlib.suppress(asyncio.CancelledError):
        await leave()
    found = [(finding.rule, finding.kind, finding.action) for finding in decision.findings]
    assert found == [("g0", "word", "observe"), ("g1", "error", "observe")]
    assert ("left" in decision.findings[1].error) is not ends


async def test_of_a_long_stream_that_is_left_the_beginning_is_observed_and_the_finding_says_so():
    pieces = [openai("a " * 100_000), openai(SECRET), openai(" b" * 100_000), openai(SECRET)]
    screen = screened(pieces, words=[SECRET], stream="observe", leaves=4)
    out, _, findings = await screen
    assert len(out) == 4
    assert [(finding.kind, finding.count) for finding in findings] == [("word", 1), ("error", 1)]


async def test_observe_enforces_nothing_and_says_so():
    pieces = [openai(piece) for piece in cut(SECRET, 3)]
    out, end, findings = await screened([*pieces, DONE], words=[SECRET], stream="observe")
    assert end is None
    assert b"".join(out) == b"".join([*pieces, DONE])
    assert [finding.action for finding in findings] == ["observe"]


async def test_a_masked_prompt_is_restored_in_the_stream():
    body = json.dumps({"messages": [{"content": "greet ann@example.com"}]}).encode()
    pieces = [openai(piece) for piece in cut("Dear [EMAIL_1], [EMAIL_2] and [x]", 5)]
    rule = {"on": ["input"], "pii": ["email"], "action": "redact", "reversible": True}
    out, end, _ = await screened([*pieces, DONE], body=body, **rule)
    assert end is None
    assert said(out) == "Dear ann@example.com, [EMAIL_2] and [x]"


async def test_a_private_key_is_stopped_and_not_cut_short():
    key = "-----BEGIN PRIVATE KEY-----\n" + "MIIEabc\n" * 200 + "-----END PRIVATE KEY-----"
    pieces = [openai(piece) for piece in cut("here: " + key, 9)]
    out, end, _ = await screened([*pieces, DONE], secrets=True, action="redact")
    assert end is not None
    assert "MII" not in said(out)


async def test_a_tool_that_is_not_listed_is_stopped_when_its_name_comes():
    start = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "tool_use", "name": "rm", "input": {}},
    }
    event = f"event: content_block_start\ndata: {json.dumps(start)}\n\n".encode()
    out, end, _ = await screened([event, anthropic('{"a":1}', kind="input_json"), DONE], allowed_tools=["get_*"])
    assert end is not None
    assert out == []


async def test_others_judge_the_whole_stream():
    class Judges:
        async def webhook(self, question, url, secret, *, private):
            return Opinion("bad word" in "".join(question.texts), "own")

    hook = {"webhook": {"url": "https://guard.example.com", "secret": "env:X"}, "stream": "hold"}
    _, end, findings = await screened([openai("a bad "), openai("word"), DONE], judges=Judges(), **hook)
    assert end is not None
    assert findings[0].kind == "own"


@pytest.mark.parametrize(
    "said", ["the word is %68unter2", "h\u04afnter2 h\u0435llo: \u04bbunter2", "68756e746572322068756e74657232"]
)
async def test_a_disguise_is_seen_in_a_stream_before_it_leaves(said):
    pieces = [openai(char) for char in f"well, {said} and so on"] + [DONE]
    out, end, _ = await screened(pieces, words=["hunter2"])
    assert end is not None
    assert b"2" not in b"".join(out)


async def test_what_was_disguised_is_redacted_in_a_stream():
    pieces = [openai(char) for char in "well, %68unter2 and so on"] + [DONE]
    out, end, (finding,) = await screened(pieces, words=["hunter2"], action="redact")
    assert end is None
    said = "".join(
        json.loads(event[6:])["choices"][0]["delta"]["content"]
        for event in b"".join(out).split(b"\n\n")
        if event.startswith(b"data: {")
    )
    assert said == "well, [WORD] and so on"
    assert finding.count == 1
