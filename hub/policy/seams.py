"""Where the texts of a document meet: what is split over two or more of them is read as one, and found in all of them."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

REACH = 512  # characters on each side of a seam that are read
_GLUES = ("", " ")  # a word may be split within, or a phrase between its words
_BREAK = "\n\n"  # stands for the middle of a long text, which is not read again
Place = tuple[int, int]


class Seams:
    """The ends and beginnings of texts that follow each other, read as one text.

    Each text comes with the place where it stands in a larger one; `places` leads from a span of `text` back to there.
    """

    __slots__ = ("_begins", "_fragments", "text")

    def __init__(self, fragments: Sequence[tuple[int, str, bool]], glue: str) -> None:
        self._fragments = fragments
        self._begins: list[int] = []
        parts: list[str] = []
        length = 0
        for _, fragment, follows in fragments:
            between = glue if follows else _BREAK
            self._begins.append(length + len(between))
            parts += (between, fragment)
            length += len(between) + len(fragment)
        self.text = "".join(parts)

    def places(self, start: int, end: int) -> tuple[Place, ...]:
        """Where the parts of a span stand. Nothing for one that lies in a single text, or goes over what was left out."""
        first, last = self._index(start), self._index(end - 1)
        if first == last or not all(follows for _, _, follows in self._fragments[first + 1 : last + 1]):
            return ()
        found: list[Place] = []
        for index in range(first, last + 1):
            origin, fragment, _ = self._fragments[index]
            begin = max(start - self._begins[index], 0)
            stop = min(end - self._begins[index], len(fragment))
            if stop > begin:
                found.append((origin + begin, origin + stop))
        return tuple(found) if len(found) > 1 else ()

    def _index(self, place: int) -> int:
        return max(bisect_right(self._begins, place) - 1, 0)


def seams(texts: Sequence[tuple[int, str]]) -> Iterator[Seams]:
    """The ways to read on from each text to the next. `texts` are their places and what they say."""
    told = [(place, text) for place, text in texts if text]
    if len(told) > 1:
        fragments = list(_fragments(told))
        for glue in _GLUES:
            yield Seams(fragments, glue)


def _fragments(texts: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str, bool]]:
    """What is read of each text: where it stands, what it says, and whether it follows what was read before."""
    first, last = texts[0], texts[-1]
    yield first[0] + max(len(first[1]) - REACH, 0), first[1][-REACH:], False
    for place, text in texts[1:-1]:
        if len(text) <= 2 * REACH:
            yield place, text, True
        else:
            yield place, text[:REACH], True
            yield place + len(text) - REACH, text[-REACH:], False
    yield last[0], last[1][:REACH], True


def outside(places: Sequence[Place], known: Sequence[Place]) -> bool:
    """Whether none of `places` overlaps one of `known`, which are in order and do not overlap each other."""
    for start, end in places:
        index = bisect_right(known, (end - 1, end))
        if index and known[index - 1][1] > start:
            return False
    return True


def merged(places: Sequence[Place]) -> list[Place]:
    """Places in order, those that overlap made one."""
    found: list[Place] = []
    for start, end in sorted(places):
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found
