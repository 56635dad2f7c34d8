"""Streamed answers under guardrails: events pass only when what they say was judged.

In `window` mode the last characters of each text are held back, as many as the widest rule asks for: what a rule finds
within that length is found before its first character leaves. A block that is over is not held back: what it began is
stopped in the block that would end it. In `hold` mode everything is held. `observe` rules look at the whole text when it is
over, enforce nothing, and their findings say so.
"""

import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import msgspec

from hub.core.entry import Finding
from hub.core.refusal import Malformed
from hub.policy.found import kinds_of
from hub.policy.guardrails import Rule, Screening
from hub.policy.likelihoods import event_without_likelihoods
from hub.policy.masks import LONGEST
from hub.policy.pack import Span
from hub.policy.seams import REACH, Told, seams
from hub.policy.secret_shapes import OPEN_ENDED
from hub.policy.shapes import stranger, tool_names
from hub.policy.text import Reading, plain

MOST_HELD = 8 << 20  # bytes of a stream
MOST_LEFT = 256 << 10  # characters of a stream that are judged once its caller has left: nothing else runs meanwhile
_CONTEXT = 64  # characters before the window, for what a pattern asks of its surroundings
_SILENCE = 10.0  # seconds, after which a caller who waits is sent a comment
_STILL = b": judging\n\n"
_BORDER = re.compile(rb"\r?\n\r?\n(?:\r?\n)*")
# A string and whether it names a field; a number; a bracket.
_TOKEN = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"([ \t]*(?=:))?|:[ \t]*(\d{1,9})(?=[,}\s])|([{}])', re.DOTALL)
_TEXTS = frozenset(
    {
        b"content", b"text", b"arguments", b"partial_json", b"thinking", b"reasoning", b"reasoning_content", b"refusal",
        b"delta", b"transcript", b"summary", b"code", b"input",
    }
)  # fmt: skip
_JSON_TEXTS = frozenset({b"arguments", b"partial_json", b"input"})
_INDEXES = frozenset({b"index", b"output_index", b"content_index", b"contentBlockIndex"})
_NAMES = (b'"name"',)
_BLOCK_ENDS = re.compile(rb'"(?:content_block_stop|response\.[a-z_.]{1,40}\.done)"|^event: contentBlockStop')
_AGAIN = re.compile(rb"response\..*(?<!\.delta)$")
Channel = tuple[bytes, ...]


@dataclass(slots=True)
class Text:
    """What one channel of a stream says, from `base` on: what lies before has left and is forgotten."""

    within_json: bool = False
    follows: "Text | None" = None  # the block of the same field that was over when it began
    over: str = ""  # how it ended, for the block that follows
    base: int = 0
    tail: str = ""
    safe: int = 0  # up to here it may leave
    ended: bool = False
    all: list[str] = field(default_factory=list[str])
    replaced: dict[int, tuple[int, str]] = field(default_factory=dict[int, tuple[int, str]])

    @property
    def end(self) -> int:
        """How many characters there were."""
        return self.base + len(self.tail)

    def forget(self) -> None:
        """Let go of what has left, but for a little context."""
        drop = self.safe - _CONTEXT - self.base
        if drop > _CONTEXT:
            self.tail = self.tail[drop:]
            self.base += drop
            self.replaced = {start: what for start, what in self.replaced.items() if what[0] > self.base}


@dataclass(slots=True)
class Event:
    """One event, and the places in it that say something: (start, end) in `data`, the channel, (start, end) there."""

    data: bytes
    places: list[tuple[int, int, Text, int, int]]

    @property
    def may_leave(self) -> bool:
        """Whether all that it says was judged."""
        return all(end <= text.safe for _, _, text, _, end in self.places)

    def written(self) -> bytes:
        """The event with what was redacted in it."""
        parts: list[bytes] = []
        last = 0
        for start, end, text, begin, stop in self.places:
            new = _rewritten(text, begin, stop)
            if new is not None:
                parts += (self.data[last:start], msgspec.json.encode(new))
                last = end
        # Translated streams tell likelihoods in an event of their own: nobody knows here whether their text was taken out.
        if parts or (not self.places and b'"token"' in self.data):
            return event_without_likelihoods(b"".join([*parts, self.data[last:]]))
        return self.data


