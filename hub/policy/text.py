"""The strings of a JSON body: where they stand, what they say to a reader, and the body with some of them replaced.

What rules see is declared: every string, keys too, with escapes resolved; JSON within a string, to a depth of two;
compatibility forms folded (NFKC), invisible characters taken out, and hidden tag characters and variation selectors read as
what they hide. What lies beneath look-alikes, escapes and base64 is looked at besides (`disguise`), and what is split over
texts that follow each other (`seams`): parts and blocks of a message, messages, blocks of a result.
Not seen: ciphers, images, what is encoded twice, and one word that is split over two other strings.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice

import msgspec
import re2
from msgspec import Raw

from hub.core.refusal import Malformed
from hub.policy.seams import Seams, Told, seams

_RAW = msgspec.json.Decoder(Raw)
_STRING = msgspec.json.Decoder(str)
_TOKEN = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"(\s*:)?', re.DOTALL)
_DEPTH = 2
_MESSAGE = frozenset({"role", "content", "parts", "output", "messages", "contents"})  # fields of what holds parts
# Fields whose texts a reader reads on from one to the next, in any dialect.
_PROSE = frozenset(
    {
        "content", "text", "input", "output", "instructions", "system", "prompt", "thinking", "reasoning", "reasoning_content",
        "refusal", "summary", "transcript", "result",
    }
)  # fmt: skip
_GONE = (
    0x00AD, 0x034F, 0x061C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E, 0xFEFF, *range(0x200B, 0x2010),
    *range(0x202A, 0x202F), *range(0x2060, 0x2070), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0),
)  # fmt: skip
_PLAIN: dict[int, str | None] = {
    **dict.fromkeys(_GONE),
    **dict.fromkeys(range(0xE0000, 0xE0080)),
    **{0xE0000 + code: chr(code) for code in range(0x20, 0x7F)},
    **{0xE0100 - 16 + code: chr(code) for code in range(0x20, 0x7F)},  # bytes written as variation selectors
}


def plain(text: str) -> str:
    """What `text` says to a reader: compatibility forms folded, invisible characters gone, hidden ones shown."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text.translate(_PLAIN))


def lower(text: str) -> str:
    """Lower case of the same length, so that places stay places."""
    found = text.lower()
    if len(found) == len(text):
        return found
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e007a]{3,6}\U000e007f")  # of a part of a country


_TAGS = re2.compile("[\U000e0000-\U000e007f]")
_INVISIBLE = re2.compile(f"[{''.join(map(chr, sorted(_PLAIN)))}]")


