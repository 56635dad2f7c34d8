"""A stream in Anthropic's Messages: read into what happens, and written from it."""

from collections.abc import Iterator
from typing import Any

import msgspec

from hub.core.usage import Usage
from hub.core.values import a_dict, a_number, a_text
from hub.dialect.anthropic_messages import buckets_of, is_search
from hub.dialect.ask import Ask
from hub.dialect.given import json_text
from hub.dialect.happenings import Begun, Cited, Ended, Grown, Happening, Opened, Searched, Shut, Signed
from hub.dialect.messages_answers import (
    REASON,
    STOP,
    message_id,
    read_block,
    read_citation,
    signature_of,
    write_block,
    write_citation,
    write_usage,
)
from hub.dialect.neutral import OPEN, Citation, Media, Refused, Text, Thinking, ToolUse
from hub.dialect.neutral_to_messages import VENDOR
from hub.dialect.replies import reported
from hub.dialect.sealed import told
from hub.dialect.tiers import tier_of


class MessagesReader:
    """Reads the events."""

    def __init__(self) -> None:
        self._start: Any = None
        self._later: Any = None
        self._stop = ""
        self._sequence = ""
        self._open: set[int] = set()
        self.done = False

    def read(self, data: bytes, kind: str) -> Iterator[Happening | Searched]:
        """What one event says. Raises UpstreamFailed when it reports an error."""
        del kind  # each event says it in its data
        event: Any = msgspec.json.decode(data)
        if not isinstance(event, dict):
            return
        index = a_number(event.get("index")) or 0
        match event.get("type"):
            case "content_block_delta":
                yield from self._delta(index, a_dict(event.get("delta")))
            case "content_block_start":
                yield from self._started(index, a_dict(event.get("content_block")))
            case "content_block_stop":
                if index in self._open:
                    self._open.discard(index)
                    yield Shut(index)
            case "message_start":
                message = a_dict(event.get("message"))
                self._start = message.get("usage")
                yield Begun(a_text(message.get("id")), a_text(message.get("model")), buckets_of(self._start))
            case "message_delta":
                self._ending(event)
            case "message_stop":
                self.done = True
                usage = buckets_of(self._start, self._later)
                yield Ended(self._stop or "end", self._sequence, usage, tier_of(self._start))
            case "error":
                raise reported(msgspec.json.encode(event.get("error")))
            case _:
                return

    def finish(self) -> Iterator[Happening]:
        """Without `message_stop` the message is not complete."""
        return iter(())

    def _ending(self, event: dict[str, Any]) -> None:
        delta = a_dict(event.get("delta"))
        self._stop = STOP.get(a_text(delta.get("stop_reason")), self._stop)
        self._sequence = a_text(delta.get("stop_sequence"))
        self._later = event.get("usage") or self._later

    def _started(self, index: int, given: dict[str, Any]) -> Iterator[Happening | Searched]:
        if is_search(a_text(given.get("type")), given.get("content")):
            yield Searched()
        block = read_block(given)
        if block is None:  # what only this vendor knows, such as its own tools
            return
        self._open.add(index)
        if isinstance(block, ToolUse):
            whole = a_dict(given.get("input"))
            block = ToolUse(block.id, block.name, json_text(whole) if whole else "")
        if isinstance(block, Text) and block.text:
            yield Opened(index, Text(""))
            yield Grown(index, block.text)
            return
        yield Opened(index, block)

    def _delta(self, index: int, delta: dict[str, Any]) -> Iterator[Happening]:
        if index not in self._open:
            return
        match delta.get("type"):
            case "text_delta":
                yield Grown(index, a_text(delta.get("text")))
            case "input_json_delta":
                if piece := a_text(delta.get("partial_json")):
                    yield Grown(index, piece)
            case "thinking_delta":
                yield Grown(index, a_text(delta.get("thinking")))
            case "signature_delta":
                yield Signed(index, a_text(delta.get("signature")))
            case "citations_delta":
                yield Cited(index, read_citation(a_dict(delta.get("citation"))))
            case _:
                return


def _event(kind: bytes, value: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind, msgspec.json.encode(value))


_TEXT = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b}}\n\n'
_FIELDS = {
    "text": (b"text_delta", b"text"),
    "thinking": (b"thinking_delta", b"thinking"),
    "tool": (b"input_json_delta", b"partial_json"),
}