def _rewritten(text: Text, begin: int, stop: int) -> str | None:
    """What now stands from `begin` to `stop` of a text; None when that is what stood there."""
    spans = [(s, e, value) for s, (e, value) in sorted(text.replaced.items()) if s < stop and e > begin]
    if not spans:
        return None
    parts: list[str] = []
    last = begin
    for start, end, value in spans:
        parts.append(text.tail[last - text.base : max(start, last) - text.base])
        if start >= begin:
            parts.append(value)
        last = max(last, min(end, stop))
    parts.append(text.tail[last - text.base : stop - text.base])
    return "".join(parts)


def _texts_of(data: bytes) -> tuple[list[tuple["re.Match[bytes]", Channel]], Channel]:
    """The texts in an event, each with its channel; and all its numbers.

    A channel is a field, the kind of event where that says again what was said, and the numbers of what the text lies in.
    """
    key = again = b""
    around: tuple[list[bytes], ...] = ([],)  # the numbers of the objects that are open, which may stand behind the text
    every: list[bytes] = []
    texts: list[tuple[re.Match[bytes], bytes, tuple[list[bytes], ...]]] = []
    for match in _TOKEN.finditer(data):
        said, is_key, number, bracket = match.groups()
        if bracket is not None:
            around = (*around, []) if bracket == b"{" else around[:-1] or around
        elif is_key is not None:
            key = said
        elif number is not None:
            if key in _INDEXES and number != b"0":  # which may be left out
                around[-1].append(key + number)
                every.append(key + number)
        elif key in _TEXTS:
            texts.append((match, key, around))
        elif key == b"type" and len(around) == 2 and _AGAIN.match(said):
            again = said
    return [(match, (name, again, *chain.from_iterable(numbers))) for match, name, numbers in texts], tuple(every)


def _field(channel: Channel) -> Channel:
    """What the channels of all blocks have in common."""
    return channel[:2]


def _reading(texts: Sequence[tuple[Channel, Text]], said: Sequence[str]) -> Reading:
    """What texts say, as one document. Those of two fields do not follow each other."""
    fields = [_field(channel) for channel, _ in texts]
    apart = (number for number in range(1, len(fields)) if fields[number] != fields[number - 1])
    return Reading(msgspec.json.encode(said), apart)