def hides(text: str) -> bool:
    """Whether `text` holds tag characters or many invisible ones: nobody types them."""
    if text.isascii() or not _INVISIBLE.search(text):
        return False
    text = _FLAG.sub("", text)
    return len(_TAGS.findall(text)) > 3 or len(_INVISIBLE.findall(text)) > max(20, len(text) // 10)


def _origins(text: str) -> list[int]:
    """For each character of `plain(text)`, near enough, where it comes from in `text`; one more for the end."""
    origins: list[int] = []
    for place, char in enumerate(text):
        origins += [place] * len(plain(char))
    origins.append(len(text))
    return origins


class Piece:
    """One string of a document. `new` replaces it when the document is written again; `inner` is JSON within it.

    A piece of prose may be read on to the next one, unless that `begins` something unrelated; `is_new` says that it begins
    a message.
    """

    __slots__ = ("begins", "end", "inner", "is_key", "is_new", "is_prose", "new", "seen", "start", "text")

    def __init__(self, start: int, end: int, text: str, inner: "Document | None", *, is_key: bool) -> None:
        self.start = start
        self.end = end
        self.text = text
        self.seen = plain(text)
        self.inner = inner
        self.is_key = is_key
        self.is_prose = False
        self.is_new = self.begins = False
        self.new: str | None = None

    def replace(self, spans: Sequence[tuple[int, int, str]]) -> None:
        """Replace spans (start and end in `seen`, what then stands there), which must not overlap."""
        origins = None
        if self.seen is not self.text:
            found = _origins(self.text)
            origins = found if len(found) == len(self.seen) + 1 else None
            if origins is None:  # the reader's text cannot be traced back: all of it goes
                self.new = "".join(value for _, _, value in spans)
                return
        parts: list[str] = []
        last = 0
        for start, end, value in sorted(spans):
            begin, stop = (start, end) if origins is None else (origins[start], origins[end - 1] + 1)
            parts += (self.text[last:begin], value)
            last = stop
        self.new = "".join([*parts, self.text[last:]])


class Document:
    """A JSON body and its strings. Raises Malformed when it is not JSON."""

    __slots__ = ("body", "pieces")

    def __init__(self, body: bytes, depth: int = 0) -> None:
        self.body = body
        try:
            _RAW.decode(body)
            self.pieces = list(_pieces(body, depth))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            raise Malformed("malformed", "The body is not JSON.") from None

    def leaves(self) -> Iterator[Piece]:
        """Every string; where one is JSON itself, those within it instead."""
        for piece in self.pieces:
            if piece.inner is not None:
                yield from piece.inner.leaves()
            else:
                yield piece

    @property
    def is_changed(self) -> bool:
        """Whether any string was replaced."""
        return any(piece.new is not None for piece in self.leaves())

    def written(self) -> bytes:
        """The body with the strings that were replaced; all other bytes as they came."""
        parts: list[bytes] = []
        last = 0
        for piece in self.pieces:
            new = piece.new
            if piece.inner is not None and piece.inner.is_changed:
                new = piece.inner.written().decode()
            if new is not None:
                parts += (self.body[last : piece.start], msgspec.json.encode(new))
                last = piece.end
        return b"".join([*parts, self.body[last:]])


def _pieces(body: bytes, depth: int) -> Iterator[Piece]:
    in_prose = depth == 0  # a list of texts, which has no fields
    is_new = False
    for match in _TOKEN.finditer(body):
        piece = _piece(match, depth)
        if piece.is_key:
            in_prose, is_new = piece.text in _PROSE, is_new or piece.text in _MESSAGE
        elif in_prose:
            piece.is_prose, piece.is_new, is_new = True, is_new, False
        yield piece


def _piece(match: "re.Match[bytes]", depth: int) -> Piece:
    said, colon = match.groups()
    start, end = match.span(1)
    text = _STRING.decode(b'"%b"' % said) if b"\\" in said else said.decode()
    inner = None
    if depth < _DEPTH and text[:1] in ("{", "[") and text[-1:] in ("}", "]") and '"' in text:
        try:
            inner = Document(text.encode(), depth + 1)
        except (Malformed, UnicodeEncodeError):
            inner = None
    return Piece(start - 1, end + 1, text, inner, is_key=colon is not None)


class Reading:
    """All strings of a document as one text, a line each, and the way back from a place in it to its string.

    `apart` are those, by number, that do not follow the string before, as texts of one field follow each other.
    """

    __slots__ = ("_starts", "document", "pieces", "text")

    def __init__(self, body: bytes, apart: Iterable[int] = ()) -> None:
        self.document = Document(body)
        for number in apart:
            self.document.pieces[number].begins = True
        self.pieces = list(self.document.leaves())
        self.text = "\n".join(piece.seen for piece in self.pieces)
        self._starts: list[int] | None = None

    def ways(self) -> Iterator[str]:
        """The ways to read it: as it stands; where keys stand between its texts, without them; and on from text to text."""
        yield self.text
        values = [piece.seen for piece in self.pieces if not piece.is_key]
        if 1 < len(values) < len(self.pieces):
            yield "\n".join(values)
        yield from (way.text for way in islice(self.seams(), 1))

    def seams(self) -> Iterator[Seams]:
        """The ways to read on from each text of a reader's to the next."""
        if sum(piece.is_prose for piece in self.pieces) < 2:
            return
        texts: list[Told] = []
        for start, piece in zip(self._placed(), self.pieces, strict=True):
            if piece.begins:
                yield from seams(texts)
                texts = []
            if piece.is_prose:
                texts.append(Told(start, piece.seen, piece.is_new))
        yield from seams(texts)

    def replace(self, spans: Sequence[tuple[int, int, str]]) -> None:
        """Replace spans of `text` in the strings they lie in. Of spans that overlap, the first counts for both."""
        starts = self._placed()
        found: dict[int, list[tuple[int, int, str]]] = {}
        for start, end, value in joined(spans):
            first, last = bisect_right(starts, start) - 1, bisect_right(starts, max(start, end - 1)) - 1
            for index in range(first, last + 1):
                begin = max(start - starts[index], 0)
                stop = min(end - starts[index], len(self.pieces[index].seen))
                if stop > begin:
                    found.setdefault(index, []).append((begin, stop, value if index == first else ""))
        for index, replaced in found.items():
            self.pieces[index].replace(replaced)

    def _placed(self) -> list[int]:
        """Where each piece begins in `text`."""
        if self._starts is None:
            self._starts = list(accumulate((len(piece.seen) + 1 for piece in self.pieces), initial=0))[:-1]
        return self._starts


def joined(spans: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Spans in order, those that overlap made one, with what the first of them is replaced by."""
    merged: list[tuple[int, int, str]] = []
    for start, end, value in sorted(spans, key=lambda span: (span[0], -span[1])):
        if merged and start < merged[-1][1]:
            first = merged[-1]
            merged[-1] = (first[0], max(first[1], end), first[2])
        else:
            merged.append((start, end, value))
    return merged
