"""What the rules of a pack find in a document: places in its texts, and things that are split over several of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from hub.policy.pack import Pack, Span
from hub.policy.seams import Place, merged, outside
from hub.policy.text import Reading


class Split(NamedTuple):
    """What is split over texts: what kind of thing, what it says, and where its parts stand."""

    kind: str
    said: str
    places: tuple[Place, ...]


class Found(NamedTuple):
    """What a rule found."""

    spans: Sequence[Span]
    split: Sequence[Split]

    @property
    def kinds(self) -> str:
        """The kinds of things, by comma."""
        return kinds_of((*self.spans, *self.split))

    @property
    def number(self) -> int:
        """How many there are."""
        return len(self.spans) + len(self.split)


def found_in(reading: Reading, pack: Pack) -> dict[int, Found]:
    """What each rule of a pack (by its index) finds in a document."""
    spans = pack.scan(reading.text)
    split = _split(reading, pack, spans)
    return {index: Found(spans.get(index, ()), split.get(index, ())) for index in sorted(spans.keys() | split.keys())}


def _split(reading: Reading, pack: Pack, spans: Mapping[int, Sequence[Span]]) -> dict[int, list[Split]]:
    """What overlaps nothing that the rule found in one text already: an address does not go on in the next message."""
    found: dict[int, dict[tuple[int, str], Split]] = {}
    for way in reading.seams():
        for index, hits in pack.scan(way.text).items():
            known = merged([(span.start, span.end) for span in spans.get(index, ())])
            for start, end, kind in hits:
                places = way.places(start, end)
                if places and outside(places, known):
                    split = Split(kind, way.text[start:end], places)
                    there = found.setdefault(index, {})
                    longest = there.setdefault((places[0][0], kind), split)
                    if len(split.said) > len(longest.said):  # however far it goes
                        there[places[0][0], kind] = split
    return {index: list(split.values()) for index, split in found.items()}


def kinds_of(things: Iterable[Span | Split]) -> str:
    """The kinds of things, by comma."""
    return ",".join(sorted({thing.kind for thing in things}))
