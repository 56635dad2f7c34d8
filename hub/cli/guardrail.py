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


def _share(part: float | None, count: int) -> str:
    return f"{'-' if part is None else f'{part * 100:.0f} %'} of {count}"


def _row(name: str, file: Path, report: dict[str, Any]) -> str:
    """A row of the table of the documentation."""
    counts = [sum(result["expected"] is wanted for result in report["results"]) for wanted in (True, False)]
    recall, false = _share(report["recall"], counts[0]), _share(report["false_positives"], counts[1])
    return f"| {file.name} | `{name}` | {recall} | {false} |"


def _show(file: Path, samples: list[dict[str, Any]], report: dict[str, Any]) -> None:
    results = report["results"]
    table(
        ("", "kinds", "ms", "sample"),
        (
            (
                "missed" if result["expected"] else "false alarm",
                result["kinds"],
                f"{result['ms']:.2f}",
                sample["text"][:80],
            )
            for sample, result in zip(samples, results, strict=True)
            if _is_wrong(result)
        ),
        right=("ms",),
    )
    percent = {part: "-" if report[part] is None else f"{report[part]:.1%}" for part in ("recall", "false_positives")}
    say(
        f"{file.name}: {len(results)} samples, {sum(result['found'] for result in results)} found; "
        f"recall {percent['recall']}, false positives {percent['false_positives']}, slowest {report['slowest_ms']:.2f} ms"
    )


def _is_wrong(result: dict[str, Any]) -> bool:
    return result["expected"] is not None and result["found"] != result["expected"]


@app.command(name="test")
def try_(name: str, *files: Path, rows: bool = False, connection: Connection = Connection()) -> int:
    """Try a guardrail on files of samples (JSON lines); exit status 1 when it misses or finds wrongly.

    `--rows` prints a row of a Markdown table for each file, with recall and false positives, and nothing else.
    """
    if not files:
        raise Malformed("malformed", "Name a file of samples.")
    is_right = True
    for file in files:
        try:
            samples = samples_in(file)
        except OSError as error:
            raise Malformed("malformed", f"{file}: {error.strerror}") from None
        with connection.api() as api:
            report = api.call("POST", f"/api/v1/guardrails/{name}/test", {"samples": samples})
        if connection.json:
            show_json(report)
        elif rows:
            say(_row(name, file, report))
        else:
            _show(file, samples, report)
        is_right = is_right and not any(map(_is_wrong, report["results"]))
    return 0 if is_right or rows else 1