class StreamScreen:
    """The stream of one answer, screened. `clock` is in seconds and monotonic."""

    def __init__(self, screening: Screening, clock: Callable[[], float] = time.monotonic) -> None:
        rules = screening.rules("output")
        self._screening = screening
        self._clock = clock
        self._observing = tuple(rule for rule in rules if rule.spec.stream == "observe" or rule.spec.shadow)
        self._enforcing = tuple(rule for rule in rules if rule not in self._observing)
        self._holds = any(rule.spec.stream == "hold" for rule in self._enforcing)
        self._scanning = tuple(rule for rule in self._enforcing if rule.scans)
        widest = max((rule.spec.window for rule in self._scanning), default=0)
        self._window = max(widest, LONGEST if screening.masks.originals else 0)
        self._texts: dict[Channel, Text] = {}
        self._last: dict[Channel, Text] = {}  # the text of each field that began last
        self._held: deque[Event] = deque()
        self._signs: list[bytes] = []  # of life, which say nothing and wait for nothing
        self._size = 0
        self._observed = False
        self._noted: set[tuple[str, Channel, int]] = set()

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to look for."""
        return bool(self._enforcing or self._observing or self._screening.masks.originals)

    @property
    def holds_back(self) -> bool:
        """Whether events wait to be judged."""
        return bool(self._held)

    async def through(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The chunks (whole events each) that may leave. Raises Malformed `guardrail_blocked` when a rule blocks."""
        left = self._clock()
        async for chunk in chunks:
            self._take(chunk)
            if not self._holds:
                self._judge(final=False)
            out = b"".join(self._leaving())
            now = self._clock()
            if out:
                left = now
                yield out
            elif now - left > _SILENCE:
                left = now
                yield _STILL
        await self._end()
        out = b"".join(event.written() for event in self._held)
        if out:
            yield out

    # -- reading ---------------------------------------------------------------------------------------------------

    def _take(self, chunk: bytes) -> None:
        start = 0
        for border in _BORDER.finditer(chunk):
            self._event(chunk[start : border.end()])
            start = border.end()
        if start < len(chunk):
            self._event(chunk[start:])

    def _event(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MOST_HELD:
            raise Malformed("guardrail_blocked", "The answer is longer than what guardrails can hold back (8 MiB).")
        if data.startswith((b":", b"event: ping")):
            self._signs.append(data)
            return
        event = Event(data, [])
        self._read(event)
        if any(name in data for name in _NAMES):
            self._check_tools(data)
        self._held.append(event)

    def _read(self, event: Event) -> None:
        texts, numbers = _texts_of(event.data)
        for match, channel in texts:
            self._add(event, match, channel)
        if _BLOCK_ENDS.search(event.data):
            for channel, text in self._texts.items():
                if channel[2:] == numbers:
                    text.ended = True

    def _add(self, event: Event, match: "re.Match[bytes]", channel: Channel) -> None:
        try:
            said = msgspec.json.decode(match[0][: len(match[1]) + 2], type=str)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        if not said:
            return
        text = self._texts.get(channel)
        if text is None:
            last = self._last.get(_field(channel))
            text = Text(channel[0] in _JSON_TEXTS, last if last is not None and last.ended else None)
            self._texts[channel] = self._last[_field(channel)] = text
        start = text.end
        text.tail += said
        text.ended = False
        if self._holds or self._observing:
            text.all.append(said)
        event.places.append((match.start(), match.start() + len(match[1]) + 2, text, start, text.end))

    def _check_tools(self, data: bytes) -> None:
        body = b"".join(line[5:] for line in data.splitlines() if line.startswith(b"data:"))
        for rule in self._enforcing:
            if rule.allowed is not None and stranger(rule.allowed, tool_names(body)):
                self._screening.conclude("output", [(rule, Finding(rule.name, "tool"))], "")

    # -- judging ---------------------------------------------------------------------------------------------------

    def _judge(self, *, final: bool) -> None:
        for channel, text in self._texts.items():
            if text.safe == text.end:
                continue
            if self._window:
                self._scan(channel, text)
                if text.ended:
                    before = text.follows.over if text.follows is not None else ""
                    text.over = (before + (_rewritten(text, text.base, text.end) or text.tail))[-REACH:]
            safe = text.end if final or text.ended or not self._window else text.end - self._window
            # What is being replaced leaves whole.
            inside = [start for start, (end, _) in text.replaced.items() if start < safe < end]
            text.safe = max(text.safe, min(inside, default=safe) if not final else safe)

    def _scan(self, channel: Channel, text: Text) -> None:
        masks = self._screening.masks
        if self._scanning:
            began = time.perf_counter()
            seen = plain(text.tail)
            hits = self._screening.pack(self._scanning).scan(seen)
            took = (time.perf_counter() - began) * 1000
            for index, found in hits.items():
                self._found(self._scanning[index], found, channel, text, took, exact=seen == text.tail)
            if text.follows is not None and not text.safe:
                self._scan_on(channel, text, plain(text.follows.over), seen)
        for start, end, value in masks.spans(text.tail, within_json=text.within_json):
            if start + text.base >= text.safe:
                text.replaced[start + text.base] = (end + text.base, value)

    def _scan_on(self, channel: Channel, text: Text, before: str, seen: str) -> None:
        """Look for what the block before has begun, which has left: it is stopped, and not taken out."""
        for way in seams((Told(0, before), Told(REACH, seen))):
            began = time.perf_counter()
            hits = self._screening.pack(self._scanning).scan(way.text)
            took = (time.perf_counter() - began) * 1000
            for index, found in hits.items():
                split = [hit for hit in found if way.places(hit.start, hit.end)]
                self._found(self._scanning[index], split, channel, text, took, exact=False)

    def _found(self, rule: Rule, hits: list[Span], channel: Channel, text: Text, took: float, *, exact: bool) -> None:
        new = [hit for hit in hits if hit.end + text.base > text.safe]
        if not new:
            return
        finding = Finding(rule.name, kinds_of(new), count=len(new), ms=took)
        if rule.spec.action == "block" or (
            rule.spec.action == "redact"
            and (not exact or any(hit.kind in OPEN_ENDED or hit.start + text.base < text.safe for hit in new))
        ):
            # What cannot be taken out exactly is stopped.
            self._screening.note(finding, rule, "output", "block")
            raise rule.blocked()
        for hit in new:
            place = (rule.name, channel, hit.start + text.base)
            if place not in self._noted:
                self._noted.add(place)
                self._screening.note(Finding(rule.name, hit.kind, ms=took), rule, "output", rule.spec.action)
        for start, end, value in self._screening.redactions(rule, new, text.tail):
            text.replaced[start + text.base] = (end + text.base, value)

    def _leaving(self) -> Iterator[bytes]:
        yield from self._signs
        self._signs.clear()
        while self._held:
            if self._holds or not self._held[0].may_leave:
                break
            event = self._held.popleft()
            self._size -= len(event.data)
            yield event.written()
        for text in self._texts.values():
            text.forget()

    async def _end(self) -> None:
        if self._holds:
            await self._whole(self._enforcing)
            for text in self._texts.values():
                text.safe = text.end
        else:
            self._judge(final=True)
        if self._observing:
            await self._observe()

    def _in_order(self) -> list[tuple[Channel, Text]]:
        """All texts, those of one field after each other, as a reader reads on."""
        return sorted(self._texts.items(), key=lambda text: _field(text[0]))

    async def _whole(self, rules: tuple[Rule, ...]) -> None:
        """Judge all texts as one document; what was redacted or undone in one replaces it whole."""
        texts = self._in_order()
        said = ["".join(text.all) for _, text in texts]
        reading = _reading(texts, said)
        await self._screening.inspect(rules, "output", reading)
        now = msgspec.json.decode(reading.document.written(), type=list[str])
        for (_, text), old, new in zip(texts, said, now, strict=True):
            undone = new
            for start, end, value in reversed(self._screening.masks.spans(new, within_json=text.within_json)):
                undone = undone[:start] + value + undone[end:]
            if undone != old:
                text.base, text.tail, text.replaced = 0, old, {0: (len(old), undone)}

    async def _observe(self) -> None:
        self._observed = True
        texts = self._in_order()
        reading = _reading(texts, ["".join(text.all) for _, text in texts])
        await self._screening.observe(self._observing, "output", reading)

    def left(self) -> None:
        """The stream is over, read to its end or not: let the rules that observe look at what there was of it."""
        if self._observed or not self._observing:
            return
        self._observed = True
        told, room, texts = list[str](), MOST_LEFT, self._in_order()
        for _, text in texts:
            told.append("".join(text.all)[:room])
            room -= len(told[-1])
        self._screening.observe_left(self._observing, "output", _reading(texts, told))
        if room == 0:
            for rule in self._observing:
                finding = Finding(
                    rule.name, "error", error=f"of what the caller left, {MOST_LEFT} characters were judged"
                )
                self._screening.note(finding, rule, "output", "observe")
