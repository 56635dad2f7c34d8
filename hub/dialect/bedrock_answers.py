"""A reply in Bedrock's Converse: read, whole and as a stream, and written whole."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from hub.core.refusal import UpstreamFailed
from hub.core.usage import Usage
from hub.core.values import a_dict, a_list, a_number, a_text
from hub.dialect.ask import Ask
from hub.dialect.given import json_object, json_text
from hub.dialect.happenings import Begun, Cited, Ended, Grown, Happening, Opened, Shut, Signed
from hub.dialect.media import format_of, of_format
from hub.dialect.neutral import OPEN, Answer, Block, Citation, Media, Refused, Text, Thinking, ToolUse
from hub.dialect.neutral_to_bedrock import VENDOR
from hub.dialect.neutral_to_messages import call_id
from hub.dialect.sealed import seal, told

STOP = {
    "end_turn": "end", "tool_use": "tool", "max_tokens": "length", "stop_sequence": "sequence",
    "guardrail_intervened": "filter", "content_filtered": "filter", "model_context_window_exceeded": "context",
}  # fmt: skip

REASON = {
    "end": "end_turn", "tool": "tool_use", "length": "max_tokens", "sequence": "stop_sequence", "refusal": "content_filtered",
    "filter": "content_filtered", "pause": "end_turn", "context": "model_context_window_exceeded",
}  # fmt: skip


class _Usage(Struct, rename="camel"):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    cache_details: list[dict[str, Any]] | None = None


def buckets_of(usage: Any) -> Usage | None:
    """Disjoint buckets of `usage`; None when it is none. The input's count leaves the cache out."""
    try:
        told = msgspec.convert(usage, _Usage) if usage else None
    except msgspec.ValidationError:
        return None
    if told is None:
        return None
    written = told.cache_write_input_tokens or 0
    hour = sum(a_number(one.get("inputTokens")) or 0 for one in told.cache_details or () if one.get("ttl") == "1h")
    hour = min(hour, written)
    return Usage(
        input=told.input_tokens or 0,
        cache_read=told.cache_read_input_tokens or 0,
        cache_write_5m=written - hour,
        cache_write_1h=hour,
        output=told.output_tokens or 0,
    )


def read_answer(body: dict[str, Any]) -> Answer:
    """The reply."""
    message = a_dict(a_dict(body.get("output")).get("message"))
    blocks = [block for part in a_list(message.get("content")) if (block := _block(a_dict(part))) is not None]
    return Answer(
        id="",
        model="",
        content=tuple(blocks),
        stop=STOP.get(a_text(body.get("stopReason")), "end"),
        usage=buckets_of(body.get("usage")),
    )


def _block(part: dict[str, Any]) -> Block | None:
    if isinstance(text := part.get("text"), str):
        return Text(text)
    if use := a_dict(part.get("toolUse")):
        return ToolUse(a_text(use.get("toolUseId")), a_text(use.get("name")), json_text(a_dict(use.get("input"))))
    if thought := a_dict(part.get("reasoningContent")):
        told = a_dict(thought.get("reasoningText"))
        if told:
            return Thinking(a_text(told.get("text")), a_text(told.get("signature")), VENDOR)
        return Thinking("", a_text(thought.get("redactedContent")), VENDOR, redacted=True)
    if cited := a_dict(part.get("citationsContent")):
        text = "".join(a_text(a_dict(one).get("text")) for one in a_list(cited.get("content")))
        return Text(text, citations=tuple(_citation(a_dict(one)) for one in a_list(cited.get("citations"))))
    for kind in ("image", "audio"):
        held = a_dict(part.get(kind))
        if data := a_text(a_dict(held.get("source")).get("bytes")):
            return of_format(kind, a_text(held.get("format")), data)
    return None


def _citation(one: dict[str, Any]) -> Citation:
    url = a_text(a_dict(a_dict(one.get("location")).get("web")).get("url"))
    quote = "".join(a_text(a_dict(part).get("text")) for part in a_list(one.get("sourceContent")))
    return Citation(url or a_text(one.get("source")), a_text(one.get("title")), quote)


def write_answer(answer: Answer, ask: Ask) -> dict[str, Any]:
    """The reply. How long it took is in its entry."""
    del ask
    content = [part for block in answer.content for part in write_block(block)]
    return {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": REASON[answer.stop],
        "usage": write_usage(answer.usage or Usage()),
    }


def write_block(block: Block) -> list[dict[str, Any]]:
    """One block of a reply. A signature that stands at a call gets a block of its own before it."""
    match block:
        case Text(text, _, citations) if citations:
            sources = [write_citation(one) for one in citations]
            return [{"citationsContent": {"content": [{"text": text}], "citations": sources}}]
        case Text(text) | Refused(text):
            return [{"text": text}]
        case Thinking():
            return [{"reasoningContent": write_thinking(block)}]
        case ToolUse():
            told = json_object(block.arguments)
            use = {"toolUse": {"toolUseId": call_id(block.id), "name": block.name, "input": told}}
            return [*({"reasoningContent": one} for one in signature_of(block)), use]
        case Media() if block.data and block.kind in ("image", "audio"):
            return [{block.kind: {"format": format_of(block, "png"), "source": {"bytes": block.data}}}]
        case _:
            return []


