"""A stream in OpenAI's Chat Completions: read into what happens, and written from it."""

from collections.abc import Iterator
from typing import Any

import msgspec

from hub.core.refusal import UpstreamFailed
from hub.core.usage import Usage
from hub.core.values import a_dict, a_list, a_number, a_text
from hub.dialect.ask import Ask
from hub.dialect.chat_answers import (
    FINISH,
    STOP,
    annotation,
    calls_in,
    citation_of,
    contents_of,
    detail,
    rated,
    write_usage,
)
from hub.dialect.chat_calls import Calls
from hub.dialect.chat_details import Details, text_in
from hub.dialect.happenings import Begun, Cited, Ended, Grown, Happening, Opened, Shut, Signed, Weighed
from hub.dialect.media import pictures_in, write_picture
from hub.dialect.neutral import Media, Refused, Text, Thinking, ToolUse
from hub.dialect.openai_chat import buckets_of
from hub.dialect.replies import reported
from hub.dialect.tiers import renamed

_TEXT, _THINKING, _REFUSAL, _TOOL = 0, 1, 2, 10
_DONE = b"[DONE]"
# Most deltas hold a text and none of these.
_THOUGHTS = frozenset({"reasoning_content", "reasoning", "reasoning_details"})
_MADE = frozenset({"images", "tool_calls", "function_call"})


class ChatReader:
    """Reads the chunks. The answer is complete once a finish reason came; the counts may follow it."""

    def __init__(self) -> None:
        self._begun = False
        self._kind = -1  # the plain block that is open: text, thinking or refusal
        self._number = 0  # indexes of plain blocks, unlike those of tools
        self._id = ""
        self._calls = Calls(_TOOL)
        self._details = Details()
        self._stop = ""
        self._usage: Usage | None = None
        self._tier = ""
        self.done = False

    def read(self, data: bytes, kind: str) -> Iterator[Happening]:
        """What one event says. Raises UpstreamFailed when it reports an error."""
        del kind  # events have no names here
        if data == _DONE:
            yield from self._end()
            return
        chunk = msgspec.json.decode(data)
        if not isinstance(chunk, dict):
            return
        if chunk.get("error"):
            raise reported(msgspec.json.encode(chunk["error"]))
        if not self._begun:
            self._begun = True
            self._id = a_text(chunk.get("id"))
            yield Begun(self._id, a_text(chunk.get("model")), None, a_number(chunk.get("created")) or 0)
        own = a_dict(chunk.get("x_groq"))
        self._usage = buckets_of(chunk.get("usage") or own.get("usage")) or self._usage
        self._tier = renamed(a_text(chunk.get("service_tier"))) or self._tier
        for choice in a_list(chunk.get("choices")):
            if a_dict(choice).get("index", 0) == 0:
                yield from self._choice(a_dict(choice))

    def finish(self) -> Iterator[Happening]:
        """The upstream ended without `[DONE]`: that is an end, if a finish reason came."""
        if self._stop:
            yield from self._end()

    def _end(self) -> Iterator[Happening]:
        if self.done:
            return
        if not self._stop:
            raise UpstreamFailed("upstream_protocol", "The provider ended the stream without a reason to finish.")
        self.done = True
        yield from self._shut()
        yield from self._calls.end()
        stop = "tool" if self._calls and self._stop == "end" else self._stop
        yield Ended(stop, "", self._usage, self._tier)

    def _choice(self, choice: dict[str, Any]) -> Iterator[Happening]:
        delta = a_dict(choice.get("delta"))
        if not _THOUGHTS.isdisjoint(delta):
            yield from self._grow(_THINKING, text_in(delta))
            if self._details.add(delta) and self._kind != _THINKING:
                yield from self._begin(_THINKING)
        yield from self._texts(choice, delta)
        if not _MADE.isdisjoint(delta):
            yield from self._made(delta)
        if choice.get("finish_reason"):
            self._stop = STOP.get(a_text(choice.get("finish_reason")), "end")

    def _made(self, delta: dict[str, Any]) -> Iterator[Happening]:
        """What it has drawn, and what it calls."""
        for picture in pictures_in(delta):
            yield from self._shut()
            self._number -= 1
            yield Opened(self._number, picture)
            yield Shut(self._number)
        for call in calls_in(delta):
            for what in self._calls.put(call, self._id):
                if isinstance(what, Opened):
                    yield from self._shut()
                yield what

    def _texts(self, choice: dict[str, Any], delta: dict[str, Any]) -> Iterator[Happening]:
        """What it says and refuses, with the sources and likelihoods of that."""
        text = delta.get("content")
        if isinstance(text, str):
            yield from self._grow(_TEXT, text)
        else:
            for part in contents_of(text):
                yield from self._grow(_TEXT if isinstance(part, Text) else _THINKING, part.text)
        if refusal := a_text(delta.get("refusal")):
            yield from self._grow(_REFUSAL, refusal)
        if self._kind == _TEXT:
            if weights := a_list(a_dict(choice.get("logprobs")).get("content")):
                yield Weighed(self._number, tuple(weights))
            for one in a_list(delta.get("annotations")):
                yield Cited(self._number, citation_of(a_dict(one)))

    def _grow(self, kind: int, text: str) -> Iterator[Happening]:
        if not text:
            return
        if self._kind != kind:
            yield from self._begin(kind)
        yield Grown(self._number, text)

    def _begin(self, kind: int) -> Iterator[Happening]:
        yield from self._shut()
        yield from self._calls.complete()
        self._kind = kind
        self._number -= 1
        block = Thinking() if kind == _THINKING else Refused("") if kind == _REFUSAL else Text("")
        yield Opened(self._number, block)

    def _shut(self) -> Iterator[Happening]:
        if self._kind >= 0:
            if self._kind == _THINKING and (signature := self._details.told()):
                yield Signed(self._number, signature)
            self._kind = -1
            yield Shut(self._number)


