"""A stream in one dialect read, and written in another, event by event."""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from hub.core.calls import Dialect
from hub.core.refusal import UpstreamFailed
from hub.core.usage import Usage
from hub.dialect.ask import Names, Renaming
from hub.dialect.codecs import EventReader, EventWriter, Splitter
from hub.dialect.happenings import Begun, Ended, Grown, Happening, InOrder, Opened, Searched
from hub.dialect.members import UNREADABLE
from hub.dialect.neutral import Answer, Media, Refused, Text, Thinking, ToolUse
from hub.dialect.sse import cut_off


class TranslatingReader:
    """Takes the upstream's bytes and gives the caller's. See `hub.core.wire.StreamReader`."""

    def __init__(self, splitter: Splitter, reader: EventReader, writer: EventWriter, names: Names, prompt: int) -> None:
        self._splitter = splitter
        self._reader = reader
        self._writer = writer
        self._order = InOrder()
        self._renaming = Renaming(names) if names else None
        self._prompt = prompt
        self._size = 0
        self._searches = 0
        self._usage: Usage | None = None
        self.model = ""
        self.tier = ""
        self.done = False
        self.failure: UpstreamFailed | None = None

    @property
    def usage(self) -> Usage:
        """See `hub.core.wire.StreamReader`."""
        if self._usage is not None and self.done:
            return self._usage
        known = self._usage or Usage(input=self._prompt)
        return Usage(
            input=known.input, cache_read=known.cache_read, cache_write_5m=known.cache_write_5m,
            cache_write_1h=known.cache_write_1h, output=-(-self._size // 4), searches=max(known.searches, self._searches),
            estimated=True,
        )  # fmt: skip

    def feed(self, chunk: bytes) -> bytes:
        """See `hub.core.wire.StreamReader`."""
        if self.done:
            return b""
        return b"".join(self._told(self._events(self._splitter.feed(chunk))))

    def finish(self) -> bytes:
        """See `hub.core.wire.StreamReader`."""
        if self.done:
            return b""
        last = b"".join(self._told(self._events(self._splitter.finish())))
        last += b"".join(self._told(self._reader.finish()))
        if not self.done:
            raise cut_off()
        return last

    def _events(self, events: Iterable[tuple[str, bytes]]) -> Iterator[Happening | Searched]:
        for kind, data in events:
            try:
                yield from self._reader.read(data, kind)
            except UNREADABLE:
                raise UpstreamFailed("upstream_protocol", "The provider sent an event that is not JSON.") from None

    def _told(self, happenings: Iterable[Happening | Searched]) -> Iterator[bytes]:
        for given in happenings:
            if isinstance(given, Searched):
                self._searches += 1
                continue
            for put in self._order.put(given):
                what = self._noted(put)
                if self._renaming is None:
                    yield self._writer.write(what)
                else:
                    for renamed in self._renaming.put(what):
                        yield self._writer.write(renamed)

    def _noted(self, what: Happening) -> Happening:
        """What goes on to the caller: at the end an estimate of what nobody counted, since agents go by that."""
        if isinstance(what, Grown):
            self._size += len(what.text)
        elif isinstance(what, Begun):
            self.model = what.model
            self._usage = what.usage
        elif isinstance(what, Opened):
            self._size += _size(what.block)
        elif isinstance(what, Ended):
            self.tier = what.tier
            self._usage = what.usage or self.usage
            self.done = True
            return replace(what, usage=self._usage)
        return what


def _size(block: Text | Thinking | ToolUse | Refused | Media) -> int:
    """How many characters a block brings along. What a picture costs is not its size."""
    match block:
        case ToolUse():
            return len(block.name)
        case Media():
            return 0
        case _:
            return len(block.text)


def lost(answer: Answer, dialect: Dialect) -> tuple[str, ...]:
    """The names of what of a whole answer a caller's dialect has no place for."""
    kinds = (
        {block.kind for block in answer.content if isinstance(block, Media)} if dialect is not Dialect.GEMINI else ()
    )
    homeless = [kind for kind in sorted(kinds) if kind != "image" or dialect is Dialect.ANTHROPIC_MESSAGES]
    rated = ("safety_ratings",) if answer.ratings and dialect is not Dialect.OPENAI_CHAT else ()
    return (*(f"content.{kind}" for kind in homeless), *rated)
