"""A stream in OpenAI's Responses: read into what happens, and written from it."""

from collections.abc import Iterator
from typing import Any

import msgspec

from hub.core.values import a_dict, a_list, a_text
from hub.dialect.ask import Ask
from hub.dialect.chat_answers import citation_of
from hub.dialect.happenings import Begun, Cited, Ended, Grown, Happening, Opened, Searched, Shut, Signed, Weighed
from hub.dialect.neutral import Media, Refused, Text, Thinking, ToolUse
from hub.dialect.openai_responses import buckets_of
from hub.dialect.replies import reported
from hub.dialect.responses_answers import (
    annotation,
    finished,
    head,
    place_of,
    read_call,
    read_item,
    signature_of,
    stop_of,
    write_item,
    write_part,
)
from hub.dialect.responses_to_neutral import VENDOR
from hub.dialect.searches import is_search
from hub.dialect.sse import event_of
from hub.dialect.tiers import response_tier

_GROWS = frozenset(
    {
        "response.output_text.delta", "response.refusal.delta", "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta", "response.reasoning_summary_text.delta",
        "response.reasoning_text.delta",
    }
)  # fmt: skip
_BEGINS: dict[str, Text | Refused | Thinking] = {
    "response.output_text.delta": Text(""),
    "response.refusal.delta": Refused(""),
    "response.reasoning_summary_text.delta": Thinking(origin=VENDOR),
    "response.reasoning_text.delta": Thinking(origin=VENDOR),
}


class ResponsesReader:
    """Reads the events."""

    def __init__(self) -> None:
        self._called = False
        self._begun = False
        self._open: set[int] = set()
        self._summaries: dict[int, int] = {}
        self.done = False

    def read(self, data: bytes, kind: str) -> Iterator[Happening | Searched]:
        """What one event says. Raises UpstreamFailed when it reports an error."""
        del kind  # each event says it in its data
        event: Any = msgspec.json.decode(data)
        if not isinstance(event, dict):
            return
        name = a_text(event.get("type"))
        place = place_of(event)
        if name in _GROWS:
            yield from self._grown(name, place, event)
            return
        match name:
            case "response.output_item.added":
                yield from self._added(place, a_dict(event.get("item")))
            case "response.output_item.done":
                yield from self._ended_item(place, a_dict(event.get("item")))
            case "response.content_part.added":
                refusal = a_dict(event.get("part")).get("type") == "refusal"
                yield from self._open_block(place, Refused("") if refusal else Text(""))
            case "response.content_part.done":
                yield from self._shut(place)
            case "response.output_text.annotation.added":
                yield Cited(place, citation_of(a_dict(event.get("annotation"))))
            case _:
                yield from self._whole(name, event)

    def finish(self) -> Iterator[Happening]:
        """Without its last event a response is not complete."""
        return iter(())

    def _whole(self, name: str, event: dict[str, Any]) -> Iterator[Happening]:
        response = a_dict(event.get("response"))
        match name:
            case "response.created":
                created = response.get("created_at")
                made = int(created) if isinstance(created, int | float) else 0
                yield Begun(a_text(response.get("id")), a_text(response.get("model")), None, made)
            case "response.completed" | "response.incomplete":
                self.done = True
                if not self._begun:
                    yield from self._at_once(response)
                stop, usage = stop_of(response, called=self._called), buckets_of(response)
                yield Ended(stop, "", usage, response_tier(response))
            case "response.failed":
                raise reported(msgspec.json.encode(response.get("error")))
            case "error":
                raise reported(msgspec.json.encode(event.get("error") or event))
            case _:
                return

    def _at_once(self, response: dict[str, Any]) -> Iterator[Happening]:
        """What a server says only when all is said."""
        blocks = [block for item in a_list(response.get("output")) for block in read_item(a_dict(item))]
        for place, block in enumerate(blocks):
            if isinstance(block, Text | Refused | Thinking | ToolUse | Media):
                self._called |= isinstance(block, ToolUse)
                yield Opened(place, block)
                for source in block.citations if isinstance(block, Text) else ():
                    yield Cited(place, source)
                yield Shut(place)

    def _open_block(self, place: int, block: Text | Refused | Thinking | ToolUse | Media) -> Iterator[Happening]:
        self._begun = True
        self._open.add(place)
        yield Opened(place, block)

    def _shut(self, place: int) -> Iterator[Happening]:
        if place in self._open:
            self._open.discard(place)
            yield Shut(place)

    def _added(self, place: int, item: dict[str, Any]) -> Iterator[Happening]:
        match item.get("type"):
            case "function_call" | "custom_tool_call":
                self._called = True
                yield from self._open_block(place, read_call(item))
            case "reasoning":
                yield from self._open_block(place, Thinking(origin=VENDOR, id=a_text(item.get("id"))))
            case _:
                return

    def _ended_item(self, place: int, item: dict[str, Any]) -> Iterator[Happening | Searched]:
        opaque = a_text(item.get("encrypted_content"))
        if item.get("type") == "reasoning" and opaque and place in self._open:
            yield Signed(place, opaque)
        if is_search(item):
            yield Searched()
        if item.get("type") == "image_generation_call":
            for picture in read_item(item):
                if isinstance(picture, Media):
                    yield from self._open_block(place, picture)
        if item.get("type") != "message":
            yield from self._shut(place)

    def _grown(self, name: str, place: int, event: dict[str, Any]) -> Iterator[Happening]:
        if name.startswith("response.reasoning"):
            place -= place % 1000
            part = event.get("summary_index", event.get("content_index", 0))
            if part != self._summaries.get(place, part):
                yield Grown(place, "\n\n")
            self._summaries[place] = part
        if place not in self._open:  # some servers do not announce what they say
            begins = _BEGINS.get(name)
            if begins is None:
                return
            yield from self._open_block(place, begins)
        if text := a_text(event.get("delta")):
            yield Grown(place, text)
        if weights := a_list(event.get("logprobs")):
            yield Weighed(place, tuple(weights))


