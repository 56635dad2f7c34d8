"""What a pattern cannot match without: sets of words, of each of which one stands in whatever it matches, lower case.

So one pass for all words (Aho-Corasick) tells which patterns are worth trying, and where. RE2's own pass over many patterns
at once keeps what it has found in its states, so that a text it has not seen makes new ones all along, at ten times the cost.
"""

import re

Anchors = frozenset[str]
_LETTERS = re.compile(r"\w\w|[^\x00-\x7f]|<\||\[\[")
_MOST = 3  # sets of one pattern that are worth looking for

# What a pattern is made of, one step a match: brackets, bars, what stands for many characters or none, counts, characters.
_STEP = re.compile(
    r"(?P<open>\((?:\?(?:P<\w+>|[a-zA-Z-]*:))?)|(?P<close>\))|(?P<bar>\|)|(?P<many>\[\^?\]?(?:\\.|[^\]\\])*\]|\\[pP]\{\w+\}|"
    r"\\[bBdDwWsSAz]|[.^$])|(?P<count>\{\d+(?:,\d*)?\}|[?*+])|\\?(?P<char>.)",
    re.DOTALL,
)
# Words, and parts of words, that stand in any text every few thousand characters: to look for them helps little.
_COMMON = """
the you your and for are not with this that all any from have has can will new one now but his her was were here first
please tell show give use text next list file time only must when what who then each every to an a of in on at is it or
if as be do no so he by my me we us our its get set put add let see run end open read data call code change work turn
return update updated request response string option content value create number pass image write line check test key
close true null script server client function channel into other than some over always part which result results load
given direct details example license limit action arguments mode allow fine hello review rate api url http https org com
www hand fetch pin pack cat sole win lay message
"""
_EVERYWHERE = frozenset(_COMMON.split())


class _Reader:
    """A pattern, read once from left to right. Each method returns the sets that it found, in no order."""

    def __init__(self, pattern: str) -> None:
        self._steps = [(match.lastgroup or "", match[match.lastgroup or 0]) for match in _STEP.finditer(pattern)]
        self._place = 0

    def branches(self) -> list[Anchors]:
        """What branches up to the end or to the closing bracket ask for: several of them, for one word of any."""
        branches = [self._branch()]
        while self._taken("bar"):
            branches.append(self._branch())
        if len(branches) == 1:
            return branches[0]
        return [frozenset().union(*(min(sets, key=_price) for sets in branches))] if all(branches) else []

    def _taken(self, kind: str) -> str:
        if self._place < len(self._steps) and self._steps[self._place][0] == kind:
            self._place += 1
            return self._steps[self._place - 1][1]
        return ""

    def _branch(self) -> list[Anchors]:
        found: list[Anchors] = []
        run = ""
        while self._place < len(self._steps) and self._steps[self._place][0] not in ("bar", "close"):
            kind, step = self._steps[self._place]
            self._place += 1
            inner: list[Anchors] = []
            if kind == "open":
                inner = self.branches()
                self._taken("close")
            count = self._taken("count")
            if count:
                self._taken("count")  # a lazy one
            is_sure = not count.startswith(("?", "*", "{0"))
            if kind == "char" and is_sure:
                run += step.lower()
                if not count:
                    continue
            elif is_sure:
                found += inner
            found += _word(run)
            run = ""
        return found + _word(run)


def _word(run: str) -> list[Anchors]:
    """The longest word of a run of characters: between words there may be any space."""
    words = run.split()
    return [frozenset({max(words, key=len)})] if words else []


def _price(anchors: Anchors) -> float:
    """How often they stand in a text, roughly; 1 and more for what stands everywhere."""
    return sum(
        1.0 if anchor in _EVERYWHERE or not _LETTERS.search(anchor) else 0.4 ** len(anchor) for anchor in anchors
    )


def anchors_of(pattern: str) -> tuple[Anchors, ...]:
    """The anchors of a pattern in RE2's syntax, the rarest first, without those that stand everywhere."""
    sets = sorted(set(_Reader(pattern).branches()), key=_price)
    return tuple(anchors for anchors in sets[:_MOST] if _price(anchors) < 1 or anchors == sets[0])
