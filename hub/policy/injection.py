"""Prompt injection, by what it says: weighted signs of a text that gives orders to a model. A heuristic, not a proof.

Each sign adds its weight; a text is suspected from a threshold on (`high` sensitivity: 0.6, `medium`: 1, `low`: 1.6).
Recall and false positives on the labelled samples are published in the documentation.
"""

from collections import deque
from pathlib import Path
from typing import Any

import re2

from hub.policy.text import hides

THRESHOLDS = {"high": 0.6, "medium": 1.0, "low": 1.6}
_HIDDEN = 1.0
_NEAR = 8  # lines


def _signs() -> list[tuple[float, str]]:
    lines = (Path(__file__).parent / "data" / "injection.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t", 1) for line in lines if line and not line.startswith("#"))
    return [(float(weight), pattern) for weight, pattern in pairs]


_SIGNS = _signs()


def _set() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = False
    options.max_mem = 128 << 20
    made = re2.Set.SearchSet(options)
    for _, pattern in _SIGNS:
        made.Add(pattern)
    made.Compile()
    return made


_SET = _set()


def score(text: str, raw: str | None = None) -> float:
    """How much `text` (as a reader sees it) looks like orders to a model; `raw` is the text as it came.

    Signs count together when they stand within a few lines of each other.
    """
    hidden = _HIDDEN if hides(text if raw is None else raw) else 0.0
    near: deque[frozenset[int]] = deque(maxlen=_NEAR)
    best = 0.0
    for line in text.split("\n"):
        near.append(frozenset(_SET.Match(line) or ()))
        if near[-1]:
            best = max(best, sum(_SIGNS[number][0] for number in frozenset[int]().union(*near)))
    return hidden + best


def is_suspect(text: str, sensitivity: str, raw: str | None = None) -> bool:
    """Whether a text reaches the threshold of `low`, `medium` or `high` sensitivity."""
    return score(text, raw) >= THRESHOLDS[sensitivity]
