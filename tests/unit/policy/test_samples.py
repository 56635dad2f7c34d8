"""The labelled samples: what the documentation publishes of recall and false positives is what comes out."""

import json
import re
from pathlib import Path

import pytest

from hub.policy import Sample, tried
from hub.resources import parse

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "how-to" / "guardrails.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\w+)\.jsonl \| `(.+?)`.*? \| (\d+) % of (\d+) \| (\d+) % of (\d+) \|$", PAGE, re.MULTILINE)
ALL_PII = {"pii": ["email", "phone", "ssn", "card", "iban", "ip"]}


def test_the_table_is_there():
    assert len(ROWS) == 6


@pytest.mark.parametrize("row", ROWS, ids=[f"{row[0]}-{row[1]}" for row in ROWS])
async def test_published_figures_hold(row):
    file, kind, recall, found, false, others = row
    lines = (ROOT / "tests" / "samples" / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
    samples = [Sample(each["text"], each["found"]) for each in map(json.loads, lines)]
    name, _, value = kind.partition(": ")
    spec = ALL_PII if name == "pii" else {name: value}
    report = await tried("g", parse("guardrails", "g", {"scope": {"org": True}, "on": ["input"], **spec}), samples)
    assert sum(sample.expected is True for sample in samples) == int(found)
    assert sum(sample.expected is False for sample in samples) == int(others)
    assert round(report.recall * 100) == int(recall)
    assert round(report.false_positives * 100) == int(false)