class MessagesWriter:
    """Writes the events."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._shift = 0  # blocks that were put in before others, less those that have no place here
        self._kinds: dict[int, str] = {}
        self._thoughts: dict[int, Thinking] = {}
        self._texts: dict[int, list[str]] = {}

    def write(self, what: Happening) -> bytes:
        """The events that tell it."""
        match what:
            case Grown(index, text):
                return self._grown(index, text)
            case Begun(id_, model, usage):
                return self._begun(id_, model, usage)
            case Opened(index, block):
                return self._opened(index, block)
            case Signed(index, signature):
                return self._signed(index, signature)
            case Cited(index, citation):
                return self._cited(index, citation)
            case Shut(index):
                return self._shut(index)
            case Ended():
                return self._ended(what)
            case _:
                return b""

    def _begun(self, id_: str, model: str, usage: Usage | None) -> bytes:
        message = {
            "id": message_id(id_, self._ask), "type": "message", "role": "assistant",
            "model": model or self._ask.model, "content": [], "stop_reason": None, "stop_sequence": None,
            "usage": write_usage(usage or Usage()),
        }  # fmt: skip
        return _event(b"message_start", {"type": "message_start", "message": message})

    def _opened(self, index: int, block: Text | Thinking | ToolUse | Refused | Media) -> bytes:
        if isinstance(block, Media):
            self._kinds[index] = "media"
            self._shift -= 1
            return b""
        out = b""
        grown = ""
        match block:
            case ToolUse():
                self._kinds[index] = "freeform" if block.freeform else "tool"
                for one in signature_of(block):
                    out = self._whole_thought(index, one)
                    self._shift += 1
                grown = block.arguments
                empty = {**write_block(ToolUse(block.id, block.name, "{}"))[-1], "input": {}}
            case Thinking():
                self._kinds[index] = "thinking"
                self._thoughts[index] = block
                self._texts[index] = [block.text]
                empty = {"type": "thinking", "thinking": "", "signature": ""}
                if block.redacted:
                    (empty,) = write_block(block)
                grown = block.text
            case Text(text) | Refused(text):
                self._kinds[index] = "text"
                empty, grown = {"type": "text", "text": ""}, text
        start = {"type": "content_block_start", "index": index + self._shift, "content_block": empty}
        out += _event(b"content_block_start", start)
        if isinstance(block, Thinking) and block.signature and not block.redacted:
            return out + (self._grown(index, grown) if grown else b"") + self._signed(index, block.signature)
        return out + (self._grown(index, grown) if grown else b"")

    def _whole_thought(self, index: int, block: dict[str, Any]) -> bytes:
        place = index + self._shift
        empty = {"type": "thinking", "thinking": "", "signature": ""}
        delta = {"type": "signature_delta", "signature": block["signature"]}
        return (
            _event(b"content_block_start", {"type": "content_block_start", "index": place, "content_block": empty})
            + _event(b"content_block_delta", {"type": "content_block_delta", "index": place, "delta": delta})
            + _event(b"content_block_stop", {"type": "content_block_stop", "index": place})
        )

    def _grown(self, index: int, text: str) -> bytes:
        kind = self._kinds.get(index, "text")
        if kind == "thinking":
            self._texts[index].append(text)
        elif kind == "freeform":
            text, kind = json_text({"input": text}), "tool"
        name, field = _FIELDS[kind]
        return _TEXT % (index + self._shift, name, field, msgspec.json.encode(text))

    def _signed(self, index: int, signature: str) -> bytes:
        block = self._thoughts.pop(index, None)
        if block is None:
            return b""
        whole = Thinking("".join(self._texts[index]), signature, block.origin, block.id, block.redacted)
        delta = {"type": "signature_delta", "signature": told(whole, VENDOR)}
        return _event(
            b"content_block_delta", {"type": "content_block_delta", "index": index + self._shift, "delta": delta}
        )

    def _cited(self, index: int, citation: Citation) -> bytes:
        delta = {"type": "citations_delta", "citation": write_citation(citation)}
        return _event(
            b"content_block_delta", {"type": "content_block_delta", "index": index + self._shift, "delta": delta}
        )

    def _shut(self, index: int) -> bytes:
        if self._kinds.get(index) == "media":
            return b""
        block = self._thoughts.get(index)
        # Thinking in the open is sealed too: servers that gave it want it back.
        unsigned = block is not None and block.origin == OPEN and not block.redacted
        out = self._signed(index, "") if unsigned else b""
        return out + b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n' % (
            index + self._shift
        )

    def _ended(self, end: Ended) -> bytes:
        delta = {"stop_reason": REASON[end.stop], "stop_sequence": end.sequence or None}
        usage = write_usage(end.usage or Usage())
        return _event(b"message_delta", {"type": "message_delta", "delta": delta, "usage": usage}) + _event(
            b"message_stop", {"type": "message_stop"}
        )
