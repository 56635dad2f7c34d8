"""Guardrails: try one on labelled samples."""

import json
from pathlib import Path
from typing import Any

from cyclopts import App

from hub.cli.client import Connection
from hub.cli.output import say, show_json, table
from hub.core.refusal import Malformed

app = App(name="guardrail", help="Try guardrails before they can block.")


def samples_in(file: Path) -> list[dict[str, Any]]:
    """The samples of a file, a line each: `{"text": "...", "found": true}`. Raises Malformed naming the line."""
    samples: list[dict[str, Any]] = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            sample = json.loads(line)
        except ValueError:
            raise Malformed("malformed", f"{file}:{number}: not JSON") from None
        if not isinstance(sample, dict) or "text" not in sample:
            raise Malformed("malformed", f'{file}:{number}: a sample is {{"text": "...", "found": true or false}}')
        samples.append({"text": sample["text"], "found": sample.get("found")})
    return samples


@app.command(name="test")
def try_(name: str, file: Path, *, connection: Connection = Connection()) -> int:
    """Try a guardrail on a file of samples (JSON lines); exit status 1 when it misses or finds wrongly."""
    try:
        samples = samples_in(file)
    except OSError as error:
        raise Malformed("malformed", f"{file}: {error.strerror}") from None
    with connection.api() as api:
        report = api.call("POST", f"/api/v1/guardrails/{name}/test", {"samples": samples})
    results = report["results"]
    wrong = [
        (sample, result)
        for sample, result in zip(samples, results, strict=True)
        if result["expected"] is not None and result["found"] != result["expected"]
    ]
    if connection.json:
        show_json(report)
        return 1 if wrong else 0
    table(
        ("", "kinds", "ms", "sample"),
        (
            (
                "missed" if result["expected"] else "false alarm",
                result["kinds"],
                f"{result['ms']:.2f}",
                sample["text"][:80],
            )
            for sample, result in wrong
        ),
        right=("ms",),
    )
    percent = {part: "-" if report[part] is None else f"{report[part]:.1%}" for part in ("recall", "false_positives")}
    say(
        f"{len(results)} samples, {sum(result['found'] for result in results)} found; recall {percent['recall']}, "
        f"false positives {percent['false_positives']}, slowest {report['slowest_ms']:.2f} ms"
    )
    return 1 if wrong else 0
