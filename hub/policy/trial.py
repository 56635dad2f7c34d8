"""Trying a guardrail on labelled samples: what it finds, what it misses, what it finds wrongly, and how long it takes."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from hub.core.inspection import Judges
from hub.core.refusal import Refusal
from hub.policy.guardrails import Guardrails, Screening
from hub.resources.safety import GuardrailSpec


@dataclass(frozen=True, slots=True)
class Sample:
    """A text, and whether the rule shall find something in it (None: nobody has said)."""

    text: str
    expected: bool | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a sample: found or not, kinds of things, what it was made into, how long it took (ms)."""

    expected: bool | None
    found: bool
    kinds: str
    text: str
    ms: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All results. `recall` is the share of those expected that were found, `false_positives` that of the others.

    They are None where there is nothing to divide by.
    """

    results: tuple[Result, ...]
    recall: float | None
    false_positives: float | None
    slowest_ms: float


async def tried(
    name: str,
    spec: GuardrailSpec,
    samples: Sequence[Sample],
    judges: Judges | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Report:
    """Let a rule judge each sample as if it stood in a call. Nothing is refused and nothing is recorded."""
    guardrails = Guardrails({name: spec}, judges)
    rules = guardrails.applying([spec.scope.parts])
    point = spec.on[0]
    results: list[Result] = []
    for sample in samples:
        screening = Screening(guardrails, rules)
        began = clock()
        written = msgspec.json.encode([sample.text])
        with contextlib.suppress(Refusal):  # the finding says why
            written = await screening.screen(point, written)
        took = (clock() - began) * 1000
        real = [finding for finding in screening.findings if not finding.error]
        kinds = ",".join(sorted({finding.kind for finding in real}))
        error = next((finding.error for finding in screening.findings if finding.error), "")
        text = msgspec.json.decode(written, type=list[str])[0]
        results.append(Result(sample.expected, bool(real), kinds, text, round(took, 3), error))
    wanted = [result for result in results if result.expected is True]
    others = [result for result in results if result.expected is False]
    return Report(
        tuple(results),
        recall=sum(result.found for result in wanted) / len(wanted) if wanted else None,
        false_positives=sum(result.found for result in others) / len(others) if others else None,
        slowest_ms=max((result.ms for result in results), default=0.0),
    )
