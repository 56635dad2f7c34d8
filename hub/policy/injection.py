"""Prompt injection, by what it says: weighted signs of a text that gives orders to a model. A heuristic, not a proof.

Signs count together when they stand near each other; of signs of one section the strongest counts. How the text around them is
worded counts for or against them (`wordings`). A text is suspected from a threshold on (`high` sensitivity: 0.5, `medium`: 1.0,
`low`: 1.5). Every disguise that a text wears is looked beneath.
Recall and false positives on the labelled samples are published in the documentation.

A text without such signs is passed at a glance: one pass finds the letters that signs cannot do without, and only where those of
enough signs stand together are sentences read.
"""

import codecs
import re
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import ahocorasick
import re2

from hub.policy.anchors import anchors_of
from hub.policy.disguise import bare, unwrapped
from hub.policy.text import hides, lower
from hub.policy.wordings import likeness

THRESHOLDS = {"high": 0.5, "medium": 1.0, "low": 1.5}
MOST = 2 << 20  # characters of a text that are looked at
_HIDDEN = 1.0  # invisible writing, whatever it says
_NEAR = 600  # characters between signs that count together
_WORDED = 0.4  # what the wording of a text weighs, for each unit of likeness
_MOST_WORDED = 3.0  # units, either way
_LONGEST = 400  # characters of a sentence; a longer one is looked at in pieces, each beginning _STEP after the last
_STEP = 250
_BLOCK = 4096  # characters that are looked at in one go
# What stands in quotation marks after a word or in a list of such: not a field of a log, a table or a form.
_TOLD = re.compile(
    r"""(?<=[^\W\d_,] |, |[a-z]\()(?:["“„][^"“”]{8,300}["”“]|«[^«»]{8,300}»|[\u2018'][^\u2018\u2019']{8,300}[\u2019'](?!\w))"""
)
_END = re.compile(r"(?<=[.!?;])\s+|\n\s*\n|\n(?=\s{0,4}(?:[-*#>|\[<]|[A-Za-z]{2,12}:))")


@dataclass(frozen=True, slots=True, eq=False)
class _Sign:
    """One sign: its section, what it weighs, its pattern, and sets of words (by number) of each of which it needs one."""

    section: str
    weight: float
    pattern: Any
    needs: tuple[frozenset[int], ...]

    def may_stand(self, words: set[int]) -> bool:
        """Whether a text that has these words has what it needs."""
        return not any(map(words.isdisjoint, self.needs))


class _Signs(NamedTuple):
    """The signs; an automaton of the words that they need, with their numbers; and what must stand nearby for any to count."""

    signs: tuple[_Sign, ...]
    words: Any
    leads: dict[int, list[_Sign]]  # from a word to the signs that need it, or one like it, most
    near: Any


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = False
    return options


def _read() -> Iterator[tuple[str, str, str]]:
    """The lines of the file of signs: section, weight (or nothing) and pattern."""
    named: dict[str, str] = {}
    section = ""
    for line in (Path(__file__).parent / "data" / "injection.txt").read_text(encoding="utf-8").splitlines():
        name, is_named, pattern = line.partition(" = ")
        if line.startswith("["):
            section = line.strip("[]")
        elif not section and is_named:
            named[f"{{{name}}}"] = pattern
        elif section and line:
            weight, _, pattern = line.rpartition("\t")
            yield section, weight, reduce(lambda made, name: made.replace(name, named[name]), named, pattern)


@lru_cache(maxsize=1)
def _signs() -> _Signs:
    """The signs, compiled when a rule first wants them: most hubs have none that does."""
    signs: list[_Sign] = []
    numbers: dict[str, int] = {}
    leads: dict[int, list[_Sign]] = {}
    near: list[str] = []
    for section, weight, pattern in _read():
        if section == "near":
            near.append(rf"\b(?:{pattern})" if pattern.isascii() else pattern)
            continue
        anchors = anchors_of(pattern)
        needs = tuple(frozenset(numbers.setdefault(word, len(numbers)) for word in words) for words in anchors)
        signs.append(_Sign(section, float(weight), re2.compile(pattern, _options()), needs))
        for number in needs[0]:
            leads.setdefault(number, []).append(signs[-1])
    words = ahocorasick.Automaton()
    for word, number in numbers.items():
        words.add_word(word, number)
    words.make_automaton()
    return _Signs(tuple(signs), words, leads, re2.compile("|".join(near), _options()))


