"""Streams of every pair: any answer, in any pieces, cut anywhere, arrives whole and in the order of its dialect."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from hub.core.refusal import UpstreamFailed
from hub.dialect.neutral import Text, Thinking, ToolUse
from tests.support.grammars import GRAMMARS
from tests.support.translating import (
    BEDROCK,
    CALLERS,
    CHAT,
    GEMINI,
    MESSAGES,
    RESPONSES,
    UPSTREAMS,
    carried,
    cut,
    lane_of,
    told_by,
    upstream_stream,
)

PAIRS = [(caller, upstream) for caller in CALLERS for upstream in UPSTREAMS if caller is not upstream]
TEXTS = st.text(alphabet=st.sampled_from('ab \n"\\{}:é👋\u2028data'), min_size=1, max_size=12)
ARGUMENTS = st.dictionaries(st.text("abc_", min_size=1, max_size=3), TEXTS | st.integers() | st.booleans(), max_size=3)
BLOCKS = st.lists(
    st.builds(Text, TEXTS)
    | st.builds(lambda arguments: ToolUse("", "look", json.dumps(arguments, ensure_ascii=False)), ARGUMENTS),
    min_size=1,
    max_size=5,
)


def answer(blocks, thinking):
    """Blocks as a model makes them: thinking first, calls last and each with an id of its own, no two texts in a row."""
    texts = [block for block in blocks if isinstance(block, Text)][:1]
    calls = [ToolUse(f"call_{n}", b.name, b.arguments) for n, b in enumerate(blocks) if isinstance(b, ToolUse)]
    return [*([Thinking(thinking, origin="open")] if thinking else []), *texts, *calls]


def expected(blocks):
    out = []
    for block in blocks:
        if isinstance(block, ToolUse):
            out.append(("tool", block.name, json.loads(block.arguments)))
        else:
            out.append(("thinking" if isinstance(block, Thinking) else "text", block.text))
    return out


@pytest.mark.parametrize(("caller", "upstream"), PAIRS)
@settings(max_examples=12, deadline=None)
@given(
    blocks=BLOCKS,
    thinking=st.just("") | TEXTS,
    places=st.lists(st.integers(0, 1 << 16), max_size=12),
    size=st.integers(1, 5),
)
def test_any_answer_arrives_whole(caller, upstream, blocks, thinking, places, size):
    given_ = answer(blocks, thinking)
    sliced = upstream_stream(upstream, given_, lambda text: [text[at : at + size] for at in range(0, len(text), size)])
    lane = lane_of(caller, upstream, stream=True)
    out, reader = carried(lane, cut(sliced, places))
    GRAMMARS[caller](out)
    told, ended = told_by(caller, out)
    assert told == expected(given_)
    assert ended.stop == ("tool" if any(isinstance(block, ToolUse) for block in given_) else "end")
    assert (reader.done, reader.usage.output, reader.usage.estimated) == (True, 7, False)


@pytest.mark.parametrize(("caller", "upstream"), PAIRS)
def test_a_cut_stream_never_looks_finished(caller, upstream):
    blocks = [Text("one two three"), ToolUse("c", "look", '{"a": 1}')]
    whole = upstream_stream(upstream, blocks, lambda text: text.split(" "))
    for part in (0.3, 0.6, 0.8):
        reader = lane_of(caller, upstream, stream=True).reader()
        out = reader.feed(whole[: int(len(whole) * part)])
        with pytest.raises(UpstreamFailed):
            reader.finish()
        for end in (b"[DONE]", b"message_stop", b"response.completed", b"finishReason", b"messageStop"):
            assert end not in out
        assert reader.usage.estimated


def chunk(**delta):
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def fragment(index, text, name=""):
    head = {"id": f"call_{index}", "type": "function"} if name else {}
    return {"index": index, **head, "function": {**({"name": name} if name else {}), "arguments": text}}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0, 1, 2]), min_size=0, max_size=20), st.integers(1, 6))
@pytest.mark.parametrize("caller", [MESSAGES, RESPONSES, GEMINI, BEDROCK])
def test_interleaved_fragments_of_parallel_calls_find_their_call(caller, order, size):
    whole = {n: json.dumps({"which": n, "text": "é" * n}, ensure_ascii=False) for n in range(3)}
    left = {n: [text[at : at + size] for at in range(0, len(text), size)] for n, text in whole.items()}
    sent = [chunk(tool_calls=[fragment(n, "", f"tool_{n}") for n in range(3)])]
    for n in [*order, *(n for n in range(3) for _ in range(99))]:
        if left[n]:
            sent.append(chunk(tool_calls=[fragment(n, left[n].pop(0))]))
    sent.append({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    data = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in sent) + b"data: [DONE]\n\n"
    out, _ = carried(lane_of(caller, CHAT, stream=True), [data])
    GRAMMARS[caller](out)
    told, _ = told_by(caller, out)
    assert told == [("tool", f"tool_{n}", json.loads(whole[n])) for n in range(3)]


@pytest.mark.parametrize("upstream", [MESSAGES, GEMINI, BEDROCK])
def test_openais_own_types_read_what_is_emitted(upstream):
    blocks = [Thinking("hm", "c2ln", "anthropic"), Text("Hello 👋"), ToolUse("c", "look", '{"a": 1}')]
    events = TypeAdapter(ResponseStreamEvent)
    data = upstream_stream(upstream, blocks)
    for caller, read in ((CHAT, ChatCompletionChunk.model_validate_json), (RESPONSES, events.validate_json)):
        out, _ = carried(lane_of(caller, upstream, stream=True), [data])
        lines = [line[6:] for line in out.split(b"\n") if line.startswith(b"data: {")]
        assert [read(line) for line in lines]


def test_an_event_stream_with_a_wrong_checksum_is_refused():
    data = bytearray(upstream_stream(BEDROCK, [Text("Hello")]))
    data[40] ^= 1
    reader = lane_of(CHAT, BEDROCK, stream=True).reader()
    with pytest.raises(UpstreamFailed, match="checksum"):
        reader.feed(bytes(data))


def test_an_exception_in_an_event_stream_is_told():
    from tests.support.dialect_answers import frame

    reader = lane_of(CHAT, BEDROCK, stream=True).reader()
    with pytest.raises(UpstreamFailed, match="throttlingException: Too many"):
        reader.feed(frame("throttlingException", {"message": "Too many"}, "exception"))
