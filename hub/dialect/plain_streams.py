"""Streams of speech, of pictures and of what was heard: events that pass as they are, each told to its end."""

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from hub.core.usage import Usage
from hub.core.values import a_dict
from hub.dialect.estimate import estimate_output
from hub.dialect.members import UNREADABLE
from hub.dialect.plain_usage import Counted, usage_of
from hub.dialect.reader import Reader
from hub.dialect.replies import reported
from hub.dialect.searches import value_of
from hub.dialect.sse import Cutter, data_of, events, events_with

MOST_PICTURE = 50 << 20  # bytes of one event, as much as a whole answer may have
_DONE = re.compile(rb"^data: ?\[DONE\]\r?$", re.MULTILINE)
# What ends such a stream, and what there is on the way.
_ENDS = (b'"speech.audio.done"', b'"image_generation.completed"', b'"image_edit.completed"', b'"transcript.text.done"')
_PARTIAL = b'.partial_image"'
# What a preview of a picture costs by OpenAI's rate, and about how much base64 of sound (MP3) one token makes.
_PREVIEW_TOKENS = 100
_BASE64_PER_TOKEN = 1024


class _Event(Struct):
    """An event: only its kind, its usage and its error are looked at."""

    type: str = ""
    usage: Raw = Raw(b"")
    error: Raw = Raw(b"")


_EVENT = msgspec.json.Decoder(_Event)


def _parse(event: bytes) -> _Event:
    try:
        return _EVENT.decode(data_of(event))
    except UNREADABLE:
        return _Event()


class PlainReader(Reader):
    """Follows a stream until `ends` of its parts are complete: one, or as many as there are pictures.

    `prompt` is the estimate of what was sent, which stands with what was delivered if the stream is cut, or tells
    no usage. `made` is what comes.
    """

    ENVELOPE = 60
    model = ""

    def __init__(self, prompt: Usage, made: Counted, ends: int = 1) -> None:
        super().__init__(prompt.input)
        if made == "image":
            self._cutter = Cutter(MOST_PICTURE)
        self._sent = prompt
        self._made: Counted = made
        self._ends = ends
        self._ended = 0
        self._previews = 0
        self._usage: Usage | None = None

    @property
    def usage(self) -> Usage:
        """See `hub.core.wire.StreamReader`."""
        if self._usage is not None and self.done:
            return self._usage
        match self._made:
            case "image":
                return replace(self._sent, image=self._previews * _PREVIEW_TOKENS)
            case "audio":
                return replace(self._sent, audio_out=-(-self._size // _BASE64_PER_TOKEN))
            case _:
                return replace(self._sent, output=estimate_output(self._size, self._events, self.ENVELOPE))

    def _end(self) -> bytes:
        # Some give fewer pictures than were asked for; without any it is no end.
        if not self._ended:
            return super()._end()
        self.done = True
        return b""

    def _look(self, block: bytes) -> bytes:
        if b'"error"' in block:
            self._note_error(block)
        self._previews += block.count(_PARTIAL) if self._made == "image" else 0
        for word in _ENDS:
            if word in block:
                for event in map(_parse, events_with(block, word)):
                    self._note_end(event, word)
        if b"[DONE]" in block and _DONE.search(block):
            self.done = True
        return block

    def _note_end(self, event: _Event, word: bytes) -> None:
        if event.type.encode() != word.strip(b'"'):
            return
        self._ended += 1
        self.done = self.done or self._ended >= self._ends
        told: dict[str, Any] = a_dict(value_of(event.usage))
        usage = usage_of(told, self._made)
        if usage is not None:
            self._usage = usage if self._usage is None else self._usage.plus(usage)

    def _note_error(self, block: bytes) -> None:
        for event in map(_parse, events(block)):
            if bytes(event.error) not in (b"", b"null"):
                self.failure = reported(bytes(event.error))
