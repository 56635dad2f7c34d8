"""Many rules at once: one pass over a text finds the places where any word, pattern, personal datum or secret stands."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import ahocorasick
import re2

from hub.policy.detectors import PII, SECRETS, Check, Detector
from hub.policy.disguise import views
from hub.policy.text import lower
from hub.resources.safety import GuardrailSpec

# Stands at the end of every text and is looked for like all else: where it is not found, the one pass has failed.
_CANARY = "\U0010fffd"
_MEMORY = 64 << 20
_WORD = re.compile(r"\S+")


class Span(NamedTuple):
    """A place in a text, and what kind of thing stands there."""

    start: int
    end: int
    kind: str


def options() -> Any:
    """How every pattern is compiled. A line is a string of the document, so `^` and `$` are its ends."""
    made = re2.Options()
    made.log_errors = False
    made.max_mem = _MEMORY
    return made


class _Looked(NamedTuple):
    """One pattern, what a match must also be, its group that counts, and the rules that asked for it."""

    pattern: Any
    holds: Check | None
    group: int
    asked: list[tuple[int, str]]


class Pack:
    """The kinds of `SPANS` of several rules, compiled together."""

    __slots__ = ("_has_phrases", "_looked", "_set", "_words")

    def __init__(self, rules: Sequence[GuardrailSpec]) -> None:
        asked: dict[tuple[str, Check | None], list[tuple[int, str]]] = {}
        words: dict[str, list[int]] = {}
        for index, rule in enumerate(rules):
            for pattern in rule.patterns:
                asked.setdefault((f"(?m){pattern}", None), []).append((index, "pattern"))
            for detector in _detectors(rule):
                asked.setdefault((detector.pattern, detector.holds), []).append((index, detector.kind))
            for word in rule.words:
                words.setdefault(" ".join(lower(word).split()) or word, []).append(index)
        self._looked = [_looked(*what, who) for what, who in asked.items()]
        self._set: Any = None
        if asked:
            self._set = re2.Set.SearchSet(options())
            for pattern, _ in asked:
                self._set.Add(pattern)
            self._set.Add(_CANARY)
            self._set.Compile()
        self._has_phrases = any(" " in word for word in words)
        self._words: Any = None
        if words:
            self._words = ahocorasick.Automaton()
            for word, who in words.items():
                self._words.add_word(word, (len(word), who))
            self._words.make_automaton()

    def scan(self, text: str) -> dict[int, list[Span]]:
        """What each rule (by its index) finds in `text`, also beneath disguises: a span is where that stands in `text`."""
        found = self._scanned(text)
        for view in views(text):
            beneath = self._scanned(view.text)
            if beneath:
                starts, ends = view.places()
                for index, spans in beneath.items():
                    there = found.setdefault(index, [])
                    known = {(span.start, span.end) for span in there}
                    places = ((starts[span.start], ends[span.end - 1], span.kind) for span in spans)
                    there += dict.fromkeys(Span(*place) for place in places if place[:2] not in known)
        return found

    def _scanned(self, text: str) -> dict[int, list[Span]]:
        found: dict[int, list[Span]] = {}
        if self._words is not None:
            self._scan_words(text, found)
        if self._set is not None:
            for number in self._candidates(text):
                looked = self._looked[number]
                for match in looked.pattern.finditer(text):
                    self._note(match, looked, found)
        return {index: list(dict.fromkeys(spans)) for index, spans in found.items()}

    def _candidates(self, text: str) -> Sequence[int]:
        """The patterns that occur. All of them when the pass over all at once ran out of memory."""
        every = len(self._looked)
        matched = self._set.Match(f"{text}\n{_CANARY}") or ()
        return [number for number in matched if number < every] if every in matched else range(every)

    def _note(self, match: Any, looked: _Looked, found: dict[int, list[Span]]) -> None:
        start, end = match.span(looked.group)
        if start == end or (looked.holds is not None and not looked.holds(match.group())):
            return
        for index, kind in looked.asked:
            found.setdefault(index, []).append(Span(start, end, kind))

    def _scan_words(self, text: str, found: dict[int, list[Span]]) -> None:
        lowered = lower(text)
        for start, end, who in self._words_in(lowered):
            for index in who:
                found.setdefault(index, []).append(Span(start, end, "word"))
        flat = " ".join(lowered.split()) if self._has_phrases else lowered
        if flat != lowered:  # a phrase may go over the end of a line
            phrases = [hit for hit in self._words_in(flat) if " " in flat[hit[0] : hit[1]]]
            origins = _origins(lowered) if phrases else []
            for start, end, who in phrases:
                for index in who:
                    found.setdefault(index, []).append(Span(origins[start], origins[end - 1] + 1, "word"))

    def _words_in(self, lowered: str) -> Iterator[tuple[int, int, list[int]]]:
        for last, (length, who) in self._words.iter(lowered):
            start, end = last - length + 1, last + 1
            if _is_bounded(lowered, start, end):
                yield start, end, who


def _looked(pattern: str, holds: Check | None, asked: list[tuple[int, str]]) -> _Looked:
    made = re2.compile(pattern, options())
    is_detector = asked[0][1] != "pattern"  # a group of that name in somebody's own pattern says nothing
    return _Looked(made, holds, made.groupindex.get("it", 0) if is_detector else 0, asked)


def _detectors(rule: GuardrailSpec) -> list[Detector]:
    wanted = [detector for detector in PII if detector.kind in rule.pii]
    return [*wanted, *SECRETS] if rule.secrets else wanted


def _origins(text: str) -> list[int]:
    """For each character of `" ".join(text.split())`, where it stands in `text`."""
    origins: list[int] = []
    for match in _WORD.finditer(text):
        origins += range(match.start(), match.end() + 1)
    return origins


def _is_bounded(text: str, start: int, end: int) -> bool:
    """Whether a word stands by itself: where its ends are letters or digits, no other one is next to them."""
    if start > 0 and text[start].isalnum() and text[start - 1].isalnum():
        return False
    return not (end < len(text) and text[end - 1].isalnum() and text[end].isalnum())