class ResponsesWriter:
    """Writes the events, each with its number."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._number = 0
        self._head: dict[str, Any] = {}
        self._items: list[dict[str, Any]] = []
        self._block: Text | Thinking | ToolUse | Refused | Media = Text("")
        self._texts: list[str] = []
        self._notes: list[Any] = []
        self._weights: list[Any] = []
        self._place = b""

    def write(self, what: Happening) -> bytes:
        """The events that tell it."""
        match what:
            case Grown(_, text):
                return self._grown(text)
            case Begun(id_, model, _, created):
                self._head = head(self._ask, id_, model, created)
                return self._event("created", response=self._head) + self._event("in_progress", response=self._head)
            case Opened(_, block):
                return self._opened(block)
            case Signed() | Cited() | Weighed():
                return self._noted(what)
            case Shut():
                return self._shut()
            case Ended():
                return self._ended(what)

    def _noted(self, what: Signed | Cited | Weighed) -> bytes:
        """What is told with the block when it ends; a source also at once."""
        match what:
            case Signed(_, signature):
                if isinstance(self._block, Thinking):
                    self._block = Thinking("", signature, self._block.origin, self._block.id)
            case Weighed(_, logprobs):
                self._weights += logprobs
            case Cited(_, citation):
                written = annotation(citation)
                if written is not None:
                    self._notes.append(written)
                    index = len(self._notes) - 1
                    return self._at("output_text.annotation.added", annotation_index=index, annotation=written)
        return b""

    def _event(self, kind: str, /, **fields: Any) -> bytes:
        kind = f"response.{kind}"
        event = event_of(kind, {"type": kind, "sequence_number": self._number, **fields})
        self._number += 1
        return event

    def _at(self, name: str, /, **fields: Any) -> bytes:
        """An event of a part of the item that is open."""
        return self._event(name, **self._of(), content_index=0, **fields)

    def _of(self) -> dict[str, Any]:
        return {"item_id": self._items[-1]["id"], "output_index": len(self._items) - 1}

    def _opened(self, block: Text | Thinking | ToolUse | Refused | Media) -> bytes:
        if isinstance(block, Media):
            return self._drawn(block)
        signed = b""
        if isinstance(block, ToolUse) and block.signature:
            signed = self._opened(signature_of(block)) + self._shut()
        self._block, self._texts, self._notes, self._weights = block, [], [], []
        empty, text = _emptied(block)
        item = write_item(empty, self._ask, len(self._items), "in_progress")
        assert item is not None
        if isinstance(block, Thinking):
            item["encrypted_content"] = ""
        self._items.append(item)
        place = msgspec.json.encode(self._of())[1:-1]
        shown = {**item, "content": []} if isinstance(block, Text | Refused) else item
        out = self._event("output_item.added", output_index=len(self._items) - 1, item=shown)
        match block:
            case Text() | Refused():
                self._place = place + b',"content_index":0'
                assert isinstance(empty, Text | Refused)
                out += self._at("content_part.added", part=write_part(empty))
            case Thinking():
                self._place = place + b',"summary_index":0'
                part = {"type": "summary_text", "text": ""}
                out += self._event("reasoning_summary_part.added", **self._of(), summary_index=0, part=part)
            case ToolUse():
                self._place = place
        return signed + out + (self._grown(text) if text else b"")

    def _drawn(self, picture: Media) -> bytes:
        """A picture, which comes whole. A sound has no place here."""
        self._block = picture
        item = write_item(picture, self._ask, len(self._items))
        if item is None:
            return b""
        self._items.append(item)
        begun = {"type": item["type"], "id": item["id"], "status": "in_progress", "result": None}
        return (
            self._event("output_item.added", output_index=len(self._items) - 1, item=begun)
            + self._event("image_generation_call.completed", **self._of())
            + self._event("output_item.done", output_index=len(self._items) - 1, item=item)
        )

    def _grown(self, text: str) -> bytes:
        self._texts.append(text)
        kind, tail = _DELTAS[type(self._block)]
        if isinstance(self._block, ToolUse) and self._block.freeform:
            kind = b"response.custom_tool_call_input.delta"
        number, self._number = self._number, self._number + 1
        return b'event: %b\ndata: {"type":"%b","sequence_number":%d,%b,"delta":%b%b}\n\n' % (
            kind, kind, number, self._place, msgspec.json.encode(text), tail,
        )  # fmt: skip

    def _shut(self) -> bytes:
        block, text = self._block, "".join(self._texts)
        if isinstance(block, Media):
            return b""
        done = self._done_text(block, text)
        item = write_item(self._whole(block, text), self._ask, len(self._items) - 1)
        assert item is not None
        self._items[-1] = item
        return done + self._event("output_item.done", output_index=len(self._items) - 1, item=item)

    def _whole(self, block: Text | Thinking | ToolUse | Refused, text: str) -> Text | Thinking | ToolUse | Refused:
        match block:
            case Text():
                return Text(text, logprobs=tuple(self._weights))
            case Refused():
                return Refused(text)
            case Thinking(_, signature, origin, id_, redacted):
                return Thinking(text, signature, origin, id_, redacted)
            case ToolUse() as use:
                arguments = text or ("" if use.freeform else "{}")
                return ToolUse(use.id, use.name, arguments, use.namespace, use.freeform, "", use.signature)

    def _done_text(self, block: Text | Thinking | ToolUse | Refused, text: str) -> bytes:
        match block:
            case Text():
                part = {**write_part(Text(text, logprobs=tuple(self._weights))), "annotations": self._notes}
                return self._at("output_text.done", text=text, logprobs=self._weights) + self._at(
                    "content_part.done", part=part
                )
            case Refused():
                return self._at("refusal.done", refusal=text) + self._at(
                    "content_part.done", part=write_part(Refused(text))
                )
            case Thinking():
                part = {"type": "summary_text", "text": text}
                return self._event(
                    "reasoning_summary_text.done", **self._of(), summary_index=0, text=text
                ) + self._event("reasoning_summary_part.done", **self._of(), summary_index=0, part=part)
            case ToolUse() as use if use.freeform:
                return self._event("custom_tool_call_input.done", **self._of(), input=text)
            case ToolUse() as use:
                return self._event("function_call_arguments.done", **self._of(), name=use.name, arguments=text or "{}")

    def _ended(self, end: Ended) -> bytes:
        response = finished(self._head, self._items, end.stop, end.usage, end.tier)
        return self._event(response["status"], response=response)


_DELTAS: dict[type, tuple[bytes, bytes]] = {
    Text: (b"response.output_text.delta", b',"logprobs":[]'),
    Refused: (b"response.refusal.delta", b""),
    Thinking: (b"response.reasoning_summary_text.delta", b""),
    ToolUse: (b"response.function_call_arguments.delta", b""),
}


def _emptied(block: Text | Thinking | ToolUse | Refused) -> tuple[Text | Thinking | ToolUse | Refused, str]:
    """The block as it begins, and what it brings along."""
    match block:
        case Text(text):
            return Text(""), text
        case Refused(text):
            return Refused(""), text
        case Thinking(text, signature, origin, id_, redacted):
            return Thinking("", signature, origin, id_, redacted), text
        case ToolUse() as use:
            return ToolUse(use.id, use.name, "", use.namespace, use.freeform, "", use.signature), use.arguments
