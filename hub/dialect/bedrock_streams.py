"""A stream in Bedrock's Converse, written from what happens."""

from typing import Any

from hub.core.usage import Usage
from hub.dialect.ask import Ask
from hub.dialect.bedrock_answers import REASON, VENDOR, signature_of, write_block, write_citation, write_usage
from hub.dialect.happenings import Begun, Cited, Ended, Grown, Happening, Opened, Shut, Signed
from hub.dialect.media import format_of
from hub.dialect.neutral import OPEN, Media, Refused, Text, Thinking, ToolUse
from hub.dialect.sealed import told
from hub.dialect.sse import event_of


class BedrockWriter:
    """Writes the events, as server-sent ones that the edge puts into frames.

    Blocks of text and thinking begin without being announced.
    """

    def __init__(self, ask: Ask) -> None:
        del ask
        self._shift = 0  # blocks that were put in before others, less those that have no place here
        self._kinds: dict[int, str] = {}
        self._thoughts: dict[int, Thinking] = {}
        self._texts: dict[int, list[str]] = {}

    def write(self, what: Happening) -> bytes:
        """The events that tell it."""
        match what:
            case Grown(index, text):
                return self._grown(index, text)
            case Begun():
                return event_of("messageStart", {"role": "assistant"})
            case Opened(index, block):
                return self._opened(index, block)
            case Signed(index, signature):
                return self._signed(index, signature)
            case Cited(index, citation):
                return self._delta(index, {"citation": write_citation(citation)})
            case Shut(index):
                return self._shut(index)
            case Ended():
                counts = {"usage": write_usage(what.usage or Usage())}
                return event_of("messageStop", {"stopReason": REASON[what.stop]}) + event_of("metadata", counts)
            case _:
                return b""

    def _event(self, kind: str, index: int, **more: Any) -> bytes:
        return event_of(kind, {"contentBlockIndex": index + self._shift, **more})

    def _delta(self, index: int, delta: dict[str, Any]) -> bytes:
        return self._event("contentBlockDelta", index, delta=delta)

    def _opened(self, index: int, block: Text | Thinking | ToolUse | Refused | Media) -> bytes:
        if isinstance(block, Media):
            return self._drawn(index, block)
        if isinstance(block, ToolUse):
            out = b"".join(self._whole_thought(index, one) for one in signature_of(block))
            self._kinds[index] = "tool"
            use = {name: one for name, one in write_block(block)[-1]["toolUse"].items() if name != "input"}
            out += self._event("contentBlockStart", index, start={"toolUse": use})
            return out + (self._grown(index, block.arguments) if block.arguments else b"")
        out = b""
        if isinstance(block, Thinking):
            if block.redacted and block.origin == VENDOR:
                return self._delta(index, {"reasoningContent": {"redactedContent": block.signature}})
            self._kinds[index], self._thoughts[index], self._texts[index] = "thinking", block, []
        if block.text:
            out = self._grown(index, block.text)
        return out + (self._signed(index, block.signature) if isinstance(block, Thinking) and block.signature else b"")

    def _drawn(self, index: int, block: Media) -> bytes:
        """A picture, which comes whole. A sound has no place here."""
        if block.kind != "image" or not block.data:
            self._kinds[index] = "left out"
            self._shift -= 1
            return b""
        start = self._event("contentBlockStart", index, start={"image": {"format": format_of(block, "png")}})
        return start + self._delta(index, {"image": {"source": {"bytes": block.data}}})

    def _whole_thought(self, index: int, thought: dict[str, Any]) -> bytes:
        delta = {"reasoningContent": {"signature": thought["reasoningText"]["signature"]}}
        out = self._delta(index, delta) + self._event("contentBlockStop", index)
        self._shift += 1
        return out

    def _grown(self, index: int, text: str) -> bytes:
        match self._kinds.get(index):
            case "thinking":
                self._texts[index].append(text)
                return self._delta(index, {"reasoningContent": {"text": text}})
            case "tool" | "arguments":
                self._kinds[index] = "arguments" if text else "tool"
                return self._delta(index, {"toolUse": {"input": text}})
            case _:
                return self._delta(index, {"text": text})

    def _signed(self, index: int, signature: str) -> bytes:
        block = self._thoughts.pop(index, None)
        if block is None:
            return b""
        whole = Thinking("".join(self._texts[index]), signature, block.origin, block.id, block.redacted)
        return self._delta(index, {"reasoningContent": {"signature": told(whole, VENDOR)}})

    def _shut(self, index: int) -> bytes:
        if self._kinds.get(index) == "left out":
            return b""
        block = self._thoughts.get(index)
        # Thinking in the open is sealed too: servers that gave it want it back.
        out = self._signed(index, "") if block is not None and block.origin == OPEN else b""
        if self._kinds.get(index) == "tool":  # and was given no arguments
            out = self._grown(index, "{}")
        return out + self._event("contentBlockStop", index)
