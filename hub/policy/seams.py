"""Where the texts of a document meet: what is split over two or more of them is read as one, and found in all of them."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

REACH = 384  # characters on each side of a seam that are read
_BREAK = "\n\n"  # stands for the middle of a long text, which is not read again, and for a seam that is not read over
Place = tuple[int, int]


class Told(NamedTuple):
    """A text: where it stands, what it says, and whether it begins something new, as a message does and its parts do not."""

    place: int
    text: str
    is_new: bool = False


class _Fragment(NamedTuple):
    place: int
    text: str
    seam: int  # the number of the seam before it, -1 for none


class Seams:
    """The ends and beginnings of texts that follow each other, read as one text.

    Each text comes with the place where it stands in a larger one; `places` leads from a span of `text` back to there.
    """

    __slots__ = ("_begins", "_follows", "_fragments", "text")

    def __init__(self, fragments: Sequence[_Fragment], glue: str, over: Sequence[bool]) -> None:
        self._fragments = fragments
        self._begins: list[int] = []
        self._follows: list[bool] = []
        parts: list[str] = []
        length = 0
        for _, text, seam in fragments:
            self._follows.append(seam >= 0 and over[seam])
            between = glue if self._follows[-1] else _BREAK
            self._begins.append(length + len(between))
            parts += (between, text)
            length += len(between) + len(text)
        self.text = "".join(parts)

    def places(self, start: int, end: int) -> tuple[Place, ...]:
        """Where the parts of a span stand. Nothing for one that lies in a single text, or goes over what was left out."""
        first, last = self._index(start), self._index(end - 1)
        if first == last or not all(self._follows[first + 1 : last + 1]):
            return ()
        found: list[Place] = []
        for index in range(first, last + 1):
            place, text, _ = self._fragments[index]
            begin = max(start - self._begins[index], 0)
            stop = min(end - self._begins[index], len(text))
            if stop > begin:
                found.append((place + begin, place + stop))
        return tuple(found) if len(found) > 1 else ()

    def _index(self, place: int) -> int:
        return max(bisect_right(self._begins, place) - 1, 0)


def seams(texts: Sequence[Told]) -> Iterator[Seams]:
    """The ways to read on from each text to the next.

    Over all seams, within words and between them. And over some, so that what is split is bounded by what is around it: over
    every other one, for what is split over two texts, and over those within messages.
    """
    told = [one for one in texts if one.text]
    if len(told) < 2:
        return
    fragments = list(_fragments(told))
    within = [not one.is_new for one in told[1:]]
    every = [True] * len(within)
    yield Seams(fragments, "", every)
    yield Seams(fragments, " ", every)
    if len(within) > 1:
        yield Seams(fragments, "", [number % 2 == 0 for number in range(len(within))])
        yield Seams(fragments, "", [number % 2 == 1 for number in range(len(within))])
        if any(within) and not all(within):
            yield Seams(fragments, "", within)


def _fragments(texts: Sequence[Told]) -> Iterator[_Fragment]:
    """What is read of each text."""
    place, text, _ = texts[0]
    yield _Fragment(place + max(len(text) - REACH, 0), text[-REACH:], -1)
    for seam, (place, text, _) in enumerate(texts[1:]):
        if seam == len(texts) - 2:
            yield _Fragment(place, text[:REACH], seam)
        elif len(text) <= 2 * REACH:
            yield _Fragment(place, text, seam)
        else:
            yield _Fragment(place, text[:REACH], seam)
            yield _Fragment(place + len(text) - REACH, text[-REACH:], -1)


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