# Letters that stand for others: beside Latin ones, or of no script that whole texts are written in.
_MIXED = re2.compile(
    "[A-Za-z][^\\x00-\\x7f\\s\\pP\\p{Han}]|[^\\x00-\\x7f\\s\\pP\\p{Han}][A-Za-z]|"
    "[\u0180-\u02af\u0300-\u036f\u13a0-\u13ff\u1d00-\u1dbf\u2100-\u214f\ua4d0-\ua4ff\ua720-\ua7ff\U0001f110-\U0001f19a]"
)
# What makes it worth to undo a disguise. Patterns of `re` are not nested, so they take linear time too.
_MARKS = re2.compile(r"</?[A-Za-z]|\*\*|`|[a-z](?:_[a-z]+){3}|[a-z]\+[a-z]|\w\*\w|(?:^|\s)[_*]\w")
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
_SIGNS_BETWEEN = str.maketrans({"*": None, "`": None, "~": None, "+": " "})
_JOINED = re.compile(r"[A-Za-z]+(?:_[A-Za-z]+){3,}")  # whole sentences; names in programs are shorter
_LEET = re2.compile(r"(?:[A-Za-z][013457@$]+[A-Za-z].*?){3}|\b[A-Za-z]*[013457@$][a-z]+[013457@$]")
_LETTERS = str.maketrans("013457@$", "oieastas")
_SPACED = re2.compile(r"(?:\b\w[ .\-_]){5}\w\b")
_SPACED_WORD = re.compile(r"\b\w(?:[ .\-_]\w\b){2,}")
_ROT13 = re2.compile(r"(?i)vtaber|vafgehpg|cebzcg|flfgrz|nffvfgna|cnffjbeq|hfre\b|nafjre|erirny|gur |zbqry")
_BACKWARDS = re2.compile(r"(?i)erongi|tcurtsni|tpmorp|metsys|natsissa|drowssap|\bresu\b|rewsna|laever| eht\b|ledom")


def _beneath(text: str) -> Iterator[str]:
    """What a text says beneath the disguises that only readers see through."""
    if not text.isascii() and _MIXED.search(text):
        yield bare(text)
    if _MARKS.search(text):
        yield _JOINED.sub(lambda match: match[0].replace("_", " "), _TAG.sub("", text)).translate(_SIGNS_BETWEEN)
    if _LEET.search(text):
        yield text.translate(_LETTERS)
    if _SPACED.search(text):
        yield _SPACED_WORD.sub(lambda match: match[0][::2], text)
    if _ROT13.search(text):
        yield codecs.encode(text, "rot13")
    if _BACKWARDS.search(text):
        yield text[::-1]


def _ends(text: str) -> list[int]:
    """Where the sentences of a text end, or the pieces of a long one."""
    ends: list[int] = []
    last = 0
    for end in chain((match.end() for match in _END.finditer(text)), (len(text),)):
        ends += [*range(last + _LONGEST, end, _STEP), end]
        last = end
    return ends


def _stretches(text: str) -> Iterator[str]:
    """The stretches of a text around its rare words: whole sentences, and those near them."""
    places = [match.start() for match in _signs().near.finditer(text)]
    if not places:
        return
    ends = _ends(text)
    start = stop = 0
    for place in places:
        if place - _NEAR > stop or stop - start > _BLOCK:
            if stop:
                yield text[start:stop]
            start = max(_beginning(ends, place - _NEAR), stop - _NEAR - _LONGEST)
        stop = ends[min(bisect_right(ends, place + _NEAR), len(ends) - 1)]
    yield text[start:stop]


def _beginning(ends: Sequence[int], place: int) -> int:
    index = bisect_right(ends, max(place, 0))
    return ends[index - 1] if index else 0