def signature_of(use: ToolUse) -> list[dict[str, Any]]:
    """The thinking that carries what was signed at a call."""
    return [write_thinking(Thinking("", use.signature, "gemini", use.id))] if use.signature else []


def write_thinking(block: Thinking) -> dict[str, Any]:
    """Thinking; another vendor's signature is sealed, and comes back with the next turn."""
    if block.redacted and block.origin == VENDOR:
        return {"redactedContent": block.signature}
    signature = seal(block) if block.origin == OPEN else told(block, VENDOR)
    return {"reasoningText": {"text": block.text, "signature": signature}}


def write_citation(citation: Citation) -> dict[str, Any]:
    """A source."""
    written: dict[str, Any] = {"title": citation.title} if citation.title else {}
    if citation.quote:
        written["sourceContent"] = [{"text": citation.quote}]
    if citation.url:
        written["location"] = {"web": {"url": citation.url}}
    return written


def write_usage(usage: Usage) -> dict[str, Any]:
    """Counts as this dialect has them: the cached tokens beside the input's."""
    written = usage.cache_write_5m + usage.cache_write_1h
    told = {
        "inputTokens": usage.prompt - usage.cache_read - written,
        "outputTokens": usage.completion,
        "totalTokens": usage.prompt + usage.completion,
        "cacheReadInputTokens": usage.cache_read,
        "cacheWriteInputTokens": written,
    }
    kept = [{"inputTokens": usage.cache_write_1h, "ttl": "1h"}] if usage.cache_write_1h else []
    if kept and usage.cache_write_5m:
        kept.append({"inputTokens": usage.cache_write_5m, "ttl": "5m"})
    return {**told, **({"cacheDetails": kept} if kept else {})}


class BedrockReader:
    """Reads the events. Blocks of text and thinking begin without being announced."""

    def __init__(self) -> None:
        self._kinds: dict[int, type] = {}
        self._pictures: dict[int, tuple[str, list[str]]] = {}  # their formats, and their bytes until now
        self._stop = ""
        self.done = False

    def read(self, data: bytes, kind: str) -> Iterator[Happening]:
        """What one event says. Raises UpstreamFailed when it is an exception."""
        body: dict[str, Any] = a_dict(msgspec.json.decode(data) if data else {})
        if kind.startswith("!") or kind.endswith("Exception"):
            name = kind.removeprefix("!")
            message = a_text(body.get("message")) or a_text(body.get("originalMessage"))
            raise UpstreamFailed(
                "upstream_error", f"The provider ended the stream with an error: {name}: {message[:500]}"
            )
        index = a_number(body.get("contentBlockIndex")) or 0
        match kind:
            case "messageStart":
                yield Begun("", "")
            case "contentBlockStart":
                yield from self._start(index, a_dict(body.get("start")))
            case "contentBlockDelta":
                yield from self._delta(index, a_dict(body.get("delta")))
            case "contentBlockStop":
                if picture := self._pictures.pop(index, None):
                    yield Opened(index, of_format("image", picture[0], "".join(picture[1])))
                    yield Shut(index)
                if self._kinds.pop(index, None) is not None:
                    yield Shut(index)
            case "messageStop":
                self._stop = STOP.get(a_text(body.get("stopReason")), "end")
            case "metadata":
                yield from self._end(buckets_of(body.get("usage")))
            case _:
                return

    def finish(self) -> Iterator[Happening]:
        """The upstream ended: that is an end, if it gave a reason."""
        if self._stop:
            yield from self._end(None)

    def _end(self, usage: Usage | None) -> Iterator[Happening]:
        if self._stop and not self.done:
            self.done = True
            yield Ended(self._stop, "", usage)

    def _start(self, index: int, start: dict[str, Any]) -> Iterator[Happening]:
        if use := a_dict(start.get("toolUse")):
            self._kinds[index] = ToolUse
            yield Opened(index, ToolUse(a_text(use.get("toolUseId")), a_text(use.get("name")), ""))
        elif picture := a_dict(start.get("image")):
            self._pictures[index] = a_text(picture.get("format")), []

    def _delta(self, index: int, delta: dict[str, Any]) -> Iterator[Happening]:
        if isinstance(text := delta.get("text"), str):
            yield from self._opened(index, Text(""))
            yield Grown(index, text)
        elif use := a_dict(delta.get("toolUse")):
            if piece := a_text(use.get("input")):
                yield Grown(index, piece)
        elif thought := a_dict(delta.get("reasoningContent")):
            yield from self._thought(index, thought)
        elif picture := a_dict(delta.get("image")):
            if index in self._pictures:
                self._pictures[index][1].append(a_text(a_dict(picture.get("source")).get("bytes")))
        elif cited := a_dict(delta.get("citation")):
            yield from self._opened(index, Text(""))
            yield Cited(index, _citation(cited))

    def _thought(self, index: int, thought: dict[str, Any]) -> Iterator[Happening]:
        if redacted := a_text(thought.get("redactedContent")):
            yield from self._opened(index, Thinking("", redacted, VENDOR, redacted=True))
            return
        yield from self._opened(index, Thinking(origin=VENDOR))
        if text := a_text(thought.get("text")):
            yield Grown(index, text)
        if signature := a_text(thought.get("signature")):
            yield Signed(index, signature)

    def _opened(self, index: int, block: Text | Thinking) -> Iterator[Happening]:
        if index not in self._kinds:
            self._kinds[index] = type(block)
            yield Opened(index, block)