class ChatWriter:
    """Writes the chunks."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._head = b""
        self._kinds: dict[int, str] = {}
        self._calls: dict[int, int] = {}
        self._thoughts: dict[int, list[str]] = {}
        self._pictures = 0

    def write(self, what: Happening) -> bytes:
        """The events that tell it."""
        match what:
            case Grown(index, text):
                return self._grown(index, text)
            case Begun(id_, model, _, created):
                self._head = _head(id_ or f"chatcmpl-{self._ask.id}", model or self._ask.model,
                                   created or self._ask.created)  # fmt: skip
                return self._delta({"role": "assistant", "content": ""})
            case Opened(index, block):
                return self._opened(index, block)
            case Signed(index, signature):
                return self._signed(index, signature)
            case Cited(_, citation):
                written = annotation(citation)
                return self._delta({"annotations": [written]}) if written else b""
            case Weighed(_, logprobs):
                return self._delta({}, logprobs=list(logprobs))
            case Ended():
                return self._ended(what)
            case _:
                return b""

    def _opened(self, index: int, block: Text | Thinking | ToolUse | Refused | Media) -> bytes:
        match block:
            case Media():
                if block.kind != "image":
                    return b""
                self._pictures += 1
                return self._delta({"images": [write_picture(block, self._pictures - 1)]})
            case ToolUse():
                number = len(self._calls)
                self._calls[index] = number
                kind, field = ("custom", "input") if block.freeform else ("function", "arguments")
                self._kinds[index] = kind
                call: dict[str, Any] = {
                    "index": number,
                    "id": block.id,
                    "type": kind,
                    kind: {"name": block.name, field: block.arguments},
                }
                if block.signature:
                    call["extra_content"] = {"google": {"thought_signature": block.signature}}
                return self._delta({"tool_calls": [call]})
            case Thinking():
                self._kinds[index] = "reasoning_content"
                self._thoughts[index] = [block.text, block.origin, block.id]
                if block.signature:
                    return self._delta({"reasoning_details": [detail(block)]})
                return self._delta({"reasoning_content": block.text}) if block.text else b""
            case Refused():
                self._kinds[index] = "refusal"
                return self._delta({"refusal": block.text}) if block.text else b""
            case Text():
                self._kinds[index] = "content"
                return self._delta({"content": block.text}) if block.text else b""

    def _grown(self, index: int, text: str) -> bytes:
        kind = self._kinds.get(index, "content")
        if kind in ("function", "custom"):
            field = "arguments" if kind == "function" else "input"
            return self._delta({"tool_calls": [{"index": self._calls[index], kind: {field: text}}]})
        if kind == "reasoning_content":
            self._thoughts[index][0] += text
        return self._delta({kind: text})

    def _signed(self, index: int, signature: str) -> bytes:
        held = self._thoughts.get(index)
        if held is None:
            return b""
        return self._delta({"reasoning_details": [detail(Thinking(held[0], signature, held[1], held[2]))]})

    def _delta(
        self,
        delta: dict[str, Any],
        finish: str | None = None,
        logprobs: list[Any] | None = None,
        ratings: tuple[Any, ...] = (),
    ) -> bytes:
        choice = {
            "index": 0,
            "delta": delta,
            "logprobs": {"content": logprobs, "refusal": None} if logprobs else None,
            "finish_reason": finish,
        }
        if ratings:
            choice |= rated(ratings)
        tail = b',"usage":null}' if self._ask.call.wants_usage else b"}"
        return b"%b[%b]%b\n\n" % (self._head, msgspec.json.encode(choice), tail)

    def _ended(self, end: Ended) -> bytes:
        out = self._delta({}, FINISH[end.stop], ratings=end.ratings)
        if self._ask.call.wants_usage:
            usage = msgspec.json.encode(write_usage(end.usage or Usage()))
            out += b'%b[],"usage":%b}\n\n' % (self._head, usage)
        return out + b"data: [DONE]\n\n"


def _head(id_: str, model: str, created: int) -> bytes:
    head = {"id": id_, "object": "chat.completion.chunk", "created": created, "model": model}
    return b'data: %b,"choices":' % msgspec.json.encode(head)[:-1]