@lru_cache(maxsize=1024)
def _weight(text: str) -> float:
    """The most that the signs of a text weigh within `_NEAR` characters. Kept: agents send the same texts again and again."""
    known = _signs()
    ends = _ends(text)
    by_sentence: dict[int, set[int]] = {}
    for last, number in known.words.iter(lower(text)):
        by_sentence.setdefault(bisect_right(ends, last), set()).add(number)
    best = 0.0
    found: deque[tuple[int, list[_Sign]]] = deque()
    for index, words in by_sentence.items():
        led = dict.fromkeys(chain.from_iterable(known.leads.get(number, ()) for number in words))
        possible = [sign for sign in led if sign.may_stand(words)]
        end = ends[index]
        sentence = (
            " ".join(text[max(ends[index - 1] if index else 0, end - _LONGEST) : end].split()) if possible else ""
        )
        standing = _standing(possible, sentence)
        if standing:
            found.append((end, standing))
            while found[0][0] < end - _NEAR:
                found.popleft()
            signs = _sum(chain.from_iterable(some for _, some in found))
            if signs > 0 and signs + _WORDED * _MOST_WORDED > best:
                around = text[max(end - _NEAR, 0) : end + _NEAR // 2]
                alike = min(max(likeness(_TOLD.sub(" ", around)), -_MOST_WORDED), _MOST_WORDED)
                best = max(best, signs + _WORDED * alike)
    return best


def _standing(signs: Sequence[_Sign], sentence: str) -> list[_Sign]:
    """The signs that stand in a sentence. Those that stand only in what it tells that somebody said weigh half."""
    encoded = sentence.encode()  # RE2 does it again for each pattern otherwise
    found = [sign for sign in signs if sign.pattern.search(encoded)]
    if found and _TOLD.search(sentence):
        own = _TOLD.sub(" ", sentence).encode()
        found = [sign if sign.pattern.search(own) else replace(sign, weight=sign.weight / 2) for sign in found]
    return found


def _sum(signs: Iterable[_Sign]) -> float:
    """What signs weigh together: of each section, the strongest."""
    strongest: dict[str, float] = {}
    for sign in signs:
        if abs(sign.weight) > abs(strongest.get(sign.section, 0.0)):
            strongest[sign.section] = sign.weight
    return sum(strongest.values())


def _blocks(text: str) -> Iterator[str]:
    """A text in pieces of a bounded size, each with the end of the one before."""
    for start in range(0, max(len(text), 1), _BLOCK):
        yield text[max(0, start - _NEAR - _LONGEST) : start + _BLOCK]


def _heaviest(text: str, late: Callable[[], None]) -> float:
    best = 0.0
    for stretch in _stretches(text):
        late()
        best = max(best, _weight(stretch))
    return best


def _gives_orders(text: str, least: float, late: Callable[[], None]) -> bool:
    """Whether a text weighs at least so much, as it stands or beneath a disguise."""
    beneath = chain(chain.from_iterable(map(_beneath, _blocks(text))), (view.text for view in unwrapped(text)))
    return any(_heaviest(view, late) >= least for view in chain((text,), beneath))


def is_ready() -> bool:
    """Whether the signs are compiled, which takes a good part of a second."""
    return _signs.cache_info().currsize > 0


def prepare() -> None:
    """Compile the signs, unless they are."""
    _signs()


def is_suspect(
    texts: Iterable[str], sensitivity: str, raw: Iterable[str], late: Callable[[], None] = lambda: None
) -> bool:
    """Whether any of several readings of a document reaches the threshold of `low`, `medium` or `high` sensitivity.

    `raw` are its strings as they came; `late` is called now and then, and raises what ends the work. Raises ValueError for
    a text that is too long to be judged.
    """
    least = THRESHOLDS[sensitivity] - (_HIDDEN if any(map(hides, raw)) else 0.0)
    if least <= 0:
        return True
    for text in texts:
        if len(text) > MOST:
            raise ValueError(f"longer than the {MOST} characters that are looked at")
        if _gives_orders(text, least, late):
            return True
    return False
