"""A stream in Gemini's generateContent: read into what happens, and written from it."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from hub.core.usage import Usage
from hub.core.values import a_list, a_text
from hub.dialect.ask import Ask
from hub.dialect.gemini_answers import (
    NOTHING,
    chunk,
    citations_of,
    cited,
    first_candidate,
    parts_of,
    ratings_of,
    read_part,
    stop_of,
    weights_of,
    write_call,
    write_media,
    write_thought,
    write_weights,
)
from hub.dialect.gemini_api import buckets_of
from hub.dialect.happenings import Begun, Cited, Ended, Grown, Happening, Opened, Searched, Shut, Signed, Weighed
from hub.dialect.neutral import Citation, Media, Refused, Text, Thinking, ToolUse
from hub.dialect.replies import reported
from hub.dialect.sealed import seal
from hub.dialect.searches import charged, queries_in


class GeminiReader:
    """Reads the chunks. The answer is complete once a chunk gave a reason to finish and the stream ended."""

    def __init__(self) -> None:
        self._begun = False
        self._id = ""
        self._index = -1
        self._open: type | None = None
        self._called = False
        self._stop = ""
        self._usage: Usage | None = None
        self._model = ""
        self._queries: set[str] = set()
        self._said: list[str] = []
        self._ratings: tuple[Any, ...] = ()
        self.done = False

    def read(self, data: bytes, kind: str) -> Iterator[Happening | Searched]:
        """What one event says. Raises UpstreamFailed when it reports an error."""
        del kind  # events have no names here
        body: Any = msgspec.json.decode(data)
        if not isinstance(body, dict):
            return
        if body.get("error"):
            raise reported(msgspec.json.encode(body["error"]))
        self._usage = buckets_of(body.get("usageMetadata")) or self._usage
        if not self._begun:
            self._begun = True
            self._id = a_text(body.get("responseId"))
            self._model = a_text(body.get("modelVersion"))
            yield Begun(self._id, self._model, self._usage)
        before = charged(self._queries, self._model)
        self._queries |= queries_in(a_list(body.get("candidates")))
        for _ in range(charged(self._queries, self._model) - before):
            yield Searched()
        candidate = first_candidate(body)
        for part in parts_of(candidate):
            block = read_part(part, self._id, self._index + 1)
            if block is not None:
                yield from self._block(block)
        if self._open is Text:
            for one in citations_of(candidate, self._said):
                yield Cited(self._index, one)
            if weights := tuple(weights_of(candidate)):
                yield Weighed(self._index, weights)
        self._stop = stop_of(body, called=self._called) or self._stop
        self._ratings = ratings_of(body) or self._ratings

    def _block(self, block: Text | Thinking | ToolUse | Media) -> Iterator[Happening]:
        if isinstance(block, Media):
            yield from self._shut()
            self._index += 1
            yield Opened(self._index, block)
            yield Shut(self._index)
            return
        if isinstance(block, ToolUse):
            yield from self._shut()
            self._called = True
            self._index += 1
            yield Opened(self._index, ToolUse(block.id, block.name, "", signature=block.signature))
            yield Grown(self._index, block.arguments)
            yield Shut(self._index)
            return
        if not block.text and not block.signature:
            return
        kind = type(block)
        if self._open is not kind:
            yield from self._shut()
            self._open = kind
            self._index += 1
            yield Opened(self._index, Thinking(origin="gemini") if isinstance(block, Thinking) else Text(""))
        if block.text:
            if kind is Text:
                self._said.append(block.text)
            yield Grown(self._index, block.text)
        if isinstance(block, Thinking) and block.signature:
            yield Signed(self._index, block.signature)

    def _shut(self) -> Iterator[Happening]:
        if self._open is not None:
            self._open = None
            yield Shut(self._index)

    def finish(self) -> Iterator[Happening]:
        """The upstream ended: that is the end, if it gave a reason."""
        if self._stop and not self.done:
            self.done = True
            yield from self._shut()
            searches = charged(self._queries, self._model)
            usage = replace(self._usage, searches=searches) if self._usage is not None and searches else self._usage
            yield Ended(self._stop, "", usage, ratings=self._ratings)


class GeminiWriter:
    """Writes the chunks. Calls come whole, thoughts with their signature at the end."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._id = ""
        self._model = ""
        self._block: Text | Thinking | ToolUse | Refused | Media = Text("")
        self._texts: list[str] = []
        self._sources: list[Citation] = []

    def write(self, what: Happening) -> bytes:
        """The events that tell it."""
        match what:
            case Grown(_, text):
                return self._grown(text)
            case Opened(_, block):
                return self._opened(block)
            case Begun() | Signed() | Cited():
                return self._noted(what)
            case Weighed(_, logprobs):
                return self._event([], more={"logprobsResult": write_weights(logprobs)})
            case Shut():
                return self._shut()
            case Ended():
                return self._event([], what.stop, what.usage, cited(self._sources))

    def _noted(self, what: Begun | Signed | Cited) -> bytes:
        """What is told with a later event."""
        match what:
            case Begun(id_, model):
                self._id, self._model = id_, model
            case Signed(_, signature):
                if isinstance(self._block, Thinking):
                    self._block = Thinking("", signature, self._block.origin, self._block.id, self._block.redacted)
            case Cited(_, citation):
                if citation.url:
                    self._sources.append(citation)
        return b""

    def _event(
        self, parts: list[dict[str, Any]], stop: str = "", usage: Usage | None = None, more: Mapping[str, Any] = NOTHING
    ) -> bytes:
        body = chunk(self._ask, self._id, self._model, parts, stop, usage, more)
        return b"data: %b\n\n" % msgspec.json.encode(body)

    def _opened(self, block: Text | Thinking | ToolUse | Refused | Media) -> bytes:
        self._block, self._texts = block, []
        if isinstance(block, Media):
            return self._event([write_media(block)])
        text = block.arguments if isinstance(block, ToolUse) else block.text
        return self._grown(text) if text else b""

    def _grown(self, text: str) -> bytes:
        self._texts.append(text)
        match self._block:
            case ToolUse():
                return b""
            case Thinking():
                return self._event([{"text": text, "thought": True}])
            case _:
                return self._event([{"text": text}])

    def _shut(self) -> bytes:
        text = "".join(self._texts)
        match self._block:
            case ToolUse() as use:
                return self._event([write_call(ToolUse(use.id, use.name, text, "", use.freeform, "", use.signature))])
            case Thinking(_, signature, origin, id_, redacted):
                whole = Thinking(text, signature, origin, id_, redacted)
                if origin == "gemini" and not signature:
                    return b""
                opaque = signature if origin == "gemini" else seal(whole)
                return self._event([{**write_thought(whole), "text": "", "thoughtSignature": opaque}])
            case _:
                return b""
