"""Finding tools by words: BM25 over their names, descriptions and arguments."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hub.profile.offers import object_of, text_of
from hub.profile.view import Tool

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_K, _B = 1.2, 0.75
_NAME_WEIGHT = 3
_MOST_QUERY = 32  # words


def words(text: str) -> list[str]:
    """The words of a text or of a name, in lower case, without endings that differ by number."""
    return [_stem(word.lower()) for word in _WORD.findall(text)]


def _stem(word: str) -> str:
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("s", "")):
        if len(word) > 3 and word.endswith(ending) and not word.endswith("ss"):
            return word[: -len(ending)] + instead
    return word


@dataclass(frozen=True, slots=True)
class Index:
    """Tools, ready to be searched."""

    tools: Sequence[Tool]
    counts: Sequence[Counter[str]]
    holders: Counter[str] = field(default_factory=Counter[str])
    mean: float = 1.0

    def find(self, query: str, most: int) -> list[Tool]:
        """The best matches, best first; equal ones by name."""
        asked = list(dict.fromkeys(words(query)))[:_MOST_QUERY]
        scored = [(self._score(counts, asked), tool) for counts, tool in zip(self.counts, self.tools, strict=True)]
        best = sorted((pair for pair in scored if pair[0] > 0), key=lambda pair: (-pair[0], pair[1].name))
        return [tool for _, tool in best[:most]]

    def _score(self, counts: Counter[str], asked: list[str]) -> float:
        length = counts.total() / self.mean
        score = 0.0
        for word in asked:
            times = counts.get(word, 0) or 0.5 * max((n for own, n in counts.items() if _begins(own, word)), default=0)
            if times:
                rarity = math.log(1 + (len(self.tools) - self.holders[word] + 0.5) / (self.holders[word] + 0.5))
                score += rarity * times * (_K + 1) / (times + _K * (1 - _B + _B * length))
        return score


def _begins(own: str, asked: str) -> bool:
    """Whether one is the beginning of the other: 'repo' finds 'repository'."""
    return min(len(own), len(asked)) >= 4 and (own.startswith(asked) or asked.startswith(own))


def index_of(tools: Iterable[Tool]) -> Index:
    """An index of tools."""
    known = list(tools)
    counts = [_counted(tool) for tool in known]
    holders: Counter[str] = Counter(word for one in counts for word in one)
    mean = sum(one.total() for one in counts) / len(counts) if counts else 1.0
    return Index(known, counts, holders, max(mean, 1.0))


def _counted(tool: Tool) -> Counter[str]:
    counts: Counter[str] = Counter()
    for word in words(f"{tool.name} {tool.own}"):
        counts[word] = _NAME_WEIGHT  # the server's name counts once, however often it is repeated
    counts.update(words(f"{text_of(tool.definition, 'title')} {text_of(tool.definition, 'description')}"))
    schema = object_of(bytes(object_of(tool.definition).get("inputSchema", b"{}")))
    for name, argument in object_of(bytes(schema.get("properties", b"{}"))).items():
        counts.update(words(f"{name} {text_of(bytes(argument), 'description')}"))
    return counts
