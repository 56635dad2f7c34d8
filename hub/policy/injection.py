"""Prompt injection, by what it says: weighted signs of a text that gives orders to a model. A heuristic, not a proof.

Signs count together when they stand near each other; of signs of one section the strongest counts. A text is suspected from
a threshold on (`high` sensitivity: 0.6, `medium`: 1, `low`: 1.6). Every disguise that a text wears is looked beneath.
Recall and false positives on the labelled samples are published in the documentation.
"""

import codecs
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import re2

from hub.policy.disguise import bare, views
from hub.policy.text import hides

THRESHOLDS = {"high": 0.6, "medium": 1.0, "low": 1.6}
_HIDDEN = 1.0  # invisible writing, whatever it says
_DISGUISED = 0.3  # orders that were disguised, when there are any
_ORDERS = 0.7
_NEAR = 600  # characters between signs that count together
_LONGEST = 400  # characters of a sentence; a longer one is looked at in pieces, each beginning _STEP after the last
_STEP = 250
_END = re.compile(r"(?<=[.!?;])\s+|\n\s*\n|\n(?=\s{0,4}(?:[-*#>|\[<]|[A-Za-z]{2,12}:))")


class _Sign(NamedTuple):
    """One sign: its section, what it weighs, its pattern, the longest part of that in which nothing is counted, the others."""

    section: str
    weight: float
    pattern: Any
    part: str
    others: tuple[Any, ...]

    def stands(self, sentence: str) -> bool:
        """Whether it stands in a sentence that has its longest part."""
        return all(other.search(sentence) for other in self.others) and self.pattern.search(sentence) is not None


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = False
    options.max_mem = 64 << 20
    return options


# What counts in reading a pattern: escapes and classes (to pass over), gaps, brackets and bars.
_STEPS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\.\{0,\d+\}\??|[()|]")


def _split(pattern: str, at: str) -> list[str]:
    """The parts of a pattern between bars or gaps (`at` is what these begin with) that stand in no bracket."""
    parts: list[str] = []
    depth = last = 0
    for match in _STEPS.finditer(pattern):
        step = match[0]
        if depth == 0 and step[0] == at:
            parts.append(pattern[last : match.start()])
            last = match.end()
        depth += (step == "(") - (step == ")")
    return [*parts, pattern[last:]]


def _read() -> Iterator[_Sign]:
    section = ""
    for line in (Path(__file__).parent / "data" / "injection.txt").read_text(encoding="utf-8").splitlines():
        weight, tab, pattern = line.partition("\t")
        if line.startswith("["):
            section = line.strip("[]")
        for each in _split(pattern, "|") if tab else ():
            part, *rest = sorted(_split(each, "."), key=len, reverse=True)
            others = tuple(re2.compile(other, _options()) for other in rest if other)
            yield _Sign(section, float(weight), re2.compile(each, _options()), part, others)


def _set(signs: Iterable[_Sign]) -> Any:
    made = re2.Set.SearchSet(_options())
    for sign in signs:
        made.Add(sign.part)
    made.Compile()
    return made


# Patterns that count the characters between two parts (`a.{0,60}b`) cost dearly together: nearly each character of a text leads
# to a state that was not there before. So one pass looks for a part of each, and only signs whose parts are there are sought.
@lru_cache(maxsize=1)
def _signs() -> tuple[tuple[_Sign, ...], Any]:
    """The signs and the set of their parts, compiled when a rule first wants them: most hubs have none that does."""
    signs = tuple(_read())
    return signs, _set(signs)


# What makes it worth to undo a disguise. Patterns of `re` are not nested, so they take linear time too.
_MARKS = re2.compile(r"</?[A-Za-z]|\*\*|__|`|[a-z][_+][a-z]|\w\*\w|(?:^|\s)[_*]\w")
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
_SIGNS_BETWEEN = str.maketrans({"*": None, "`": None, "~": None, "_": " ", "+": " "})
_LEET = re2.compile(r"(?:[A-Za-z][013457@$]+[A-Za-z].*?){3}|\b[A-Za-z]*[013457@$][a-z]+[013457@$]")
_LETTERS = str.maketrans("013457@$", "oieastas")
_SPACED = re2.compile(r"(?:\b\w[ .\-_]){5}\w\b")
_SPACED_WORD = re.compile(r"\b\w(?:[ .\-_]\w\b){2,}")
_ROT13 = re2.compile(r"(?i)vtaber|vafgehpg|cebzcg|flfgrz|nffvfgna|cnffjbeq|hfre\b|nafjre|erirny|gur |zbqry")
_BACKWARDS = re2.compile(r"(?i)erongi|tcurtsni|tpmorp|metsys|natsissa|drowssap|\bresu\b|rewsna|laever| eht\b|ledom")


def _beneath(text: str) -> Iterator[str]:
    """What a text says beneath the disguises that only readers see through."""
    if not text.isascii():
        yield bare(text)
    if _MARKS.search(text):
        yield _TAG.sub("", text).translate(_SIGNS_BETWEEN)
    if _LEET.search(text):
        yield text.translate(_LETTERS)
    if _SPACED.search(text):
        yield _SPACED_WORD.sub(lambda match: match[0][::2], text)
    if _ROT13.search(text):
        yield codecs.encode(text, "rot13")
    if _BACKWARDS.search(text):
        yield text[::-1]


def _sentences(text: str) -> Iterator[str]:
    """The sentences of a text, in one line each, long ones in pieces that overlap.

    What a set of patterns goes through costs less the shorter it is, since its states know what was found before.
    """
    for sentence in _END.split(text):
        flat = " ".join(sentence.split())
        for start in range(0, max(1, len(flat) - (_LONGEST - _STEP)), _STEP):
            yield flat[start : start + _LONGEST]


def _weight(signs: Iterable[_Sign]) -> float:
    strongest: dict[str, float] = {}
    for sign in signs:
        if abs(sign.weight) > abs(strongest.get(sign.section, 0.0)):
            strongest[sign.section] = sign.weight
    return sum(strongest.values())


def _best(text: str) -> float:
    """The weight of the heaviest stretch of a text."""
    best = 0.0
    near: deque[tuple[int, list[_Sign]]] = deque()
    place = 0
    signs, parts = _signs()
    for sentence in _sentences(text):
        place += len(sentence) + 1
        possible = parts.Match(sentence) or ()
        found = [sign for sign in map(signs.__getitem__, possible) if sign.stands(sentence)]
        if found:
            near.append((place, found))
            while near[0][0] < place - _NEAR:
                near.popleft()
            best = max(best, _weight(sign for _, some in near for sign in some))
    return best


def score(text: str, raw: Sequence[str] = ()) -> float:
    """How much `text` (as a reader sees it) looks like orders to a model; `raw` are its strings as they came."""
    hidden = _HIDDEN if any(hides(string) for string in raw or (text,)) else 0.0
    best = _best(text)
    for beneath in (*(view.text for view in views(text)), *_beneath(text)):
        there = _best(beneath)
        if there > best:
            best = there + (_DISGUISED if there >= _ORDERS else 0.0)
    return hidden + best


def is_suspect(texts: Iterable[str], sensitivity: str, raw: Sequence[str] = ()) -> bool:
    """Whether any of several readings of a document reaches the threshold of `low`, `medium` or `high` sensitivity."""
    return any(score(text, raw) >= THRESHOLDS[sensitivity] for text in texts)
