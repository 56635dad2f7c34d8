"""Calls and streams for tests of translation: a lane by two dialects, upstream streams of any answer."""

import json
from itertools import pairwise
from types import SimpleNamespace

from hub.core.calls import Dialect, ModelCall, Origin
from hub.core.plan import Deployment
from hub.core.usage import Usage
from hub.dialect import framed, lane, peek
from hub.dialect.ask import Ask
from hub.dialect.codecs import HEARD, SPOKEN
from hub.dialect.happenings import Begun, Ended, Grown, InOrder, Opened, Shut, Signed
from hub.dialect.neutral import Message, Request, Text, Thinking, ToolUse
from tests.support.dialect_answers import frame

CHAT, MESSAGES, RESPONSES = Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES, Dialect.OPENAI_RESPONSES
GEMINI, BEDROCK = Dialect.GEMINI, Dialect.BEDROCK
CALLERS = UPSTREAMS = (CHAT, MESSAGES, RESPONSES, GEMINI, BEDROCK)
KINDS = {CHAT: "openai-compatible", MESSAGES: "anthropic", RESPONSES: "openai", GEMINI: "gemini", BEDROCK: "bedrock"}
PLAIN = {
    CHAT: {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    MESSAGES: {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "Hi"}]},
    RESPONSES: {"model": "m", "input": "Hi"},
    GEMINI: {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    BEDROCK: {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
}


def call_of(caller, body, *, stream=False):
    """A call as the path makes it."""
    body = {**body, "stream": True} if stream and caller not in (GEMINI, BEDROCK) else body
    raw = json.dumps(body, ensure_ascii=False).encode()
    seen = peek(caller, raw)
    return ModelCall(
        "0190-id", caller, seen.model or "m", stream or seen.stream, raw, Origin("r-1"), places=seen.places,
        wants_usage=seen.wants_usage,
    )  # fmt: skip


def lane_of(caller, upstream, body=None, *, stream=False, kind="", model="up"):
    """The lane of a call to an upstream of one dialect."""
    call = call_of(caller, body or PLAIN[caller], stream=stream)
    return lane(call, Deployment("p", model, kind or KINDS[upstream], paths={upstream: "/x"}))


def made(script, path="/x", **asked):
    """What a scripted upstream answers, as bytes."""
    return b"".join(script.make(SimpleNamespace(json={"model": "up", **asked}, path=path)).pieces)


def happenings(blocks, pieces=lambda text: [text]):
    """An answer of these blocks as what happens, each block's text in `pieces`."""
    yield Begun("rid", "up-model")
    for index, block in enumerate(blocks):
        match block:
            case Text(text):
                yield Opened(index, Text(""))
            case Thinking(text, signature, origin):
                yield Opened(index, Thinking(origin=origin))
            case ToolUse(id_, name, text):
                yield Opened(index, ToolUse(id_, name, ""))
        for piece in pieces(text):
            yield Grown(index, piece)
        if isinstance(block, Thinking) and signature:
            yield Signed(index, signature)
        yield Shut(index)
    stop = "tool" if any(isinstance(block, ToolUse) for block in blocks) else "end"
    yield Ended(stop, "", Usage(input=5, output=7))


def upstream_stream(upstream, blocks, pieces=lambda text: [text]):
    """The stream of an upstream that gives this answer."""
    told = list(happenings(blocks, pieces))
    if upstream is BEDROCK:
        return b"".join(_frames(told))
    counted = {"stream_options": {"include_usage": True}} if upstream is CHAT else {}
    ask = Ask(
        call_of(upstream, PLAIN[upstream] | counted, stream=True),
        Request(messages=(Message("user", ()),)),
        1_700_000_000,
        "up",
    )
    writer = HEARD[upstream].event_writer(ask)
    return b"".join(writer.write(what) for what in told)


def _frames(told):
    kinds = {}
    for what in told:
        match what:
            case Begun():
                yield frame("messageStart", {"role": "assistant"})
            case Opened(index, block):
                kinds[index] = block
                if isinstance(block, ToolUse):
                    start = {"toolUse": {"toolUseId": block.id, "name": block.name}}
                    yield frame("contentBlockStart", {"contentBlockIndex": index, "start": start})
            case Grown(index, text):
                delta = {"text": text}
                if isinstance(kinds[index], ToolUse):
                    delta = {"toolUse": {"input": text}}
                elif isinstance(kinds[index], Thinking):
                    delta = {"reasoningContent": {"text": text}}
                yield frame("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})
            case Signed(index, signature):
                delta = {"reasoningContent": {"signature": signature}}
                yield frame("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})
            case Shut(index):
                yield frame("contentBlockStop", {"contentBlockIndex": index})
            case Ended(stop):
                yield frame("messageStop", {"stopReason": "tool_use" if stop == "tool" else "end_turn"})
                yield frame("metadata", {"usage": {"inputTokens": 5, "outputTokens": 7, "totalTokens": 12}})


def cut(data, places):
    """The data in pieces, cut at these places."""
    edges = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def carried(lane_, chunks):
    """What a caller gets of a stream in these chunks, and the reader that made it."""
    reader = lane_.reader()
    out = b"".join(reader.feed(chunk) for chunk in chunks)
    return out + reader.finish(), reader


def told_by(dialect, data):
    """An emitted stream read again: its blocks as (kind, text or (name, arguments)), and how it ended."""
    data = framed(data) if dialect is BEDROCK else data
    splitter, reader, order = SPOKEN[dialect].splitter(), SPOKEN[dialect].event_reader(), InOrder()
    happened = [what for kind, event in splitter.feed(data) for what in reader.read(event, kind)]
    happened += reader.finish()
    blocks, ended = [], None
    for given in happened:
        for what in order.put(given):
            if isinstance(what, Opened):
                text = what.block.arguments if isinstance(what.block, ToolUse) else what.block.text
                blocks.append([what.block, text])
            elif isinstance(what, Grown):
                blocks[what.index][1] += what.text
            elif isinstance(what, Ended):
                ended = what
    return [_plain(block, text) for block, text in blocks], ended


def _plain(block, text):
    if isinstance(block, ToolUse):
        return "tool", block.name, json.loads(text or "{}")
    return ("thinking" if isinstance(block, Thinking) else "text"), text
