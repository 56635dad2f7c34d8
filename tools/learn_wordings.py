"""Learns how attacks are worded from the labelled samples for tuning: `python -m tools.learn_wordings`.

Those that are held out are not read. The hub's own documentation, in pieces, is harmless. What comes out is published there.
"""

import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from hub.policy.wordings import BIAS, FILE, features, score
from tests.support.guardrail_corpus import SAMPLES, orders

FILES = ("tool_results", "injection", "injection_unseen", "tool_results_more", "plain_words")
_SPEAK_OF_ATTACKS = ("guardrails",)
_PIECE = 900  # characters
_ROUNDS = 40
_LEAST = 0.1  # what weighs less is left out


def rows() -> Iterator[dict[str, Any]]:
    """The labelled samples."""
    yield from orders("tuning")
    for name in FILES:
        yield from map(json.loads, (SAMPLES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines())


def samples() -> Iterator[tuple[set[str], int]]:
    """The features of each sample, and whether it is an attack."""
    for row in rows():
        yield features(row["text"]), int(row["found"])
    for page in sorted((SAMPLES.parents[1] / "docs").rglob("*.md")):
        text = page.read_text(encoding="utf-8") if page.stem not in _SPEAK_OF_ATTACKS else ""
        for start in range(0, len(text), _PIECE):
            yield features(text[start : start + _PIECE]), 0


def learned(known: list[tuple[set[str], int]]) -> dict[str, float]:
    """The weights of what stands in two samples or more: logistic regression by gradient descent."""
    counts = Counter(feature for found, _ in known for feature in found)
    rows = [(sorted(feature for feature in found if counts[feature] > 1), label) for found, label in known]
    weights: dict[str, float] = defaultdict(float, {BIAS: 0.0})
    dice = random.Random(0)
    for turn in range(_ROUNDS):
        dice.shuffle(rows)
        rate = 0.3 / (1 + turn * 0.2)
        for found, label in rows:
            guess = 1 / (1 + math.exp(-score(found, weights)))
            step = (label - guess) * rate
            weights[BIAS] += step / 10
            share = step / math.sqrt(len(found) or 1)
            for feature in found:
                weights[feature] += share - rate * 1e-3 * weights[feature]
    return weights


def main() -> None:
    """Learn and write the file."""
    weights = learned(list(samples()))
    kept = {feature: weight for feature, weight in weights.items() if abs(weight) >= _LEAST or feature == BIAS}
    lines = [f"{weight:.2f}\t{feature}" for feature, weight in sorted(kept.items(), key=lambda one: (-one[1], one[0]))]
    FILE.write_text(
        "# Made by tools/learn_wordings.py: a weight, a tab, a feature.\n" + "\n".join(lines) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
