"""Trying guardrails over HTTP, on labelled samples."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hub.core.inspection import Judges
from hub.core.refusal import Malformed, NotFound
from hub.edge.resources_api import mapping_of
from hub.edge.routes import Answer, Ask, Route
from hub.identity import Permission
from hub.policy import Sample, tried
from hub.resources import parse
from hub.resources.safety import GuardrailSpec

_MOST_SAMPLES = 1000


def samples_of(body: Any) -> list[Sample]:
    """The samples of a request: `{"samples": [{"text": ..., "found": true}]}` or `{"text": ...}`. Raises Malformed."""
    given = mapping_of(body, "samples", "spec", "text", "found")
    rows = given.get("samples", [given])
    if not isinstance(rows, list) or not 1 <= len(rows) <= _MOST_SAMPLES:
        raise Malformed("malformed", f"samples is a list of 1 to {_MOST_SAMPLES} objects with text, and found or not.")
    samples: list[Sample] = []
    for row in rows:
        text, found = (row.get("text"), row.get("found")) if isinstance(row, dict) else (None, None)
        if not isinstance(text, str) or not (found is None or isinstance(found, bool)):
            raise Malformed("malformed", 'A sample is {"text": "...", "found": true or false}.')
        samples.append(Sample(text, found))
    return samples


@dataclass(frozen=True, slots=True)
class GuardrailsApi:
    """The route. `judges` answer for rules that ask others, as they would for a call."""

    judges: Judges | None

    async def _test(self, ask: Ask) -> Answer:
        name = ask.path("name")
        spec: Any = ask.snapshot.guardrails.get(name)
        if isinstance(ask.body, dict) and "spec" in ask.body:
            spec = parse("guardrails", name, ask.body["spec"])  # one that is not saved yet
        if not isinstance(spec, GuardrailSpec):
            raise NotFound("not_found", f"There is no guardrail '{name[:64]}' in force.")
        report = await tried(name, spec, samples_of(ask.body), self.judges)
        results = [
            {
                "found": result.found,
                "expected": result.expected,
                "kinds": result.kinds,
                "text": result.text,
                "ms": result.ms,
                "error": result.error or None,
            }
            for result in report.results
        ]
        return Answer(
            {
                "guardrail": name,
                "recall": report.recall,
                "false_positives": report.false_positives,
                "slowest_ms": report.slowest_ms,
                "results": results,
            }
        )

    def routes(self) -> Iterator[Route]:
        """The row."""
        yield Route(
            "POST",
            "/api/v1/guardrails/{name}/test",
            Permission.PLATFORM_WRITE,
            "Try a guardrail on samples; `spec` tries one that is not saved yet",
            self._test,
            "guardrails",
            body="GuardrailTest",
        )
