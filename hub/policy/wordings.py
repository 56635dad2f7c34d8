"""How much a text is worded like an attack: words and pairs of words, weighed by how they stand in labelled samples.

A linear model, learned from the samples for tuning alone (`python -m tools.learn_wordings`), kept in `data/wordings.txt`.
It says something where signs stand already, and nothing by itself.
"""

import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

FILE = Path(__file__).parent / "data" / "wordings.txt"
BIAS = ""
_WORD = re.compile(r"[^\W\d_]+(?:'[a-z]+)?")
# Where something shall go says nothing of who asks for it; names that samples use by agreement even less.
_ADDRESS = re.compile(r"https?://\S+|\S+@\S+|\S+\.example\b\S*")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")


def features(text: str) -> set[str]:
    """Its words, and the pairs of those that stand together or with one between. Of unspaced scripts, the characters."""
    words: list[str] = []
    for word in _WORD.findall(_ADDRESS.sub(" address ", text.lower())):
        words += word if _UNSPACED.search(word) else (word,)
    pairs = pairwise(words)
    apart = zip(words, words[2:], strict=False)
    return {
        *words,
        *(f"{first} {second}" for first, second in pairs),
        *(f"{first}_{second}" for first, second in apart),
    }


def score(found: Iterable[str], weights: Mapping[str, float]) -> float:
    """The logarithm of the odds that something with these features is an attack, had attacks been half of all."""
    known = [weights[feature] for feature in found if feature in weights]
    return weights[BIAS] + sum(known) / math.sqrt(len(known) or 1)


@lru_cache(maxsize=1)
def _weights() -> dict[str, float]:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t") for line in lines if not line.startswith("#"))
    return {feature: float(weight) for weight, feature in pairs}


def likeness(text: str) -> float:
    """The score of a text."""
    return score(features(text), _weights())
